"""PEM (RFC 7468) as people write it: every block is found, or the text is called damaged.

OpenSSL reads PEM line by line: it does not see a block that is indented or begins in the middle of a line, and it
stops without a word at the first one that it cannot read, so that a chain is shorter than it was written. Therefore
nothing is handed on as it was written: blocks are found here, wherever they stand, and ``written`` again.
"""

from __future__ import annotations

import base64
import binascii
import re
from itertools import zip_longest

import msgspec

COLUMNS = 64
"""Characters of a line (RFC 7468 §2)."""
_MARKER = re.compile(rb"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 #/]{0,60})-----")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_STRAY = re.compile(rb"(?=[0-9A-Fa-f]*[G-Zg-z+/])[A-Za-z0-9+/]{44,}={0,2}")
"""A line of base64; letters beyond F tell it from a fingerprint."""


class Damaged(Exception):  # noqa: N818 - what the text is
    """A block cannot be read; the message says which, by its line."""


class Block(msgspec.Struct, frozen=True):
    """One block: its label, the number of the line in which it begins, and what stands between its markers."""

    label: str
    line: int
    body: bytes

    @property
    def encrypted(self) -> bool:
        """Whether it needs a password: by its label (PKCS #8), or by its header (RFC 1421 §4.6.1.1)."""
        return self.label.startswith("ENCRYPTED ") or b"ENCRYPTED" in self._parts()[0]

    def der(self) -> bytes:
        """Return its content (Damaged: it is not base64)."""
        try:
            return binascii.a2b_base64(b"".join(self._parts()[1].split()), strict_mode=True)
        except binascii.Error:
            raise Damaged(f"the {self.label} of line {self.line} is not base64") from None

    def _parts(self) -> tuple[bytes, bytes]:
        """Return headers and content; an empty line ends the headers, of which there are seldom any."""
        if b":" not in self.body:
            return b"", self.body
        lines = [line.strip() for line in _LINE_END.split(self.body.strip())]
        end = lines.index(b"") if b"" in lines else len(lines)
        return b"\n".join(lines[:end]), b"\n".join(lines[end:])


def blocks(text: bytes) -> list[Block]:
    """Find every block of *text*, whatever stands around it and however its lines end.

    Raises:
        Damaged: a block has no end, or a line looks like the inside of a block and stands in none.
    """
    found: list[Block] = []
    markers = list(_MARKER.finditer(text))
    line, read = 1, 0
    for begin, end in zip_longest(markers[::2], markers[1::2]):
        _forbid_stray(text[read : begin.start()], line)
        line += _lines(text[read : begin.start()])
        label = begin[2].decode()
        if begin[1] != b"BEGIN":
            raise Damaged(f"the END {label} of line {line} has no BEGIN line")
        if end is None or (end[1], end[2]) != (b"END", begin[2]):
            raise Damaged(f"the {label} of line {line} has no END line")
        found.append(Block(label, line, text[begin.end() : end.start()]))
        line += _lines(text[begin.start() : end.end()])
        read = end.end()
    _forbid_stray(text[read:], line)
    return found


def written(label: str, der: bytes) -> bytes:
    """Write a block as RFC 7468 wants it."""
    encoded = base64.b64encode(der)
    lines = (encoded[at : at + COLUMNS] for at in range(0, len(encoded), COLUMNS))
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label.encode(), b"\n".join(lines), label.encode())


def _lines(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


def _forbid_stray(text: bytes, first: int) -> None:
    """Refuse base64 outside of blocks (Damaged): a marker near by is misspelt, and what it marks would be lost."""
    for number, line in enumerate(_LINE_END.split(text), first):
        if _STRAY.fullmatch(line.strip()):
            raise Damaged(f"line {number} is base64 outside of a block; check the BEGIN and END lines around it")
