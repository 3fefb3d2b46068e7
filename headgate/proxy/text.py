"""What ``headgate proxy`` prints once it serves: the URLs, and a request to copy."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from headgate.proxy.routes import LOCALHOST, Backend, Route


class Front(msgspec.Struct, frozen=True):
    """Where nginx listens.

    Attributes:
        port: of HTTPS if there is an *authority*, else of HTTP.
        address: an address to connect to.
        authority: the file of the certificate to trust.
        lasting: whether it is the same the next time.
    """

    port: int
    address: str
    authority: Path | None = None
    lasting: bool = False

    @property
    def scheme(self) -> str:
        """The scheme of the URLs."""
        return "https" if self.authority else "http"


def announcement(routes: Sequence[Route], front: Front, silent: Collection[Backend]) -> str:
    """Return the text; nothing listens yet at the *silent* backends."""
    urls = [_url(route, front) for route in routes]
    width = max(map(len, urls))
    lines = [
        f"{url:{width}}  ->  {route.backend}{' (nothing listens there yet)' if route.backend in silent else ''}"
        for url, route in zip(urls, routes, strict=True)
    ]
    return "\n".join((*lines, *_more(routes, front), ""))


def _more(routes: Sequence[Route], front: Front) -> Iterator[str]:
    plain = next((route for route in routes if not route.backend.grpc), None)
    if plain:
        yield ""
        yield _curl(plain, front)
    names = tuple(dict.fromkeys(route.host for route in routes if not _resolves(route.host)))
    if names:
        yield ""
        yield f"For a browser, let {', '.join(names)} resolve to {front.address}, for example by a line in /etc/hosts."
    if front.authority:
        note = "" if front.lasting else ", which is another one at the next start"
        yield f"For a browser, let it trust {front.authority}{note}."


def _curl(route: Route, front: Front) -> str:
    words = ["curl"]
    if front.authority:
        words += ["--cacert", str(front.authority)]
    host = _example(route.host)
    if not _resolves(route.host):
        words += ["--resolve", f"{host}:{front.port}:{front.address}"]
    return shlex.join([*words, f"{front.scheme}://{host}:{front.port}{route.path}"])


def _url(route: Route, front: Front) -> str:
    return f"{front.scheme}://{route.host or LOCALHOST}:{front.port}{route.path}"


def _example(host: str) -> str:
    """Return a host that is served."""
    return f"www{host[1:]}" if host.startswith("*") else host or LOCALHOST


def _resolves(host: str) -> bool:
    """Whether browsers and curl connect to this machine for *host* by themselves (RFC 6761)."""
    return not host or host == LOCALHOST or host.endswith(f".{LOCALHOST}")
