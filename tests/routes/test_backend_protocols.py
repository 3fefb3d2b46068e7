"""TLS and gRPC to the backends of hosts that are routed at run time."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.directories import short_directory
from tests.k8s.certificates import Authority
from tests.live.json_objects import Json, config_map, endpoints, ingress, path, service
from tests.live.settings.grpc_over_h2 import GrpcBackend, call
from tests.routes.routed_nginx import LOOPBACK, RoutedNginx
from tests.routes.served import Ports, exchange, generate, hosts, question, serving, varied
from tests.routes.test_attached_objects import MASTER, MINION, custom, to, upstream

END = b"\r\n\r\n"


class Talkative:
    """A backend of HTTP/1.1 that answers what it was asked; *connections* has the number of requests of each."""

    def __init__(self) -> None:
        self.connections: list[int] = []

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
        """Serve, and yield the port."""
        server = await asyncio.start_server(self._talk, LOOPBACK, 0, ssl=tls)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.connections)
        self.connections.append(0)
        name = getattr(writer.get_extra_info("ssl_object"), "name", None)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while head := await reader.readuntil(END):
                self.connections[number] += 1
                body = f"{name}\n".encode() + head + await reader.readexactly(length_of(head))
                headers = b"Location: https://x/y\r\nX-Powered-By: z\r\nStrict-Transport-Security: mine"
                writer.write(b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d%s%s" % (headers, len(body), END, body))


def length_of(head: bytes) -> int:
    found = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(found[0].partition(b":")[2]) if found else 0


def delegated() -> list[Json]:
    """A VirtualServer of gRPC, also over TLS and through splits."""
    upstreams = [upstream("grpc", type="grpc"), upstream("none", type="grpc"), upstream("tea")]
    secure = upstream("grpcs", type="grpc", tls={"enable": True})
    rewritten = {"proxy": {"upstream": "grpc", "rewritePath": "/cafe.Tea"}}
    split = [{"weight": 100, "action": {"pass": "grpc"}}, {"weight": 0, "action": {"pass": "tea"}}]
    changed = [{"weight": 100, "action": rewritten}, {"weight": 0, "action": {"pass": "tea"}}]
    limited = upstream("limited", "grpc", type="grpc", **{"client-max-body-size": "8"})
    return [
        custom(
            "VirtualServer", "vs", "vs.test", tls={"secret": "cert-a"}, upstreams=[*upstreams, secure, limited],
            routes=[
                to("/cafe.Tea", "grpc"), to("/cafe.Gone", "none"), to("/cafe.Secure/", "grpcs"), to("/plain", "tea"),
                {"path": "/cafe.Split", "splits": split}, {"path": "/cafe.Changed", "splits": changed},
                {"path": "/cafe.Other", "action": rewritten}, to("/cafe.Limited", "limited"),
                {"path": "/sub", "route": "sub"},
            ],
        ),
        custom("VirtualServerRoute", "sub", "vs.test", upstreams=[upstream("grpc", type="grpc")],
               subroutes=[to("/sub", "grpc")]),
    ]  # fmt: skip


OBJECTS = [
    config_map(http2="true", proxy_hide_headers="X-Powered-By"),
    *delegated(),
    custom("VirtualServer", "all", "all.test", tls={"secret": "cert-b"}, upstreams=[upstream("grpc", type="grpc")],
           routes=[to("/", "grpc")]),
    ingress("mixed", {"mixed.test": [path("grpc", "/cafe.Tea"), path("tea"), path("none", "/cafe.Gone")]},
            grpc_services="grpc,none", tls={"cert-a": ["mixed.test"]}, hsts="true", ssl_redirect="false",
            proxy_read_timeout="7s", client_max_body_size="9", add_header="X-Mixed: a"),
    ingress("h2c", {"h2c.test": [path("grpc")]}, grpc_services="grpc"),
    ingress("tokens", {"tokens.test": [path("grpc")]}, grpc_services="grpc", server_tokens="false"),
    ingress("secure", {"secure.test": [path("secure"), path("tea", "/tea")]}, ssl_services="secure",
            rewrites="serviceName=secure rewrite=/new/", websocket_services="secure"),
    custom("VirtualServer", "tls", "tls.test", upstreams=[upstream("secure", tls={"enable": True})],
           routes=[to("/", "secure")]),
    ingress("shop", {"shop.test": []}, hsts="true", hsts_behind_proxy="true", **MASTER),
    ingress("a", {"shop.test": [path("secure", "/a")]}, ssl_services="secure", **MINION),
    ingress("b", {"shop.test": [path("grpc", "/cafe.Tea")]}, grpc_services="grpc", **MINION),
]  # fmt: skip
ROUTED = ["all.test", "h2c.test", "mixed.test", "secure.test", "shop.test", "tls.test", "vs.test"]
METHODS = [
    "/cafe.Tea/Say", "/cafe.Tea/Missing", "/cafe.Gone/Say", "/cafe.Secure/Say", "/cafe.Split/Say", "/cafe.Changed/Say",
    "/cafe.Other/Say", "/cafe.Limited/Say", "/nobody/Say", "/sub/a%20b", "/cafe.Tea/a%2Fb?x=%20", "/plain",
]  # fmt: skip
PATHS = ["/", "/a/b%20c?d", "/tea", "/cafe.Tea/Say", "/cafe.Gone/x", "/%C3%A4", "/plain"]


async def call_all(ports: Ports) -> list[str]:
    """Make all calls, over TLS and without."""
    found = []
    for host in ("all.test", "mixed.test", "h2c.test", "vs.test", "shop.test", "tokens.test"):
        for method in METHODS:
            for tls, more in [(True, ()), (False, ()), (True, (("x-forwarded-proto", "https"),))]:
                port = ports.https if tls else ports.http
                try:
                    answer = await call(port, host, method, b"hello", more, tls=tls)
                    answer.headers.pop("date", None)
                    found.append(f"{host} {method} {tls} {answer}")
                except (ssl.SSLError, ConnectionError) as error:
                    found.append(f"{host} {method} {tls} {type(error)}")
    return found


def ask_all(ports: Ports) -> list[bytes]:
    """Ask over HTTP/1.1."""
    found = []
    for host in [*ROUTED, "tokens.test"]:
        for target in PATHS:
            found += [exchange(ports.http, each) for each in varied(host, target, "X-Forwarded-Proto: https")]
            found.append(exchange(ports.https, question(host, target), host))
    return found


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """The TLS side of a backend."""
    made = Authority().server_context(tmp_path, "backend.test")
    made.sni_callback = lambda found, name, _: setattr(found, "name", name)
    return made


async def test_backends_of_tls_and_grpc_are_asked_as_by_server_blocks(
    backends: list[Json], context: ssl.SSLContext, tmp_path: Path
) -> None:
    h2 = Authority().server_context(tmp_path, "backend.test")
    h2.set_alpn_protocols(["h2"])
    calls: list[list[str]] = []
    asked: list[list[bytes]] = []
    sent: list[list[str]] = []
    ports, grpc, grpcs, secure = Ports.free(), GrpcBackend(), GrpcBackend(h2), Talkative()
    async with grpc.running(), grpcs.running(), secure.running(context) as port:
        there = [("grpc", grpc.port), ("grpcs", grpcs.port), ("secure", port)]
        objects = [*OBJECTS, *backends]
        objects += [each for name, port in there for each in (service(name), endpoints(name, LOOPBACK, port=port))]
        for routing in (False, True):
            with short_directory() as folder:
                report = generate(folder, objects, ports, "-nginx-configmaps=ours/config", routing=routing)
                assert sorted(hosts(report)) == (ROUTED if routing else []), report.problems
                with serving(folder, report, ports.http):
                    calls.append(await call_all(ports))
                    asked.append(await asyncio.to_thread(ask_all, ports))
                sent.append([str(each) for each in (*grpc.requests, *grpcs.requests)])
                grpc.requests.clear()
                grpcs.requests.clear()
    for block, route in zip(calls[0], calls[1], strict=True):
        assert route == block
    for before, after in zip(asked[0], asked[1], strict=True):
        assert after == before, f"server block: {before!r}\nrouted: {after!r}"
    assert sent[0] == sent[1]
    assert len(sent[0]) > 50
    said = "\n".join(calls[1])
    for text in ("'grpc-status': '14'", "message=b'hello'", "413", "'grpc-status': '12'", "strict-transport-security"):
        assert text in said, text
    assert b"GET /new/a/b%20c?d" in b"".join(asked[1])


async def test_connections_over_tls_and_of_grpc_are_kept_and_are_not_used_for_other_protocols(
    routed: RoutedNginx, context: ssl.SSLContext
) -> None:
    """Two Services have the same address, of which one is asked over TLS."""
    secure, grpc = Talkative(), GrpcBackend()
    async with secure.running(context) as port, grpc.running():
        await routed.apply(
            config_map(http2="true"),
            *(each for name in ("secure", "plain") for each in (service(name), endpoints(name, LOOPBACK, port=port))),
            service("grpc"), endpoints("grpc", LOOPBACK, port=grpc.port),
            ingress("secure", {"secure.test": [path("secure")]}, ssl_services="secure"),
            ingress("plain", {"plain.test": [path("plain")]}),
        )  # fmt: skip
        assert sorted(routed.hosts) == ["plain.test", "secure.test"]
        for _ in range(15):
            assert (await routed.get("secure.test")).startswith("200 None\nGET / HTTP/1.1")
            # A warm connection of TLS would answer this.
            assert not (await routed.get("plain.test")).startswith("200")
        assert sum(secure.connections) == 15
        assert len([count for count in secure.connections if count]) <= 2


async def test_a_failure_of_grpc_counts_although_an_error_page_answers(routed: RoutedNginx) -> None:
    grpc = GrpcBackend()
    async with grpc.running():
        settings = {"next-upstream": "off", "fail-timeout": "1h", "lb-method": "round_robin"}
        balanced = upstream("grpc", type="grpc", **settings)
        tls = {"secret": "cert-a"}
        host = custom("VirtualServer", "vs", "vs.test", tls=tls, upstreams=[balanced], routes=[to("/", "grpc")])
        servers = endpoints("grpc", LOOPBACK, "127.0.0.9", port=grpc.port)
        await routed.apply(config_map(http2="true"), service("grpc"), servers, host)
        assert "vs.test" in routed.hosts
        answers = [await call(routed.https, "vs.test", "/cafe.Tea/Say", b"hello") for _ in range(12)]
        assert len([answer for answer in answers if answer.message != b"hello"]) == 1
