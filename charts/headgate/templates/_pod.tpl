{{/* The Pod template of every kind of workload. */}}
{{- define "headgate.podTemplate" -}}
{{- $controller := .Values.controller -}}
metadata:
  labels:
    {{- include "headgate.selectorLabels" . | nindent 4 }}
    {{- with $controller.pod.extraLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with include "headgate.podAnnotations" . }}
  annotations:
    {{- . | trim | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "headgate.serviceAccount" . }}
  automountServiceAccountToken: true
  terminationGracePeriodSeconds: {{ $controller.terminationGracePeriodSeconds }}
  dnsPolicy: {{ $controller.dnsPolicy }}
  {{- with $controller.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $controller.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $controller.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- if $controller.shareProcessNamespace }}
  shareProcessNamespace: true
  {{- end }}
  {{- with $controller.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- include "headgate.podSecurityContext" . | nindent 4 }}
  {{- with $controller.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $controller.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $controller.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $controller.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $controller.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - {{ include "headgate.container" . | indent 6 | trim }}
    {{- with $controller.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with include "headgate.volumes" . }}
  volumes:
    {{- . | trim | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "headgate.podAnnotations" -}}
{{- $more := default dict .Values.controller.pod.annotations -}}
{{- with .Values.prometheus -}}
{{- if .create -}}
{{- range $name, $value := dict "scrape" "true" "port" (toString .port) "scheme" .scheme -}}
{{- $key := printf "prometheus.io/%s" $name -}}
{{- if not (hasKey $more $key) }}
{{ $key }}: {{ $value | quote }}
{{- end -}}
{{- end }}
{{ end -}}
{{- end -}}
{{- with $more -}}
{{ toYaml . }}
{{- end -}}
{{- end }}

{{- define "headgate.podSecurityContext" -}}
{{- $said := default dict .Values.controller.podSecurityContext -}}
{{- $added := dict -}}
{{- if eq .Values.controller.kind "statefulset" -}}
{{- /* A volume that is claimed belongs to root otherwise. */ -}}
{{- $_ := set $added "fsGroup" 101 -}}
{{- end -}}
{{ toYaml (merge (deepCopy $said) $added) }}
{{- end }}

{{- define "headgate.container" -}}
{{- $controller := .Values.controller -}}
name: {{ include "headgate.name" . }}
image: {{ include "headgate.image" . | quote }}
imagePullPolicy: {{ $controller.image.pullPolicy }}
args:
  {{- include "headgate.args" . | nindent 2 }}
env:
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  {{- with $controller.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  {{- include "headgate.ports" . | nindent 2 }}
{{- include "headgate.probes" . }}
{{- with $controller.lifecycle }}
lifecycle:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml $controller.resources | nindent 2 }}
securityContext:
  {{- include "headgate.securityContext" . | nindent 2 }}
{{- with include "headgate.volumeMounts" . }}
volumeMounts:
  {{- . | trim | nindent 2 }}
{{- end }}
{{- end }}

{{- define "headgate.ports" -}}
{{- $controller := .Values.controller -}}
{{- $host := $controller.hostPort -}}
- name: http
  containerPort: {{ $controller.containerPort.http }}
  {{- if $host.enable }}
  hostPort: {{ $host.http }}
  {{- end }}
- name: https
  containerPort: {{ $controller.containerPort.https }}
  {{- if $host.enable }}
  hostPort: {{ $host.https }}
  {{- end }}
{{- if $controller.http3.enable }}
- name: http3
  containerPort: {{ $controller.containerPort.https }}
  protocol: UDP
  {{- if $host.enable }}
  hostPort: {{ $host.https }}
  {{- end }}
{{- end }}
{{- if $controller.readyStatus.enable }}
- name: readiness-port
  containerPort: {{ $controller.readyStatus.port }}
{{- end }}
{{- if and .Values.prometheus.create (eq (include "headgate.metricsPort" .) "prometheus") }}
- name: prometheus
  containerPort: {{ .Values.prometheus.port }}
{{- end }}
{{- with $controller.admissionWebhooks }}
{{- if .enabled }}
- name: webhook
  containerPort: {{ .port }}
{{- end }}
{{- end }}
{{- range include "headgate.streamPorts" . | fromJsonArray }}
- name: {{ .name }}
  containerPort: {{ .port }}
  protocol: {{ upper .protocol }}
  {{- if $host.enable }}
  hostPort: {{ .port }}
  {{- end }}
{{- end }}
{{- with $controller.customPorts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "headgate.probes" -}}
{{- $controller := .Values.controller -}}
{{- if $controller.readyStatus.enable }}
readinessProbe:
  httpGet:
    path: /nginx-ready
    port: readiness-port
  periodSeconds: 1
  initialDelaySeconds: {{ $controller.readyStatus.initialDelaySeconds }}
{{- with $controller.livenessStatus }}
{{- if .enable }}
livenessProbe:
  httpGet:
    path: /livez
    port: readiness-port
  periodSeconds: {{ .periodSeconds }}
  timeoutSeconds: {{ .timeoutSeconds }}
  failureThreshold: {{ .failureThreshold }}
{{- end }}
{{- end }}
{{- end }}
{{- with $controller.startupStatus }}
{{- if and .enable (or .port $controller.readyStatus.enable) }}
startupProbe:
  httpGet:
    path: {{ .path }}
    port: {{ default "readiness-port" .port }}
  initialDelaySeconds: {{ .initialDelaySeconds }}
  periodSeconds: {{ .periodSeconds }}
  timeoutSeconds: {{ .timeoutSeconds }}
  successThreshold: {{ .successThreshold }}
  failureThreshold: {{ .failureThreshold }}
{{- end }}
{{- end }}
{{- end }}

{{/* The capability is for ports below 1024, where the container runtime does not open them to everybody. */}}
{{- define "headgate.securityContext" -}}
{{- with .Values.controller.securityContext -}}
{{ toYaml . }}
{{- else -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ .Values.controller.readOnlyRootFilesystem }}
runAsUser: 101
runAsNonRoot: true
capabilities:
  drop: [ALL]
  add: [NET_BIND_SERVICE]
{{- end -}}
{{- end }}

{{/* "true" if only volumes can be written to. */}}
{{- define "headgate.readOnly" -}}
{{- if default .Values.controller (.Values.controller.securityContext) | dig "readOnlyRootFilesystem" false }}true{{ end -}}
{{- end }}

{{/* The directories that the program writes to (Layout.container() in headgate/ir/layout.py), and /tmp. Private keys stay
     in memory, as those of mounted Secrets do; so does the configuration, a few kB an Ingress, because ext4 is slow to
     make files where thousands were just deleted, as in a rollout. */}}
{{- define "headgate.volumes" -}}
{{- if include "headgate.readOnly" . -}}
- name: nginx-etc
  emptyDir:
    medium: Memory
- name: nginx-secrets
  emptyDir:
    medium: Memory
- name: nginx-lib
  emptyDir: {}
- name: nginx-log
  emptyDir: {}
- name: tmp
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
{{- if ne .Values.controller.kind "statefulset" }}
- name: nginx-cache
  emptyDir: {}
{{- end }}
{{ end -}}
{{- if include "headgate.webhookClients" . -}}
- name: webhook-clients
  secret:
    secretName: {{ .Values.controller.admissionWebhooks.clientCASecret }}
    items:
      - key: ca.crt
        path: ca.crt
{{ end -}}
{{- with .Values.controller.volumes -}}
{{ toYaml . }}
{{- end -}}
{{- end }}

{{- define "headgate.volumeMounts" -}}
{{- if include "headgate.readOnly" . -}}
- name: nginx-etc
  mountPath: /etc/nginx
- name: nginx-secrets
  mountPath: /etc/nginx/secrets
- name: nginx-lib
  mountPath: /var/lib/nginx
- name: nginx-log
  mountPath: /var/log/nginx
- name: tmp
  mountPath: /tmp
{{ end -}}
{{- if or (include "headgate.readOnly" .) (eq .Values.controller.kind "statefulset") -}}
- name: nginx-cache
  mountPath: /var/cache/nginx
{{ end -}}
{{- if include "headgate.webhookClients" . -}}
- name: webhook-clients
  mountPath: /etc/headgate/webhook-clients
  readOnly: true
{{ end -}}
{{- with .Values.controller.volumeMounts -}}
{{ toYaml . }}
{{- end -}}
{{- end }}

{{/* "true" if clients of the webhook need a certificate. */}}
{{- define "headgate.webhookClients" -}}
{{- with .Values.controller.admissionWebhooks -}}
{{- if and .enabled .clientCASecret }}true{{ end -}}
{{- end -}}
{{- end }}

{{/* The name of the container's port with the metrics: that of the probes, where ingress-nginx has both on one port. */}}
{{- define "headgate.metricsPort" -}}
{{- $ready := .Values.controller.readyStatus -}}
{{ ternary "readiness-port" "prometheus" (and $ready.enable (eq (int $ready.port) (int .Values.prometheus.port))) }}
{{- end }}
