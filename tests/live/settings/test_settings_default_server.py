"""What clients get who ask for a host that nobody holds."""

from __future__ import annotations

import pytest

from tests.live.json_objects import config_map
from tests.live.settings.hosts import host
from tests.live.settings.serving_nginx import served


@pytest.mark.parametrize(
    ("value", "status", "location"),
    [("302 https://tea.test/", 302, "https://tea.test/"), ("410", 410, None), (None, 404, None)],
)
async def test_unknown_hosts_get_the_configured_answer(value: str | None, status: int, location: str | None) -> None:
    settings = [config_map(default_server_return=value)] if value else []
    async with served([*settings, host("tea")], "-health-status", "-health-status-uri=/alive") as nginx:
        answer = await nginx.get("unknown.test", "/any")
        assert (answer.status, answer.headers.get("Location")) == (status, location)
        assert (await nginx.get("unknown.test", "/alive")).text == "healthy"
        assert (await nginx.get("tea.test", "/any")).text == "tea"
