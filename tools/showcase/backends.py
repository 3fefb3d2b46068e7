"""Small servers that stand for the Pods of an example: each says who it is and what it was asked.

Those of TCP speak HTTP, also to clients that do no more than send a line of it over a connection of their own.
"""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUDPServer
from urllib.parse import parse_qs, urlsplit

from headgate.proxy.certificates import Authority
from showcase.example import Endpoint


class Backend(ThreadingHTTPServer):
    """One Pod; answers every request with 200 and a text about it. ``?delay=SECONDS`` makes it slow."""

    daemon_threads = True
    request_queue_size = 1024
    """Connections that wait for a thread. The five of socketserver are fewer than nginx opens at once, and the kernel
    lets the others hang."""

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext | None = None) -> None:
        """Listen, with TLS if there is a *context*; raises OSError, which names the address, if the port is taken."""
        self.endpoint = endpoint
        try:
            super().__init__((endpoint.address, endpoint.port), _Handler)
        except OSError as error:
            raise OSError(error.errno, f"{endpoint.address}:{endpoint.port}: {error.strerror}") from None
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that leaves in the middle is nobody's fault."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Backend

    def do_GET(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        delay = parse_qs(urlsplit(self.path).query).get("delay", ["0"])[0]
        time.sleep(float(delay))
        body = self._report().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Powered-By", "headgate-demo")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 names that http.server looks for

    def _report(self) -> str:
        endpoint = self.server.endpoint
        lines = [
            f"Server name: {endpoint.name}",
            f"Server address: {endpoint.address}:{endpoint.port}",
            f"Method: {self.command}",
            f"URI: {self.path}",
            "Request headers:",
            *(f"  {name}: {value}" for name, value in sorted(self.headers.items())),
        ]
        return "\n".join([*lines, ""])

    def log_message(self, *_: object) -> None:
        """Keep the terminal for Headgate's lines."""


class DatagramBackend(ThreadingUDPServer):
    """One Pod that answers each datagram with a text about it."""

    daemon_threads = True

    def __init__(self, endpoint: Endpoint) -> None:
        """Listen; raises OSError, which names the address, if the port is taken."""
        self.endpoint = endpoint
        try:
            super().__init__((endpoint.address, endpoint.port), _DatagramHandler)
        except OSError as error:
            raise OSError(error.errno, f"{endpoint.address}:{endpoint.port}/UDP: {error.strerror}") from None


class _DatagramHandler(BaseRequestHandler):
    server: DatagramBackend

    def handle(self) -> None:
        """Answer."""
        data, back = self.request
        text = f"Server name: {self.server.endpoint.name}\nDatagram: {data.decode(errors='replace').strip()}\n"
        back.sendto(text.encode(), self.client_address)


class Certificates:
    """Certificates for backends that speak TLS, and what clients trust."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """Make a certificate for each name that a backend is asked for, by backend."""
        self.contexts: dict[str, ssl.SSLContext] = {}
        now = dt.datetime.now(dt.UTC)
        authority = Authority.new(sorted(names.values()), Path(), now, kept=False)
        self.trusted = authority.pem.decode() if names else ""
        for backend, host in names.items():
            pair = authority.issue([host], now)
            self.contexts[backend] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.NamedTemporaryFile() as file:
                file.write(pair.certificate + pair.key)
                file.flush()
                self.contexts[backend].load_cert_chain(file.name)


@contextmanager
def running(endpoints: Iterable[Endpoint], contexts: Mapping[str, ssl.SSLContext] | None = None) -> Iterator[None]:
    """Serve every endpoint from threads until the block ends; raises OSError if a port is taken.

    Those that *contexts* names speak TLS.
    """
    with ExitStack() as stack:
        for endpoint in endpoints:
            made = (
                DatagramBackend(endpoint)
                if endpoint.protocol == "UDP"
                else Backend(endpoint, (contexts or {}).get(endpoint.name))
            )
            backend = stack.enter_context(made)
            threading.Thread(target=backend.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(backend.shutdown)
        yield
