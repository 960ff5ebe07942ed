{{/* The name of what belongs to the release. */}}
{{- define "clientfleet.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The same for what belongs to no namespace: two releases must not share it. */}}
{{- define "clientfleet.wideName" -}}
{{- $name := include "clientfleet.fullname" . -}}
{{- if eq $name .Release.Namespace -}}
{{- $name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What the pods are selected by: never another for a release. */}}
{{- define "clientfleet.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "clientfleet.labels" -}}
{{ include "clientfleet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "clientfleet.serviceAccount" -}}
{{- default (include "clientfleet.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "clientfleet.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What the controller does in a namespace it looks after, or in all of them. */}}
{{- define "clientfleet.rules" -}}
- apiGroups: [clientfleet.dev]
  resources: [clientfleets, upgradepolicies]
  verbs: [list, watch]
- apiGroups: [clientfleet.dev]
  resources: [clientfleets/status, upgradepolicies/status]
  verbs: [update]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
