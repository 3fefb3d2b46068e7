"""A server that answers every message of many clients at the same time; a slow client does not delay the others.

Clients of a datagram socket share one thing: answers that have not been read yet count against the send buffer of the
server's only socket. While clients that do not read fill it, further answers are lost, and each loss is reported.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import msgspec

from headgate.uds.address import SocketType
from headgate.uds.channels import TOO_LONG, channel, grow_send_buffer, readable, too_long
from headgate.uds.errors import FramingError
from headgate.uds.framing import MAX_MESSAGE, Framing
from headgate.uds.peers import ANCILLARY, Peer
from headgate.uds.server_socket import ServerSocket

PAUSE_S: Final = 0.1
"""How long no connection is accepted after the process ran out of descriptors."""


class ServerRules(msgspec.Struct, frozen=True):
    """How a server treats its clients.

    Attributes:
        framing: where a message ends, on a stream.
        max_message: bytes of the longest message that is accepted on a stream.
        timeout_s: the connection of a client that sends nothing, or does not read, for so long is closed.
        uids: users whose messages are answered; ``None`` for all that the permissions of the file let in.
    """

    framing: Framing = Framing.NEWLINE
    max_message: int = MAX_MESSAGE
    timeout_s: float = 30.0
    uids: frozenset[int] | None = None

    def allow(self, peer: Peer | None) -> bool:
        """Whether messages of *peer* are answered; an unknown peer is allowed only if every user is."""
        return self.uids is None or (peer is not None and peer.uid in self.uids)


class Observer(Protocol):
    """Callbacks for what happens to clients; they must not block."""

    def connected(self, peer: Peer | None) -> None:
        """A client connected, or sent a datagram."""

    def refused(self, peer: Peer | None) -> None:
        """A client was refused because of its user."""

    def failed(self, peer: Peer | None, reason: str) -> None:
        """A connection ended because of an error, or an answer could not be delivered."""


T = TypeVar("T")
Responder = Callable[[bytes], bytes]


class MessageServer:
    """Answers the messages that arrive at a ServerSocket; run once."""

    def __init__(self, listener: ServerSocket, respond: Responder, rules: ServerRules, observer: Observer) -> None:
        """Use *listener*, whose owner opens it (with ``identify`` if *rules* name users) and closes it.

        *respond* returns the answer to a message, without blocking.
        """
        self._listener = listener
        self._respond = respond
        self._rules = rules
        self._observer = observer

    async def run(self) -> None:
        """Serve until cancelled, which closes every connection but not the ServerSocket."""
        if self._listener.kind is SocketType.DGRAM:
            await self._datagrams()
            return
        async with asyncio.TaskGroup() as group:
            while True:
                if (connection := await self._accept()) is not None:
                    group.create_task(self._serve(connection))

    async def _accept(self) -> socket.socket | None:
        try:
            connection, _ = await asyncio.get_running_loop().sock_accept(self._listener.socket)
        except OSError as error:
            self._observer.failed(None, f"a client could not be accepted: {error.strerror}")
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                await asyncio.sleep(PAUSE_S)  # accept(2) would fail for the same client again at once
            return None
        return connection

    async def _serve(self, connection: socket.socket) -> None:
        """Answer one client until it closes the connection, breaks a rule, or is silent for too long."""
        peer = Peer.of(connection)
        if not self._rules.allow(peer):
            connection.close()
            self._observer.refused(peer)
            return
        self._observer.connected(peer)
        conversation = await channel(connection, self._listener.kind, self._rules.framing, self._rules.max_message)
        try:
            while (message := await self._timed(conversation.receive())) is not None:
                await self._timed(conversation.send(self._respond(message)))
        except TimeoutError:
            self._observer.failed(peer, f"silent for {self._rules.timeout_s:g} s, connection closed")
        except (OSError, FramingError) as error:
            self._observer.failed(peer, str(error))
        finally:
            await conversation.close()

    async def _timed(self, step: Awaitable[T]) -> T:
        return await asyncio.wait_for(step, self._rules.timeout_s)

    async def _datagrams(self) -> None:
        """Send the answer to each datagram to the address that its sender has bound, if any."""
        receiver = self._listener.socket
        while True:
            size = await readable(receiver)
            with contextlib.suppress(BlockingIOError):
                message, ancillary, _, sender = receiver.recvmsg(max(size, 1), ANCILLARY)
                self._datagram(message, Peer.from_ancillary(ancillary), sender)

    def _datagram(self, message: bytes, peer: Peer | None, sender: str | bytes | None) -> None:
        if not self._rules.allow(peer):
            self._observer.refused(peer)
            return
        self._observer.connected(peer)
        answer = self._respond(message)
        if not sender:
            self._observer.failed(peer, "the sender has no address, so it gets no answer")
            return
        try:
            # Waiting for a client that does not read would delay the others: its answer is dropped instead.
            grow_send_buffer(self._listener.socket, len(answer))
            self._listener.socket.sendto(answer, sender)
        except OSError as error:
            reason = too_long(self._listener.socket, answer) if error.errno in TOO_LONG else error.strerror
            self._observer.failed(peer, f"the answer could not be delivered: {reason}")
