"""What nginx writes down."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, choice, has_loose_dollar, number
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Quoted, Words, unescaped


@accepts("lines of text with variables")
def log_format(text: str) -> tuple[Quoted, ...]:
    """Parse a log format: every line is one quoted fragment, and each but the first begins with a space."""
    if "\x00" in text:
        raise Unfit("text with a NUL byte")
    if has_loose_dollar(text):
        raise Unfit("a format with a $ that does not begin a variable; write $name or ${name}")
    lines = [unescaped(line) for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines:
        raise Unfit("a format without a line")
    return tuple(Quoted(f" {line}" if i else line) for i, line in enumerate(lines))


_SYSLOG = re.compile(
    r"syslog:server=(?:unix:(?!\S*\.\.)/[A-Za-z0-9_./\-]+|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.\-]*+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?:,(?:facility=[a-z0-9]+|severity=[a-z]+|tag=[A-Za-z0-9_]{1,32}|nohostname))*"
)
_FORMAT_NAME = re.compile(r"[A-Za-z0-9_\-]+")


@accepts("`syslog:server=ADDRESS[:PORT][,OPTION]…` or `/dev/stdout`, and perhaps the name of a format")
def access_log(text: str) -> Words:
    """Parse the target of the access log (https://nginx.org/en/docs/syslog.html) and the name of a format."""
    target, *names = text.split() or [""]
    syslog = _SYSLOG.fullmatch(target)
    if not syslog and target not in {"/dev/stdout", "/dev/stderr"}:
        raise Unfit("not a target; use syslog:server=ADDRESS[:PORT][,facility=…,tag=…,severity=…,nohostname]")
    if syslog and syslog["port"]:
        number(1, 65535)(syslog["port"])
    if len(names) > 1 or not all(map(_FORMAT_NAME.fullmatch, names)):
        raise Unfit("a target followed by something that is not the name of one format")
    return Words((target, *names))


_escaping = choice("default", "json", "none")


class LogSettings(Settings):
    """Logs of nginx; the access log goes to standard output."""

    error_log_level: Annotated[
        str,
        setting(
            "error-log-level",
            "Level of the error log.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=choice("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"),
            directive="error_log",
            context="main",
            example="warn",
        ),
    ] = "notice"
    access_log: Annotated[
        Words,
        setting(
            "access-log",
            "Destination and format of the access log.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=access_log,
            example="syslog:server=10.0.0.5:514,tag=edge main",
            yields_to="access-log-off",
            narrow=True,
            differs="`/dev/stdout` and `/dev/stderr` are accepted too.",
        ),
    ] = Words(("/dev/stdout", "main"))
    access_log_off: Annotated[
        bool, setting("access-log-off", "No access log.", Scope.SERVER, Where.CONFIGMAP, directive="access_log")
    ] = False
    log_format: Annotated[
        tuple[Quoted, ...],
        setting(
            "log-format",
            "Format main of the access log.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=log_format,
            example='$remote_addr "$request" $status',
            narrow=True,
            differs="With a JSON `-log-format` the default is JSON.",
        ),
    ] = (
        Quoted('$remote_addr - $remote_user [$time_local] "$request" '),
        Quoted('$status $body_bytes_sent "$http_referer" '),
        Quoted('"$http_user_agent" "$http_x_forwarded_for"'),
    )
    log_format_escaping: Annotated[
        str | None,
        setting(
            "log-format-escaping",
            "How the values of variables are escaped.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=_escaping,
            directive="log_format",
            example="json",
        ),
    ] = None
    stream_log_format: Annotated[
        tuple[Quoted, ...],
        setting(
            "stream-log-format",
            "Format of the stream log.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=log_format,
            directive="log_format",
            context="stream",
            example="$remote_addr $protocol $status",
        ),
    ] = (
        Quoted("$remote_addr [$time_local] $protocol $status "),
        Quoted("$bytes_sent $bytes_received $session_time $ssl_preread_server_name"),
    )
    stream_log_format_escaping: Annotated[
        str | None,
        setting(
            "stream-log-format-escaping",
            "How the values of variables are escaped.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=_escaping,
            directive="log_format",
            context="stream",
            example="json",
        ),
    ] = None
    default_server_access_log_off: Annotated[
        bool,
        setting(
            "default-server-access-log-off",
            "No access log of the default server.",
            Scope.SERVER,
            Where.CONFIGMAP,
            directive="access_log",
            context="server",
        ),
    ] = False
