"""Sends the requests of an example to loopback and judges the answers; nothing but Python's own HTTP client."""

from __future__ import annotations

import base64
import http.client
import shlex
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from showcase.example import Answer, Check, Request

LOOPBACK = "127.0.0.1"
TIMEOUT = 15.0
"""Seconds for one answer."""


class Doors(msgspec.Struct, frozen=True):
    """Where Headgate listens, and the file of certificates that clients trust."""

    http: int
    https: int
    certificates: Path

    def port(self, request: Request) -> int:
        """Return the port that serves the scheme of *request*."""
        return self.https if request.url.startswith("https:") else self.http


class Got(msgspec.Struct, frozen=True):
    """One answer, or why there was none."""

    status: int = 0
    headers: dict[str, str] = {}
    body: str = ""
    error: str = ""

    @property
    def server(self) -> str:
        """The backend that answered, or ``""``."""
        return next((line for line in self.body.splitlines() if line.startswith("Server name: ")), "")


class Outcome(msgspec.Struct, frozen=True):
    """A Check with what came back."""

    check: Check
    answers: tuple[Got, ...]
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was as promised."""
        return not self.faults

    def __str__(self) -> str:
        """Request, what came back, what was expected."""
        request = self.check.request
        often = f"  (x{request.times})" if request.times > 1 else ""
        lines = [
            f"{'ok  ' if self.passed else 'FAIL'}  {self.check.says}",
            f"      sent      {request.method} {request.url}{often}",
            f"      got       {_summary(self.answers)}",
            f"      expected  {self.check.answer}",
            *(f"      fault     {fault}" for fault in self.faults),
        ]
        return "\n".join(lines)


def verify(check: Check, doors: Doors) -> Outcome:
    """Send what *check* says and compare; never raises for what the server does."""
    answers = tuple(send(check.request, doors) for _ in range(check.request.times))
    return Outcome(check, answers, tuple(_faults(check.answer, answers)))


def send(request: Request, doors: Doors) -> Got:
    """Send *request* once over a new connection."""
    target = urlsplit(request.url)
    port, host = doors.port(request), target.hostname or LOOPBACK
    connection = http.client.HTTPConnection(host, port)
    try:
        connection.sock = _connect(host, port, doors.certificates if target.scheme == "https" else None)
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        body = b"x" * request.body_size if request.body_size else None
        connection.request(request.method, path, body, _headers(request))
        response = connection.getresponse()
        return Got(response.status, dict(response.getheaders()), response.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Got(error=f"no answer: {type(error).__name__}: {error}")
    finally:
        connection.close()


def _connect(host: str, port: int, trusted: Path | None) -> socket.socket:
    """Connect to loopback; with *trusted*, speak TLS and ask for *host* by SNI."""
    plain = socket.create_connection((LOOPBACK, port), TIMEOUT)
    if trusted is None:
        return plain
    try:
        return ssl.create_default_context(cafile=str(trusted)).wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _headers(request: Request) -> dict[str, str]:
    if not request.user:
        return request.headers
    return {**request.headers, "Authorization": "Basic " + base64.b64encode(request.user.encode()).decode()}


def _faults(wanted: Answer, answers: tuple[Got, ...]) -> list[str]:
    faults = [got.error for got in answers if got.error]
    answered = [got for got in answers if not got.error]
    faults += [f"status is {got.status}" for got in answered if got.status != wanted.status]
    bodies = "\n".join(got.body for got in answers)
    faults += [f"no {text!r} in the body" for text in wanted.body if text not in bodies]
    faults += [fault for got in answered for fault in _header_faults(wanted, got)]
    servers = {got.server for got in answers}
    if wanted.servers is not None and len(servers) != wanted.servers:
        faults.append(f"{len(servers)} backends answered")
    return list(dict.fromkeys(faults))


def _header_faults(wanted: Answer, got: Got) -> list[str]:
    found = {name.lower(): value for name, value in got.headers.items()}
    faults = [
        f"{name} is {found.get(name.lower(), '')!r}"
        for name, text in wanted.headers.items()
        if text not in found.get(name.lower(), "")
    ]
    return faults + [f"{name} is there" for name in wanted.without_headers if name.lower() in found]


def _summary(answers: tuple[Got, ...]) -> str:
    """Say in one line what came back."""
    if errors := [got.error for got in answers if got.error]:
        return errors[0]
    parts = [", ".join(sorted({str(got.status) for got in answers}))]
    parts += sorted({got.server for got in answers if got.server})
    parts += [f"Location: {got.headers['Location']}" for got in answers[:1] if "Location" in got.headers]
    return ", ".join(parts)


def curl(request: Request, doors: Doors) -> str:
    """Return the command that sends *request* by hand."""
    target, port = urlsplit(request.url), doors.port(request)
    words = ["curl", "--resolve", f"{target.hostname}:{port}:{LOOPBACK}"]
    words += ["--cacert", str(doors.certificates)] if target.scheme == "https" else []
    words += ["--user", request.user] if request.user else []
    words += [word for name, value in request.headers.items() for word in ("--header", f"{name}: {value}")]
    words += ["--request", request.method] if request.method != "GET" else []
    words += ["--data-binary", "@-"] if request.body_size else []
    command = shlex.join([*words, "--include", target._replace(netloc=f"{target.hostname}:{port}").geturl()])
    return f"head -c {request.body_size} /dev/zero | {command}" if request.body_size else command
