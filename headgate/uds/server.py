"""A server that answers every message; many clients at once, and none is waited for at the cost of the others.

One thing clients of a datagram socket do share: answers that nobody has read yet count against the send buffer of the
server's only socket. While clients that do not read fill it, further answers are lost, and that is told each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import msgspec

from headgate.uds.address import Kind
from headgate.uds.channels import TOO_LONG, channel, make_room, readable, too_long
from headgate.uds.errors import FramingError
from headgate.uds.framing import MOST, Framing
from headgate.uds.listener import Listener
from headgate.uds.peers import ANCILLARY, Peer

PAUSE_S: Final = 0.1
"""How long nobody is accepted after the process ran out of descriptors."""


class Rules(msgspec.Struct, frozen=True):
    """How a server treats its clients.

    Attributes:
        framing: where a message ends, on a stream.
        most: bytes of the longest message that is taken from a stream.
        timeout_s: a client that is silent, or does not read, for so long is hung up on.
        uids: users that may talk; ``None`` means all whom the file's permissions let in.
    """

    framing: Framing = Framing.NEWLINE
    most: int = MOST
    timeout_s: float = 30.0
    uids: frozenset[int] | None = None

    def allow(self, peer: Peer | None) -> bool:
        """Whether *peer* may talk; somebody unknown may if everybody may."""
        return self.uids is None or (peer is not None and peer.uid in self.uids)


class Witness(Protocol):
    """Is told what happens; must return at once."""

    def met(self, peer: Peer | None) -> None:
        """A client connected, or sent a datagram."""

    def refused(self, peer: Peer | None) -> None:
        """A client was turned away because of its user."""

    def failed(self, peer: Peer | None, reason: str) -> None:
        """A conversation ended before its time, or an answer could not be delivered."""


T = TypeVar("T")
Answer = Callable[[bytes], bytes]


class Server:
    """Answers what arrives at a Listener; made once, run once."""

    def __init__(self, listener: Listener, answer: Answer, rules: Rules, witness: Witness) -> None:
        """Use *listener*, whose owner opens it (with ``identify`` if *rules* name users) and closes it.

        *answer* turns each message into its reply, at once.
        """
        self._listener = listener
        self._answer = answer
        self._rules = rules
        self._witness = witness

    async def run(self) -> None:
        """Serve for ever. Cancellation closes every connection and leaves the Listener to its owner."""
        if self._listener.kind is Kind.DGRAM:
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
            self._witness.failed(None, f"a client could not be accepted: {error.strerror}")
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                await asyncio.sleep(PAUSE_S)  # the kernel would offer the same client again at once
            return None
        return connection

    async def _serve(self, connection: socket.socket) -> None:
        """Talk with one client until it ends, breaks a rule, or is silent for too long."""
        peer = Peer.of(connection)
        if not self._rules.allow(peer):
            connection.close()
            self._witness.refused(peer)
            return
        self._witness.met(peer)
        conversation = await channel(connection, self._listener.kind, self._rules.framing, self._rules.most)
        try:
            while (message := await self._timed(conversation.receive())) is not None:
                await self._timed(conversation.send(self._answer(message)))
        except TimeoutError:
            self._witness.failed(peer, f"silent for {self._rules.timeout_s:g} s, hung up")
        except (OSError, FramingError) as error:
            self._witness.failed(peer, str(error))
        finally:
            await conversation.close()

    async def _timed(self, step: Awaitable[T]) -> T:
        return await asyncio.wait_for(step, self._rules.timeout_s)

    async def _datagrams(self) -> None:
        """Answer each datagram to the address that its sender has bound, if it has one."""
        receiver = self._listener.socket
        while True:
            size = await readable(receiver)
            with contextlib.suppress(BlockingIOError):
                message, ancillary, _, sender = receiver.recvmsg(max(size, 1), ANCILLARY)
                self._datagram(message, Peer.among(ancillary), sender)

    def _datagram(self, message: bytes, peer: Peer | None, sender: str | bytes | None) -> None:
        if not self._rules.allow(peer):
            self._witness.refused(peer)
            return
        self._witness.met(peer)
        answer = self._answer(message)
        if not sender:
            self._witness.failed(peer, "the sender has no address, so it gets no answer")
            return
        try:
            # Waiting for a client that does not read would hold up the others: its answer is lost instead.
            make_room(self._listener.socket, len(answer))
            self._listener.socket.sendto(answer, sender)
        except OSError as error:
            reason = too_long(self._listener.socket, answer) if error.errno in TOO_LONG else error.strerror
            self._witness.failed(peer, f"the answer could not be delivered: {reason}")
