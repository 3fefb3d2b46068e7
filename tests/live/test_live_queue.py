"""The queue of a VirtualServer's upstream: what clients get, and what is said of the host."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.live.headgate_process import StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, endpoints, service
from tests.nginx_binaries import LUA
from tests.waiting import wait_until

HOST = "cafe.test"
ADDRESSES = ("127.0.0.2", "127.0.0.3")


@pytest.fixture(autouse=True)
def needs_lua() -> None:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")


class Server(http.server.ThreadingHTTPServer):
    """Answers nothing until it is released, and notes how many requests it had at the same time."""

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), Handler)
        self.release = threading.Event()
        self.lock = threading.Lock()
        self.now = self.most = 0


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        self.server.release.wait()
        with self.server.lock:
            self.server.now -= 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield found
        found.release.set()
        found.shutdown()


def virtual_server(size: int) -> Json:
    upstream = {"name": "tea", "service": "tea", "port": 80, "max-conns": 1, "queue": {"size": size}}
    route = {"path": "/", "action": {"pass": "tea"}, "errorPages": [{"codes": [502], "return": {"body": "full"}}]}
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": "cafe", "namespace": "default"},
        "spec": {"host": HOST, "upstreams": [upstream], "routes": [route]},
    }


def test_requests_wait_for_the_servers_and_one_more_gets_the_error_page(
    new_headgate: StartHeadgate, manifests: ManifestFolder, server: Server
) -> None:
    port = int(server.server_address[1])
    manifests.put(service("tea"), endpoints("tea", *ADDRESSES, port=port), virtual_server(6))
    headgate = new_headgate(f"--manifests={manifests.path}", "-live-routes", nginx=LUA or "")
    headgate.start_ready()
    with ThreadPoolExecutor(9) as clients:
        asked = [clients.submit(headgate.get, HOST, f"/{number}") for number in range(9)]
        wait_until(lambda: sum(each.done() for each in asked) == 1 and server.now == 2)
        server.release.set()
        answers = sorted(each.result().body for each in asked)
    assert answers.count("full") == 1
    assert len(set(answers)) == 9
    assert server.most == 2
