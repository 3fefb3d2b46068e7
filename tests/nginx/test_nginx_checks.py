"""Health checks by nginx's workers: who runs them, what counts, and who gets no requests."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from headgate.ir import Release
from headgate.ir.check import LiveCheck, TlsClient
from headgate.ir.layout import LIVE_SOCKET
from headgate.ir.live import Cookie, LiveUpstream, Peer
from headgate.nginx import Binary, probe, procfs
from headgate.nginx.control import ask
from tests.directories import short_directory
from tests.k8s.certificates import Authority
from tests.nginx.live_plane import COFFEE, MILK, TEA, Plane, answers
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers
from tests.nginx_binaries import LUA
from tests.waiting import eventually

FAST = 0.1
"""Seconds between two checks: the shortest interval."""
HEADERS = (("Host", "tea"), ("Connection", "close"))


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


class Probe(NamedTuple):
    """A request for the path of checks: at which address, and its header."""

    address: str
    header: str
    time: float


class Servers:
    """A server on every loopback address, which answers with the address, and a path by which it is checked."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        """The status line at the path of checks by address, ``""`` for no answer; 200 by default."""
        self.probes: list[Probe] = []
        self.port = 0

    def count(self, address: str = TEA) -> int:
        return sum(each.address == address for each in self.probes)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address: str = writer.get_extra_info("sockname")[0]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                header = (await reader.readuntil(b"\r\n\r\n")).decode()
                status, body = "200 OK", address
                if header.startswith("GET /health"):
                    self.probes.append(Probe(address, header, asyncio.get_running_loop().time()))
                    status, body = self.answers.get(address, status), "health"
                if not status:
                    await reader.read()
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[Servers]:
    found = Servers()
    server = await asyncio.start_server(found.serve, "0.0.0.0", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with running() as found:
        yield found


def check(**changes: Any) -> LiveCheck:
    return LiveCheck(**{"path": "/health", "headers": HEADERS, "interval": FAST, "read": 2.0, **changes})


def release(plane: Plane, servers: Servers, *addresses: str, **changes: Any) -> Release:
    peers = tuple(Peer(address, servers.port) for address in addresses)
    return plane.release({"tea": LiveUpstream(peers=peers, check=check(**changes))})


async def states(nginx: NginxUnderTest) -> dict[str, str]:
    """The state of each server, by its address."""
    return {server.rpartition(":")[0]: state for _, server, state, *_ in await report(nginx)}


async def report(nginx: NginxUnderTest) -> list[Any]:
    answer = await ask(nginx.layout.socket(LIVE_SOCKET), "/v1/health", 5)
    assert answer
    found: list[Any] = json.loads(answer.body)["servers"]
    return found


async def counts(nginx: NginxUnderTest, address: str) -> list[int]:
    """How often the server was checked, did not pass, and became unhealthy."""
    (found,) = [counts for _, server, _, *counts in await report(nginx) if server.startswith(f"{address}:")]
    return found


async def become(nginx: NginxUnderTest, **wanted: str) -> None:
    """Wait until the servers have these states: ``tea="up"``."""
    names = {"tea": TEA, "coffee": COFFEE, "milk": MILK}
    expected = {names[name]: state for name, state in wanted.items()}
    await eventually(lambda: states(nginx), lambda found: found == expected)


# --- which servers get requests -------------------------------------------------------------------------


async def test_a_server_that_does_not_pass_gets_no_requests_from_any_worker_until_it_passes(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    await manager.start(release(plane, servers, TEA, COFFEE, fails=3, passes=2))
    assert await answers(nginx, 24) == {TEA, COFFEE}
    servers.answers[COFFEE] = "500 Broken"
    await become(nginx, tea="up", coffee="unhealthy")
    assert await answers(nginx, 40) == {TEA}
    servers.answers[COFFEE] = "200 OK"
    await become(nginx, tea="up", coffee="up")
    assert await answers(nginx, 24) == {TEA, COFFEE}
    checks, failed, unhealthy = await counts(nginx, COFFEE)
    assert checks > failed >= 3
    assert unhealthy == 1


@pytest.mark.parametrize("fails", [1, 4])
async def test_a_server_is_unhealthy_after_as_many_failed_checks_in_a_row(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers, fails: int
) -> None:
    servers.answers[TEA] = "503 Busy"
    await manager.start(release(plane, servers, TEA, COFFEE, fails=fails))
    await become(nginx, tea="unhealthy", coffee="up")
    assert (await counts(nginx, TEA))[1] >= fails


async def test_502_is_answered_while_all_servers_are_unhealthy(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    servers.answers = {TEA: "500 Broken", COFFEE: "404 Not Found"}
    await manager.start(release(plane, servers, TEA, COFFEE))
    await become(nginx, tea="unhealthy", coffee="unhealthy")
    assert "502 Bad Gateway" in "".join(await answers(nginx, 8))
    servers.answers[COFFEE] = "200 OK"
    await become(nginx, tea="unhealthy", coffee="up")
    assert await answers(nginx, 16) == {COFFEE}


@pytest.mark.parametrize("method", ["round_robin", "least_conn", "ip_hash", "consistent_hash", "random", "random_two"])
async def test_no_method_chooses_an_unhealthy_server(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers, method: Any
) -> None:
    servers.answers = {TEA: "500 Broken", COFFEE: "500 Broken"}
    key = ("", "remote_port") if method == "consistent_hash" else None
    peers = tuple(Peer(address, servers.port) for address in (TEA, COFFEE, MILK))
    live = LiveUpstream(peers=peers, check=check(), method=method, key=key)
    await manager.start(plane.release({"tea": live}))
    await become(nginx, tea="unhealthy", coffee="unhealthy", milk="up")
    assert await answers(nginx, 40) == {MILK}


async def test_a_cookie_does_not_lead_to_an_unhealthy_server(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    servers.answers = {TEA: "500 Broken", COFFEE: "500 Broken"}
    peers = tuple(Peer(address, servers.port) for address in (TEA, COFFEE))
    seats = {hashlib.md5(f"{each.address}:{each.port}".encode(), usedforsecurity=False).hexdigest() for each in peers}
    live = LiveUpstream(peers=peers, check=check(), cookie=Cookie("seat"))
    await manager.start(plane.release({"tea": live}))
    await become(nginx, tea="unhealthy", coffee="unhealthy")
    for seat in seats:
        assert "502 Bad Gateway" in await with_cookie(nginx, seat)
    servers.answers = {TEA: "500 Broken"}
    await become(nginx, tea="unhealthy", coffee="up")
    assert {await with_cookie(nginx, seat) for seat in seats for _ in range(4)} == {COFFEE}


async def with_cookie(nginx: NginxUnderTest, seat: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
    writer.write(f"GET / HTTP/1.0\r\nHost: any.test\r\nCookie: seat={seat}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2].decode()


async def test_a_server_that_is_mandatory_to_check_gets_requests_when_it_has_passed(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    servers.answers[COFFEE] = ""
    await manager.start(release(plane, servers, TEA, mandatory=True))
    await become(nginx, tea="up")
    assert await answers(nginx, 8) == {TEA}
    await manager.apply(release(plane, servers, TEA, COFFEE, mandatory=True, read=60.0))
    await eventually(lambda: servers.count(COFFEE))
    assert (await states(nginx))[COFFEE] == "checking"
    assert await answers(nginx, 24) == {TEA}
    servers.answers.clear()
    await manager.apply(release(plane, servers, TEA, mandatory=True))
    await become(nginx, tea="up")
    await manager.apply(release(plane, servers, TEA, COFFEE, mandatory=True))
    await become(nginx, tea="up", coffee="up")
    assert await answers(nginx, 24) == {TEA, COFFEE}


async def test_a_server_that_comes_again_is_a_new_one(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    await manager.start(release(plane, servers, TEA, COFFEE, mandatory=True))
    await become(nginx, tea="up", coffee="up")
    assert await answers(nginx, 24) == {TEA, COFFEE}
    servers.answers[COFFEE] = ""
    await manager.apply(release(plane, servers, TEA, mandatory=True))
    await manager.apply(release(plane, servers, TEA, COFFEE, mandatory=True, read=60.0))
    assert await answers(nginx, 24) == {TEA}


async def test_checks_that_end_leave_all_servers_in_use(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    servers.answers[COFFEE] = "500 Broken"
    await manager.start(release(plane, servers, TEA, COFFEE))
    await become(nginx, tea="up", coffee="unhealthy")
    await manager.apply(plane.tea(servers.port, TEA, COFFEE))
    assert await answers(nginx, 24) == {TEA, COFFEE}
    await become(nginx)
    seen = len(servers.probes)
    await manager.apply(plane.release({"tea": LiveUpstream(peers=(Peer(TEA, servers.port),)), "milk": LiveUpstream(
        peers=(Peer(MILK, servers.port),), check=check())}))  # fmt: skip
    await eventually(lambda: servers.count(MILK) > 3)
    assert servers.count(TEA) + servers.count(COFFEE) == seen


# --- who runs them --------------------------------------------------------------------------------------


def paces(servers: Servers, since: float, address: str = TEA) -> list[float]:
    """The seconds between two checks of *address*, of those after *since*."""
    times = [each.time for each in servers.probes if each.address == address and each.time > since]
    return [later - earlier for earlier, later in pairwise(times)]


async def test_one_worker_checks_also_after_reloads_and_when_it_was_killed(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    def now() -> float:
        return asyncio.get_running_loop().time()

    async def once_per_interval() -> None:
        begin, seen = now(), servers.count()
        await eventually(lambda: servers.count() >= seen + 8)
        assert min(paces(servers, begin)) > 0.15, "one worker checks: each interval has one check"

    await manager.start(release(plane, servers, TEA, interval=0.3))
    await once_per_interval()
    for _ in range(2):
        assert (await manager.reload()).reloaded
    await once_per_interval()
    for pid in await both_workers(manager.master_pid):
        seen = servers.count()
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda seen=seen: servers.count() > seen + 1)
    await once_per_interval()


async def test_what_was_found_outlives_reloads_and_workers(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    servers.answers[COFFEE] = "500 Broken"
    await manager.start(release(plane, servers, TEA, COFFEE, mandatory=True))
    await become(nginx, tea="up", coffee="unhealthy")
    servers.answers[TEA] = ""
    assert (await manager.reload()).reloaded
    assert await answers(nginx, 16) == {TEA}
    before = await both_workers(manager.master_pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: len(procfs.workers(manager.master_pid or 0) - before) == 2)
    await eventually(lambda: nginx.get("any"))
    assert await answers(nginx, 16) == {TEA}


async def test_checks_of_many_servers_that_do_not_answer_hold_up_neither_requests_nor_other_checks(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    silent = [f"127.0.1.{number}" for number in range(100)]
    servers.answers = dict.fromkeys(silent, "")
    await manager.start(release(plane, servers, TEA, *silent, read=0.5))
    await eventually(lambda: states(nginx), lambda found: Counter(found.values()) == {"unhealthy": 100, "up": 1})
    seen = servers.count()
    assert await answers(nginx, 16) == {TEA}
    await eventually(lambda: servers.count() > seen + 3)


# --- what is asked, and what passes ---------------------------------------------------------------------


async def test_the_request_is_what_was_asked_for(
    plane: Plane, manager: FileManager, nginx: NginxUnderTest, servers: Servers
) -> None:
    headers = (("Host", "tea.example.com"), ("X-Probe", 'a "b" ü'), ("Connection", "close"))
    async with running() as other:
        await manager.start(release(plane, servers, TEA, path="/health?a=1&b", headers=headers, port=other.port))
        await eventually(other.count)
    assert other.probes[0].header == (
        'GET /health?a=1&b HTTP/1.1\r\nHost: tea.example.com\r\nX-Probe: a "b" ü\r\nConnection: close\r\n\r\n'
    )
    assert servers.probes == []


HOSTILE = [
    {"path": "/health HTTP/1.1\r\nX-Other: 1\r\n\r\nGET /admin"},
    {"path": "/health /other"},
    {"path": "health"},
    {"path": "/health\0"},
    {"headers": (("Host", "tea\r\nX-Other: 1"),)},
    {"headers": (("Host", "tea\nX-Other: 1"),)},
    {"headers": (("X-Other: 1\r\nHost", "tea"),)},
    {"headers": (("Host ", "tea"),)},
    {"headers": (("Host", "tea\0"),)},
    {"headers": (("", "tea"),)},
]


async def test_a_text_that_would_leave_its_line_is_not_sent(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    peers = (Peer(TEA, servers.port),)
    hostile = {f"u{number}": LiveUpstream(peers=peers, check=check(**each)) for number, each in enumerate(HOSTILE)}
    well = LiveUpstream(peers=(Peer(COFFEE, servers.port),), check=check())
    await manager.start(plane.release({**hostile, "tea": well}))
    await eventually(lambda: servers.count(COFFEE) > 3)
    assert servers.count(TEA) == 0
    assert await answers(nginx) == {COFFEE}


@pytest.mark.parametrize(
    ("status", "negated", "passed"),
    [
        (((200, 399),), False, {200, 204, 301, 399}),
        (((200, 200), (404, 404)), False, {200, 404}),
        (((500, 599),), True, {200, 204, 301, 399, 404, 418}),
        (((301, 301), (500, 502)), True, {200, 204, 399, 404, 418, 503}),
    ],
)
async def test_the_status_decides(  # noqa: PLR0913 - the table, and the parts
    plane: Plane,
    nginx: NginxUnderTest,
    manager: FileManager,
    servers: Servers,
    status: Any,
    negated: bool,
    passed: set[int],
) -> None:
    codes = (200, 204, 301, 399, 404, 418, 500, 503)
    addresses = {f"127.0.2.{number}": code for number, code in enumerate(codes)}
    servers.answers = {address: f"{code} Word" for address, code in addresses.items()}
    await manager.start(release(plane, servers, *addresses, status=status, negated=negated, mandatory=True))
    found = await eventually(lambda: states(nginx), lambda found: "checking" not in found.values())
    assert {addresses[address] for address, state in found.items() if state == "up"} == passed


@pytest.mark.parametrize("answer", ["no HTTP", "200 ", "x" * 5000, ""])
async def test_what_is_no_answer_does_not_pass(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, answer: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer.encode() + (b"\r\n" if len(answer) < 100 else b""))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, TEA, 0)
    peers = (Peer(TEA, server.sockets[0].getsockname()[1]),)
    await manager.start(plane.release({"tea": LiveUpstream(peers=peers, check=check(mandatory=True, read=1.0))}))
    await become(nginx, tea="unhealthy")
    server.close()


async def test_checks_may_use_tls(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, tls: ssl.SSLContext
) -> None:
    async with running(tls) as servers:
        await manager.start(release(plane, servers, TEA, mandatory=True))
        await become(nginx, tea="unhealthy")
        await manager.apply(release(plane, servers, TEA, mandatory=True, tls=True))
        await become(nginx, tea="up")


@pytest.fixture
def tls(tmp_path: Any) -> ssl.SSLContext:
    """Of a server whose certificate is not verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = Authority().issue("tea.example.com")
    (tmp_path / "both.pem").write_bytes(certificate + key)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


# --- gRPC -----------------------------------------------------------------------------------------------


class Serving(grpc.GenericRpcHandler):
    """The health protocol: the status of each service by its name."""

    def __init__(self, **statuses: int) -> None:
        self.statuses = statuses
        self.asked = list[tuple[str, dict[str, str]]]()

    def service(self, details: Any) -> Any:
        if details.method != "/grpc.health.v1.Health/Check":
            return None

        async def check(request: bytes, context: Any) -> bytes:
            name = request[3 if len(request) > 129 else 2 :].decode() or "server"
            self.asked.append((name, dict(context.invocation_metadata())))
            if name not in self.statuses:
                await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
            return bytes([8, self.statuses[name]]) if self.statuses[name] else b""

        return grpc.unary_unary_rpc_method_handler(check)


@contextlib.asynccontextmanager
async def grpc_server(*handlers: Serving, pair: tuple[bytes, bytes] | None = None) -> AsyncIterator[int]:
    """A server on one address, over TLS with the certificate and key of *pair*."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers)
    if pair:
        certificate, key = pair
        port = server.add_secure_port("127.0.0.2:0", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        port = server.add_insecure_port("127.0.0.2:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@pytest.mark.parametrize(
    ("service", "status", "state"),
    [
        ("", 1, "up"),
        ("", 2, "unhealthy"),
        ("", 0, "unhealthy"),
        ("tea.Tea", 1, "up"),
        ("tea.Tea" * 40, 1, "up"),
        ("tea.Tea", 3, "unhealthy"),
        ("tea.Tea", None, "unhealthy"),
    ],
)
async def test_a_server_says_by_the_health_protocol_of_grpc_whether_it_serves(  # noqa: PLR0913 - the table, and the parts
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, service: str, status: int | None, state: str
) -> None:
    serving = Serving(**({} if status is None else {service or "server": status}))
    headers = (("Host", "tea.example.com"), ("Connection", "close"), ("X-Probe", "1" * 200))
    async with grpc_server(serving) as port:
        asked = check(mandatory=True, grpc=service, headers=headers)
        await manager.start(plane.release({"tea": LiveUpstream(peers=(Peer(TEA, port),), check=asked)}))
        await become(nginx, tea=state)
        name, metadata = serving.asked[0]
        assert (name, metadata["x-probe"]) == (service or "server", "1" * 200)
        before = serving.asked.copy()
        await eventually(lambda: len(serving.asked) > len(before) + 3)
    await become(nginx, tea="unhealthy")


async def test_a_server_without_the_health_protocol_of_grpc_does_not_pass(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, servers: Servers
) -> None:
    async with grpc_server() as port:
        peers = (Peer(TEA, port), Peer(COFFEE, servers.port))  # the other one does not know HTTP/2
        live = LiveUpstream(peers=peers, check=check(mandatory=True, grpc="", read=1.0))
        await manager.start(plane.release({"tea": live}))
        await become(nginx, tea="unhealthy", coffee="unhealthy")


@pytest.mark.parametrize(
    ("service", "known", "wanted", "state"),
    [
        ("", True, 12, "unhealthy"),
        ("", False, 12, "up"),
        ("tea.Tea", True, 5, "up"),
        ("tea.Tea", True, 12, "unhealthy"),
        ("tea.Tea", False, 12, "up"),
    ],
)
async def test_another_grpc_status_may_be_that_of_a_passed_check(  # noqa: PLR0913 - the table, and the parts
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, service: str, known: bool, wanted: int, state: str
) -> None:
    """12 is that of a server without the health protocol, 5 that of one that does not know the service."""
    async with grpc_server(*([Serving(server=1)] if known else [])) as port:
        asked = check(mandatory=True, grpc=service, grpc_status=wanted)
        await manager.start(plane.release({"tea": LiveUpstream(peers=(Peer(TEA, port),), check=asked)}))
        await become(nginx, tea=state)


# --- TLS ------------------------------------------------------------------------------------------------


class Trust:
    """An authority, one that nobody trusts, and what servers and checks have of them."""

    def __init__(self, folder: Path) -> None:
        self.own, self.other, self.folder = Authority(), Authority(), folder
        self.ca = self.write("ca.pem", self.own.pem)

    def write(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(0o644)
        return str(path)

    def server(self, authority: Authority, name: str, *, clients: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = authority.issue(name, name)
        context.load_cert_chain(self.write(f"{name}.pem", certificate + key))
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context

    def client(self, **changes: Any) -> TlsClient:
        wanted = {"verify": True, "ca": self.ca, "depth": 1, "name": "tea.example.com", "send_name": True}
        return TlsClient(**{**wanted, **changes})


@pytest.fixture
def trust() -> Iterator[Trust]:
    with short_directory() as folder:
        folder.chmod(0o755)
        yield Trust(folder)


@pytest.mark.parametrize("case", ["trusted", "other authority", "other name", "not verified", "old protocols"])
async def test_checks_verify_servers_as_their_policy_has_it(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, trust: Trust, case: str
) -> None:
    name = "milk.example.com" if case == "other name" else "tea.example.com"
    authority = trust.other if case in {"other authority", "not verified"} else trust.own
    secure = trust.client(
        verify=case != "not verified", protocols=("TLSv1.1",) if case == "old protocols" else ("TLSv1.2", "TLSv1.3")
    )
    async with running(trust.server(authority, name)) as servers:
        await manager.start(release(plane, servers, TEA, mandatory=True, tls=True, secure=secure))
        await become(nginx, tea="up" if case in {"trusted", "not verified"} else "unhealthy")


async def test_an_authority_vouches_only_for_the_servers_of_its_upstream(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, trust: Trust
) -> None:
    other = trust.write("other.pem", trust.other.pem)
    async with running(trust.server(trust.own, "tea.example.com")) as servers:
        peers = (Peer(TEA, servers.port),)
        checks = {
            "tea": check(mandatory=True, tls=True, secure=trust.client()),
            "milk": check(mandatory=True, tls=True, secure=trust.client(ca=other)),
        }
        live = {name: LiveUpstream(peers=peers, check=each) for name, each in checks.items()}
        await manager.start(plane.release(live))
        wanted = {"tea": "up", "milk": "unhealthy"}
        await eventually(lambda: report(nginx), lambda found: {each[0]: each[2] for each in found} == wanted)


@pytest.mark.parametrize("has_certificate", [True, False])
async def test_checks_have_the_certificate_of_their_policy(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, trust: Trust, has_certificate: bool
) -> None:
    certificate, key = trust.own.issue("client")
    file = trust.write("client.pem", certificate + key)
    secure = trust.client(certificate=file if has_certificate else None, ciphers="DEFAULT")
    async with running(trust.server(trust.own, "tea.example.com", clients=True)) as servers:
        await manager.start(release(plane, servers, TEA, mandatory=True, tls=True, secure=secure))
        await become(nginx, tea="up" if has_certificate else "unhealthy")


@pytest.mark.parametrize("trusted", [True, False])
async def test_grpc_is_checked_over_tls(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, trust: Trust, trusted: bool
) -> None:
    pair = (trust.own if trusted else trust.other).issue("tea.example.com", "tea.example.com")
    serving = Serving(server=1)
    async with grpc_server(serving, pair=pair) as port:
        asked = check(mandatory=True, grpc="", tls=True, secure=trust.client(alpn="h2"))
        await manager.start(plane.release({"tea": LiveUpstream(peers=(Peer(TEA, port),), check=asked)}))
        await become(nginx, tea="up" if trusted else "unhealthy")
        assert bool(serving.asked) is trusted


async def test_a_server_over_tls_that_does_not_know_http2_does_not_pass(
    plane: Plane,
    nginx: NginxUnderTest,
    manager: FileManager,
    trust: Trust,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with running(trust.server(trust.own, "tea.example.com")) as servers:
        secure = TlsClient(alpn="h2")
        await manager.start(release(plane, servers, TEA, mandatory=True, tls=True, grpc="", secure=secure))
        await become(nginx, tea="unhealthy")
    assert "the answer is not HTTP/2" in capfd.readouterr().err
