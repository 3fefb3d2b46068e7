{{/* The flags of `headgate run`; docs/reference/flags.md says what each does. */}}
{{- define "headgate.args" -}}
{{- $controller := .Values.controller -}}
{{- $status := $controller.reportIngressStatus -}}
- {{ ternary "--configmap" "-nginx-configmaps" .Values.adopted.community }}=$(POD_NAMESPACE)/{{ include "headgate.configMap" . }}
{{- range $protocol := list "tcp" "udp" }}
{{- if get $.Values $protocol }}
- --{{ $protocol }}-services-configmap=$(POD_NAMESPACE)/{{ include "headgate.streamConfigMap" (dict "root" $ "protocol" $protocol) }}
{{- end }}
{{- end }}
{{- with include "headgate.tlsSecret" (dict "root" . "tls" $controller.defaultTLS "made" "default-server-tls") }}
- -default-server-tls-secret={{ . }}
{{- end }}
{{- with include "headgate.tlsSecret" (dict "root" . "tls" $controller.wildcardTLS "made" "wildcard-tls") }}
- -wildcard-tls-secret={{ . }}
{{- end }}
- -ingress-class={{ $controller.ingressClass.name }}
{{- with $controller.ingressClass.controllerClass }}
- {{ printf "--controller-class=%s" . | quote }}
{{- end }}
- --ingress-dialect={{ $controller.ingressDialect }}
- --canaries-across-namespaces={{ $controller.canariesAcrossNamespaces }}
{{- with $controller.watchNamespace }}
- {{ printf "-watch-namespace=%s" . | quote }}
{{- end }}
{{- with $controller.watchNamespaceLabel }}
- {{ printf "-watch-namespace-label=%s" . | quote }}
{{- end }}
{{- with $controller.watchSecretNamespace }}
- {{ printf "-watch-secret-namespace=%s" . | quote }}
{{- end }}
- -allow-empty-ingress-host={{ $controller.allowEmptyIngressHost }}
- -enable-snippets={{ $controller.enableSnippets }}
{{- if $controller.enableOIDC }}
- -enable-oidc=true
- --oidc-keys-secret={{ include "headgate.oidcKeysSecret" . }}
{{- end }}
- -enable-custom-resources={{ $controller.enableCustomResources }}
{{- if $controller.enableTLSPassthrough }}
- -enable-tls-passthrough=true
- -tls-passthrough-port={{ $controller.tlsPassthroughPort }}
{{- end }}
{{- with include "headgate.globalConfiguration" . }}
- -global-configuration={{ . }}
{{- end }}
- -enable-cert-manager={{ $controller.enableCertManager }}
- -enable-external-dns={{ $controller.enableExternalDNS }}
- -health-status={{ $controller.healthStatus }}
- {{ printf "-health-status-uri=%s" $controller.healthStatusURI | quote }}
- -nginx-status={{ $controller.nginxStatus.enable }}
- -nginx-status-port={{ $controller.nginxStatus.port }}
- {{ printf "-nginx-status-allow-cidrs=%s" $controller.nginxStatus.allowCidrs | quote }}
- -ready-status={{ $controller.readyStatus.enable }}
- -ready-status-port={{ $controller.readyStatus.port }}
- -default-http-listener-port={{ $controller.defaultHTTPListenerPort }}
- -default-https-listener-port={{ $controller.defaultHTTPSListenerPort }}
- -disable-ipv6={{ $controller.disableIPV6 }}
- -nginx-reload-timeout={{ include "headgate.text" $controller.nginxReloadTimeout }}
{{- if not (and .Values.adopted.community (eq (int $controller.reloadSpacing) 200)) }}
- --reload-spacing={{ $controller.reloadSpacing }}
{{- end }}
- --data-plane={{ $controller.dataPlane }}
{{- if or (not $controller.liveRoutes) (ne $controller.dataPlane "files") }}
- --live-routes={{ $controller.liveRoutes }}
{{- end }}
{{- if not $controller.liveStreams }}
- --live-streams=false
{{- end }}
- --live-memory={{ $controller.liveMemory }}
- --control-writes={{ $controller.controlWrites }}
- --shutdown-grace-period={{ $controller.shutdownGracePeriod }}
- --drain-timeout={{ include "headgate.drainTimeout" . }}
- -enable-config-safety={{ $controller.enableConfigSafety }}
- -enable-directive-autoadjust={{ $controller.directiveAutoAdjust }}
- -ssl-dynamic-reload={{ $controller.enableSSLDynamicReload }}
- -nginx-debug={{ $controller.nginxDebug }}
{{- with $controller.mainTemplatePath }}
- {{ printf "-main-template-path=%s" . | quote }}
{{- end }}
{{- with $controller.ingressTemplatePath }}
- {{ printf "-ingress-template-path=%s" . | quote }}
{{- end }}
- -report-ingress-status={{ $status.enable }}
{{- with include "headgate.externalService" . }}
- -external-service={{ . }}
{{- end }}
- -enable-leader-election={{ $status.enableLeaderElection }}
- -leader-election-lock-name={{ include "headgate.lease" . }}
- -enable-prometheus-metrics={{ .Values.prometheus.create }}
- -prometheus-metrics-listen-port={{ .Values.prometheus.port }}
{{- with .Values.prometheus.secret }}
- -prometheus-tls-secret={{ . }}
{{- end }}
{{- with .Values.prometheus.basicAuthSecret }}
- --prometheus-basic-auth-secret={{ . }}
{{- end }}
- -enable-latency-metrics={{ $controller.enableLatencyMetrics }}
{{- with $controller.admissionWebhooks }}
{{- if .enabled }}
- --validating-webhook=:{{ .port }}
- --validating-webhook-secret=$(POD_NAMESPACE)/{{ include "headgate.webhookSecret" $ }}
{{- if not .secret }}
- --validating-webhook-service=$(POD_NAMESPACE)/{{ include "headgate.webhookService" $ }}
{{- end }}
{{- if not .caBundle }}
- --validating-webhook-configuration={{ include "headgate.webhookConfiguration" $ }}
{{- end }}
{{- if .clientCASecret }}
- --validating-webhook-client-ca=/etc/headgate/webhook-clients/ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- if not (and .Values.adopted.community (eq $controller.logLevel "info")) }}
- -log-level={{ $controller.logLevel }}
{{- end }}
- -log-format={{ $controller.logFormat }}
{{- range .Values.adopted.flags }}
- {{ . | quote }}
{{- end }}
{{- range $controller.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* NAMESPACE/NAME of a certificate: the named Secret, or the one that the chart makes of cert and key; else nothing. */}}
{{- define "headgate.tlsSecret" -}}
{{- if .tls.secret -}}
{{ .tls.secret }}
{{- else if .tls.cert -}}
$(POD_NAMESPACE)/{{ include "headgate.fullname" .root }}-{{ .made }}
{{- end -}}
{{- end }}

{{/* Seconds for draining: as said, or what the kubelet grants, less the time for ending. */}}
{{- define "headgate.drainTimeout" -}}
{{- $said := include "headgate.text" .Values.controller.drainTimeout -}}
{{- default (max 0 (sub (.Values.controller.terminationGracePeriodSeconds | int) 5) | toString) $said -}}
{{- end }}
