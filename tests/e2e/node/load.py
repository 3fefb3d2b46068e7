"""Clients that forgive nothing: whatever request gets no complete, expected answer is a failure, and is kept.

They speak HTTP/1.1 themselves: a library would send a request again whose connection was closed under it, and that is
what is to be seen here.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import select
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import NamedTuple

from tests.waiting import eventually

LONGEST = 10.0
"""Seconds after which a request counts as lost."""
SHOWN = 20
IDLE = 1.0
"""Seconds for which a connection without requests stays open in any case: ``keepalive_min_timeout``."""


class Plan(NamedTuple):
    """What the clients ask for, and how.

    Attributes:
        address: IP address and port.
        host: the header ``Host``, and the server name of TLS.
        query: what follows the path, for example ``?wait=3``.
        methods: each client uses them in turn.
        tls: speak TLS, as this context says.
        steady: clients that stay on their connection as long as the server lets them.
        fresh: clients that open a connection for every request.
        pause: seconds from an answer to the next request.
    """

    address: tuple[str, int]
    host: str
    query: str = ""
    methods: tuple[str, ...] = ("GET",)
    tls: ssl.SSLContext | None = None
    steady: int = 6
    fresh: int = 2
    pause: float = 0.02


class Request(NamedTuple):
    """What became of one request; times are of ``time.monotonic``, *status* is 0 if there was no whole answer."""

    what: str
    sent: float
    ended: float
    status: int = 0
    pod: str = ""
    failure: str = ""

    def __str__(self) -> str:
        return f"{self.sent:.3f}-{self.ended:.3f} {self.what}: {self.failure or self.status} {self.pod}"


class Load:
    """The clients of one plan, and what they saw."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._over = asyncio.Event()
        self._numbers = itertools.count()
        self.requests: list[Request] = []
        """In the order in which they ended."""

    async def run(self) -> None:
        """Ask until ``stop``; nobody is interrupted in a request."""
        async with asyncio.TaskGroup() as clients:
            for number in range(self._plan.steady + self._plan.fresh):
                clients.create_task(self._client(number))

    def stop(self) -> None:
        self._over.set()

    # --- what they saw --------------------------------------------------------------------------------

    def failures(self, *expected: int) -> list[str]:
        """Requests without the answer of a backend; those answered with a status that is *expected* are none."""
        found = [str(request) for request in self.requests if request.failure and request.status not in expected]
        return [*found[:SHOWN], *([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else ())]

    def pods(self, since: float = 0) -> Counter[str]:
        """How many requests, sent after *since*, each Pod answered."""
        return Counter(request.pod for request in self.requests if request.pod and request.sent >= since)

    def statuses(self) -> Counter[int]:
        return Counter(request.status for request in self.requests)

    def last_answer_of(self, pod: str) -> float:
        """When the last request that *pod* answered was sent; 0 if there is none."""
        return max((request.sent for request in self.requests if request.pod == pod), default=0.0)

    async def more(self, count: int = 50) -> float:
        """Wait until *count* requests that begin now have ended; return the time of the call."""
        began = time.monotonic()

        async def ended() -> int:
            return sum(request.sent >= began for request in self.requests)

        await eventually(ended, lambda found: found >= count)
        return began

    # --- asking ---------------------------------------------------------------------------------------

    async def _client(self, number: int) -> None:
        connection: _Connection | None = None
        await self._rest(self._plan.pause * number / (self._plan.steady + self._plan.fresh))
        for method in itertools.cycle(self._plan.methods):
            if self._over.is_set():
                break
            request, connection = await self._ask(connection, method, f"/{next(self._numbers)}")
            self.requests.append(request)
            if connection and not (number < self._plan.steady and connection.may_stay):
                connection.close()
                connection = None
            await self._rest(self._plan.pause)
        if connection:
            connection.close()

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    async def _ask(self, connection: _Connection | None, method: str, path: str) -> tuple[Request, _Connection | None]:
        """Ask on *connection*, or on a new one if there is none or the server closed it before the request."""
        what, began = f"{method} {path}", time.monotonic()
        try:
            async with asyncio.timeout(LONGEST):
                if connection and connection.closed:
                    connection.close()
                    connection = None
                connection = connection or await _Connection.open(self._plan)
                began = time.monotonic()
                status, pod, text = await connection.exchange(method, path + self._plan.query)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
            if connection and method == "GET" and connection.was_closed_idle(error, began):
                connection.close()
                return await self._ask(None, method, path)
            stage = "on a connection that had served" if connection and connection.served else "on a new connection"
            if connection:
                connection.close()
            failure = f"{type(error).__name__} {error} {stage if connection else 'when connecting'}"
            return Request(what, began, time.monotonic(), failure=failure), None
        failure = "" if (status, text) == (200, f"{pod} {what}") else f"{status} {text[:80]!r}"
        return Request(what, began, time.monotonic(), status, pod, failure), connection


class _Connection:
    """One connection, and the little of HTTP/1.1 that these answers need: every one says its length (RFC 9112, 6.2)."""

    def __init__(self, plan: Plan, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._plan, self._reader, self._writer = plan, reader, writer
        self.served = 0
        self._answered = time.monotonic()
        self.may_stay = True

    @classmethod
    async def open(cls, plan: Plan) -> _Connection:
        name = plan.host if plan.tls else None
        return cls(plan, *await asyncio.open_connection(*plan.address, ssl=plan.tls, server_hostname=name))

    @property
    def closed(self) -> bool:
        """Whether the server closed it while it was idle, as it may (RFC 9112, 9.5).

        The kernel is asked, too: this process may have been busy when the end arrived.
        """
        return self._reader.at_eof() or self._reader.exception() is not None or self._ended()

    def was_closed_idle(self, error: Exception, sent: float) -> bool:
        """Whether the server may have closed the connection for being idle while the request was on its way.

        nginx that stops does so with connections that were idle for ``keepalive_min_timeout``; a client sends a GET
        again then (RFC 9112, 9.3.1).
        """
        closed = isinstance(error, ConnectionError) or (
            isinstance(error, asyncio.IncompleteReadError) and not error.partial
        )
        return closed and self.served > 0 and sent - self._answered >= IDLE

    def _ended(self) -> bool:
        there = select.poll()
        there.register(self._writer.get_extra_info("socket").fileno(), select.POLLRDHUP)
        return bool(there.poll(0))

    async def exchange(self, method: str, target: str) -> tuple[int, str, str]:
        """Send a request and return status, the header ``X-Pod`` and the body of its answer."""
        body = b"" if method == "GET" else b"x" * 1024
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._plan.host}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        text = (await self._reader.readexactly(int(fields.get("content-length", "without a length")))).decode()
        self.served += 1
        self._answered = time.monotonic()
        self.may_stay = fields.get("connection", "").lower() != "close"
        return int(first.split(" ")[1]), fields.get("x-pod", ""), text

    def close(self) -> None:
        self._writer.close()


@contextlib.asynccontextmanager
async def load(plan: Plan) -> AsyncIterator[Load]:
    """Have the clients ask while the block runs; after it, every request has ended."""
    found = Load(plan)
    running = asyncio.create_task(found.run())
    try:
        await found.more(plan.steady + plan.fresh)
        yield found
    finally:
        found.stop()
        await running
