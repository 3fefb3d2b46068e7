"""What is asked: one request, as a client would send it."""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterable, Mapping
from typing import Self
from urllib.parse import quote

import msgspec

from headgate.explain.addresses import Address, address_of

_URL = re.compile(r"(?P<scheme>https?)://(?:[^/?#@]*@)?(?P<host>\[[^\]/?#]*\]|[^:/?#]*)(?::(?P<port>[0-9]*))?"
                  r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL)  # fmt: skip
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)", re.DOTALL)
_METHOD = re.compile(r"[A-Z][A-Z_-]*")
USUAL_METHOD = "GET"
USUAL = {"http": 80, "https": 443}
HIGHEST_PORT = 65535


class BadQuestion(ValueError):  # noqa: N818 - what it is
    """A question that cannot be asked of nginx; the text says why and what to write instead."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request.

    Attributes:
        url: as it was asked.
        secure: over TLS.
        sni: the server name of the handshake, as the client knows it; empty for an IP address (RFC 6066).
        host: the ``Host`` header.
        port: the port that the URL names, ``None`` for the usual one of the scheme.
        path: the path as it is sent, escapes included.
        query: what follows ``?``, ``None`` if there is no ``?``.
        headers: other headers that may change the answer, by lower-case name.
        method: the method.
        token: the JSON Web Token that is sent where one is asked for, empty for that of *headers*, if any.
        address: that of the client, as nginx knows it (``$remote_addr``); ``None`` if it is not given.
    """

    url: str
    secure: bool
    sni: str
    host: str
    path: str
    port: int | None = None
    query: str | None = None
    headers: Mapping[str, str] = {}
    method: str = USUAL_METHOD
    address: Address | None = None
    token: str = ""

    @classmethod
    def of(
        cls, url: str, headers: Iterable[str] = (), method: str = USUAL_METHOD, address: str = "", token: str = ""
    ) -> Self:
        """Read *url*, *headers* (``Name: value``), *method*, *token* and, if it is given, the *address* of the client.

        Raises:
            BadQuestion: one of them is not what a client could send.
        """
        found = _URL.fullmatch(url)
        if not found or not found["host"]:
            raise BadQuestion(f"{url!r} is not a URL; write for example https://cafe.example.com/tea")
        host = found["host"]
        if not (url.isascii() or host.isascii()):
            raise BadQuestion(f"{host!r} is not a name in DNS; write it as browsers send it (xn--…)")
        if not _METHOD.fullmatch(method):
            raise BadQuestion(f"{method!r} is not a method{_capitals(method)}; write for example POST or OPTIONS")
        client = address_of(address)
        if address and client is None:
            raise BadQuestion(f"{address!r} is not an IP address; write for example 192.0.2.7")
        scheme = found["scheme"].lower()
        port = _port(found["port"])
        given = dict(map(_header, headers))
        return cls(
            url=url,
            secure=scheme == "https",
            sni="" if _is_address(host) else host.lower().removesuffix("."),
            host=given.pop("host", host if port in {None, USUAL[scheme]} else f"{host}:{port}"),
            port=None if port == USUAL[scheme] else port,
            path=_sent(found["path"] or "/"),
            query=None if found["query"] is None else _sent(found["query"]),
            headers=given,
            method=method,
            address=client,
            token=token,
        )

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self.secure else "http"


def _sent(text: str) -> str:
    """Escape what clients do not send as it is: everything beyond ASCII (RFC 3987 §3.1), and spaces."""
    return quote(text, safe=string.punctuation)


def _capitals(method: str) -> str:
    return ", which nginx accepts in capitals only" if _METHOD.fullmatch(method.upper()) else ""


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not 1 <= int(text) <= HIGHEST_PORT:
        raise BadQuestion(f"{text} is not a port (1 to {HIGHEST_PORT})")
    return int(text)


def _header(text: str) -> tuple[str, str]:
    found = _HEADER.fullmatch(text)
    if not found:
        raise BadQuestion(f"{text!r} is not a header; write for example 'X-Forwarded-Proto: http'")
    return found[1].lower(), found[2].strip()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
