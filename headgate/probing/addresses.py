"""The two addresses that are asked: those that the user names, and no other."""

from __future__ import annotations

import re
from typing import Final

import msgspec

USUAL: Final = {"http": 80, "https": 443}
_ADDRESS = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?/?"
)
_MOST_PORT = 65535


class Address(msgspec.Struct, frozen=True):
    """Where requests of one scheme are sent."""

    host: str
    port: int

    def __str__(self) -> str:
        """As messages name it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Controller(msgspec.Struct, frozen=True):
    """A controller: an address for each scheme, and how the user writes it."""

    named: str
    addresses: dict[str, Address]


def controller(text: str) -> Controller:
    """Read ``http://10.0.0.1``, ``http://10.0.0.1:8080,https://10.0.0.1:8443``, or ``10.0.0.1`` for both usual ports.

    Raises:
        ValueError: it is not that; the text reads on after the quoted value.
    """
    found: dict[str, Address] = {}
    for part in text.split(","):
        for scheme, address in _read(part):
            if scheme in found:
                raise ValueError(f"has two addresses of {scheme}; write one of each scheme")
            found[scheme] = address
    return Controller(text, found)


def _read(text: str) -> list[tuple[str, Address]]:
    match = _ADDRESS.fullmatch(text)
    if match is None:
        advice = "write for example http://10.0.0.1, or http://10.0.0.1:8080,https://10.0.0.1:8443"
        raise ValueError(f"is not the address of a controller; {advice}")
    host, port = match["host"].strip("[]"), match["port"]
    if port and not 1 <= int(port) <= _MOST_PORT:
        raise ValueError(f"has a port that is none (1 to {_MOST_PORT})")
    if match["scheme"]:
        return [(match["scheme"], Address(host, int(port or USUAL[match["scheme"]])))]
    if port:
        raise ValueError("has a port without a scheme; write http:// or https:// before it")
    return [(scheme, Address(host, usual)) for scheme, usual in USUAL.items()]
