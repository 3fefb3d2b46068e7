#!/bin/sh
# Unpack Debian's nginx with its Lua module below a directory: `tools/lua_nginx.sh [DIRECTORY]`, build/nginx-lua if not
# given. DIRECTORY/usr/sbin/nginx then has a loader and a C library of its own, whatever the machine has; nothing is
# installed. It is the nginx of the image (Containerfile), for tests and benchmarks of the live data plane.
#
# Needs apt-get and dpkg-deb (Debian, Ubuntu) and a mirror; no root. A directory that is complete is left as it is.
set -eu
cd "$(dirname "$0")/.."

suite=$(sed -n 's/^ARG NGINX_SUITE=//p' Containerfile)
packages="nginx libnginx-mod-http-lua lua-cjson libnginx-mod-stream libnginx-mod-http-js libnginx-mod-stream-js \
libnginx-mod-http-headers-more-filter libnginx-mod-http-brotli-filter libnginx-mod-http-brotli-static \
libnginx-mod-http-geoip2 libnginx-mod-http-modsecurity modsecurity-crs patchelf"
root=${1:-build/nginx-lua}
if [ -e "$root/complete" ] && [ "$(cat "$root/complete")" = "$packages" ]; then exit 0; fi
rm -rf "$root"

say() { printf '%s\n' "lua_nginx: $*" >&2; }
for tool in apt-get dpkg-deb; do
    command -v $tool >/dev/null || { say "$tool is missing: Debian's packages are needed"; exit 1; }
done
mkdir -p "$root"
root=$(cd "$root" && pwd)

state=$root/.apt
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | grep -m 1 '/debian/$' || true)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -n "$mirror" ] && [ -r $keys ] || { say "no mirror of Debian is configured"; exit 1; }
mkdir -p "$state/etc" "$state/lists/partial" "$state/archives/partial"
: >"$state/status"
# As in the Containerfile: a Release file of testing is valid for a week, and mirrors lag.
printf '%s\n' 'Types: deb' "URIs: $mirror" "Suites: $suite" 'Components: main' 'Check-Valid-Until: no' "Signed-By: $keys" \
    >"$state/etc/nginx.sources"
apt() {
    apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$state/etc" -o Dir::State::Lists="$state/lists" \
        -o Dir::State::Status="$state/status" -o Dir::Cache="$state" -o Debug::NoLocking=1 -o APT::Sandbox::User= \
        -o APT::Install-Recommends=0 -o Acquire::http::Timeout=20 "$@"
}
apt update
# shellcheck disable=SC2086 # words
apt install -y --download-only $packages >/dev/null
for package in "$state"/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
rm -rf "$state"

loader=$(find "$root" -name 'ld-linux*.so.*' -type f | head -n 1)
libraries=$(dirname "$loader")
"$loader" --library-path "$libraries" "$root/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath \
    --set-rpath "$libraries" "$root/usr/sbin/nginx"
"$root/usr/sbin/nginx" -v
printf '%s\n' "$packages" >"$root/complete"
