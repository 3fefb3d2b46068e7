"""Framing of messages on a stream, which has no message boundaries: a newline after each, or a length before it."""

from __future__ import annotations

import asyncio
import enum
import struct
from typing import Final

from headgate.uds.errors import FramingError

MAX_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of the longest message that is accepted, unless another limit is given."""
_LENGTH: Final = struct.Struct("!I")


class Framing(enum.Enum):
    r"""How messages are separated on a stream.

    ``newline``: each message ends with ``\n``, the last one also with the end of the stream; no message contains one.
    ``length``: an unsigned big-endian integer of four bytes precedes each message and gives its length in bytes.
    """

    NEWLINE = "newline"
    LENGTH = "length"


def pack(message: bytes, framing: Framing) -> bytes:
    """Return *message* as it is written to the stream.

    Raises:
        FramingError: this framing cannot represent it.
    """
    if framing is Framing.NEWLINE:
        if b"\n" in message:
            raise FramingError("a message with a newline inside would arrive as two; use --framing length")
        return message + b"\n"
    if len(message) > 0xFFFFFFFF:  # noqa: PLR2004 - what four bytes can say
        raise FramingError(f"{len(message)} bytes are more than a length of four bytes can say; send it in pieces")
    return _LENGTH.pack(len(message)) + message


async def unpack(reader: asyncio.StreamReader, framing: Framing, limit: int = MAX_MESSAGE) -> bytes | None:
    """Read the next message, or ``None`` at the end of the stream.

    With ``newline`` the *reader*'s own limit decides how long a line may be.

    Raises:
        FramingError: the message is longer than *limit*, or the stream ended inside it.
    """
    try:
        if framing is Framing.NEWLINE:
            return (await reader.readuntil(b"\n"))[:-1]
        (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if size > limit:
            raise FramingError(
                f"a message of {size} bytes was announced, at most {limit} are accepted; is --framing the same?"
            )
        return await reader.readexactly(size)
    except asyncio.LimitOverrunError as error:
        raise FramingError(f"no newline within {limit} bytes; raise --max-size, or use --framing length") from error
    except asyncio.IncompleteReadError as error:
        return _last(error, framing)


def _last(error: asyncio.IncompleteReadError, framing: Framing) -> bytes | None:
    """Return the last message of the stream: a line without newline is one, an incomplete length is an error."""
    if framing is Framing.NEWLINE:
        return error.partial or None
    if error.partial or error.expected != _LENGTH.size:
        raise FramingError(f"the stream ended {(error.expected or 0) - len(error.partial)} bytes before its message")
    return None
