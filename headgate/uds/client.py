"""A client that sends messages and waits for the answer to each."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Final

from headgate.uds.address import Address, Kind, require_place, what
from headgate.uds.channels import Channel, channel
from headgate.uds.errors import AddressError, NobodyError, SilentError, UdsError
from headgate.uds.framing import MOST, Framing
from headgate.uds.peers import listening

AGAIN_S: Final = 0.05
"""Between two looks for a server."""
REPLIES_MODE: Final = 0o666
"""The server may be another user. The socket is connected, so the kernel takes datagrams of the server alone."""


async def talk(
    address: Address, messages: Iterable[bytes], kind: Kind = Kind.STREAM, framing: Framing = Framing.NEWLINE,
    *, timeout_s: float = 5.0,
) -> AsyncIterator[bytes]:  # fmt: skip
    """Send each of *messages* and yield its answer before the next one is sent.

    *timeout_s* holds for the connection, for each message and for each answer. Cancellation closes the connection.

    Raises:
        AddressError: one may not connect there, or the client's own address cannot be made.
        NobodyError: nobody listens there.
        FramingError: a message cannot be sent in one piece, or the answer is not a message.
        SilentError: no answer in time, or the server hung up.
    """
    async with _connected(address, kind, framing, timeout_s) as conversation:
        for message in messages:
            try:
                async with asyncio.timeout(timeout_s):
                    await conversation.send(message)
                    answer = await conversation.receive()
            except TimeoutError as error:
                raise SilentError(f"{address}: no answer within {timeout_s:g} s") from error
            except OSError as error:
                raise SilentError(f"{address}: the server hung up: {error.strerror}") from error
            if answer is None:
                raise SilentError(f"{address}: the server hung up without an answer; its log says why")
            yield answer


async def server_at(address: Address, seconds: float) -> None:
    """Return as soon as somebody listens at *address*, at the latest after *seconds*; connecting tells the why."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not _there(address):  # noqa: ASYNC110 - no event tells that a file became a socket with a listener
                await asyncio.sleep(AGAIN_S)


def _there(address: Address) -> bool:
    try:
        return listening(address) is not None
    except PermissionError:
        # The server sets the permissions after it made the file; whether they let us in, connecting tells.
        return False


@contextlib.asynccontextmanager
async def _connected(address: Address, kind: Kind, framing: Framing, timeout_s: float) -> AsyncIterator[Channel]:
    """Connect, and remove everything afterwards, the client's own address included."""
    with socket.socket(socket.AF_UNIX, kind.number) as connection, contextlib.ExitStack() as stack:
        connection.setblocking(False)
        if kind is Kind.DGRAM:
            stack.enter_context(_replies(connection, address))
        try:
            async with asyncio.timeout(timeout_s):
                await _connect(connection, address)
        except TimeoutError as error:
            raise SilentError(f"{address}: the server accepts nobody for {timeout_s:g} s") from error
        except OSError as error:
            raise _refusal(address, kind, error) from error
        conversation = await channel(connection, kind, framing, MOST)
        try:
            yield conversation
        finally:
            await conversation.close()


async def _connect(connection: socket.socket, address: Address) -> None:
    """Connect; ``connect`` says EAGAIN, not EINPROGRESS, while the queue is full (unix(7)), so one asks again."""
    while True:
        try:
            connection.connect(address.name)
        except BlockingIOError:
            await asyncio.sleep(0.01)
        else:
            return


@contextlib.contextmanager
def _replies(connection: socket.socket, server: Address) -> Iterator[None]:
    """Bind *connection* to an address of its own beside the server's, where both can reach it.

    Raises:
        AddressError: the directory does not let this user make one, or its path would be too long.
    """
    if server.path is None:
        connection.bind("")  # the kernel chooses an abstract address (unix(7), autobind)
        yield
        return
    require_place(server)
    own = Address.parse(f"{server}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        connection.bind(own.name)
        Path(own.name).chmod(REPLIES_MODE)
        yield
    except PermissionError as error:
        raise AddressError(
            f"{own}: answers need an address of the client's own, and this user cannot make one there: {error.strerror}"
        ) from error
    finally:
        Path(own.name).unlink(missing_ok=True)


def _refusal(address: Address, kind: Kind, error: OSError) -> UdsError:
    """Say what a failed connect(2) means."""
    if error.errno == errno.EPROTOTYPE:
        return AddressError(f"{address}: the socket there is not of type {kind.value}; use another --type")
    if isinstance(error, PermissionError):
        return AddressError(f"{address}: this user may not connect; the server's --mode and --group decide who may")
    if address.path is None:
        return NobodyError(f"{address}: nobody listens there in this network namespace; start the server first")
    found = what(address.path)
    if found == "nothing":
        return NobodyError(f"{address}: there is no such file; start the server first, or mount its volume here")
    if found != "a socket":
        return AddressError(f"{address}: {found} is there, not a socket")
    return NobodyError(f"{address}: nobody listens on this socket, its server is gone; start it again")
