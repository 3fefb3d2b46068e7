"""Who the client is behind a proxy, as backends are told. On each build of nginx."""

from __future__ import annotations

import pytest

from tests.live.json_objects import config_map
from tests.live.settings.hosts import host
from tests.live.settings.serving_nginx import ServingNginx, served

CLIENT, NEAR, FAR = "203.0.113.9", "10.1.2.3", "198.51.100.4"
CHAIN = f"{CLIENT}, {FAR}, {NEAR}"
"""What proxies wrote: the client, one that is not believed, one that is."""
OURS = {"set_real_ip_from": "127.0.0.0/8, 10.0.0.0/8", "real_ip_header": "X-Forwarded-For"}


async def told(nginx: ServingNginx, header: str = "X-Forwarded-For") -> tuple[str, str]:
    """Ask through the proxies of CHAIN; return what the backend is told of the client and of its way."""
    await nginx.get("tea.test", headers={header: CHAIN})
    seen = nginx.backend("tea").last.headers
    return seen["X-Real-IP"], seen["X-Forwarded-For"]


@pytest.mark.parametrize(
    ("settings", "client"),
    [
        ({}, "127.0.0.1"),
        (OURS, NEAR),
        (OURS | {"real_ip_recursive": "true"}, FAR),
        (OURS | {"real_ip_recursive": "true", "set_real_ip_from": f"127.0.0.1,{NEAR},{FAR}"}, CLIENT),
        (OURS | {"set_real_ip_from": "192.0.2.0/24"}, "127.0.0.1"),
    ],
    ids=["nobody", "one", "recursive", "all", "others"],
)
async def test_trusted_proxies_name_the_client(nginx_binary: str, settings: dict[str, str], client: str) -> None:
    async with served([host("tea"), config_map(**settings)], binary=nginx_binary) as nginx:
        assert await told(nginx) == (client, f"{CHAIN}, {client}")


async def test_another_header_names_the_client(nginx_binary: str) -> None:
    settings = config_map(real_ip_header="X-Client", set_real_ip_from="127.0.0.1")
    async with served([host("tea"), settings], binary=nginx_binary) as nginx:
        await nginx.get("tea.test", headers={"X-Client": CLIENT})
        assert nginx.backend("tea").last.headers["X-Real-IP"] == CLIENT


@pytest.mark.parametrize(("trusted", "client"), [("127.0.0.1", CLIENT), ("192.0.2.1", "127.0.0.1")])
async def test_the_proxy_protocol_names_the_client_to_backends(nginx_binary: str, trusted: str, client: str) -> None:
    settings = config_map(proxy_protocol="true", real_ip_header="proxy_protocol", set_real_ip_from=trusted)
    async with served([host("tea"), settings], binary=nginx_binary) as nginx:
        await nginx.send(
            f"PROXY TCP4 {CLIENT} 127.0.0.1 5555 80\r\nGET / HTTP/1.0\r\nHost: tea.test\r\n\r\n".encode()
        )  # fmt: skip
        seen = nginx.backend("tea").last.headers
        assert (seen["X-Real-IP"], seen["X-Forwarded-For"]) == (client, client)
