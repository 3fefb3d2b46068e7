"""Where container runtimes listen, and how kubeadm chooses between them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from headgate.uds import Address, AddressError


class RuntimeEndpoint(msgspec.Struct, frozen=True):
    """An address at which a container runtime may listen.

    Attributes:
        address: the socket, as this process reaches it.
        kubeadm: the URL that kubeadm tries for it, empty if kubeadm does not look there.
    """

    address: Address
    kubeadm: str = ""


KNOWN: Final = (
    ("/run/containerd/containerd.sock", "unix:///var/run/containerd/containerd.sock"),
    ("/var/run/crio/crio.sock", "unix:///var/run/crio/crio.sock"),
    ("/var/run/cri-dockerd.sock", "unix:///var/run/cri-dockerd.sock"),
)
"""Sockets of containerd, CRI-O and cri-dockerd, and the URLs that kubeadm tries (constants_unix.go), in its order."""


def known(root: Path) -> tuple[RuntimeEndpoint, ...]:
    """Return the usual endpoints of the machine whose root directory is *root*.

    Raises:
        AddressError: *root* is so long that no socket below it can be reached.
    """
    return tuple(RuntimeEndpoint(Address.parse(str(_below(root, path))), url) for path, url in KNOWN)


def parse(text: str) -> RuntimeEndpoint:
    """Parse what a user names: a path, ``unix://`` and a path, or ``@name``.

    Raises:
        AddressError: it is anything else.
    """
    scheme, separator, _ = text.partition("://")
    if separator and scheme != "unix":
        raise AddressError(f"{text!r}: only Unix sockets are asked; write a path or unix:///path")
    return RuntimeEndpoint(Address.parse(text))


class KubeadmChoice(msgspec.Struct, frozen=True):
    """What kubeadm does without ``criSocket``: it counts which of its three endpoints accept connections.

    Attributes:
        takes: the URL that it takes.
        between: the URLs between which it refuses to choose; ``takes`` is empty then.
    """

    takes: str
    between: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As a sentence, with what to do."""
        if self.between:
            return (
                f"kubeadm would refuse to choose between {' and '.join(self.between)}; name one of them in"
                " nodeRegistration.criSocket or by --cri-socket"
            )
        return f"kubeadm would take {self.takes}"


def choice(listening: Iterable[RuntimeEndpoint]) -> KubeadmChoice | None:
    """Return what kubeadm does if these endpoints accept connections, ``None`` if it finds none."""
    urls = tuple(endpoint.kubeadm for endpoint in listening if endpoint.kubeadm)
    if len(urls) > 1:
        return KubeadmChoice("", urls)
    return KubeadmChoice(urls[0]) if urls else None


def _below(root: Path, path: str) -> Path:
    """Return *path* below *root*.

    ``/var/run`` is a link to ``/run``; in a Pod that has a node's root mounted, it would lead to the Pod's ``/run``.
    """
    if root == Path("/"):
        return Path(path)
    return root / path.removeprefix("/var").removeprefix("/")
