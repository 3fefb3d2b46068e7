"""The server among its clients: many, slow, rude, half-closed, unwelcome; sockets of all types."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from headgate.uds import Address, FramingError, InUseError, NoAnswerError, Peer, ServerSocket, SocketType, listening
from headgate.uds.client import exchange
from headgate.uds.framing import Framing
from headgate.uds.server import MessageServer, ServerRules
from tests.background import in_background
from tests.waiting import DEADLINE_S


class RecordedConnections:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Peer | None, str]] = []
        self.changed = asyncio.Event()

    def connected(self, peer: Peer | None) -> None:
        self._note("connected", peer, "")

    def refused(self, peer: Peer | None) -> None:
        self._note("refused", peer, "")

    def failed(self, peer: Peer | None, reason: str) -> None:
        self._note("failed", peer, reason)

    def _note(self, what: str, peer: Peer | None, reason: str) -> None:
        self.all.append((what, peer, reason))
        self.changed.set()

    async def told(self, what: str) -> str:
        """Wait until something was told, and return the reason."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for kind, _, reason in self.all:
                    if kind == what:
                        return reason
                self.changed.clear()
                await self.changed.wait()


@contextlib.asynccontextmanager
async def serving(
    path: Path,
    kind: SocketType = SocketType.STREAM,
    rules: ServerRules = ServerRules(),  # noqa: B008 - frozen
    answer: Callable[[bytes], bytes] = lambda message: b"<" + message + b">",
) -> AsyncIterator[tuple[Address, RecordedConnections]]:
    connections = RecordedConnections()
    with ServerSocket.open(Address(str(path)), kind, identify=True) as listener:
        async with in_background(MessageServer(listener, answer, rules, connections).run()):
            yield listener.address, connections


async def answers(address: Address, *messages: bytes, kind: SocketType = SocketType.STREAM) -> list[bytes]:
    return [answer async for answer in exchange(address, messages, kind, Framing.LENGTH, timeout_s=DEADLINE_S)]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


LENGTH = ServerRules(framing=Framing.LENGTH)


@pytest.mark.parametrize("kind", list(SocketType))
async def test_many_clients_at_once_each_get_their_own_answers(shared: Path, kind: SocketType) -> None:
    async with serving(shared / "s", kind, LENGTH) as (address, connections):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answers(address, b"a%d" % n, b"b%d" % n, kind=kind)) for n in range(60)]
        assert [task.result() for task in tasks] == [[b"<a%d>" % n, b"<b%d>" % n] for n in range(60)]
        assert {peer for _, peer, _ in connections.all} == {Peer(os.getpid(), os.getuid(), os.getgid())}
    assert names(shared) == [], "neither the server nor a client leaves a file"


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
async def test_messages_of_any_size_cross_a_stream(shared: Path, size: int) -> None:
    message = os.urandom(size)
    async with serving(shared / "s", rules=LENGTH) as (address, _):
        assert await answers(address, message, b"after") == [b"<" + message + b">", b"<after>"]


async def test_a_stream_keeps_no_boundaries_and_framing_restores_them(shared: Path) -> None:
    async with serving(shared / "s") as (address, _):
        reader, writer = await asyncio.open_unix_connection(address.name)
        writer.write(b"one\ntwo\nth")  # two and a half messages in one piece
        assert [await reader.readline(), await reader.readline()] == [b"<one>\n", b"<two>\n"]
        for byte in b"ree\n":  # and a message in pieces
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.readline() == b"<three>\n"
        writer.close()


async def test_a_half_closed_client_gets_the_answer_to_its_last_line(shared: Path) -> None:
    async with serving(shared / "s") as (address, _):
        reader, writer = await asyncio.open_unix_connection(address.name)
        writer.write(b"one\nno newline")
        writer.write_eof()
        assert await reader.read() == b"<one>\n<no newline>\n"
        writer.close()


@pytest.mark.parametrize("sent", [struct.pack("!I", 9) + b"half", b"\0\0"], ids=["message", "length"])
async def test_a_stream_that_ends_inside_a_message_is_reported(shared: Path, sent: bytes) -> None:
    async with serving(shared / "s", rules=LENGTH) as (address, connections):
        reader, writer = await asyncio.open_unix_connection(address.name)
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == b""
        assert "bytes before its message" in await connections.told("failed")
        writer.close()


@pytest.mark.parametrize("framing", list(Framing))
async def test_a_message_over_the_limit_ends_the_conversation(shared: Path, framing: Framing) -> None:
    async with serving(shared / "s", rules=ServerRules(framing, max_message=1000)) as (address, connections):
        reader, writer = await asyncio.open_unix_connection(address.name)
        writer.write(b"\0\0\7\xd0" + b"x" * 2000)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert "1000" in await connections.told("failed")
        writer.close()


@pytest.mark.parametrize("kind", [SocketType.STREAM, SocketType.SEQPACKET])
async def test_a_silent_client_is_disconnected_and_others_are_not(shared: Path, kind: SocketType) -> None:
    async with serving(shared / "s", kind, ServerRules(Framing.LENGTH, timeout_s=1)) as (address, connections):
        with socket.socket(socket.AF_UNIX, kind.number) as silent:
            silent.setblocking(False)
            silent.connect(address.name)
            assert await answers(address, b"x", kind=kind) == [b"<x>"]
            async with asyncio.timeout(DEADLINE_S):
                assert await asyncio.get_running_loop().sock_recv(silent, 1) == b""
        assert await connections.told("failed") == "silent for 1 s, connection closed"


async def test_a_client_that_does_not_read_is_disconnected(shared: Path) -> None:
    async with serving(shared / "s", rules=ServerRules(timeout_s=1), answer=lambda _: bytes(4_000_000)) as (
        address,
        connections,
    ):
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(address.name)
            deaf.sendall(b"x\n")
            assert "silent for" in await connections.told("failed")


@pytest.mark.parametrize("kind", [SocketType.DGRAM, SocketType.SEQPACKET])
async def test_packets_keep_boundaries_and_order(shared: Path, kind: SocketType) -> None:
    got: list[bytes] = []
    async with serving(shared / "s", kind, answer=lambda message: got.append(message) or b"ok") as (address, _):
        sent = [b"one", b"two\n", b"x" * 100_000, b"four"]
        assert await answers(address, *sent, kind=kind) == [b"ok"] * 4
    assert got == sent


@pytest.mark.parametrize("kind", [SocketType.DGRAM, SocketType.SEQPACKET])
async def test_send_buffers_are_widened_for_large_packets(shared: Path, kind: SocketType) -> None:
    large = os.urandom(300_000)  # more than a buffer usually has, less than twice that, which the kernel gives who asks
    async with serving(shared / "s", kind) as (address, _):
        assert await answers(address, large, kind=kind) == [b"<" + large + b">"]


async def test_a_full_connection_queue_counts_as_a_listener(shared: Path) -> None:
    address = Address(f"{shared}/s")
    with contextlib.ExitStack() as stack:
        busy = stack.enter_context(socket.socket(socket.AF_UNIX))
        busy.bind(address.text)
        busy.listen(0)
        with contextlib.suppress(BlockingIOError):
            for _ in range(10):
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(address.text)
            pytest.fail("the queue is never full")
        found = listening(address)
        assert found is not None
        assert (found.kind, found.pid) == (SocketType.STREAM, os.getpid())
        with pytest.raises(NoAnswerError, match=r"the server accepts nobody for 0\.05 s"):
            await anext(exchange(address, [b"x"], timeout_s=0.05))


async def test_several_packets_sent_before_any_answer_stay_apart(shared: Path) -> None:
    async with serving(shared / "s", SocketType.SEQPACKET) as (address, _):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.setblocking(False)
            client.connect(address.name)
            for message in (b"one", b"two", b"three"):
                client.send(message)
            loop = asyncio.get_running_loop()
            assert [await loop.sock_recv(client, 100) for _ in range(3)] == [b"<one>", b"<two>", b"<three>"]


@pytest.mark.parametrize("kind", [SocketType.DGRAM, SocketType.SEQPACKET])
@pytest.mark.parametrize("size", [7_000_000, 100_000_000])
async def test_a_packet_too_large_for_the_kernel_is_explained(shared: Path, kind: SocketType, size: int) -> None:
    async with serving(shared / "s", kind) as (address, _):
        with pytest.raises(FramingError, match=r"do not go in one packet.*use --type stream"):
            await answers(address, bytes(size), kind=kind)
    assert names(shared) == []


async def test_a_message_that_a_framing_cannot_represent_is_not_sent(shared: Path) -> None:
    async with serving(shared / "s") as (address, connections):
        with pytest.raises(FramingError, match="would arrive as two; use --framing length"):
            await anext(exchange(address, [b"one\ntwo"]))
        assert [what for what, _, _ in connections.all if what == "failed"] == []
    async with serving(shared / "t", SocketType.SEQPACKET) as (address, _):
        with pytest.raises(FramingError, match="an empty message looks like the end"):
            await answers(address, b"", kind=SocketType.SEQPACKET)


async def test_a_datagram_without_an_address_gets_no_answer(shared: Path) -> None:
    async with serving(shared / "s", SocketType.DGRAM) as (address, connections):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
            nameless.sendto(b"hello", address.name)
        assert await connections.told("failed") == "the sender has no address, so it gets no answer"


async def test_a_datagram_client_that_does_not_read_loses_answers_and_the_server_goes_on(shared: Path) -> None:
    async with serving(shared / "s", SocketType.DGRAM) as (address, connections):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
            deaf.bind(f"{shared}/deaf")
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            deaf.connect(address.name)
            for _ in range(2000):
                await loop.sock_sendall(deaf, b"x")
                if any(what == "failed" for what, _, _ in connections.all):
                    break
            assert "could not be delivered" in await connections.told("failed")
        # Answers that wait fill the server's buffer; they go with the one who did not read them.
        assert await answers(address, b"y", kind=SocketType.DGRAM) == [b"<y>"]


@pytest.mark.parametrize("kind", list(SocketType))
async def test_users_that_are_not_allowed_are_refused(shared: Path, kind: SocketType) -> None:
    other = ServerRules(Framing.LENGTH, uids=frozenset({os.getuid() + 1}))
    async with serving(shared / "s", kind, other) as (address, connections):
        with pytest.raises(NoAnswerError):
            await anext(exchange(address, [b"x"], kind, Framing.LENGTH, timeout_s=0.5))
        await connections.told("refused")
        assert connections.all[0] == ("refused", Peer(os.getpid(), os.getuid(), os.getgid()), "")
    allowed = ServerRules(Framing.LENGTH, uids=frozenset({os.getuid()}))
    async with serving(shared / "s", kind, allowed) as (address, _):
        assert await answers(address, b"x", kind=kind) == [b"<x>"]


async def test_a_server_that_never_answers_times_out(shared: Path) -> None:
    with ServerSocket.open(Address(f"{shared}/s")), pytest.raises(NoAnswerError, match=r"no answer within 0\.05 s"):
        await anext(exchange(Address(f"{shared}/s"), [b"x"], timeout_s=0.05))


def test_of_many_servers_that_open_a_stale_address_one_succeeds(shared: Path) -> None:
    for attempt in range(20):
        address = Address(f"{shared}/{attempt}")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(address.text)
        won, lost = _race(address)
        with won[0]:
            assert (len(won), lost) == (1, 3)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(address.text)


def _race(address: Address) -> tuple[list[ServerSocket], int]:
    """Let four threads open *address* at once; return those that did, and how many were refused."""
    won: list[ServerSocket] = []
    lost: list[InUseError] = []
    start = threading.Barrier(4)

    def take() -> None:
        start.wait()
        try:
            won.append(ServerSocket.open(address))
        except InUseError as error:
            lost.append(error)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won, len(lost)
