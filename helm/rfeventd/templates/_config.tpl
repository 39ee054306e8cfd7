{{/* The file that rfeventd reads: .Values.config, and under it what the chart knows. */}}
{{- define "rfeventd.config" -}}
{{- $receiver := dict "listen" (list "[::]:8443") "tls" (include "rfeventd.receiverTls" . | fromYaml) }}
{{- $_ := set $receiver "enrolment_token_file" "/etc/rfeventd/secrets/enrolment/token" }}
{{- if .Values.receiver.plain.enabled }}
{{- $_ := set $receiver "listen_plain" (list "[::]:8080") }}
{{- end }}
{{- $api := dict "listen" (list "[::]:9443") "tls" (dict "certificates" (include "rfeventd.certificates" (dict "door" "api" "secrets" .Values.api.tls.secrets) | fromYamlArray)) }}
{{- if .Values.api.plain.enabled }}
{{- $_ := set $api "listen_plain" (list "[::]:9080") }}
{{- end }}
{{- $own := dict "state_dir" "/var/lib/rfeventd" "receiver" $receiver "api" $api }}
{{- $_ := set $own "secrets" (dict "key_file" "/etc/rfeventd/secrets/key/key") }}
{{- if eq .Values.database.mode "external" }}
{{- $storage := dict }}
{{- range $name, $key := include "rfeventd.databaseKeys" . | fromYaml }}
{{- $_ := set $storage (printf "%s_file" $name) (printf "/etc/rfeventd/secrets/database/%s" $name) }}
{{- end }}
{{- $_ := set $own "storage" $storage }}
{{- end }}
{{- with include "rfeventd.wordPaths" (dict "room" "registries" "values" .Values.registries) | fromYamlArray }}
{{- $_ := set $own "registries" (dict "path" .) }}
{{- end }}
{{- with include "rfeventd.wordPaths" (dict "room" "translations" "values" .Values.translations) | fromYamlArray }}
{{- $_ := set $own "translations" (dict "path" .) }}
{{- end }}
{{- mustMergeOverwrite (deepCopy .Values.config) $own | toYaml }}
{{- end }}

{{- define "rfeventd.receiverTls" -}}
certificates: {{ include "rfeventd.certificates" (dict "door" "receiver" "secrets" .Values.receiver.tls.secrets) | fromYamlArray | toJson }}
{{- with .Values.receiver.tls.clientCaSecret }}
client_ca: /etc/rfeventd/tls/client-ca/ca.crt
{{- end }}
{{- with .Values.receiver.listeners }}
listeners:
{{- range . }}
  - address: {{ printf "[::]:%d" (int .port) | quote }}
    {{- with .minVersion }}
    min_version: {{ . | quote }}
    {{- end }}
    {{- if hasKey . "securityLevel" }}
    security_level: {{ int .securityLevel }}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "rfeventd.certificates" -}}
{{- range $i, $secret := .secrets }}
{{ "" }}
- certificate: /etc/rfeventd/tls/{{ $.door }}-{{ $i }}/tls.crt
  key: /etc/rfeventd/tls/{{ $.door }}-{{ $i }}/tls.key
{{- end }}
{{- end }}

{{/* Folders of registries and of translations: those of ConfigMaps, then those given. */}}
{{- define "rfeventd.wordPaths" -}}
{{- $paths := list }}
{{- range .values.configMaps }}
{{- $paths = append $paths (printf "/etc/rfeventd/%s/%s" $.room .name) }}
{{- end }}
{{- concat $paths .values.paths | uniq | toYaml }}
{{- end }}
