"""WebSockets and gRPC through routes with authentication: no byte of a client without credentials reaches a backend."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.live.headgate_process import LOOPBACK, HeadgateProcess, StartHeadgate
from tests.live.json_objects import (
    Json,
    ManifestFolder,
    config_map,
    endpoints,
    ingress,
    path,
    secret,
    service,
    tls_secret,
)
from tests.live.settings.grpc_over_h2 import GrpcBackend, GrpcMessage, call
from tests.live.test_live_policies import basic, decider, guarded, policy
from tests.live.test_live_virtual_servers import HOST, virtual_server
from tests.waiting import DEADLINE_S

CHAT = {"name": "chat", "service": "chat", "port": 80}
DECIDE = """if ($http_x_user = "") { return 401; } if ($http_x_user = bad) { return 403; }"""
KEY = {"suppliedIn": {"header": ["X-API-Key"], "query": ["apikey"]}, "clientSecret": "keys"}
END = b"\r\n\r\n"


class Chat:
    """A backend that accepts every WebSocket and sends back what it gets, which need not be framed."""

    def __init__(self, server: socket.socket) -> None:
        self.port: int = server.getsockname()[1]
        self.heads: list[bytes] = []
        self._server = server

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            head = received(connection, END)
            self.heads.append(head)
            if b"upgrade: websocket" not in head.lower():
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                return
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade" + END)
            while data := connection.recv(65_536):
                connection.sendall(data)


@contextmanager
def chatting() -> Iterator[Chat]:
    with socket.create_server((LOOPBACK, 0)) as server:
        chat = Chat(server)
        threading.Thread(target=chat.serve, daemon=True).start()
        yield chat
        server.shutdown(socket.SHUT_RDWR)


def received(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data and (more := connection.recv(65_536)):
        data += more
    return data


def talk(headgate: HeadgateProcess, host: str, uri: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """Ask for a WebSocket and send something with the request; return the status, and what comes back if it is 101."""
    upgrade = {"Host": host, "Connection": "Upgrade", "Upgrade": "websocket", **headers}
    lines = [f"GET {uri} HTTP/1.1", *(f"{name}: {value}" for name, value in upgrade.items())]
    with socket.create_connection((LOOPBACK, headgate.http), timeout=DEADLINE_S) as client:
        client.sendall("\r\n".join(lines).encode() + END + b"hello")
        head, _, echoed = received(client, END).partition(END)
        status = int(head.split(b" ", 2)[1])
        if status != 101:
            return status, b""
        while len(echoed) < len(b"hello") and (more := client.recv(65_536)):
            echoed += more
        return status, echoed


def credentials() -> Iterator[tuple[str, str, dict[str, str], int]]:
    """Yield a Policy, an end of the URI, headers, and the status for them."""
    yield from (("users", "", {}, 401), ("users", "", basic("jane", "wrong"), 401))
    yield "users", "", basic("jane", "secret"), 101
    yield from (("keys", "", {}, 401), ("keys", "", {"X-API-Key": "wrong"}, 403), ("keys", "?apikey=wrong", {}, 403))
    yield from (("keys", "", {"X-API-Key": "key-one"}, 101), ("keys", "?apikey=key-one", {}, 101))
    yield from (("decided", "", {}, 401), ("decided", "", {"X-User": "bad"}, 403))
    yield "decided", "", {"X-User": "jane"}, 101


def policies(coffee: int) -> tuple[Json, ...]:
    decided = {"authURI": "/decide", "authServiceName": "decider", "authServicePorts": [80], "authSnippets": DECIDE}
    return (
        *decider(coffee),
        secret("users", kind="nginx.org/htpasswd", htpasswd=b"jane:{PLAIN}secret"),
        secret("keys", kind="nginx.org/apikey", one=b"key-one"),
        policy("users", basicAuth={"secret": "users", "realm": "Staff"}),
        policy("keys", apiKey=KEY),
        policy("decided", externalAuth=decided),
    )


def test_a_websocket_is_opened_with_credentials_only(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, coffee: int, nginx_binary: str
) -> None:
    with chatting() as chat:
        routes = [guarded(f"/{name}", name, action={"pass": "chat"}) for name in ("users", "keys", "decided")]
        manifests.put(
            *policies(coffee), service("chat"), endpoints("chat", LOOPBACK, port=chat.port),
            virtual_server("cafe", *routes, upstreams=(CHAT,)),
        )  # fmt: skip
        for name in ("keys", "decided"):
            paths = {f"{name}.test": [path("chat", f"/{name}")]}
            manifests.put(ingress(name, paths, policies=name, websocket_services="chat"))
        paths = {"users.test": [path("chat", "/users")]}
        manifests.put(ingress("users", paths, basic_auth_secret="users", websocket_services="chat"))
        headgate = serve_manifests("-enable-snippets", nginx=nginx_binary)
        for (name, end, headers, status), place in itertools.product(credentials(), ("VirtualServer", "Ingress")):
            host, before = HOST if place == "VirtualServer" else f"{name}.test", len(chat.heads)
            found = talk(headgate, host, f"/{name}{end}", headers)
            assert found == (status, b"hello" if status == 101 else b""), (place, name, headers)
            assert len(chat.heads) - before == (1 if status == 101 else 0), (place, name, headers)


UNAUTHENTICATED, FORBIDDEN = "16", "7"


@pytest.mark.parametrize("kind", ["VirtualServer", "Ingress"])
def test_a_grpc_call_needs_a_key(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, coffee: int, nginx_binary: str, kind: str
) -> None:
    backend = GrpcBackend()
    upstream = {"name": "grpc", "service": "grpc", "port": 80, "type": "grpc"}
    if kind == "VirtualServer":
        route = guarded("/", "keys", action={"pass": "grpc"})
        manifests.put(virtual_server("cafe", route, upstreams=(upstream,), tls={"secret": "cafe"}))
    else:
        made = ingress("cafe", {HOST: [path("grpc")]}, tls={"cafe": [HOST]}, policies="keys", grpc_services="grpc")
        manifests.put(made)
    manifests.put(
        *policies(coffee), config_map(http2="true"), tls_secret("cafe", HOST),
        service("grpc"), endpoints("grpc", LOOPBACK, port=backend.port),
    )  # fmt: skip
    headgate = serve_manifests("-nginx-configmaps=ours/config", "-enable-snippets", nginx=nginx_binary)

    async def asked(*headers: tuple[str, str]) -> GrpcMessage:
        async with asyncio.timeout(DEADLINE_S):
            return await call(headgate.https, HOST, "/cafe.Tea/Say", b"hello", headers)

    async def scenario() -> None:
        async with backend.running():
            refused = await asked(), await asked(("x-api-key", "wrong"))
            assert [each.headers.get("grpc-status") for each in refused] == [UNAUTHENTICATED, FORBIDDEN]
            assert backend.requests == []
            let_in = await asked(("x-api-key", "key-one"))
            assert (let_in.message, let_in.trailers) == (b"hello", {"grpc-status": "0"})

    asyncio.run(scenario())
