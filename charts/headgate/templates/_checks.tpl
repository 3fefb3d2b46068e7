{{/* What would not work, said before anything is installed; the schema sees to the rest. */}}

{{/* Every complaint about the values, as a JSON array. */}}
{{- define "headgate.complaints" -}}
{{- $controller := .Values.controller -}}
{{- $found := list -}}
{{- range include "headgate.declined" . | fromJsonArray -}}
{{- if .refused -}}
{{- $found = append $found .text -}}
{{- end -}}
{{- end -}}
{{- range $name, $tls := dict "defaultTLS" $controller.defaultTLS "wildcardTLS" $controller.wildcardTLS -}}
{{- if and (not $tls.secret) (ne (empty $tls.cert) (empty $tls.key)) -}}
{{- $found = append $found (printf "controller.%s has only one of cert and key; give both, or name a Secret in controller.%s.secret" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and $controller.watchNamespace $controller.watchNamespaceLabel -}}
{{- $found = append $found "controller.watchNamespace and controller.watchNamespaceLabel contradict each other; name the namespaces or select them by label, not both" -}}
{{- end -}}
{{- range $name := list "enableCertManager" "enableExternalDNS" -}}
{{- if and (get $controller $name) (not $controller.enableCustomResources) -}}
{{- $found = append $found (printf "controller.%s needs controller.enableCustomResources, which is off; turn one of them off or the other on" $name) -}}
{{- end -}}
{{- end -}}
{{- with $controller.podDisruptionBudget -}}
{{- if and (ne (toString .minAvailable) "") (ne (toString .maxUnavailable) "") -}}
{{- $found = append $found "controller.podDisruptionBudget has both minAvailable and maxUnavailable; give one of them" -}}
{{- end -}}
{{- end -}}
{{- if and $controller.autoscaling.enabled (eq $controller.kind "daemonset") -}}
{{- $found = append $found "controller.autoscaling.enabled has no meaning for controller.kind=daemonset, which runs one Pod on each node; choose another kind, or turn it off" -}}
{{- end -}}
{{- if and (eq .Values.prometheus.scheme "https") (not .Values.prometheus.secret) -}}
{{- $found = append $found "prometheus.scheme=https needs a certificate; name its Secret in prometheus.secret" -}}
{{- end -}}
{{- if ge (include "headgate.drainTimeout" . | int) (int $controller.terminationGracePeriodSeconds) -}}
{{- $found = append $found (printf "controller.drainTimeout=%s is not shorter than controller.terminationGracePeriodSeconds=%d, after which the kubelet kills the Pod with its open requests; make the latter longer" (include "headgate.drainTimeout" .) (int $controller.terminationGracePeriodSeconds)) -}}
{{- end -}}
{{ $found | toJson }}
{{- end }}

{{/* The incumbent's values that are on and not there (files/declined.yaml): a JSON array of text and refused. */}}
{{- define "headgate.declined" -}}
{{- $found := list -}}
{{- range .Files.Get "files/declined.yaml" | fromYamlArray -}}
{{- $said := $.Values -}}
{{- range splitList "." .value -}}
{{- $said = ternary (get (default dict $said) .) nil (kindIs "map" $said) -}}
{{- end -}}
{{- if and $said (ne (toString $said) (toString .off)) -}}
{{- $found = append $found (dict "refused" .refused "text" (printf "%s=%v %s" .value $said .reason)) -}}
{{- end -}}
{{- end -}}
{{ $found | toJson }}
{{- end }}

{{- define "headgate.check" -}}
{{- with include "headgate.complaints" . | fromJsonArray -}}
{{- fail (printf "\n\n- %s\n" (join "\n- " .)) -}}
{{- end -}}
{{- end }}
