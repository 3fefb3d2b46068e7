"""``headgate compare`` asks two running Headgates: one whose files name the endpoints, and one of the image's nginx."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from headgate.cli import run
from tests.directories import short_directory
from tests.live.headgate_process import LOOPBACK, HeadgateProcess
from tests.live.json_objects import (
    Json,
    ManifestFolder,
    endpoints,
    ingress_class,
    path,
    secret,
    service,
    tls_secret,
)
from tests.live.test_live_community import community
from tests.nginx_binaries import ANY_NGINX, LUA

LOGIN = "Authorization: Basic " + b64encode(b"ann:secret").decode()
CORS = {"enable_cors": "true", "cors_allow_origin": "https://shop.example.com"}
CANARY = {"canary": "true", "canary_by_header": "X-Canary"}
GUARD = {"auth_type": "basic", "auth_secret": "users"}


class Named(ThreadingHTTPServer):
    """A backend that says its name only, which is the same each time."""

    def __init__(self, name: str) -> None:
        super().__init__((LOOPBACK, 0), _Naming)
        self.name = name


class _Naming(BaseHTTPRequestHandler):
    server: Named

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = f"{self.server.name} {self.path} {self.headers.get('X-Tenant', '')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_OPTIONS = do_GET  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Be quiet."""


def objects(tea: int, coffee: int) -> Iterator[Json]:
    """Yield what both serve."""
    yield from (ingress_class(controller="k8s.io/ingress-nginx"), service("tea"), service("coffee"))
    yield from (endpoints("tea", LOOPBACK, port=tea), endpoints("coffee", LOOPBACK, port=coffee))
    yield secret("users", auth=b"ann:{PLAIN}secret\n")
    yield tls_secret("pair", "secure.test")
    regular = path("tea", "/api(/|$)(.*)", "ImplementationSpecific")
    yield community("regular", {"regular.test": [regular]}, use_regex="true", rewrite_target="/$2")
    yield community("backend", {"backend.test": [path("tea"), path("coffee", "/coffee", "Exact")]})
    yield community("moved", {"moved.test": [path("tea")]}, permanent_redirect="https://new.example.com/")
    yield community("cors", {"cors.test": [path("tea")]}, **CORS)
    yield community("guarded", {"guarded.test": [path("tea")]}, **GUARD)
    yield community("limited", {"limited.test": [path("tea")]}, proxy_body_size="4k")
    yield community("canary", {"canary.test": [path("tea")]}, 1)
    yield community("canary-new", {"canary.test": [path("coffee")]}, 2, **CANARY)
    secure = community("secure", {"secure.test": [path("tea")]})
    secure["spec"]["tls"] = [{"hosts": ["secure.test"], "secretName": "pair"}]
    yield secure


def changed() -> Iterator[Json]:
    """Yield what the other one serves in place of these: something of every kind."""
    yield community("backend", {"backend.test": [path("coffee")]})
    yield community("moved", {"moved.test": [path("tea")]}, permanent_redirect="https://other.example.com/")
    yield community("cors", {"cors.test": [path("tea")]})
    yield community("guarded", {"guarded.test": [path("tea")]})
    yield community("limited", {"limited.test": [path("tea")]}, proxy_body_size="8k")
    yield community("canary-new", {"canary.test": [path("coffee")]}, 2, canary="true", canary_by_header="X-Other")
    yield tls_secret("pair", "secure.test")


class Three(NamedTuple):
    """Controllers that serve one folder, by the usual nginx and by that of the image, and one of another folder."""

    folder: Path
    files: HeadgateProcess
    live: HeadgateProcess
    other: HeadgateProcess


@pytest.fixture(scope="module")
def three() -> Iterator[Three]:
    with ExitStack() as stack:
        backends = [stack.enter_context(Named(name)) for name in ("tea", "coffee")]
        for backend in backends:
            Thread(target=backend.serve_forever, daemon=True).start()
            stack.callback(backend.shutdown)
        tea, coffee = (backend.server_port for backend in backends)
        directory = stack.enter_context(short_directory())
        same, others = ManifestFolder(directory / "same"), ManifestFolder(directory / "others")
        same.put(*objects(tea, coffee))
        for file in same.path.iterdir():
            (others.path / file.name).write_text(file.read_text())
        others.put(*changed())
        started = []
        for name, nginx, folder, plane in [
            ("files", ANY_NGINX, same, "files"), ("live", LUA or ANY_NGINX, same, "auto"),
            ("other", LUA or ANY_NGINX, others, "auto"),
        ]:  # fmt: skip
            (directory / name).mkdir()
            headgate = HeadgateProcess(directory / name, nginx, f"--manifests={folder.path}", f"-data-plane={plane}")
            stack.callback(headgate.stop)
            headgate.start()
            started.append(headgate)
        for headgate in started:
            headgate.wait_ready()
        yield Three(same.path, *started)


def addresses(headgate: HeadgateProcess) -> str:
    return f"http://{LOOPBACK}:{headgate.http},https://{LOOPBACK}:{headgate.https}"


def compared(
    folder: Path, a: HeadgateProcess, b: HeadgateProcess, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, Any]:
    argv = ["compare", addresses(a), addresses(b), str(folder), "--rate=10000", "-o", "json", *more]
    return run(argv, {}), json.loads(capsys.readouterr().out)


def test_both_data_planes_answer_alike(three: Three, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = compared(three.folder, three.files, three.live, capsys, "--uploads")
    assert (status, found["different"], found["unsteady"], found["notes"]) == (0, [], [], [])


def test_a_difference_of_each_kind_is_found(three: Three, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = compared(three.folder, three.live, three.other, capsys, "--uploads")
    assert (status, found["unsteady"]) == (1, [])
    rows = {
        (each["method"], each["url"], each["why"], row["name"]): (row["a"], row["b"])
        for each in found["different"]
        for row in each["differences"]
    }
    moved = ("https://new.example.com/", "https://other.example.com/")
    assert rows["GET", "http://moved.test/", "path", "location"] == moved
    assert rows["GET", "http://guarded.test/", "path, without credentials", "status"] == ("401", "200")
    assert rows["POST", "http://limited.test/", "upload above the limit", "status"] == ("413", "200")
    shop = ("https://shop.example.com", "")
    assert rows["OPTIONS", "http://cors.test/", "CORS preflight", "access-control-allow-origin"] == shop
    assert ("GET", "http://canary.test/", "condition of a route", "body") in rows
    assert ("GET", "http://backend.test/", "path", "body") in rows
    assert ("GET", "https://secure.test/", "root of the host in TLS", "certificate") in rows
    assert not [url for _, url, _, _ in rows if "regular.test" in url]


def test_headers_of_the_user(three: Three, capsys: pytest.CaptureFixture[str]) -> None:
    asked = compared(three.folder, three.live, three.other, capsys)[1]["asked"]
    headers = ("-H", LOGIN, "--header=X-Tenant: blue")
    status, found = compared(three.folder, three.live, three.other, capsys, *headers)
    guarded = {(each["why"], row["name"]) for each in found["different"] for row in each["differences"]
               if each["url"] == "http://guarded.test/"}  # fmt: skip
    assert status == 1
    assert found["asked"] == asked + 1
    assert guarded == {
        ("path, without credentials", "status"), ("path, without credentials", "www-authenticate"),
    }  # fmt: skip
    assert found["notes"] == ["Requests had headers of --header: Authorization, X-Tenant."]
    assert LOGIN.partition(": ")[2] not in json.dumps(found)


@pytest.mark.parametrize("text", ["X-Tenant", ": x", "Host: other.test", "X: a\r\nB: c", "X Y: z", "content-length: 3"])
def test_what_is_no_header(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "10.0.0.1", "10.0.0.2", "x", "-H", text], {}) == 2
    assert "--header" in capsys.readouterr().err
