"""What nginx writes down, and where."""

from __future__ import annotations

import asyncio
import socket

import pytest
from showcase.ports import free_port

from tests.live.json_objects import Json, config_map
from tests.live.settings.backends import LOOPBACK
from tests.live.settings.hosts import host
from tests.live.settings.serving_nginx import ServingNginx, served
from tests.waiting import DEADLINE_S

QUOTE = 'say "tea"'


def escaped(how: str) -> dict[str, str]:
    """Return the settings that escape values so."""
    return {"log_format_escaping": how, "stream_log_format_escaping": how}


def teas(**settings: str) -> list[Json]:
    """A ConfigMap and a host."""
    return [config_map(**settings), host("tea")]


async def in_turn(nginx: ServingNginx, *uris: str, name: str = "tea") -> None:
    """Ask over one connection: when the last is answered, those before it are logged if they are at all."""
    async with nginx.client() as client:
        for uri in uris:
            await client.get(f"{name}.test", uri)


# --- the access log -------------------------------------------------------------------------------------


async def test_access_log_lines_have_the_configured_format() -> None:
    async with served(teas(log_format='$host "$request"\n->\n\n$status $http_x_note\n')) as nginx:
        await nginx.get("tea.test", "/green?x=1", headers={"X-Note": "hot"})
        assert await nginx.logged("green") == 'tea.test "GET /green?x=1 HTTP/1.1" -> 200 hot'


async def test_the_default_log_format_is_that_of_the_incumbent() -> None:
    async with served([host("tea")]) as nginx:
        await nginx.get("tea.test", "/green", headers={"User-Agent": "cup", "X-Forwarded-For": "203.0.113.7"})
        line = await nginx.logged("green")
        assert line.startswith(f"{LOOPBACK} - - [")
        assert line.endswith('] "GET /green HTTP/1.1" 200 3 "-" "cup" "203.0.113.7"')


@pytest.mark.parametrize(
    ("settings", "written"),
    [({}, r"say \x22tea\x22"), (escaped("json"), r"say \"tea\""), (escaped("none"), QUOTE)],
    ids=["default", "json", "none"],
)
async def test_log_values_are_escaped_as_configured(settings: dict[str, str], written: str) -> None:
    port = free_port()
    objects = teas(
        log_format="http $http_x_note",
        stream_log_format="stream $protocol $bytes_sent\n$said",
        stream_snippets=f"server {{ listen {LOOPBACK}:{port}; set $said '{QUOTE}'; return tea; }}",
        **settings,
    )
    async with served(objects, "-enable-snippets") as nginx:
        await nginx.get("tea.test", headers={"X-Note": QUOTE})
        assert await nginx.logged("http ") == f"http {written}"
        assert await nginx.send(b"", port) == b"tea"
        assert await nginx.logged("stream ") == f"stream TCP 3 {written}"


async def test_the_access_log_goes_to_the_configured_target_in_its_format() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind((LOOPBACK, 0))
        log.setblocking(False)
        target = f"syslog:server={LOOPBACK}:{log.getsockname()[1]},tag=edge main"
        async with served(teas(access_log=target, log_format="$host $uri")) as nginx:
            await in_turn(nginx, "/green", "/black")
            async with asyncio.timeout(DEADLINE_S):
                line = (await asyncio.get_running_loop().sock_recv(log, 4096)).decode()
            assert line.endswith(" edge: tea.test /green")
            assert nginx.access_log() == []


async def test_the_access_log_can_have_another_format_and_stream() -> None:
    async with served(teas(access_log="/dev/stderr combined", log_format="$host")) as nginx:
        await nginx.get("tea.test", "/green")
        assert '"GET /green HTTP/1.1" 200 3' in await nginx.logged("/green", errors=True)
        assert nginx.access_log() == []


async def test_the_access_log_can_be_off() -> None:
    async with served(teas(access_log_off="true")) as nginx:
        await in_turn(nginx, "/green", "/black")
        assert nginx.access_log() == []


async def test_the_default_server_can_be_left_out_of_the_access_log() -> None:
    for value, logged in (("true", False), ("false", True)):
        async with served(teas(default_server_access_log_off=value)) as nginx:
            await in_turn(nginx, "/lost", "/lost", name="unknown")
            await nginx.get("tea.test", "/found")
            await nginx.logged("/found")
            assert any("/lost" in line for line in nginx.access_log()) == logged


# --- the error log --------------------------------------------------------------------------------------

LINES = {
    "info": "client sent invalid header line",
    "warn": "buffered to a temporary file",
    "error": "intended to send too large body",
}


@pytest.mark.parametrize(("level", "seen"), [("error", {"error"}), ("warn", {"error", "warn"}), ("info", {*LINES})])
async def test_the_error_log_holds_messages_of_its_level_and_above(level: str, seen: set[str]) -> None:
    settings = config_map(error_log_level=level, client_body_buffer_size="1k", client_max_body_size="64k")
    async with served([settings, host("tea")]) as nginx:
        await nginx.get("tea.test", headers={"X_Note": "1"})
        await nginx.get("tea.test", method="POST", data=b"x" * 2**15)
        assert (await nginx.get("tea.test", method="POST", data=b"x" * (2**16 + 1))).status == 413
        await nginx.logged(LINES["error"], errors=True)
        assert {grade for grade, text in LINES.items() if any(text in line for line in nginx.error_log())} == seen
