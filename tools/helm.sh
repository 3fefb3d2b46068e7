#!/bin/sh
# Print the path of a Helm 3: HELM, or the one in PATH, else one that Go builds once (2 minutes) into the cache directory.
#
# Exits with 1 and a line that says what is missing where none can be had.
set -eu

version=v3.22.0
kubernetes=37 # the minor version of k8s.io/client-go in its go.mod
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/headgate
built=$cache/helm-$version

say() { printf '%s\n' "helm: $*" >&2; }

is_helm_3() { [ -n "$1" ] && "$1" version --short 2>/dev/null | grep -q '^v3\.'; }

build() {
    command -v go >/dev/null || { say "neither Helm 3 nor Go is installed; see https://helm.sh/docs/intro/install/, or set HELM"; exit 1; }
    mkdir -p "$cache"
    if command -v flock >/dev/null; then # calls at the same time share one build
        exec 9>"$cache/lock"
        flock 9
    fi
    [ -x "$built" ] && return
    folder=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$folder"' EXIT
    say "building Helm $version with $(go version) into $cache, once; this takes minutes"
    # As Helm's own releases: which Kubernetes its libraries speak decides what a chart without a cluster is told.
    library=helm.sh/helm/v3/pkg/chartutil.k8sVersion
    GOBIN=$folder go install -trimpath -ldflags "-s -w -X ${library}Major=1 -X ${library}Minor=$kubernetes" "helm.sh/helm/v3/cmd/helm@$version" >&2 \
        || { say "Go could not build it (see above); install Helm 3, or set HELM"; exit 1; }
    mv "$folder/helm" "$built"
}

for helm in "${HELM:-}" "$(command -v helm || true)" "$built"; do
    if is_helm_3 "$helm"; then
        printf '%s\n' "$helm"
        exit
    fi
done
build
printf '%s\n' "$built"
