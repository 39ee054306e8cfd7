{{/* Names and labels. */}}
{{- define "rfeventd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* 52: a StatefulSet's pods add a dash and a hash of ten to its name in a label of 63. */}}
{{- define "rfeventd.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "rfeventd.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rfeventd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rfeventd.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "rfeventd.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "rfeventd.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "rfeventd.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "rfeventd.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Secrets: one that is there, or the chart's own. */}}
{{- define "rfeventd.databaseSecret" -}}
{{- default (printf "%s-database" (include "rfeventd.fullname" .)) .Values.database.existingSecret }}
{{- end }}

{{- define "rfeventd.enrolmentSecret" -}}
{{- default (printf "%s-enrolment" (include "rfeventd.fullname" .)) .Values.enrolmentToken.existingSecret }}
{{- end }}

{{- define "rfeventd.keySecret" -}}
{{- default (printf "%s-key" (include "rfeventd.fullname" .)) .Values.sharedKey.existingSecret }}
{{- end }}

{{- define "rfeventd.databaseKeys" -}}
{{- $keys := dict "url" .Values.database.urlKey }}
{{- with .Values.database.directUrlKey }}{{ $_ := set $keys "direct_url" . }}{{ end }}
{{- with .Values.database.readUrlKey }}{{ $_ := set $keys "read_url" . }}{{ end }}
{{- toYaml $keys }}
{{- end }}

{{/* The doors of a container: fixed, all above 1023; what people see are the Services' ports. */}}
{{- define "rfeventd.ports" -}}
{{- $ports := list (dict "name" "events" "port" 8443) }}
{{- if .Values.receiver.plain.enabled }}
{{- $ports = append $ports (dict "name" "events-plain" "port" 8080) }}
{{- end }}
{{- range $i, $listener := .Values.receiver.listeners }}
{{- $ports = append $ports (dict "name" (printf "events-%d" $i) "port" (int $listener.port)) }}
{{- end }}
{{- $ports = append $ports (dict "name" "api" "port" 9443) }}
{{- if .Values.api.plain.enabled }}
{{- $ports = append $ports (dict "name" "api-plain" "port" 9080) }}
{{- end }}
{{- toYaml $ports }}
{{- end }}

{{/* Alive and able to take events: never whether PostgreSQL is there, which /-/ready tells.
A kubelet has no client certificate: where all senders must show one, the other door is asked. */}}
{{- define "rfeventd.probe" -}}
{{- $tls := default dict (get (default dict (get .Values.config "receiver")) "tls") }}
httpGet:
  path: /-/healthy
{{- if not (get $tls "client_required") }}
  port: events
  scheme: HTTPS
{{- else if .Values.receiver.plain.enabled }}
  port: events-plain
  scheme: HTTP
{{- else }}
  port: api
  scheme: HTTPS
{{- end }}
{{- end }}

{{/* A secret that is made once: what the cluster has, else `fresh`. Where the cluster is not asked (helm template,
--dry-run) a render differs from the next: the Secret is immutable, so that applying a second one fails
instead of replacing what the BMCs were told. */}}
{{- define "rfeventd.generated" -}}
{{- $there := lookup "v1" "Secret" .root.Release.Namespace .name }}
{{- $value := get (default dict (get (default dict $there) "data")) .key }}
{{- if $value }}
{{- b64dec $value }}
{{- else if .root.Release.IsUpgrade }}
{{- fail (printf "the Secret '%s' with key '%s' is not there (or this render may not ask the cluster), and a new one would not be what is in use: restore it, or set %s" .name .key .value) }}
{{- else }}
{{- .fresh }}
{{- end }}
{{- end }}
