"""``headgate proxy`` as a developer runs it: real nginx, real backends, two at once, Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from showcase.ports import free_port, free_ports

from tests.directories import short_directory
from tests.live.headgate_process import ROOT, ask
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import DEADLINE_S, wait_until


class Proxy:
    """A ``headgate proxy`` with directories of its own below *directory*.

    Its ports are given, since those that it would choose are near the ports that demonstrations choose.
    """

    def __init__(self, directory: Path, *argv: str, wrapper: tuple[str, ...] = ()) -> None:
        self.temporary, self.data, self._log = directory / "tmp", directory / "data", directory / "log"
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.temporary.chmod(0o755)
        self.http, self.https = free_ports(2)
        ports = (f"-default-http-listener-port={self.http}", f"-default-https-listener-port={self.https}")
        environ = {**os.environ, "TMPDIR": str(self.temporary), "XDG_DATA_HOME": str(self.data)}
        command = [*wrapper, sys.executable, "-m", "headgate", "proxy", f"--nginx={ANY_NGINX}", *ports, *argv]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=environ, start_new_session=True
            )

    @property
    def text(self) -> str:
        return self._log.read_text()

    def wait_ready(self) -> None:
        def announced() -> bool:
            assert self.process.poll() is None, self.text
            return "\ncurl " in self.text

        wait_until(announced)

    @property
    def masters(self) -> list[int]:
        """The nginx masters whose files are below its directory."""
        pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [pid for pid in pids if str(self.temporary) in command_line(pid)]

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(DEADLINE_S)


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a backend, on ::1 alone if there is IPv6, that switches protocols and echoes what comes then."""
    family, address = (socket.AF_INET6, "::1") if socket.has_ipv6 and has_ipv6() else (socket.AF_INET, "127.0.0.1")
    port = free_port()
    with socket.create_server((address, port), family=family) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        yield port


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def _echo(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            head = b""
            while b"\r\n\r\n" not in head and (data := connection.recv(65536)):
                head += data
            if b"upgrade: websocket" in head.lower():
                connection.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
                )
                while data := connection.recv(65536):
                    connection.sendall(data)


def talk(port: int, host: str, said: bytes) -> bytes:
    """Open a WebSocket, in which what is *said* is not even framed, and return the answer."""
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as client:
        client.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer and (data := client.recv(65536)):
            answer += data
        assert answer.startswith(b"HTTP/1.1 101"), answer
        client.sendall(said)
        return client.recv(len(said))


def test_hosts_and_paths_are_served_beside_another_proxy_and_ctrl_c_leaves_nothing(
    tea: int, coffee: int, echo: int
) -> None:
    with short_directory() as directory:
        first = Proxy(
            directory / "1",
            f"app.localhost=http://127.0.0.1:{tea}",
            f"app.localhost/api={coffee}",
            f"ws.localhost={echo}",
        )
        second = Proxy(directory / "2", f"{tea}")
        try:
            for proxy in (first, second):
                proxy.wait_ready()
            http = first.http
            assert "Server name: tea" in ask(http, "app.localhost", "/x").body
            api = ask(http, "app.localhost", "/api/x").body
            assert "Server name: coffee" in api
            assert "URI: /api/x" in api
            assert ask(http, "other.localhost", "/").status == 404
            assert talk(http, "ws.localhost", b"hello") == b"hello"
            assert "Server name: tea" in ask(second.http, "any.test", "/").body
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.2", http), timeout=DEADLINE_S)
            assert f"http://app.localhost:{http}/     ->  http://127.0.0.1:{tea}\n" in first.text
            assert f"\ncurl http://app.localhost:{http}/\n" in first.text
            assert "notice" not in first.text
            assert first.masters
            assert (first.interrupt(), second.interrupt()) == (0, 0)
            for proxy in (first, second):
                assert not proxy.masters
                assert not list(proxy.temporary.iterdir())
        finally:
            first.stop()
            second.stop()


@pytest.fixture
def calls() -> Iterator[int]:
    """The port of a gRPC server that answers every call."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(lambda request, _: b"got " + request)

    port = free_port()
    server = grpc.server(ThreadPoolExecutor(2), handlers=(Handler(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    yield port
    server.stop(None)


def call(port: int, host: str, ca: Path) -> bytes:
    options = [("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)]
    credentials = grpc.ssl_channel_credentials(ca.read_bytes())
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
        return channel.unary_unary("/any.Service/Method")(b"hello", timeout=DEADLINE_S)


def test_tls_is_verified_by_the_authority_that_is_printed(tea: int, calls: int) -> None:
    with short_directory() as directory:
        silent = free_port()
        proxy = Proxy(
            directory,
            "--tls",
            f"app.localhost={tea}",
            f"off.localhost={silent}",
            f"g.localhost=grpc://127.0.0.1:{calls}",
        )
        try:
            proxy.wait_ready()
            https = proxy.https
            ca = proxy.data / "headgate" / "ca.pem"
            assert f"curl --cacert {ca} https://app.localhost:{https}/\n" in proxy.text
            assert f"->  http://localhost:{silent} (nothing listens there yet)\n" in proxy.text
            trust = ssl.create_default_context(cafile=str(ca))
            assert "Server name: tea" in ask(https, "app.localhost", "/", tls=trust).body
            assert ask(https, "off.localhost", "/", tls=trust).status == 502
            assert call(https, "g.localhost", ca) == b"got hello"
            redirect = ask(proxy.http, "app.localhost", "/x")
            assert (redirect.status, redirect.headers["Location"]) == (301, f"https://app.localhost:{https}/x")
        finally:
            proxy.stop()


def test_a_port_that_is_taken_is_an_error_in_one_line(tea: int) -> None:
    with short_directory() as directory:
        proxy = Proxy(directory, f"{tea}", "-p", f"{tea}")
        assert proxy.process.wait(DEADLINE_S) == 1
        assert proxy.text.startswith(f"headgate: -default-http-listener-port: '{tea}' is in use by another process")
        assert proxy.text.count("\n") == 1


@pytest.mark.skipif(
    shutil.which("setpriv") is None
    or os.geteuid() != 0
    or int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 79,
    reason="needs setpriv, root, and ports that are privileged",
)
def test_a_privileged_port_is_an_error_that_says_what_to_do(tea: int) -> None:
    with short_directory() as directory:
        proxy = Proxy(directory, f"{tea}", "-p", "79", wrapper=("setpriv", "--bounding-set=-net_bind_service"))
        assert proxy.process.wait(DEADLINE_S) == 1
        assert "cannot be opened by this user; choose a port above 1023" in proxy.text


def test_a_name_that_does_not_resolve_is_an_error_in_one_line() -> None:
    with short_directory() as directory:
        proxy = Proxy(directory, "a.localhost=http://backend.invalid:3000")
        assert proxy.process.wait(DEADLINE_S) == 1
        assert proxy.text.startswith("headgate: http://backend.invalid:3000: the name cannot be resolved")


def test_the_nginx_of_a_killed_proxy_is_ended_by_the_next_one(tea: int) -> None:
    with short_directory() as directory:
        killed = Proxy(directory, f"{tea}")
        try:
            killed.wait_ready()
            left = killed.masters
            assert left
            killed.process.kill()
            killed.process.wait(DEADLINE_S)
            after = Proxy(directory, f"{tea}")
            try:
                after.wait_ready()
                assert after.masters
                assert not {*left} & {*after.masters}
                assert after.interrupt() == 0
                assert not list(after.temporary.iterdir())
            finally:
                after.stop()
        finally:
            killed.stop()
            for pid in killed.masters:
                os.kill(pid, signal.SIGTERM)


def test_status_and_sockets_find_a_proxy_that_runs(tea: int) -> None:
    with short_directory() as directory:
        proxy = Proxy(directory, f"app.localhost={tea}")
        environ = {**os.environ, "TMPDIR": str(proxy.temporary), "KUBERNETES_SERVICE_HOST": ""}

        def headgate(*argv: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "headgate", *argv]
            return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

        try:
            proxy.wait_ready()
            found = headgate("status")
            assert (found.returncode, found.stderr) == (0, "")
            assert f", pid {proxy.process.pid}, started " in found.stdout.splitlines()[0]
            assert "app.localhost" in found.stdout
            found = headgate("sockets", f"--root={directory}")
            assert (found.returncode, found.stderr) == (0, "")
            assert found.stdout.startswith("Headgate's own sockets in ")
            assert f", pid {proxy.process.pid}\n" in found.stdout
            second = Proxy(directory, f"b.localhost={tea}")
            try:
                second.wait_ready()
                found = headgate("status")
                assert found.returncode == 1
                assert found.stderr.startswith("headgate: several `headgate proxy` run; name one with --prefix=")
            finally:
                second.stop()
        finally:
            proxy.stop()
