"""Busy keep-alive clients in their own process: ``python -m benchmarks.stage.load PORT HOST CONNECTIONS SECONDS``.

Each client sends its next request as soon as it has the answer to the previous one. The program prints one JSON object:
``answered``, ``lost`` (a request that was sent on an open connection and got no answer), ``refused`` (connection
refused), and ``p99_ms`` of the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from typing import Any

from .table import quantile


class Clients:
    """The counters of all clients together."""

    def __init__(self, port: int, host: str, seconds: float) -> None:
        """Send requests for *host* to *port* for *seconds*."""
        self._port = port
        self._request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self._end = time.perf_counter() + seconds
        self._times: list[float] = []
        self.lost = 0
        self.refused = 0

    async def run(self) -> None:
        """Run one client."""
        while time.perf_counter() < self._end:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self.refused += 1
                await asyncio.sleep(0.01)
                continue
            try:
                await self._talk(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                self.lost += 1
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ask until the time is over or the server announces that it closes the connection."""
        while (began := time.perf_counter()) < self._end:
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length:")[2].split(maxsplit=1)[0]))
            self._times.append(time.perf_counter() - began)
            if b"connection: close" in head:
                return

    def report(self) -> dict[str, Any]:
        """Return the counts."""
        p99 = quantile(self._times, 0.99) * 1000 if self._times else 0.0
        return {"answered": len(self._times), "lost": self.lost, "refused": self.refused, "p99_ms": p99}


async def main(port: int, host: str, connections: int, seconds: float) -> None:
    """Run the clients and print what they counted."""
    clients = Clients(port, host, seconds)
    await asyncio.gather(*(clients.run() for _ in range(connections)))
    print(json.dumps(clients.report()))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
