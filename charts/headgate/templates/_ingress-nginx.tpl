{{/* Values that were written for ingress-nginx's chart, in this chart's terms; each template begins with this. The table is
     files/ingress-nginx.yaml. Where one of its values is set, the release is of ingress-nginx's kind: its ConfigMap, class,
     health check and ports. */}}
{{- define "headgate.adopt" -}}
{{- if not (hasKey .Values "adopted") -}}
{{- $values := .Values -}}
{{- $own := .Release.Namespace -}}
{{- $adopted := dict "community" false "published" false "flags" list "notes" list -}}
{{- include "headgate.adoptForms" (dict "values" $values "adopted" $adopted) -}}
{{- $controller := $values.controller -}}
{{- $image := $controller.image -}}
{{- if or (get $image "image") (get $image "registry") -}}
{{- $_ := set $adopted "notes" (append $adopted.notes "controller.image names the image of ingress-nginx and has no effect; see controller.image.repository") -}}
{{- $_ := set $image "tag" "" -}}
{{- $_ := set $image "digest" "" -}}
{{- end -}}
{{- range $.Files.Get "files/ingress-nginx.yaml" | fromYamlArray -}}
{{- $row := . -}}
{{- $said := $values -}}
{{- range splitList "." .value -}}
{{- $said = ternary (get (default dict $said) .) nil (and (kindIs "map" $said) (hasKey (default dict $said) .)) -}}
{{- end -}}
{{- if not (kindIs "invalid" $said) -}}
{{- if not .neutral -}}
{{- $_ := set $adopted "community" true -}}
{{- end -}}
{{- if .to -}}
{{- include "headgate.put" (list $values .to $said) -}}
{{- else if .flag -}}
{{- $_ := set $adopted "flags" (append $adopted.flags (printf "--%s=%v" .flag $said)) -}}
{{- else if and .note (ne (toString $said) (toString .default)) -}}
{{- $_ := set $adopted "notes" (append $adopted.notes (printf "%s %s" .value .note)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "headgate.adoptFurther" (dict "values" $values "own" $own) -}}
{{- if $adopted.community -}}
{{- include "headgate.adoptDefaults" $values -}}
{{- end -}}
{{- $_ := set $values "adopted" $adopted -}}
{{- end -}}
{{- end }}

{{/* Values of the same name that have another form there. */}}
{{- define "headgate.adoptForms" -}}
{{- $controller := .values.controller -}}
{{- $adopted := .adopted -}}
{{- if kindIs "string" $controller.ingressClass -}}
{{- $class := dict "name" $controller.ingressClass "create" true "setAsDefaultIngress" false "controllerClass" "" -}}
{{- $_ := set $controller "ingressClass" $class -}}
{{- $_ := set $adopted "community" true -}}
{{- end -}}
{{- if kindIs "string" $controller.service.sessionAffinity -}}
{{- $type := $controller.service.sessionAffinity -}}
{{- $_ := set $controller.service "sessionAffinity" (dict "enable" (eq $type "ClientIP") "type" "ClientIP" "timeoutSeconds" 3600) -}}
{{- $_ := set $adopted "community" true -}}
{{- end -}}
{{- if kindIs "map" $controller.extraArgs -}}
{{- $flags := list -}}
{{- $values := .values -}}
{{- range $flag, $value := $controller.extraArgs -}}
{{- $text := include "headgate.text" $value -}}
{{- if has $flag (list "http-port" "https-port") -}}
{{- include "headgate.put" (list $controller (printf "containerPort.%s" (trimSuffix "-port" $flag)) (int $text)) -}}
{{- $_ := set $controller (printf "default%sListenerPort" (trimSuffix "-port" $flag | upper)) (int $text) -}}
{{- else if eq $flag "healthz-port" -}}
{{- include "headgate.put" (list $controller "metrics.port" (int $text)) -}}
{{- else if has $flag (list "update-status" "enable-metrics") -}}
{{- $path := ternary "controller.reportIngressStatus.enable" "prometheus.create" (eq $flag "update-status") -}}
{{- include "headgate.put" (list $values $path (has (lower $text) (list "" "true" "1" "t"))) -}}
{{- else if has $flag (list "election-id" "watch-namespace" "watch-namespace-selector") -}}
{{- $paths := dict "election-id" "reportIngressStatus.leaderElectionLockName" "watch-namespace" "watchNamespace" "watch-namespace-selector" "watchNamespaceLabel" -}}
{{- include "headgate.put" (list $controller (get $paths $flag) $text) -}}
{{- else -}}
{{- if has $flag (list "publish-service" "publish-status-address") -}}
{{- $_ := set $adopted "published" true -}}
{{- end -}}
{{- $flags = append $flags (ternary (printf "--%s" $flag) (printf "--%s=%s" $flag $text) (eq $text "")) -}}
{{- end -}}
{{- end -}}
{{- if $controller.extraArgs -}}
{{- $_ := set $adopted "community" true -}}
{{- end -}}
{{- $_ := set $controller "extraArgs" $flags -}}
{{- end -}}
{{- if ne $controller.kind (lower $controller.kind) -}}
{{- $_ := set $controller "kind" (lower $controller.kind) -}}
{{- $_ := set $adopted "community" true -}}
{{- end -}}
{{- $config := $controller.config -}}
{{- range $key, $value := omit $config "name" "annotations" "entries" -}}
{{- $_ := set $adopted "community" true -}}
{{- $_ := set $config "entries" (merge (default dict $config.entries) (dict $key $value)) -}}
{{- end -}}
{{- end }}

{{/* What `by` of the table says. */}}
{{- define "headgate.adoptFurther" -}}
{{- $values := .values -}}
{{- $controller := $values.controller -}}
{{- if hasKey $controller "allowSnippetAnnotations" -}}
{{- include "headgate.put" (list $controller "config.entries" (merge (default dict $controller.config.entries) (dict "allow-snippet-annotations" (toString $controller.allowSnippetAnnotations)))) -}}
{{- end -}}
{{- if hasKey $controller "disableLeaderElection" -}}
{{- include "headgate.put" (list $controller "reportIngressStatus.enableLeaderElection" (not $controller.disableLeaderElection)) -}}
{{- end -}}
{{- range list "minAvailable" "maxUnavailable" -}}
{{- if hasKey $controller . -}}
{{- include "headgate.put" (list $controller (printf "podDisruptionBudget.%s" .) (get $controller .)) -}}
{{- include "headgate.put" (list $controller "podDisruptionBudget.enabled" true) -}}
{{- end -}}
{{- end -}}
{{- with $controller.scope -}}
{{- if .enabled -}}
{{- $_ := set $controller "watchNamespace" (default $.own .namespace) -}}
{{- end -}}
{{- end -}}
{{- with $values.imagePullSecrets -}}
{{- $names := list -}}
{{- range . -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- include "headgate.put" (list $controller "serviceAccount.imagePullSecretsNames" $names) -}}
{{- end -}}
{{- if and (kindIs "map" $controller.service.external) (eq (toString $controller.service.enabled) "false") -}}
{{- include "headgate.put" (list $controller "service.create" false) -}}
{{- end -}}
{{- end }}

{{/* What holds there without a value. */}}
{{- define "headgate.adoptDefaults" -}}
{{- $controller := .controller -}}
{{- if not $controller.ingressClass.controllerClass -}}
{{- include "headgate.put" (list $controller "ingressClass.controllerClass" "k8s.io/ingress-nginx") -}}
{{- end -}}
{{- $_ := set $controller "allowEmptyIngressHost" true -}}
{{- $_ := set $controller "healthStatus" true -}}
{{- $_ := set $controller "healthStatusURI" (default "/healthz" $controller.healthCheckPath) -}}
{{- include "headgate.put" (list $controller "nginxStatus.enable" false) -}}
{{- $port := dig "port" 10254 (default dict $controller.metrics) -}}
{{- include "headgate.put" (list $controller "readyStatus.port" $port) -}}
{{- include "headgate.put" (list . "prometheus.port" $port) -}}
{{- $metrics := default dict $controller.metrics -}}
{{- if and (dig "serviceMonitor" "enabled" false $metrics) (dig "service" "enabled" true $metrics) -}}
{{- include "headgate.put" (list . "prometheus.service.create" true) -}}
{{- end -}}
{{- end }}

{{/* Set a value: (list mapping path value). */}}
{{- define "headgate.put" -}}
{{- $place := index . 0 -}}
{{- $keys := splitList "." (index . 1) -}}
{{- range initial $keys -}}
{{- if not (kindIs "map" (get $place .)) -}}
{{- $_ := set $place . dict -}}
{{- end -}}
{{- $place = get $place . -}}
{{- end -}}
{{- $_ := set $place (last $keys) (index . 2) -}}
{{- end }}

{{/* The ports of tcp and udp, as a JSON array: protocol, port, name and the port of the nodes. */}}
{{- define "headgate.streamPorts" -}}
{{- $found := list -}}
{{- $prefix := ternary "" (printf "%s-" .Values.portNamePrefix) (empty .Values.portNamePrefix) -}}
{{- $nodes := default dict .Values.controller.service.nodePorts -}}
{{- range $protocol := list "tcp" "udp" -}}
{{- range $port, $target := default dict (get $.Values $protocol) -}}
{{- $node := dig $protocol $port "" $nodes -}}
{{- $found = append $found (dict "protocol" $protocol "port" (int $port) "name" (printf "%s%s-%s" $prefix $port $protocol) "node" $node) -}}
{{- end -}}
{{- end -}}
{{ $found | toJson }}
{{- end }}

{{- define "headgate.streamConfigMap" -}}
{{ printf "%s-%s" (include "headgate.fullname" .root) .protocol }}
{{- end }}
