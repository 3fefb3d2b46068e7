"""Small HTTP servers that stand for the Pods of an example: each says who it is and what it was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from showcase.example import Endpoint


class Backend(ThreadingHTTPServer):
    """One Pod; answers every request with 200 and a text about it. ``?delay=SECONDS`` makes it slow."""

    daemon_threads = True

    def __init__(self, endpoint: Endpoint) -> None:
        """Listen; raises OSError, which names the address, if the port is taken."""
        self.endpoint = endpoint
        try:
            super().__init__((endpoint.address, endpoint.port), _Handler)
        except OSError as error:
            raise OSError(error.errno, f"{endpoint.address}:{endpoint.port}: {error.strerror}") from None

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


@contextmanager
def running(endpoints: Iterable[Endpoint]) -> Iterator[None]:
    """Serve every endpoint from threads until the block ends; raises OSError if a port is taken."""
    with ExitStack() as stack:
        for endpoint in endpoints:
            backend = stack.enter_context(Backend(endpoint))
            threading.Thread(target=backend.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(backend.shutdown)
        yield
