"""What nginx writes down."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.registry import Scope, Settings, Where, knob
from headgate.settings.values import Quoted, Unfit, Words, choice, matching


def log_format(text: str) -> tuple[Quoted, ...]:
    """Parse a log format: every line is one quoted fragment, as the incumbent joins them."""
    if "\x00" in text:
        raise Unfit("text with a NUL byte")
    return tuple(Quoted(line) for line in text.split("\n") if line)


def access_log(text: str) -> Words:
    """Parse a target of the access log: ``syslog:…`` or ``/dev/stdout``, each followed by a format's name."""
    words = text.split()
    target = matching(r"syslog:[A-Za-z0-9_.:,=/\[\]\-]+|/dev/std(out|err)", "syslog:server=… (or /dev/stdout)")
    if not words or len(words) > 2:  # noqa: PLR2004 - a target and a format
        raise Unfit("not a target and the name of a format")
    target(words[0])
    if not all(re.fullmatch(r"[A-Za-z0-9_\-]+", word) for word in words[1:]):
        raise Unfit("followed by something that is not the name of a format")
    return Words(words)


_escaping = choice("default", "json", "none")


class LogSettings(Settings):
    """Logs of nginx; the access log goes to standard output."""

    error_log_level: Annotated[
        str,
        knob(
            "error-log-level",
            "Level of the error log.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=choice("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"),
        ),
    ] = "notice"
    access_log: Annotated[
        Words,
        knob("access-log", "Target of the access log: syslog:…", Scope.SERVER, Where.CONFIGMAP, parse=access_log),
    ] = Words(("/dev/stdout", "main"))
    access_log_off: Annotated[bool, knob("access-log-off", "No access log.", Scope.SERVER, Where.CONFIGMAP)] = False
    log_format: Annotated[
        tuple[Quoted, ...],
        knob("log-format", "Format main of the access log.", Scope.SERVER, Where.CONFIGMAP, parse=log_format),
    ] = (
        Quoted('$remote_addr - $remote_user [$time_local] "$request" '),
        Quoted('$status $body_bytes_sent "$http_referer" '),
        Quoted('"$http_user_agent" "$http_x_forwarded_for"'),
    )
    log_format_escaping: Annotated[
        str | None,
        knob("log-format-escaping", "default, json or none.", Scope.SERVER, Where.CONFIGMAP, parse=_escaping),
    ] = None
    stream_log_format: Annotated[
        tuple[Quoted, ...],
        knob("stream-log-format", "Format of the stream log.", Scope.SERVER, Where.CONFIGMAP, parse=log_format),
    ] = (
        Quoted("$remote_addr [$time_local] $protocol $status "),
        Quoted("$bytes_sent $bytes_received $session_time $ssl_preread_server_name"),
    )
    stream_log_format_escaping: Annotated[
        str | None,
        knob("stream-log-format-escaping", "default, json or none.", Scope.SERVER, Where.CONFIGMAP, parse=_escaping),
    ] = None
    default_server_access_log_off: Annotated[
        bool,
        knob("default-server-access-log-off", "No access log of the default server.", Scope.SERVER, Where.CONFIGMAP),
    ] = False
