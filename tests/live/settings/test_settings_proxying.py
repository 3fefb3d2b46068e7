"""How long nginx waits for a backend, when it asks another, and what it holds of an answer."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from showcase.ports import free_port

from tests.live.json_objects import config_map, service
from tests.live.settings.backends import LOOPBACK, Backend, Handler, close_connection, never_answer
from tests.live.settings.hosts import A, B, C, backed_host, joined
from tests.live.settings.serving_nginx import ServingNginx, served
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = "100ms"
RETRY = "error timeout http_503"
IN_TURN = {"lb_method": "round_robin"}
LARGE = 6000
"""Bytes of headers that one buffer of nginx's own size (4k) does not hold."""
MEGABYTE = 2**20


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx() -> AsyncIterator[ServingNginx]:
    """One worker; hosts that are named after what is special about them."""
    apart = Backend("apart", free_port(), B)
    objects = joined(
        [config_map(worker_processes="1", client_max_body_size="0")],
        backed_host("read-timeout", proxy_read_timeout=SOON),
        backed_host("retry", A, B, C, **IN_TURN, proxy_next_upstream=RETRY),
        backed_host("no-retry", A, B, C, **IN_TURN, proxy_next_upstream="off"),
        backed_host("usual", A, B, C, **IN_TURN),
        backed_host("tries", A, B, C, **IN_TURN, proxy_next_upstream=RETRY, proxy_next_upstream_tries="2"),
        backed_host("no-tries", A, B, C, **IN_TURN, proxy_next_upstream=RETRY),
        backed_host("late", A, B, **IN_TURN, proxy_next_upstream_timeout=SOON),
        backed_host("not-late", A, B, **IN_TURN),
        backed_host("small"),
        backed_host("large", proxy_buffer_size="8k"),
        backed_host("redirect-plain"),
        backed_host("redirect", proxy_redirect_from="http://inner.test/", proxy_redirect_to="https://$host/"),
        backed_host("redirect-regex", proxy_redirect_from=r"~^http://[a-z]+\.test/(.*)$", proxy_redirect_to="https://$host/$1"),
        backed_host("redirect-off", proxy_redirect_from="off"),
        backed_host("unbuffered", proxy_buffering="false"),
        backed_host("file"),
        backed_host("no-file", proxy_max_temp_file_size="0"),
        backed_host("much-memory", proxy_buffers="512 64k", proxy_buffer_size="64k"),
        backed_host("keepalive", keepalive="4"),
        backed_host("no-keepalive", keepalive="0"),
        [service("cluster-ip", clusterIP=B, ports=[{"port": apart.port}])],
        backed_host("cluster-ip", use_cluster_ip="true"),
    )  # fmt: skip
    _port_of(objects, "cluster-ip", apart.port)
    async with served(objects, backends=[apart]) as running:
        yield running


def _port_of(objects: list, name: str, number: int) -> None:
    """Have the Ingress *name* ask port *number* of its Service."""
    ingress = next(item for item in objects if item["kind"] == "Ingress" and item["metadata"]["name"] == name)
    ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["number"] = number


# --- timeouts -----------------------------------------------------------------------------------------


async def test_a_backend_that_does_not_answer_times_out(nginx: ServingNginx) -> None:
    nginx.backend("read-timeout").handler = never_answer
    assert (await nginx.get("read-timeout.test")).status == 504


@contextmanager
def unresponsive_listener(*, full: bool) -> Iterator[int]:
    """A listener that takes no byte; a *full* one takes no further connection either. The port."""
    with socket.socket() as listener, socket.socket() as waiting:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind((LOOPBACK, free_port()))
        listener.listen(0 if full else 8)
        if full:
            waiting.connect(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_backend_that_accepts_no_connection_times_out() -> None:
    with unresponsive_listener(full=True) as port:
        async with served(backed_host("connect", port=port, proxy_connect_timeout=SOON)) as nginx:
            assert (await nginx.get("connect.test")).status == 504


async def test_a_backend_that_reads_nothing_times_out() -> None:
    with unresponsive_listener(full=False) as port:
        async with served(backed_host("send", port=port, proxy_send_timeout=SOON, client_max_body_size="0")) as nginx:
            assert (await nginx.get("send.test", method="POST", data=io.BytesIO(bytes(16 * MEGABYTE)))).status == 504


# --- the next backend ---------------------------------------------------------------------------------


def failing_first(fault: Handler) -> Handler:
    """Return a handler whose first answer is *fault*'s."""
    faults = [fault]

    async def handler(request: web.Request) -> web.StreamResponse:
        return await faults.pop()(request) if faults else web.Response(text="second")

    return handler


async def unavailable(_: web.Request) -> web.Response:
    return web.Response(status=503)


@pytest.mark.parametrize(
    ("name", "fault", "status", "asked"),
    [
        ("retry", unavailable, 200, 2),
        ("usual", unavailable, 503, 1),
        ("retry", close_connection, 200, 2),
        ("usual", close_connection, 200, 2),
        ("no-retry", close_connection, 502, 1),
    ],
)
async def test_the_next_backend_is_asked_on_the_configured_conditions(
    nginx: ServingNginx, name: str, fault: Handler, status: int, asked: int
) -> None:
    backend = nginx.backend(name)
    backend.requests.clear()
    backend.handler = failing_first(fault)
    assert (await nginx.get(f"{name}.test")).status == status
    assert len(backend.requests_by_address()) == asked, "proxy-next-upstream"


async def test_the_number_of_tries_is_limited(nginx: ServingNginx) -> None:
    for name, asked in (("tries", 2), ("no-tries", 3)):
        nginx.backend(name).reply(503)
        assert (await nginx.get(f"{name}.test")).status == 503
        assert len(nginx.backend(name).requests_by_address()) == asked, "proxy-next-upstream-tries"


async def test_no_next_backend_is_asked_after_the_timeout(nginx: ServingNginx) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return await close_connection(request)

    for name, status, asked in (("late", 502, 1), ("not-late", 200, 2)):
        nginx.backend(name).handler = failing_first(slow)
        assert (await nginx.get(f"{name}.test")).status == status, "proxy-next-upstream-timeout"
        assert len(nginx.backend(name).requests) == asked


# --- answers ------------------------------------------------------------------------------------------


async def test_response_headers_must_fit_the_buffer(nginx: ServingNginx) -> None:
    for name, status in (("small", 502), ("large", 200)):
        nginx.backend(name).reply(headers={"X-Large": "x" * LARGE})
        assert (await nginx.get(f"{name}.test")).status == status, "proxy-buffer-size"


async def test_conflicting_buffer_sizes_are_adjusted_with_the_flag() -> None:
    objects = backed_host("large", proxy_buffer_size="64k", proxy_buffers="2 4k")
    for options, problems, status in (
        (["-enable-directive-autoadjust"], ["adjusted"], 200),
        ([], ["proxy-buffer"], 502),
    ):
        async with served(objects, *options, problems=problems) as nginx:
            nginx.backend("large").reply(headers={"X-Large": "x" * LARGE})
            assert (await nginx.get("large.test")).status == status


@pytest.mark.parametrize(
    ("name", "said", "heard"),
    [
        ("redirect-plain", "http://inner.test/x", "http://inner.test/x"),
        ("redirect", "http://inner.test/x", "https://redirect.test/x"),
        ("redirect", "http://other.test/x", "http://other.test/x"),
        ("redirect-off", "http://redirect-off/x", "http://redirect-off/x"),
        ("redirect-regex", "http://other.test/x?y", "https://redirect-regex.test/x?y"),
    ],
)
async def test_redirects_of_a_backend_are_rewritten(nginx: ServingNginx, name: str, said: str, heard: str) -> None:
    nginx.backend(name).reply(302, headers={"Location": said})
    assert (await nginx.get(f"{name}.test")).headers["Location"] == heard, "proxy-redirect-from proxy-redirect-to"


async def test_an_unbuffered_response_arrives_in_parts(nginx: ServingNginx) -> None:
    """The backend says the second half only when the first one has arrived."""
    arrived = asyncio.Event()

    async def halves(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "8"})
        await response.prepare(request)
        await response.write(b"half")
        await arrived.wait()
        await response.write(b"half")
        return response

    nginx.backend("unbuffered").handler = halves
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(DEADLINE_S)) as session,
        session.get(f"http://{LOOPBACK}:{nginx.http}/", headers={"Host": "unbuffered.test"}) as response,
    ):
        assert await response.content.readexactly(4) == b"half", "proxy-buffering"
        arrived.set()
        assert await response.content.readexactly(4) == b"half"


MEGABYTES = 16


class LargeAnswer:
    """An answer of MEGABYTES; ``stalled`` when it is written, or when nobody took more of it for a moment."""

    def __init__(self) -> None:
        self.stalled = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(16 * MEGABYTES):
            writing = asyncio.ensure_future(response.write(bytes(MEGABYTE // 16)))
            if not (await asyncio.wait([writing], timeout=0.3))[0]:
                self.stalled.set()
            await writing
        self.stalled.set()
        return response


@pytest.mark.parametrize(("name", "in_a_file"), [("file", True), ("no-file", False), ("much-memory", False)])
async def test_a_response_that_is_not_read_goes_to_a_file(nginx: ServingNginx, name: str, in_a_file: bool) -> None:
    answer = nginx.backend(name).handler = LargeAnswer()
    mark = len(nginx.error_log())

    def is_in_a_file() -> bool:
        return any("buffered to a temporary file" in line for line in nginx.error_log()[mark:])

    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (LOOPBACK, nginx.http))
        await loop.sock_sendall(client, f"GET / HTTP/1.0\r\nHost: {name}.test\r\n\r\n".encode())
        await (eventually(is_in_a_file) if in_a_file else answer.stalled.wait())
        received = 0
        while data := await loop.sock_recv(client, MEGABYTE):
            received += len(data)
    assert received > MEGABYTES * MEGABYTE
    assert is_in_a_file() is in_a_file, "proxy-max-temp-file-size proxy-buffers"


# --- connections -------------------------------------------------------------------------------------


async def test_connections_to_backends_are_kept_alive(nginx: ServingNginx) -> None:
    for name, connections in (("keepalive", 1), ("no-keepalive", 5)):
        for _ in range(5):
            await nginx.get(f"{name}.test")
        assert nginx.backend(name).connections == connections


async def test_the_cluster_ip_is_used_as_backend(nginx: ServingNginx) -> None:
    assert (await nginx.get("cluster-ip.test")).text == "apart", "use-cluster-ip"
    assert not nginx.backend("cluster-ip").requests
