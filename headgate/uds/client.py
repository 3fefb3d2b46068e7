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

from headgate.uds.address import Address, SocketType, file_type, require_bindable
from headgate.uds.channels import Channel, channel
from headgate.uds.errors import AddressError, NoAnswerError, NotListeningError, UdsError
from headgate.uds.framing import MAX_MESSAGE, Framing
from headgate.uds.peers import listening

POLL_S: Final = 0.05
"""Interval of the checks whether a server listens."""
REPLY_MODE: Final = 0o666
"""The server may run as another user. The socket is connected, so the kernel accepts the server's datagrams only."""


async def exchange(
    address: Address,
    messages: Iterable[bytes],
    kind: SocketType = SocketType.STREAM,
    framing: Framing = Framing.NEWLINE,
    *,
    timeout_s: float = 5.0,
) -> AsyncIterator[bytes]:
    """Send each of *messages* and yield its answer before the next one is sent.

    *timeout_s* applies to connecting, and to each message together with its answer. Cancellation closes the
    connection.

    Raises:
        AddressError: this user may not connect there, or the client's own address cannot be bound.
        NotListeningError: no process listens there.
        FramingError: a message cannot be sent in one piece, or the answer is not a message.
        NoAnswerError: no answer in time, or the server closed the connection.
    """
    async with _connected(address, kind, framing, timeout_s) as connection:
        for message in messages:
            try:
                async with asyncio.timeout(timeout_s):
                    await connection.send(message)
                    answer = await connection.receive()
            except TimeoutError as error:
                raise NoAnswerError(f"{address}: no answer within {timeout_s:g} s") from error
            except OSError as error:
                raise NoAnswerError(f"{address}: the server closed the connection: {error.strerror}") from error
            if answer is None:
                raise NoAnswerError(f"{address}: the server closed the connection without an answer; its log says why")
            yield answer


async def wait_for_server(address: Address, seconds: float) -> None:
    """Return as soon as a process listens at *address*, or after *seconds*; the connection that follows then fails."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not _listens(address):  # noqa: ASYNC110 - nothing reports that a process begins to listen
                await asyncio.sleep(POLL_S)


def _listens(address: Address) -> bool:
    try:
        return listening(address) is not None
    except PermissionError:
        # The server sets the permissions after it has created the file; a connection tells whether they suffice.
        return False


@contextlib.asynccontextmanager
async def _connected(address: Address, kind: SocketType, framing: Framing, timeout_s: float) -> AsyncIterator[Channel]:
    """Connect; afterwards close the connection and remove the client's own address."""
    with socket.socket(socket.AF_UNIX, kind.number) as connection, contextlib.ExitStack() as stack:
        connection.setblocking(False)
        if kind is SocketType.DGRAM:
            stack.enter_context(_reply_address(connection, address))
        try:
            async with asyncio.timeout(timeout_s):
                await _connect(connection, address)
        except TimeoutError as error:
            raise NoAnswerError(f"{address}: the server accepts nobody for {timeout_s:g} s") from error
        except OSError as error:
            raise _connect_error(address, kind, error) from error
        messages = await channel(connection, kind, framing, MAX_MESSAGE)
        try:
            yield messages
        finally:
            await messages.close()


async def _connect(connection: socket.socket, address: Address) -> None:
    """Connect; while the queue is full connect(2) fails with EAGAIN (unix(7)) and is repeated."""
    while True:
        try:
            connection.connect(address.name)
        except BlockingIOError:
            await asyncio.sleep(0.01)
        else:
            return


@contextlib.contextmanager
def _reply_address(connection: socket.socket, server: Address) -> Iterator[None]:
    """Bind *connection* to an address of its own in the server's directory, where both can reach it.

    Raises:
        AddressError: this user may not create it there, or its path would be too long.
    """
    if server.path is None:
        connection.bind("")  # the kernel chooses an abstract address (unix(7), autobind)
        yield
        return
    require_bindable(server)
    own = Address.parse(f"{server}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        connection.bind(own.name)
        Path(own.name).chmod(REPLY_MODE)
        yield
    except PermissionError as error:
        raise AddressError(
            f"{own}: answers need an address of the client's own, and this user cannot make one there: {error.strerror}"
        ) from error
    finally:
        Path(own.name).unlink(missing_ok=True)


def _connect_error(address: Address, kind: SocketType, error: OSError) -> UdsError:
    """Return what a failed connect(2) means."""
    if error.errno == errno.EPROTOTYPE:
        return AddressError(f"{address}: the socket there is not of type {kind.value}; use another --type")
    if isinstance(error, PermissionError):
        return AddressError(f"{address}: this user may not connect; the server's --mode and --group decide who may")
    if address.path is None:
        return NotListeningError(
            f"{address}: no process listens on it in this network namespace; start the server first"
        )
    found = file_type(address.path)
    if found == "nothing":
        return NotListeningError(f"{address}: there is no such file; start the server first, or mount its volume here")
    if found != "a socket":
        return AddressError(f"{address}: {found} is there, not a socket")
    return NotListeningError(f"{address}: no process listens on this socket; restart its server")
