"""Where container runtimes listen, and how kubeadm chooses between them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from headgate.uds import Address, AddressError


class Endpoint(msgspec.Struct, frozen=True):
    """A place where a runtime may listen.

    Attributes:
        address: the socket as it is reached from here.
        kubeadm: the URL that kubeadm tries for it, empty if kubeadm does not look there.
    """

    address: Address
    kubeadm: str = ""


KNOWN: Final = (
    ("/run/containerd/containerd.sock", "unix:///var/run/containerd/containerd.sock"),
    ("/var/run/crio/crio.sock", "unix:///var/run/crio/crio.sock"),
    ("/var/run/cri-dockerd.sock", "unix:///var/run/cri-dockerd.sock"),
)
"""Sockets of containerd, CRI-O and cri-dockerd, and what kubeadm calls them (constants_unix.go), in its order."""


def known(root: Path) -> tuple[Endpoint, ...]:
    """Return the usual endpoints of the machine whose root directory is *root*.

    Raises:
        AddressError: *root* is so long that no socket below it can be reached.
    """
    return tuple(Endpoint(Address.parse(str(_below(root, path))), url) for path, url in KNOWN)


def parse(text: str) -> Endpoint:
    """Read what a user names: a path, ``unix://`` and a path, or ``@name``.

    Raises:
        AddressError: it is something else.
    """
    scheme, separator, _ = text.partition("://")
    if separator and scheme != "unix":
        raise AddressError(f"{text!r}: only Unix sockets are asked; write a path or unix:///path")
    return Endpoint(Address.parse(text))


class Choice(msgspec.Struct, frozen=True):
    """What kubeadm does without ``criSocket``: it counts which of its three endpoints accept connections.

    Attributes:
        takes: the URL that it takes.
        between: the URLs between which it refuses to choose; then it takes none.
    """

    takes: str
    between: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Read as a sentence, with what to do."""
        if self.between:
            return (
                f"kubeadm would refuse to choose between {' and '.join(self.between)}; name one of them in"
                " nodeRegistration.criSocket or by --cri-socket"
            )
        return f"kubeadm would take {self.takes}"


def choice(listening: Iterable[Endpoint]) -> Choice | None:
    """Return what kubeadm does when these endpoints accept connections, ``None`` if it would find none."""
    urls = tuple(endpoint.kubeadm for endpoint in listening if endpoint.kubeadm)
    if len(urls) > 1:
        return Choice("", urls)
    return Choice(urls[0]) if urls else None


def _below(root: Path, path: str) -> Path:
    """Return *path* below *root*.

    ``/var/run`` is a link to ``/run``; where the root of a node is mounted in a Pod, the link would lead to the Pod's.
    """
    if root == Path("/"):
        return Path(path)
    return root / path.removeprefix("/var").removeprefix("/")
