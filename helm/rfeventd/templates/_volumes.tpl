{{/* What every replica reads and none writes: a list of {name, path, volume}. Secrets are readable by the
pod's group alone. */}}
{{- define "rfeventd.sharedVolumes" -}}
{{- $volumes := list (include "rfeventd.secretVolume" (dict "name" "enrolment" "path" "secrets/enrolment" "secret" (include "rfeventd.enrolmentSecret" .) "items" (dict "token" .Values.enrolmentToken.key)) | fromYaml) }}
{{- $volumes = append $volumes (include "rfeventd.secretVolume" (dict "name" "key" "path" "secrets/key" "secret" (include "rfeventd.keySecret" .) "items" (dict "key" .Values.sharedKey.key)) | fromYaml) }}
{{- if eq .Values.database.mode "external" }}
{{- $volumes = append $volumes (include "rfeventd.secretVolume" (dict "name" "database" "path" "secrets/database" "secret" (include "rfeventd.databaseSecret" .) "items" (include "rfeventd.databaseKeys" . | fromYaml)) | fromYaml) }}
{{- end }}
{{- with .Values.receiver.tls.clientCaSecret }}
{{- $volumes = append $volumes (include "rfeventd.secretVolume" (dict "name" "client-ca" "path" "tls/client-ca" "secret" . "items" (dict "ca.crt" $.Values.receiver.tls.clientCaKey)) | fromYaml) }}
{{- end }}
{{- range $door, $secrets := dict "receiver" .Values.receiver.tls.secrets "api" .Values.api.tls.secrets }}
{{- range $i, $secret := $secrets }}
{{- $place := printf "%s-%d" $door $i }}
{{- $volumes = append $volumes (include "rfeventd.secretVolume" (dict "name" (printf "tls-%s" $place) "path" (printf "tls/%s" $place) "secret" $secret) | fromYaml) }}
{{- end }}
{{- end }}
{{- range $i, $map := .Values.registries.configMaps }}
{{- $volumes = append $volumes (dict "name" (printf "registries-%d" $i) "path" (printf "/etc/rfeventd/registries/%s" $map.name) "volume" (dict "configMap" (dict "name" $map.name))) }}
{{- end }}
{{- range $i, $map := .Values.translations.configMaps }}
{{- $volumes = append $volumes (dict "name" (printf "translations-%d" $i) "path" (printf "/etc/rfeventd/translations/%s/%s" $map.name $map.language) "volume" (dict "configMap" (dict "name" $map.name))) }}
{{- end }}
{{- toYaml $volumes }}
{{- end }}

{{/* `items`: the file's name -> the Secret's key; without it every key is a file. */}}
{{- define "rfeventd.secretVolume" -}}
name: {{ .name }}
path: /etc/rfeventd/{{ .path }}
volume:
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    {{- with .items }}
    items:
      {{- range $file, $key := . }}
      - key: {{ $key }}
        path: {{ $file }}
      {{- end }}
    {{- end }}
{{- end }}
