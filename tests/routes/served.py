"""One configuration as two nginx serve it: hosts in server blocks, and hosts that are routed at run time."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from showcase.ports import free_ports

from headgate.ir import Layout
from headgate.offline import FolderReport, generate_folder
from tests.directories import short_directory
from tests.nginx_binaries import LUA, capabilities, prepare
from tests.simulated_cluster import flags
from tests.waiting import DEADLINE_S, wait_until

LOOPBACK = "127.0.0.1"


class Ports(msgspec.Struct, frozen=True):
    """Where both listen, one after the other."""

    http: int
    https: int
    status: int

    @classmethod
    def free(cls) -> Ports:
        return cls(*free_ports(3))


def generate(
    folder: Path, objects: Iterable[Mapping[str, Any]], ports: Ports, *more: str, routing: bool
) -> FolderReport:
    """Take *objects* through the pipeline, for nginx below *folder*."""
    (folder / "in.yaml").write_text(yaml.safe_dump_all(list(objects)))
    argv = [
        f"--manifests={folder / 'in.yaml'}", "-data-plane=live", "-disable-ipv6", *more,
        f"-default-http-listener-port={ports.http}", f"-default-https-listener-port={ports.https}",
        f"-nginx-status-port={ports.status}",
    ]  # fmt: skip
    argv += [f"-live-routes={str(routing).lower()}"]
    return generate_folder(flags(argv), Layout.under(str(folder / "p")), capabilities(LUA or ""))


def hosts(report: FolderReport) -> dict[str, Any]:
    """The hosts that are pushed, as their workers get them."""
    assert report.live
    objects = msgspec.json.decode(report.live.data)["objects"]
    return {key[2:]: value["now"] for key, value in objects.items() if key.startswith("r:")}


@contextlib.contextmanager
def serving(folder: Path, report: FolderReport, port: int, workers: int = 1) -> Iterator[None]:
    """Serve what *report* has, below *folder*, until the block ends."""
    place = Layout.under(str(folder / "p"))
    prepare(place)
    report.write(Path(place.conf))
    for secret in Path(place.secrets).rglob("*"):
        secret.parent.chmod(0o755)  # workers of a test that runs as root are nobody
        secret.chmod(0o644)
    assert report.live
    Path(place.live_state).write_bytes(report.live.data)
    main = Path(place.main)
    main.write_text(re.sub(r"worker_processes \w+;", f"worker_processes {workers};", main.read_text()))
    log = folder / "log"
    with log.open("w") as output:
        command = [LUA or "", "-e", "stderr", "-p", place.conf, "-c", place.main, "-g", "daemon off;"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output)

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, port), 1).close()
            return True
        return False

    try:
        wait_until(ready)
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


Question = tuple[bytes, str | None]
"""A request byte for byte, and its server name (SNI) if it goes over TLS."""
Pair = tuple[bytes, bytes]
"""What a server block answers, and what a routed host does."""


def both(
    objects: Iterable[Mapping[str, Any]], asked: Iterable[Question], *more: str, routed: Iterable[str]
) -> list[Pair]:
    """Serve *objects* in server blocks and then routed, and ask each time; exactly the hosts *routed* are.

    *more* are flags.
    """
    ports, found = Ports.free(), list[list[bytes]]()
    questions, items = list(asked), list(objects)
    for routing in (False, True):
        with short_directory() as folder:
            report = generate(folder, items, ports, *more, routing=routing)
            assert sorted(hosts(report)) == (sorted(routed) if routing else []), report.problems
            with serving(folder, report, ports.http):
                found.append(
                    [exchange(ports.http if name is None else ports.https, each, name) for each, name in questions]
                )
    return list(zip(*found, strict=True))


def assert_alike(asked: Iterable[Question], pairs: Iterable[Pair]) -> None:
    """Assert that both answers to each question are the same, byte for byte."""
    for (request, name), (block, route) in zip(asked, pairs, strict=True):
        assert route == block, f"{request!r} {name or ''}\nserver block: {block!r}\nrouted: {route!r}"


def question(host: str, target: str, *headers: str, method: str = "GET", body: str = "", version: str = "1.1") -> bytes:
    """A request on a connection of its own."""
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", "Connection: close", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join([*lines, "", ""]) + body).encode("latin-1")


def varied(host: str, target: str, *headers: str) -> list[bytes]:
    """Requests for *target* with both versions of HTTP, with and without a body."""
    return [
        question(host, target, *headers),
        question(host, target, *headers, version="1.0"),
        question(host, target, *headers, method="HEAD"),
        question(host, target, *headers, method="POST", body="x" * 20),
        question(host, target, "Upgrade: websocket", *headers),
    ]


def exchange(port: int, request: bytes, server_name: str | None = None) -> bytes:
    """Send *request* byte for byte; the whole answer without its date, empty if the connection fails."""
    try:
        with socket.create_connection((LOOPBACK, port), DEADLINE_S) as plain:
            if server_name is None:
                return _answer(plain, request)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain, server_hostname=server_name or None) as secure:
                return (secure.getpeercert(binary_form=True) or b"") + _answer(secure, request)
    except (ssl.SSLError, ConnectionError):
        return b""


def _answer(stream: socket.socket, request: bytes) -> bytes:
    stream.sendall(request)
    data = b"".join(iter(lambda: stream.recv(65536), b""))
    return re.sub(rb"(?m)^Date: .*\r\n", b"", data)
