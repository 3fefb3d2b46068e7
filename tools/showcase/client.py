"""Sends the requests of an example to loopback and judges the answers; nothing but Python's own clients."""

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
from showcase.login import LoginError, logged_in

LOOPBACK = "127.0.0.1"
TIMEOUT = 15.0
"""Seconds for one answer."""
STREAMS = ("tcp", "udp", "tls")
LINE, DATAGRAM = b"GET / HTTP/1.0\r\n\r\n", b"hello"
"""What is sent over a connection, which every backend understands, and in a datagram."""


class Doors(msgspec.Struct, frozen=True):
    """Where Headgate listens, and the file of certificates that clients trust.

    *listeners* are the ports of the GlobalConfiguration that are other ones than in the requests.
    """

    http: int
    https: int
    certificates: Path
    listeners: dict[int, int] = {}

    def port(self, request: Request) -> int:
        """Return the port that *request* is sent to: the one that it names, or that of its scheme."""
        if named := urlsplit(request.url).port:
            return self.listeners.get(named, named)
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
            f"      sent      {'' if _is_stream(request) else f'{request.method} '}{request.url}{often}",
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
    if _is_stream(request):
        return _send_stream(target.scheme, host, port, doors)
    if request.login:
        return _logged_in(request, doors)
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


def _logged_in(request: Request, doors: Doors) -> Got:
    def connect(url: str) -> http.client.HTTPConnection:
        target = urlsplit(url)
        secure = target.scheme == "https"
        port = target.port or (doors.https if secure else doors.http)
        connection = http.client.HTTPConnection(LOOPBACK, port)
        connection.sock = _connect(target.hostname or LOOPBACK, port, doors.certificates if secure else None)
        return connection

    try:
        return Got(*logged_in(request, connect))
    except (LoginError, OSError, http.client.HTTPException) as error:
        return Got(error=f"no answer: {type(error).__name__}: {error}")


def _is_stream(request: Request) -> bool:
    return request.url.partition(":")[0] in STREAMS


def _send_stream(scheme: str, host: str, port: int, doors: Doors) -> Got:
    """Send a line over a connection, or a datagram, and return what comes back."""
    try:
        if scheme == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(TIMEOUT)
                asking.connect((LOOPBACK, port))
                asking.send(DATAGRAM)
                return Got(body=asking.recv(65536).decode(errors="replace"))
        with _connect(host, port, doors.certificates if scheme == "tls" else None) as connection:
            connection.sendall(LINE)
            data = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError as error:
        return Got(error=f"no answer: {type(error).__name__}: {error}")
    return Got(body=data.decode(errors="replace")) if data else Got(error="no answer: the connection was closed")


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
    parts = [text] if (text := ", ".join(sorted({str(got.status) for got in answers if got.status}))) else []
    parts += sorted({got.server for got in answers if got.server})
    parts += [f"Location: {got.headers['Location']}" for got in answers[:1] if "Location" in got.headers]
    return ", ".join(parts)


_LINE = shlex.quote(repr(LINE.decode()).strip("'"))


def curl(request: Request, doors: Doors) -> str:
    """Return the command that sends *request* by hand."""
    target, port = urlsplit(request.url), doors.port(request)
    if request.login:
        return f"(in a browser) {target._replace(netloc=f'{target.hostname}:{port}').geturl()}, as {request.login}"
    if target.scheme == "udp":
        return f"echo {DATAGRAM.decode()} | nc -u -w 1 {LOOPBACK} {port}"
    if target.scheme == "tcp":
        return f"printf {_LINE} | nc {LOOPBACK} {port}"
    if target.scheme == "tls":
        to = f"-connect {LOOPBACK}:{port} -servername {target.hostname} -CAfile {shlex.quote(str(doors.certificates))}"
        return f"printf {_LINE} | openssl s_client -quiet {to}"
    words = ["curl", "--resolve", f"{target.hostname}:{port}:{LOOPBACK}"]
    words += ["--cacert", str(doors.certificates)] if target.scheme == "https" else []
    words += ["--user", request.user] if request.user else []
    words += [word for name, value in request.headers.items() for word in ("--header", f"{name}: {value}")]
    words += ["--request", request.method] if request.method != "GET" else []
    words += ["--data-binary", "@-"] if request.body_size else []
    command = shlex.join([*words, "--include", target._replace(netloc=f"{target.hostname}:{port}").geturl()])
    return f"head -c {request.body_size} /dev/zero | {command}" if request.body_size else command
