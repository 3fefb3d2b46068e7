{{/* What things are called. An upgrade from the incumbent's chart in place (nameOverride: nginx-ingress) finds the same names. */}}

{{- define "headgate.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* RELEASE-CHART, or RELEASE alone if it says the chart's name already. */}}
{{- define "headgate.fullname" -}}
{{- $name := include "headgate.name" . -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ default $whole .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "headgate.workload" -}}
{{ printf "%s-%s" (include "headgate.fullname" .) .Values.controller.name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "headgate.service" -}}
{{ default (include "headgate.workload" .) .Values.serviceNameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "headgate.metricsService" -}}
{{ printf "%s-prometheus-service" (include "headgate.fullname" . | trunc 44 | trimSuffix "-") }}
{{- end }}

{{- define "headgate.serviceAccount" -}}
{{ default (include "headgate.fullname" .) .Values.controller.serviceAccount.name }}
{{- end }}

{{- define "headgate.configMap" -}}
{{ coalesce .Values.controller.customConfigMap .Values.controller.config.name (include "headgate.fullname" .) }}
{{- end }}

{{/* NAMESPACE/NAME of the GlobalConfiguration, empty for none. */}}
{{- define "headgate.globalConfiguration" -}}
{{- $value := .Values.controller.globalConfiguration -}}
{{- if $value.create -}}
$(POD_NAMESPACE)/{{ default (include "headgate.fullname" .) $value.customName }}
{{- else -}}
{{ $value.customName }}
{{- end -}}
{{- end }}

{{- define "headgate.lease" -}}
{{ default (printf "%s-leader-election" (include "headgate.fullname" .)) .Values.controller.reportIngressStatus.leaderElectionLockName }}
{{- end }}

{{/* The objects of the admission webhook: its Service, its registration, and the Secret of its certificate. */}}
{{- define "headgate.webhookService" -}}
{{ printf "%s-%s" (include "headgate.workload" . | trunc 53 | trimSuffix "-") .Values.controller.admissionWebhooks.name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "headgate.webhookConfiguration" -}}
{{ printf "%s-%s" (include "headgate.clusterName" .) .Values.controller.admissionWebhooks.name }}
{{- end }}

{{- define "headgate.webhookSecret" -}}
{{ default (printf "%s-%s-certificate" (include "headgate.fullname" .) .Values.controller.admissionWebhooks.name) .Values.controller.admissionWebhooks.secret }}
{{- end }}

{{- define "headgate.oidcKeysSecret" -}}
{{ default (printf "%s-oidc-keys" (include "headgate.fullname" .)) .Values.controller.oidcKeysSecret }}
{{- end }}

{{/* Cluster-wide objects of two releases of one name in two namespaces must not collide. */}}
{{- define "headgate.clusterName" -}}
{{ printf "%s-%s" .Release.Namespace (include "headgate.fullname" .) }}
{{- end }}

{{- define "headgate.image" -}}
{{- with .Values.controller.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "headgate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "headgate.ownLabels" . }}
{{- end }}

{{/* list $ LABELS: those of every object, and LABELS, of which one with the same name replaces the chart's. */}}
{{- define "headgate.labelsWith" -}}
{{- $more := default dict (index . 1) -}}
{{- range splitList "\n" (include "headgate.labels" (index . 0)) }}
{{- if not (hasKey $more (splitList ": " . | first)) }}
{{ . }}
{{- end }}
{{- end }}
{{- with $more }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "headgate.ownLabels" -}}
app.kubernetes.io/name: {{ include "headgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "headgate.selectorLabels" -}}
{{- with .Values.controller.selectorLabels -}}
{{ toYaml . }}
{{- else -}}
{{ include "headgate.ownLabels" . }}
{{- end -}}
{{- end }}

{{/* The Service whose addresses Ingresses report, or nothing. */}}
{{- define "headgate.externalService" -}}
{{- with .Values.controller -}}
{{- $made := ternary (include "headgate.service" $) "" (and .service.create (not $.Values.adopted.published)) -}}
{{ default $made .reportIngressStatus.externalService }}
{{- end -}}
{{- end }}

{{/* A number or text of the values as text; Helm reads every number as a float, which prints 1000000 as 1e+06. */}}
{{- define "headgate.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ printf "%.0f" . }}{{ else }}{{ . | toString }}{{ end -}}
{{- end }}
