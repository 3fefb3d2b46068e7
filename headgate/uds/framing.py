"""Where a message ends on a stream, which keeps no boundaries: by a newline, or by a length before it."""

from __future__ import annotations

import asyncio
import enum
import struct
from typing import Final

from headgate.uds.errors import FramingError

MOST: Final = 64 * 1024 * 1024
"""Bytes of the longest message that is taken, unless another limit is given."""
_LENGTH: Final = struct.Struct("!I")


class Framing(enum.Enum):
    r"""How messages follow each other on a stream.

    ``newline``: each message ends with ``\n``, the last one also by the end of the stream; none has one inside.
    ``length``: four bytes, unsigned and big-endian, say how many bytes follow.
    """

    NEWLINE = "newline"
    LENGTH = "length"


def pack(message: bytes, framing: Framing) -> bytes:
    """Return *message* as it is written.

    Raises:
        FramingError: this framing cannot hold it.
    """
    if framing is Framing.NEWLINE:
        if b"\n" in message:
            raise FramingError("a message with a newline inside would arrive as two; use --framing length")
        return message + b"\n"
    if len(message) > 0xFFFFFFFF:  # noqa: PLR2004 - what four bytes can say
        raise FramingError(f"{len(message)} bytes are more than a length of four bytes can say; send it in pieces")
    return _LENGTH.pack(len(message)) + message


async def unpack(reader: asyncio.StreamReader, framing: Framing, most: int = MOST) -> bytes | None:
    """Read the next message, or ``None`` at the end of the stream.

    With ``newline`` the *reader*'s own limit decides how long a line may be.

    Raises:
        FramingError: the message is longer than *most*, or the stream ended inside it.
    """
    try:
        if framing is Framing.NEWLINE:
            return (await reader.readuntil(b"\n"))[:-1]
        (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if size > most:
            raise FramingError(
                f"a message of {size} bytes was announced, at most {most} are taken; have both ends the same --framing?"
            )
        return await reader.readexactly(size)
    except asyncio.LimitOverrunError as error:
        raise FramingError(f"no newline within {most} bytes; raise --max-size, or use --framing length") from error
    except asyncio.IncompleteReadError as error:
        return _last(error, framing)


def _last(error: asyncio.IncompleteReadError, framing: Framing) -> bytes | None:
    """Tell what the end of the stream left: a last line without newline is a message, half a length is not."""
    if framing is Framing.NEWLINE:
        return error.partial or None
    if error.partial or error.expected != _LENGTH.size:
        raise FramingError(f"the stream ended {(error.expected or 0) - len(error.partial)} bytes before its message")
    return None
