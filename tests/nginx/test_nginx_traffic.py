"""What clients see: certificates that rotate, requests that are allowed to end, numbers that add up."""

import asyncio
import datetime as dt
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from showcase.ports import free_port

from headgate.ir import File, FileSet, Outcome
from headgate.ir.latency import LOG_FORMAT, LOG_NAME, VARIABLE, destination
from headgate.nginx import Binary, LatencyReceiver, Sample, procfs, status
from headgate.nginx.latency import Request
from headgate.nginx.orphans import unlink_sockets
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers, origin
from tests.waiting import DEADLINE_S, eventually

WHEN = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def certificate(name: str, data: bytes | None = None) -> File:
    """A certificate and its key for *name*, as one file that nginx reads at each handshake."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(WHEN - dt.timedelta(days=9000))
        .not_valid_after(WHEN + dt.timedelta(days=9000))
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return File("secrets/default-tea", text, origin=origin("tea"), mode=0o600, needs_reload=False)


async def common_name(port: int) -> str:
    """The common name of the certificate that *port* shows."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="tea.test")
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    subject = x509.load_der_x509_certificate(shown).subject
    return str(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


async def test_a_rotated_certificate_is_served_without_a_reload(nginx: NginxUnderTest, manager: FileManager) -> None:
    port = free_port()
    where = f"{nginx.layout.secrets}/$certificate"
    tls = nginx.server(
        "tea", f"ssl_certificate {where}; ssl_certificate_key {where}; return 204;", listen=port, tls=True
    )
    extra = "map $ssl_server_name $certificate { default default-tea; }"
    await manager.start(nginx.files(tls, certificate("old"), extra=extra))
    assert await common_name(port) == "old"
    result = await manager.apply(nginx.files(tls, certificate("new"), extra=extra))
    assert (result.outcome, result.reloaded, result.written, result.test_ms) == (Outcome.APPLIED, False, 1, 0)
    assert await common_name(port) == "new"
    assert (manager.version, manager.stats.other) == (1, 1)
    result = await manager.apply(nginx.files(tls, certificate("newer"), nginx.server("coffee"), extra=extra))
    assert (result.reloaded, await common_name(port)) == (True, "newer")


async def test_only_workers_can_read_secrets(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(certificate("tea")))
    secret = os.stat(f"{nginx.layout.secrets}/default-tea")  # noqa: PTH116 a file of ours
    assert not secret.st_mode & stat.S_IRWXO
    assert not os.stat(nginx.layout.secrets).st_mode & stat.S_IRWXO  # noqa: PTH116 a file of ours


async def test_a_secret_without_users_is_removed(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(certificate("tea")))
    result = await manager.apply(nginx.files())
    assert (result.outcome, result.reloaded, result.deleted) == (Outcome.APPLIED, False, 1)
    assert nginx.read_file("secrets/default-tea") is None


class BusyClient:
    """Sends one request after the other on a connection, and opens another only when nginx said it would close."""

    def __init__(self, port: int) -> None:
        self.done = False
        self.answered = self.closures = self.lost = 0
        self._port = port

    async def run(self) -> None:
        while not self.done:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                while not self.done and await self._ask(reader, writer):
                    pass
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one request; return whether the connection may be used again."""
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: tea.test\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len("tea"))
        except (OSError, asyncio.IncompleteReadError):
            self.lost += 1
            return False
        self.answered += 1
        closing = b"Connection: close" in head
        self.closures += closing
        return not closing


class Backend:
    """Answers each request when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await self.answer.wait()
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nslow")
        await writer.drain()
        writer.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    async with await asyncio.start_server(backend.serve, "127.0.0.1", 0) as server:
        backend.port = server.sockets[0].getsockname()[1]
        yield backend
        backend.answer.set()


def proxied(nginx: NginxUnderTest, backend: Backend, *, more: str = "") -> File:
    before = f"upstream teas {{ server 127.0.0.1:{backend.port}; {more} }}"
    return nginx.server("tea", "location / { proxy_pass http://teas; }", before=before)


@pytest.mark.skipif(not procfs.readable(), reason="no /proc")
async def test_workers_that_still_serve_are_counted_as_leaving(
    nginx: NginxUnderTest, manager: FileManager, backend: Backend
) -> None:
    await manager.start(nginx.files(proxied(nginx, backend)))
    await both_workers(manager.master_pid)
    assert manager.generations() == procfs.Generations(current=2, leaving=0)
    slow = asyncio.create_task(nginx.get("tea"))
    await backend.asked.wait()
    assert (await manager.apply(nginx.files(proxied(nginx, backend), nginx.server("coffee")))).ok
    assert manager.generations().leaving >= 1
    assert await nginx.get("coffee") == "coffee"
    backend.answer.set()
    assert await slow == "slow", "a reload cuts no request"
    await eventually(lambda: manager.generations() == procfs.Generations(current=2, leaving=0))


async def test_reloads_lose_no_request_of_busy_connections(
    nginx: NginxUnderTest, manager: FileManager, binary: Binary
) -> None:
    if not binary.capabilities.keepalive_min_timeout:
        pytest.skip("this nginx closes idle connections at a reload without a word")
    extra = f"keepalive_min_timeout {DEADLINE_S:g}s; keepalive_requests 1000000;"  # longer than any client pauses
    await manager.start(nginx.files(nginx.server("tea"), extra=extra))
    clients = [BusyClient(nginx.port) for _ in range(20)]
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run())
        for number in range(5):
            assert (await manager.apply(nginx.files(nginx.server("tea"), nginx.server(f"s{number}"), extra=extra))).ok
        for client in clients:
            client.done = True
    assert sum(client.lost for client in clients) == 0
    assert min(client.answered for client in clients) > 10
    assert sum(client.closures for client in clients) >= len(clients), "workers were really replaced under them"


async def test_quit_lets_a_request_end(nginx: NginxUnderTest, manager: FileManager, backend: Backend) -> None:
    await manager.start(nginx.files(proxied(nginx, backend)))
    slow = asyncio.create_task(nginx.get("tea"))
    await backend.asked.wait()
    leaving = asyncio.create_task(manager.quit(drain=DEADLINE_S))
    await nginx.wait_closed()
    assert not leaving.done()
    backend.answer.set()
    assert await slow == "slow"
    await leaving
    assert not manager.alive


async def test_quit_ends_requests_that_do_not_end_in_time(
    nginx: NginxUnderTest, manager: FileManager, backend: Backend
) -> None:
    await manager.start(nginx.files(proxied(nginx, backend)))
    slow = asyncio.create_task(nginx.get("tea"))
    await backend.asked.wait()
    await manager.quit(drain=0.1)
    assert not manager.alive
    assert await slow == ""
    assert not procfs.of_run(nginx.layout.run)


async def test_status_counts_requests(nginx: NginxUnderTest, manager: FileManager, binary: Binary) -> None:
    if not binary.capabilities.stub_status:
        await manager.start(nginx.files())
        assert await status(nginx.layout) is None
        return
    where = nginx.layout.socket("nginx-status")
    await manager.start(
        nginx.files(extra=f"server {{ listen unix:{where}; location /stub_status {{ stub_status; }} }}")
    )
    before = await status(nginx.layout)
    await asyncio.gather(*(nginx.get("tea") for _ in range(5)))
    after = await status(nginx.layout)
    assert before is not None
    assert after is not None
    assert after.requests - before.requests == 6, "five and the one that asks"
    assert after.active >= 1


async def test_latencies_arrive_for_each_server_that_answered(
    nginx: NginxUnderTest, manager: FileManager, backend: Backend, run: Path
) -> None:
    requests: list[Request] = []
    receiver = LatencyReceiver(nginx.layout, requests.append)
    receiver.open()
    dead = free_port()
    log = f"access_log {destination(nginx.layout)} {LOG_NAME};"
    name = f"map $request_method ${VARIABLE} {{ default $proxy_host; }}"
    main = nginx.main(f"{name}\nlog_format {LOG_NAME} '{LOG_FORMAT}';\n{log}")
    main = File(main.name, main.data.replace(b"    access_log off;\n", b""))
    files = [main, proxied(nginx, backend, more=f"server 127.0.0.1:{dead} backup;"), nginx.server("coffee")]
    try:
        await manager.start(FileSet(files))
        backend.answer.set()
        assert await nginx.get("tea") == "slow"
        assert await nginx.get("coffee") == "coffee"
        await eventually(lambda: len(requests) == 2)
    finally:
        receiver.close()
    assert [(request.host, request.upstream, request.code) for request in requests] == [
        ("tea.test", "teas", "200"), ("coffee.test", "", "200")
    ]  # fmt: skip
    samples = requests[0].samples
    assert [(sample.upstream, sample.server, sample.code) for sample in samples] == [
        ("teas", f"127.0.0.1:{backend.port}", "200")
    ]
    assert samples[0].milliseconds >= 0
    assert receiver.malformed == 0
    assert not (run / "nginx-syslog.sock").exists()


async def test_a_burst_of_latencies_is_drained_in_one_turn(nginx: NginxUnderTest, run: Path) -> None:
    requests: list[Request] = []
    receiver = LatencyReceiver(nginx.layout, requests.append)
    receiver.open()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(nginx.layout.socket("nginx-syslog"))
        sender.setblocking(False)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        sent = 0
        while sent < 500:
            try:
                sender.send(b"<190>Nov 21 14:00:00 nginx: teas\t127.0.0.1:1\t200\t0.010\ttea\t200")
            except BlockingIOError:
                break
            sent += 1
    await eventually(lambda: len(requests) == sent)
    receiver.close()
    assert sent >= min(receiver.queue, 150), "the kernel keeps what it promised, within what a sender may have waiting"
    assert requests[0] == Request("tea", "teas", "200", (Sample("teas", "127.0.0.1:1", "200", 10.0),))


async def test_sockets_with_a_listener_are_left_alone(nginx: NginxUnderTest, run: Path) -> None:
    with socket.socket(socket.AF_UNIX) as used, socket.socket(socket.AF_UNIX) as dead:
        used.bind(str(run / "used.sock"))
        used.listen()
        dead.bind(str(run / "dead.sock"))
        dead.close()
        assert unlink_sockets(nginx.layout) == ["dead.sock"]
