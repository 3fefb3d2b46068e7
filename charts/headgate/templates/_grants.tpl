{{/* Who may be asked for what, from the rules of _rules.tpl: as little as the flags need. */}}

{{/* namespace → rules, as YAML; "*" is the whole cluster. */}}
{{- define "headgate.grants" -}}
{{- $own := .Release.Namespace -}}
{{- $controller := .Values.controller -}}
{{- $status := $controller.reportIngressStatus -}}
{{- $watched := include "headgate.words" (default "*" $controller.watchNamespace) | fromJsonArray -}}
{{- $secrets := $watched -}}
{{- with $controller.watchSecretNamespace -}}
{{- $secrets = include "headgate.words" . | fromJsonArray -}}
{{- end -}}
{{- $grants := dict -}}
{{- $_ := include "headgate.grant" (list $grants "*" "classes" "") -}}
{{- if $controller.watchNamespaceLabel -}}
{{- $_ := include "headgate.grant" (list $grants "*" "labels" "") -}}
{{- end -}}
{{- range $watched -}}
{{- $_ := include "headgate.grant" (list $grants . "watched" "") -}}
{{- if $status.enable -}}
{{- $_ := include "headgate.grant" (list $grants . "status" "") -}}
{{- end -}}
{{- if $controller.enableCustomResources -}}
{{- $_ := include "headgate.grant" (list $grants . "custom" "") -}}
{{- $_ := include "headgate.grant" (list $grants . "customstatus" "") -}}
{{- end -}}
{{- if or $controller.ingressClass.controllerClass (eq $controller.ingressDialect "ingress-nginx") -}}
{{- $_ := include "headgate.grant" (list $grants . "named" "") -}}
{{- end -}}
{{- if $controller.enableCertManager -}}
{{- $_ := include "headgate.grant" (list $grants . "certmanager" "") -}}
{{- end -}}
{{- if $controller.enableExternalDNS -}}
{{- $_ := include "headgate.grant" (list $grants . "externaldns" "") -}}
{{- end -}}
{{- end -}}
{{- range $secrets -}}
{{- $_ := include "headgate.grant" (list $grants . "secrets" "") -}}
{{- end -}}
{{- $_ := include "headgate.grant" (list $grants $own "own" "") -}}
{{- $_ := include "headgate.grant" (list $grants $own "configmap" (include "headgate.configMap" .)) -}}
{{- range $protocol := list "tcp" "udp" -}}
{{- if get $.Values $protocol -}}
{{- $_ := include "headgate.grant" (list $grants $own "configmap" (include "headgate.streamConfigMap" (dict "root" $ "protocol" $protocol))) -}}
{{- end -}}
{{- end -}}
{{- if $controller.enableOIDC -}}
{{- $_ := include "headgate.grant" (list $grants $own "oidc" (include "headgate.oidcKeysSecret" .)) -}}
{{- end -}}
{{- if $status.enableLeaderElection -}}
{{- $_ := include "headgate.grant" (list $grants $own "lease" (include "headgate.lease" .)) -}}
{{- end -}}
{{- if not (or (has "*" $watched) (has $own $watched)) -}}
{{- with include "headgate.externalService" . -}}
{{- $_ := include "headgate.grant" (list $grants $own "service" .) -}}
{{- end -}}
{{- end -}}
{{- range list (dict "tls" $controller.defaultTLS "made" "default-server-tls") (dict "tls" $controller.wildcardTLS "made" "wildcard-tls") -}}
{{- with include "headgate.tlsSecret" (merge (dict "root" $) .) | replace "$(POD_NAMESPACE)" $own -}}
{{- $secret := splitList "/" . -}}
{{- if not (or (has "*" $secrets) (has (first $secret) $secrets)) -}}
{{- $_ := include "headgate.grant" (list $grants (first $secret) "certificate" (last $secret)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.prometheus.create -}}
{{- range compact (list .Values.prometheus.secret .Values.prometheus.basicAuthSecret) -}}
{{- $secret := splitList "/" (replace "$(POD_NAMESPACE)" $own .) -}}
{{- $_ := include "headgate.grant" (list $grants (first $secret) "listener" (last $secret)) -}}
{{- end -}}
{{- end -}}
{{- with $controller.admissionWebhooks -}}
{{- if .enabled -}}
{{- $_ := include "headgate.grant" (list $grants $own (ternary "listener" "admission" (ne .secret "")) (include "headgate.webhookSecret" $)) -}}
{{- if not .caBundle -}}
{{- $_ := include "headgate.grant" (list $grants "*" "registration" (include "headgate.webhookConfiguration" $)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toYaml $grants }}
{{- end }}

{{/* Add to grants the rules of one part, for one object if it is named: (list grants namespace part name). */}}
{{- define "headgate.grant" -}}
{{- $grants := index . 0 -}}
{{- $namespace := index . 1 -}}
{{- $rules := include "headgate.rules.part" (dict "part" (index . 2) "name" (index . 3)) | fromYamlArray -}}
{{- $_ := set $grants $namespace (concat (get $grants $namespace | default list) $rules | uniq) -}}
{{- end }}

{{- define "headgate.rules.part" -}}
{{- include (printf "headgate.rules.%s" .part) . -}}
{{- end }}

{{/* Words separated by commas, as a JSON array. */}}
{{- define "headgate.words" -}}
{{- $words := list -}}
{{- range splitList "," . -}}
{{- $words = append $words (trim .) -}}
{{- end -}}
{{ uniq $words | toJson }}
{{- end }}
