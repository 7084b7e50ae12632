{{- define "vivavoce.name" -}}
{{- if contains "vivavoce" .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-vivavoce" .Release.Name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- define "vivavoce.selector" -}}
app.kubernetes.io/name: vivavoce
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vivavoce.labels" -}}
{{ include "vivavoce.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "vivavoce.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (ternary "cuda" "cpu" .Values.gpu.enabled) }}
{{- end }}

{{- define "vivavoce.many" -}}
{{- if or (gt (int .Values.replicas) 1) (ne .Values.scaling.kind "none") -}}yes{{- end -}}
{{- end }}

{{/* A volume: a claim that exists, one of ours, or a folder that goes with the pod. */}}
{{- define "vivavoce.volume" -}}
{{- if .claim.existingClaim -}}
persistentVolumeClaim: {claimName: {{ .claim.existingClaim }}}
{{- else if .claim.enabled -}}
persistentVolumeClaim: {claimName: {{ .name }}}
{{- else -}}
emptyDir: {}
{{- end -}}
{{- end }}

{{/* Seconds from SIGTERM until the last answer is cut, and some to end the engines. */}}
{{- define "vivavoce.grace" -}}
{{ add .Values.shutdown.delaySeconds .Values.shutdown.timeoutSeconds 15 }}
{{- end }}
