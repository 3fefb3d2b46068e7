"""``healthCheck`` of an upstream becomes a Check."""

from __future__ import annotations

import re
from typing import Final

from headgate.api.nginx_org.transportserver import TransportServerUpstream
from headgate.api.nginx_org.upstreams import HealthCheck, Upstream
from headgate.routes import Check, StreamCheck
from headgate.settings.values import Duration, unescaped

PASSED = ((200, 399),)
"""Status codes of a passed check where no others are named, as nginx has it."""
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPED: Final = {"n": b"\n", "r": b"\r", "t": b"\t", '"': b'"', "'": b"'", "\\": b"\\"}


def check_of(upstream: Upstream, field: str) -> Check | None:
    """Return the health checks of *upstream*, which is at *field*; ``None`` if there are none."""
    asked = upstream.health_check
    if asked is None or not asked.enable:
        return None
    ranges, negated = status_ranges(asked.status_match or "")
    return Check(
        field=f"{field}.healthCheck",
        path=asked.path or "/",
        headers=_headers(asked),
        interval=_seconds(asked.interval) or 5,
        jitter=_seconds(asked.jitter) or 0,
        fails=asked.fails or 1,
        passes=asked.passes or 1,
        port=asked.port,
        tls=asked.tls.enable if asked.tls else None,
        connect_timeout=_seconds(asked.connect_timeout),
        send_timeout=_seconds(asked.send_timeout),
        read_timeout=_seconds(asked.read_timeout),
        status=ranges,
        negated=negated,
        grpc=(asked.grpc_service or "") if upstream.type == "grpc" else None,
        grpc_status=asked.grpc_status or 0,
        mandatory=asked.mandatory,
        keepalive=asked.keepalive_time or "",
    )


def status_ranges(text: str) -> tuple[tuple[tuple[int, int], ...], bool]:
    """Return the ranges of a ``statusMatch`` that was validated (``! 500-599 404``), and whether they are negated."""
    words = text.split()
    if not words:
        return PASSED, False
    negated = words[0] == "!"
    bounds = (word.partition("-") for word in words[negated:])
    return tuple((int(first), int(last or first)) for first, _, last in bounds), negated


def _headers(asked: HealthCheck) -> tuple[tuple[str, str], ...]:
    return tuple((each.name, unescaped(each.value)) for each in asked.headers or ())


def _seconds(text: str | None) -> float | None:
    return Duration.parse(text).seconds if text else None


def stream_check_of(upstream: TransportServerUpstream, field: str) -> StreamCheck | None:
    """Return the health checks of *upstream*, which is at *field*; ``None`` if there are none."""
    asked = upstream.health_check
    if asked is None or not asked.enable:
        return None
    expect = (asked.match.expect if asked.match else None) or ""
    is_regex = expect.startswith("~")
    return StreamCheck(
        field=f"{field}.healthCheck",
        interval=_seconds(asked.interval) or 5,
        jitter=_seconds(asked.jitter) or 0,
        fails=asked.fails or 1,
        passes=asked.passes or 1,
        port=asked.port,
        timeout=_seconds(asked.timeout) or 5,
        send=_bytes((asked.match.send if asked.match else None) or ""),
        expect=b"" if is_regex else _bytes(expect),
        regex=expect[1:].removeprefix("*").strip() if is_regex else "",
        ignore_case=expect.startswith("~*"),
    )


def _bytes(text: str) -> bytes:
    r"""Return what *text* is between double quotes in nginx, where ``\n`` is a new line and ``\x1f`` a byte."""
    parts = _ESCAPE.split(text)
    return b"".join(_escaped(part) if index % 2 else part.encode() for index, part in enumerate(parts))


def _escaped(text: str) -> bytes:
    return bytes.fromhex(text[1:]) if len(text) > 1 else _ESCAPED.get(text, f"\\{text}".encode())
