"""How the text of a flag becomes a value, and a value its text; readers raise ValueError as ``Value.parse`` demands."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


def boolean(text: str) -> bool:
    """Parse the twelve spellings of Go's ``strconv.ParseBool``."""
    if text in {"1", "t", "T", "TRUE", "true", "True"}:
        return True
    if text in {"0", "f", "F", "FALSE", "false", "False"}:
        return False
    raise ValueError("is not a boolean; write true or false")


class Integer(msgspec.Struct, frozen=True):
    """Reads whole numbers between ``least`` and ``most``, both included; ``0x`` and ``_`` as in Go."""

    least: int
    most: int

    def __call__(self, text: str) -> int:
        """Read *text*."""
        try:
            number = int(text, 0)
        except ValueError:
            raise ValueError("is not a whole number") from None
        if not self.least <= number <= self.most:
            raise ValueError(f"is out of range; write a number from {self.least} to {self.most}")
        return number


class EnumValue(msgspec.Struct, frozen=True):
    """Reads the values of ``kind`` in any case; ``aliases`` are further spellings."""

    kind: type[enum.Enum]
    aliases: Mapping[str, str] = {}

    @property
    def words(self) -> tuple[str, ...]:
        """Every spelling, in lower case."""
        return (*(str(item.value) for item in self.kind), *self.aliases)

    def __call__(self, text: str) -> enum.Enum:
        """Read *text*."""
        word = text.lower()
        try:
            return self.kind(self.aliases.get(word, word))
        except ValueError:
            names = ", ".join(str(item.value) for item in self.kind)
            raise ValueError(f"is not known; write one of {names}") from None


class Choice(msgspec.Struct, frozen=True):
    """Reads one of ``words``, in exactly this spelling."""

    words: tuple[str, ...]

    def __call__(self, text: str) -> str:
        """Read *text*."""
        if text not in self.words:
            raise ValueError(f"is not known; write one of {', '.join(self.words)}")
        return text


def path(text: str) -> Path | None:
    """Read a path; empty means none, ``~`` is the user's home."""
    return Path(text).expanduser() if text else None


def printed(value: Any) -> str:
    """Spell a value as its flag does; the inverse of reading."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
