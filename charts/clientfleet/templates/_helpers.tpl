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

{{/* The log filter. The controller takes the same ones: a level, or a module and its level. */}}
{{- define "clientfleet.logLevel" -}}
{{- $levels := list "error" "warn" "info" "debug" "trace" "off" -}}
{{- $there := printf "there are %s" (join ", " $levels) -}}
{{- if not (trimAll " ," .Values.log.level) -}}
{{- fail (printf "log.level: there is no level in %q: %s" .Values.log.level $there) -}}
{{- end -}}
{{- range $part := splitList "," (regexReplaceAll "\\[[^]]*\\]" .Values.log.level "[]") -}}
{{- $directive := trim $part -}}
{{- $level := last (splitList "=" $directive) -}}
{{- $isSpan := and (not (contains "=" $directive)) (hasSuffix "]" $directive) -}}
{{- if and $directive (not $isSpan) (not (has (lower $level) $levels)) -}}
{{- fail (printf "log.level: there is no level %q in %q: %s; a module needs one, as info,kube=debug" $level $.Values.log.level $there) -}}
{{- end -}}
{{- if and (contains "=" $directive) (has (lower (first (splitList "=" $directive))) $levels) -}}
{{- fail (printf "log.level: %q has a level where a module's name is expected: write one level, or a module and its level, as info,kube=debug" $directive) -}}
{{- end -}}
{{- end -}}
{{- .Values.log.level -}}
{{- end -}}
