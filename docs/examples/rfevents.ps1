# Follow the stream of rfeventd and ask its log, in PowerShell 7.
#
#   $login = Get-Credential
#   ./rfevents.ps1 -Url https://host:9443 -Credential $login -Query -Filter "Severity eq 'Critical'"
#   ./rfevents.ps1 -Url https://host:9443 -Credential $login -CursorFile cursor.json
#
# Unlike the Python and the JavaScript client it is not run by the project's tests. The certificate of the
# service must be trusted by this machine. An event is written out before the position is kept: what was
# under way when the script ended comes again, nothing is missed.
param(
    [Parameter(Mandatory)] [string] $Url,
    [Parameter(Mandatory)] [pscredential] $Credential,
    [string] $Filter,
    [string] $Language = 'en',
    [string] $CursorFile,
    [switch] $Query
)
$ErrorActionPreference = 'Stop'
$entries = '/redfish/v1/Managers/rfeventd/LogServices/Events/Entries'
$pair = $Credential.UserName + ':' + $Credential.GetNetworkCredential().Password
$basic = 'Basic ' + [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($pair))

# Entries that fit, oldest first, page by page.
function Get-Entries {
    $path = $entries + '?$top=1000&$orderby=Id%20asc'
    if ($Filter) { $path = $path + '&$filter=' + [Uri]::EscapeDataString($Filter) }
    $headers = @{ Authorization = $basic; 'Accept-Language' = $Language }
    while ($path) {
        $page = Invoke-RestMethod -Uri ($Url + $path) -Headers $headers
        $page.Members
        $path = $page.'Members@odata.nextLink'
    }
}

function Read-Cursor {
    if ($CursorFile -and (Test-Path $CursorFile)) { return Get-Content $CursorFile -Raw | ConvertFrom-Json }
    return [pscustomobject] @{ epoch = $null; seq = $null }
}

function Save-Cursor($place) {
    if (-not $CursorFile) { return }
    $place | ConvertTo-Json -Compress | Set-Content ($CursorFile + '.new')
    Move-Item -Force ($CursorFile + '.new') $CursorFile
}

function Send-Subscribe($socket, $place) {
    $message = @{ type = 'subscribe'; language = $Language; after = 'live' }
    if ($null -ne $place.seq) { $message.after = $place.seq }
    if ($place.epoch) { $message.epoch = $place.epoch }
    if ($Filter) { $message.filter = $Filter }
    $bytes = [Text.Encoding]::UTF8.GetBytes(($message | ConvertTo-Json -Compress))
    $none = [Threading.CancellationToken]::None
    $socket.SendAsync([ArraySegment[byte]]::new($bytes), 'Text', $true, $none).GetAwaiter().GetResult() | Out-Null
}

# One whole message, or nothing when the connection has ended.
function Receive-Message($socket) {
    $whole = [IO.MemoryStream]::new()
    $piece = [ArraySegment[byte]]::new([byte[]]::new(65536))
    $none = [Threading.CancellationToken]::None
    do {
        $got = $socket.ReceiveAsync($piece, $none).GetAwaiter().GetResult()
        if ($got.MessageType -eq 'Close') { return $null }
        $whole.Write($piece.Array, 0, $got.Count)
    } until ($got.EndOfMessage)
    return [Text.Encoding]::UTF8.GetString($whole.ToArray()) | ConvertFrom-Json
}

# Handles one message; $place is the position behind it.
function Use-Message($socket, $place, $message) {
    switch ($message.type) {
        'hello' {
            $known = $place.epoch
            $place.epoch = $message.epoch
            if ($known -and $known -ne $message.epoch) {
                Write-Warning 'The log is another one: it is read from its oldest event.'
                $place.seq = 0
            }
            Send-Subscribe $socket $place
        }
        'events' {
            foreach ($entry in $message.events) {
                $entry
                $place.seq = $entry.seq
            }
        }
        'caught_up' { $place.seq = $message.seq }
        'position' { $place.seq = $message.seq }
        'gap' {
            Write-Warning ('Gone: ' + $message.from + ' to ' + $message.to + ', ' + $message.reason)
            $place.seq = $message.to
        }
        'error' { if ($message.code -ne 'epoch_changed') { throw $message.message } }
    }
}

if ($Query) {
    Get-Entries
    return
}
$place = Read-Cursor
while ($true) {
    $socket = [Net.WebSockets.ClientWebSocket]::new()
    try {
        $socket.Options.AddSubProtocol('rfevents.v1')
        $socket.Options.SetRequestHeader('Authorization', $basic)
        $address = [Uri] (($Url -replace '^http', 'ws') + '/stream')
        $socket.ConnectAsync($address, [Threading.CancellationToken]::None).GetAwaiter().GetResult() | Out-Null
        while ($message = Receive-Message $socket) {
            Use-Message $socket $place $message
            Save-Cursor $place
        }
    } catch [Net.WebSockets.WebSocketException] {
        Write-Warning $_.Exception.Message
    } finally {
        $socket.Dispose()
    }
    Start-Sleep -Seconds 5
}
