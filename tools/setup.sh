#!/bin/sh
# Make .venv and install Headgate into it: `tools/setup.sh [EXTRA,...]`, extras as in pyproject.toml.
#
# Needs python3 >= 3.11 and a package index that pip can reach; no compiler, and nothing outside .venv is touched,
# except that on Debian and Ubuntu root gets the missing half of venv from apt. Calls at the same time wait for each
# other, a second call repairs or refreshes. PYTHON=/path/to/python3 chooses the interpreter.
set -eu

extras=${1:-nginx}
venv=.venv
cd "$(dirname "$0")/.."

say() { printf '%s\n' "setup: $*" >&2; }
die() { say "$*"; exit 1; }

# The first interpreter that runs and is new enough; a shim of pyenv may exist and refuse to run.
find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    die "no Python 3.11 or newer found (looked for ${PYTHON:-python3, python3.14 ... python3.11}); install one, or name it: PYTHON=/path/to/python3 make install"
}

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Debian and its children ship Python without ensurepip; pythonX.Y-venv brings it.
complete_python() {
    has_venv "$1" && return
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if ! command -v apt-get >/dev/null; then
        die "$1 has no ensurepip, so it cannot make a virtual environment; install the venv package of your system for it"
    fi
    if [ "$(id -u)" != 0 ]; then
        die "$1 cannot make a virtual environment yet; run this once, then try again:
    sudo sh -c 'apt-get update && apt-get install -y $package'"
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

# One set-up at a time in this folder; where flock is missing, parallel calls are the caller's business.
if command -v flock >/dev/null; then
    exec 9<pyproject.toml
    flock 9
fi
[ -w . ] || die "$PWD is not writable for $(id -un); clone into a folder of your own"
make_venv
say "installing headgate[$extras] and what it needs into $venv"
# Wheels only: a missing wheel must be named here, not end in a compiler's complaint.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
    --editable ".[$extras]" || die "pip could not install headgate[$extras] (see above). Is the package index reachable? pip takes a proxy from https_proxy and another index from PIP_INDEX_URL. Then run the same command again."
