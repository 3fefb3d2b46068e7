"""Headgate with Policies of type oidc, a provider, and a browser: all real, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from showcase.backends import running
from showcase.example import Endpoint
from showcase.identity_provider import Client, IdentityProvider, Settings, providing
from showcase.ports import free_port

from headgate.nginx import procfs
from tests.directories import short_directory
from tests.live.headgate_process import LOOPBACK, HeadgateProcess
from tests.live.json_objects import cafe, config_map, tls_secret
from tests.nginx_binaries import LUA
from tests.oidc.browser import Browser
from tests.oidc.objects import SECRET, client_secret, external_auth, policy, virtual_server, virtual_server_route

FLAGS = ("-enable-oidc", "-enable-snippets", "-nginx-configmaps=ours/config")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what cannot run here."""
    here = Path(__file__).parent
    if LUA and procfs.readable():
        return
    for item in items:
        if here in item.path.parents and "provider" in getattr(item, "fixturenames", ()):
            item.add_marker(
                pytest.mark.skip(reason="no nginx with Lua (tools/lua_nginx.sh)" if not LUA else "no /proc")
            )


@pytest.fixture(scope="package")
def running_provider() -> Iterator[IdentityProvider]:
    clients = (Client("cafe", SECRET), Client("public"), Client("office", "other"))
    with providing(LOOPBACK, 0, *clients) as found:
        yield found


@pytest.fixture
def provider(running_provider: IdentityProvider) -> IdentityProvider:
    """The provider, as it is at first."""
    running_provider.settings = Settings()
    running_provider.faults.clear()
    running_provider.requests.clear()
    return running_provider


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture(scope="package")
def tea() -> Iterator[int]:
    port = free_port()
    with running([Endpoint("tea", LOOPBACK, port)]):
        yield port


class Place:
    """Directories of one Headgate over a folder, which any number of processes may follow."""

    def __init__(self, directory: Path, tea: int, stack: ExitStack) -> None:
        self.directory, self.tea, self._stack = directory, tea, stack
        self.manifests = cafe(directory, tea)
        self.manifests.put(client_secret(), config_map())

    def serve(self, *flags: str, under: str = "", nginx: str = LUA or "", source: str = "") -> HeadgateProcess:
        """Start a Headgate, over the folder unless *source* is another flag, and wait until it is ready."""
        (self.directory / under).mkdir(exist_ok=True)
        given = (source or f"--manifests={self.manifests.path}", *FLAGS, *flags)
        headgate = HeadgateProcess(self.directory / under, nginx, *given)
        self._stack.callback(headgate.stop)
        headgate.start_ready()
        return headgate


@pytest.fixture
def place(tea: int) -> Iterator[Place]:
    with short_directory() as directory, ExitStack() as stack:
        yield Place(directory, tea, stack)


@pytest.fixture(scope="package")
def shared_place(tea: int) -> Iterator[Place]:
    with short_directory() as directory, ExitStack() as stack:
        yield Place(directory, tea, stack)


@pytest.fixture(scope="package")
def shared_headgate(shared_place: Place, running_provider: IdentityProvider) -> HeadgateProcess:
    issuer = running_provider
    shared_place.manifests.put(
        policy("login", issuer),
        policy("tokens", issuer, accessTokenEnable=True, redirectURI="/tokens/back", postLogoutRedirectURI="/bye"),
        policy("office", issuer, clientID="office", clientSecret="office"),
        policy("found", issuer, issuer=issuer.issuer, clientID="public", clientSecret=None, pkceEnable=True,
               authEndpoint=None, tokenEndpoint=None, jwksURI=None, endSessionEndpoint=None, scope="openid+profile",
               authExtraArgs=["prompt=login", "ui_locales=de"]),
        client_secret("office", "other"),
        virtual_server("cafe", "cafe.test", "login"),
        virtual_server("other", "other.test", "login"),
        virtual_server("mixed", "mixed.test", routes={"/": "", "/login": "login", "/tokens": "tokens",
                                                       "/office": "office"},
                       **{"server-snippets": "location /jump { try_files /none $arg_to; }"}),
        external_auth("asked", "tea", 'if ($headgate_other_cookies != "mine=1") { return 403; }'),
        virtual_server("waiting", "waiting.test", routes={"/": "", "/login": "login"},
                       upstreams=[{"name": "tea", "service": "tea", "port": 80, "max-conns": 9,
                                   "queue": {"size": 20}}]),
        virtual_server("asking", "asking.test", "asked", routes={"/both": "login", "/asked": ""}),
        virtual_server("found", "found.test", "found"),
        virtual_server("inner", "inner.test", "login", routes={"/": "", "/office": "office"},
                       **{"server-snippets": "location /jump { try_files /none $arg_to; }"}),
        policy("lazy", issuer, issuer=issuer.issuer, authEndpoint=None, sslVerify=True),
        virtual_server("lazy", "lazy.test", "lazy"),
        virtual_server("secure", "secure.test", "tokens", tls={"secret": "secure"}),
        tls_secret("secure", "secure.test"),
        virtual_server("parts", "parts.test", routes={"/": ""}, delegated={"/part": "part"}),
        virtual_server_route("part", "parts.test", "/part/of/it", "login"),
        virtual_server("lost", "lost.test", "lost"),
        policy("lost", issuer, clientSecret="lost"),
    )  # fmt: skip
    return shared_place.serve()


@pytest.fixture
def headgate(shared_headgate: HeadgateProcess, provider: IdentityProvider) -> HeadgateProcess:
    """A Headgate with several hosts; the provider is as it is at first."""
    return shared_headgate
