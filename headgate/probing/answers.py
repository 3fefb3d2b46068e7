"""What is compared of two answers to the same request."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

HEADERS: Final = ("location", "content-type", "strict-transport-security", "www-authenticate")
CORS: Final = "access-control-"
COOKIES: Final = "set-cookie"
STATUS, BODY, CERTIFICATE = "status", "body", "certificate"
FOLLOWING: Final = frozenset({"content-type", BODY})
"""What need not be named where the status differs, because it is that of another answer."""


_PORT = re.compile(r"(https?://[^/?#]*):([0-9]+)(?=[/?#]|$)")


class Reply(msgspec.Struct, frozen=True):
    """What a controller did with a request.

    Attributes:
        status: the code, or in words why there is none.
        headers: those of the answer, by name in lower case; of several with one name the values stand in their order.
        body: the digest of the body, empty if it is not compared.
        certificate: the digest of the certificate, empty in plain HTTP.
    """

    status: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    certificate: str = ""

    @property
    def succeeds(self) -> bool:
        """Whether the answer is what was asked for, and not a page of a controller."""
        return self.status.startswith("2")


class Difference(msgspec.Struct, frozen=True):
    """One thing that differs: its value in the answer of A and in that of B, empty where it is not there."""

    name: str
    a: str
    b: str


def portless(reply: Reply, ports: Collection[int]) -> Reply:
    """Return *reply* without *ports*, those of the addresses that are asked, in its Location: clients use others."""

    def without(found: re.Match[str]) -> str:
        return found[1] if int(found[2]) in ports else found[0]

    headers = [(name, _PORT.sub(without, value) if name == "location" else value) for name, value in reply.headers]
    return msgspec.structs.replace(reply, headers=tuple(headers))


def differences(a: Reply, b: Reply, *, certificate: bool = False) -> tuple[Difference, ...]:
    """Return what differs, the status first; certificates are compared on demand, bodies if both requests succeed."""
    of_a, of_b = _facts(a, certificate=certificate), _facts(b, certificate=certificate)
    found = [
        Difference(name, of_a.get(name, ""), of_b.get(name, ""))
        for name in dict.fromkeys((*of_a, *of_b))
        if of_a.get(name, "") != of_b.get(name, "")
    ]
    if any(each.name == STATUS for each in found):
        return tuple(each for each in found if each.name not in FOLLOWING)
    return tuple(each for each in found if each.name != BODY or (each.a and each.b))


def _facts(reply: Reply, *, certificate: bool) -> Mapping[str, str]:
    facts = {STATUS: reply.status}
    for name, value in reply.headers:
        if name in HEADERS or name.startswith(CORS):
            facts[name] = ", ".join(filter(None, (facts.get(name, ""), _spaced(value))))
    if cookies := _cookies(value for name, value in reply.headers if name == COOKIES):
        facts[COOKIES] = cookies
    if reply.succeeds:
        facts[BODY] = reply.body
    if certificate:
        facts[CERTIFICATE] = reply.certificate
    return facts


def _spaced(value: str) -> str:
    """Return a list with one space after each comma, as it means the same with more or without."""
    return ", ".join(part.strip() for part in value.split(","))


def _cookies(values: Iterable[str]) -> str:
    """Return the names of cookies; their values differ with every client."""
    return ", ".join(sorted({value.partition("=")[0].strip() for value in values}))
