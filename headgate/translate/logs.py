"""The formats of nginx's logs: those of the settings, or JSON where the log of Headgate is JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headgate.ir import latency
from headgate.ir.http import Line
from headgate.settings import ConfigParams, Quoted, Words
from headgate.settings.logging import LogSettings
from headgate.translate.environment import Environment

USUAL: Final = LogSettings()
CLOCK: Final = "log_time"
"""The variable of the time in seconds or milliseconds since 1970."""
CLOCKS: Final = {
    "s": (Quoted(r"~^(?<log_seconds>\d+)"), Quoted("$log_seconds")),
    "ms": (Quoted(r"~^(?<log_seconds>\d+)\.(?<log_milliseconds>\d+)$"), Quoted("$log_seconds$log_milliseconds")),
}
"""Unit → the pattern that is matched with ``$msec``, and the time."""

_HTTP: Final = (
    '"remote_addr": "$remote_addr", "remote_user": "$remote_user", "host": "$host", "request": "$request"',
    # $status may be 000, $upstream_response_time several numbers: no numbers of JSON
    '"status": "$status", "body_bytes_sent": $body_bytes_sent, "request_time": $request_time',
    '"http_referer": "$http_referer", "http_user_agent": "$http_user_agent"',
    '"http_x_forwarded_for": "$http_x_forwarded_for", "upstream_addr": "$upstream_addr"',
    '"upstream_status": "$upstream_status", "upstream_response_time": "$upstream_response_time"',
)
_STREAM: Final = (
    '"remote_addr": "$remote_addr", "protocol": "$protocol", "status": "$status"',
    '"bytes_sent": $bytes_sent, "bytes_received": $bytes_received, "session_time": $session_time',
    '"ssl_preread_server_name": "$ssl_preread_server_name"',
)


def with_log_formats(env: Environment) -> ConfigParams:
    """Return the settings of *env*; if it asks for JSON, a format that the ConfigMap leaves as it is becomes JSON."""
    params = env.params
    if not env.json_time:
        return params
    explicit: dict[str, object] = {}
    if params.logging.log_format == USUAL.log_format:
        explicit |= {"log_format": _json("access", env.json_time, _HTTP), "log_format_escaping": "json"}
    if params.logging.stream_log_format == USUAL.stream_log_format:
        explicit |= {
            "stream_log_format": _json("session", env.json_time, _STREAM),
            "stream_log_format_escaping": "json",
        }
    return params.replaced({"logging": explicit} if explicit else {})


def own_logs(env: Environment, params: ConfigParams) -> Iterator[Line]:
    """Yield the log of a location whose requests are not in the access log: that by which they are counted."""
    if params.passing.logged is False:
        counted = (latency.destination(env.layout), latency.LOG_NAME)
        yield "access_log", Words(counted if env.sends_lines else ("off",))


def _json(message: str, time: str, fields: tuple[str, ...]) -> tuple[Quoted, ...]:
    """Return a format whose lines begin as those of Headgate do."""
    clock = '"$time_iso8601"' if time == "iso" else f"${CLOCK}"
    head = f'{{"time": {clock}, "level": "INFO", "source": "nginx", "msg": "{message}", '
    *most, last = fields
    return (Quoted(head), *(Quoted(f"{text}, ") for text in most), Quoted(f"{last}}}"))
