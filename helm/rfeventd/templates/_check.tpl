{{/* Values that go together badly; each refusal names the value and the cure. */}}
{{- define "rfeventd.check" -}}
{{- include "rfeventd.checkDatabase" . }}
{{- include "rfeventd.checkConfig" . }}
{{- include "rfeventd.checkPorts" . }}
{{- if and .Values.receiver.tls.clientCaSecret (not .Values.receiver.tls.clientCaKey) }}
{{- fail "receiver.tls.clientCaKey: name the key of receiver.tls.clientCaSecret that holds the certificates" }}
{{- end }}
{{- if and .Values.enrolmentToken.value .Values.enrolmentToken.existingSecret }}
{{- fail "enrolmentToken.value and enrolmentToken.existingSecret are both set: keep one" }}
{{- end }}
{{- if .Values.serviceMonitor.enabled }}
{{- $public := get (default dict (get .Values.config "api")) "metrics_public" }}
{{- if not (or .Values.serviceMonitor.basicAuthSecret $public) }}
{{- fail "serviceMonitor.enabled: /metrics asks for a login: set serviceMonitor.basicAuthSecret, or config.api.metrics_public=true" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "rfeventd.checkDatabase" -}}
{{- $replicas := int .Values.replicas }}
{{- with .Values.database }}
{{- if eq .mode "private" }}
{{- if gt $replicas 1 }}
{{- fail (printf "replicas: %d replicas need one PostgreSQL that all of them share, but database.mode is 'private' (a server inside each pod): set database.mode=external with database.existingSecret or database.url, or replicas=1" $replicas) }}
{{- end }}
{{- if or .url .existingSecret }}
{{- fail "database.url and database.existingSecret belong to database.mode=external, but database.mode is 'private': set database.mode=external, or leave them empty" }}
{{- end }}
{{- else if and .url .existingSecret }}
{{- fail "database.url and database.existingSecret are both set: keep one" }}
{{- else if not (or .url .existingSecret) }}
{{- fail "database.mode is 'external': set database.existingSecret (a Secret with the libpq URI under database.urlKey) or database.url" }}
{{- end }}
{{- if and .url (or .directUrlKey .readUrlKey) }}
{{- fail "database.directUrlKey and database.readUrlKey name keys of database.existingSecret, but database.url is set: put all the URIs into one Secret, and name it as database.existingSecret" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Keys of rfeventd's configuration that this chart writes, and the value that governs each. */}}
{{- define "rfeventd.ownKeys" -}}
state_dir: "persistence (it is always /var/lib/rfeventd)"
receiver.listen: "receiver.service.port"
receiver.listen_plain: "receiver.plain.enabled"
receiver.enrolment_token: "enrolmentToken.value or enrolmentToken.existingSecret"
receiver.enrolment_token_file: "enrolmentToken.existingSecret"
receiver.tls.certificates: "receiver.tls.secrets"
receiver.tls.client_ca: "receiver.tls.clientCaSecret"
receiver.tls.listeners: "receiver.listeners"
secrets.key_file: "sharedKey.existingSecret"
api.listen: "api.service.port"
api.listen_plain: "api.plain.enabled"
api.tls.certificates: "api.tls.secrets"
storage.url: "database.url or database.existingSecret"
storage.url_file: "database.existingSecret"
storage.direct_url: "database.directUrlKey"
storage.direct_url_file: "database.directUrlKey"
storage.read_url: "database.readUrlKey"
storage.read_url_file: "database.readUrlKey"
registries.path: "registries.configMaps or registries.paths"
translations.path: "translations.configMaps or translations.paths"
{{- end }}

{{/* The paths of all keys of nested maps. */}}
{{- define "rfeventd.configPaths" -}}
{{- $prefix := .prefix }}
{{- range $key, $value := .map }}
{{- if contains "." $key }}
{{- fail (printf "config: write '%s%s' as maps within maps, not with dots" $prefix $key) }}
{{- end }}
{{ printf "\n- %s" (printf "%s%s" $prefix $key | quote) }}
{{- if kindIs "map" $value }}
{{- include "rfeventd.configPaths" (dict "prefix" (printf "%s%s." $prefix $key) "map" $value) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "rfeventd.checkConfig" -}}
{{- $own := include "rfeventd.ownKeys" . | fromYaml }}
{{- range include "rfeventd.configPaths" (dict "prefix" "" "map" .Values.config) | fromYamlArray }}
{{- if hasKey $own . }}
{{- fail (printf "config.%s is given twice: this chart writes it; use %s instead" . (get $own .)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "rfeventd.checkPorts" -}}
{{- $seen := dict }}
{{- range include "rfeventd.ports" . | fromYamlArray }}
{{- $port := int .port | toString }}
{{- if hasKey $seen $port }}
{{- fail (printf "receiver.listeners: port %s is taken, by '%s' and '%s': choose another" $port (get $seen $port) .name) }}
{{- end }}
{{- $_ := set $seen $port .name }}
{{- end }}
{{- end }}
