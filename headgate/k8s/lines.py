"""Splits a stream of bytes into lines."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.k8s.errors import BadAnswer

LONGEST = 64 * 1024 * 1024
"""Size of the longest line in bytes; etcd limits objects to less than 2 MB."""


class Lines:
    """Joins pieces to lines; each byte is copied a constant number of times."""

    def __init__(self) -> None:
        """Begin without a piece."""
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield every line, without its end, that *piece* completes; empty lines are skipped.

        Raises:
            BadAnswer: no line ends within ``LONGEST`` bytes.
        """
        first, *rest = piece.split(b"\n")
        self._pieces.append(first)
        self._size += len(first)
        if self._size > LONGEST:
            raise BadAnswer(f"the API server sent more than {LONGEST} bytes without a line's end")
        for following in rest:
            if line := b"".join(self._pieces).strip():
                yield line
            self._pieces = [following]
            self._size = len(following)
