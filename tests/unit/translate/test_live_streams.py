"""Which servers of TCP and UDP are pushed, and why others are in files."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from headgate.ir import Capabilities, Layout
from headgate.ir.live import LuaModules, NjsModule
from headgate.problems import ObjectRef
from headgate.routes import Backend, Endpoints, Listener, Protocol, Session, StreamBackend, StreamRoute
from headgate.settings import Snippet, Words
from headgate.translate import Environment
from headgate.translate.live_streams import in_files, live_stream

ABLE = Capabilities(stream="", lua=LuaModules((), "", ""), stream_js=NjsModule("/js.so", "/streams.js"))
LIVE = Environment(layout=Layout.container(), capabilities=ABLE, data_plane="live")
SERVERS = ("10.0.0.1:53", "10.0.0.2:53")


def route(*servers: str, session: Session | None = None, named: bool = False, **settings: Any) -> StreamRoute:
    own = {name: settings.pop(name) for name in ("server_snippet", "stream_snippet") if name in settings}
    endpoints = Endpoints(servers or SERVERS, named=named)
    backend = Backend("dns", "53", "default", endpoints, upstream="ts_default_dns_app")
    return StreamRoute(
        listener=Listener(53, protocol=Protocol.TCP, name="dns"),
        target="ts_default_dns_app",
        backends=(StreamBackend(backend=backend, **settings),),
        origin=ObjectRef("TransportServer", "default", "dns"),
        session=session or Session(),
        **own,
    )


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (route(), ""),
        (route(method=Words(("random", "two", "least_conn"))), ""),
        (route(method=Words(("hash", "$remote_addr", "consistent"))), ""),
        (route(method=Words(("hash", "${binary_remote_addr}:$server_port"))), ""),
        (route(method=Words(("hash", "$ssl_preread_server_name"))), "only nginx itself knows loadBalancingMethod hash"),
        (route(session=Session(next_upstream=True)), "nextUpstream is true"),
        (route(max_conns=10), "maxConns is set"),
        (route(server_snippet=Snippet("deny all;")), "the object has snippets"),
        (route(stream_snippet=Snippet("# none")), "the object has snippets"),
        (route("db.example.com:53", named=True), "nginx resolves their name"),
        (route(*(f"10.0.{n // 250}.{n % 250}:53" for n in range(1001))), "there are more than 1000"),
        (
            route(*(f"10.0.0.{n}:53" for n in range(26)), method=Words(("hash", "$remote_addr", "consistent"))),
            "there are more than 25 for a consistent hash",
        ),
    ],
)
def test_what_nginx_itself_must_do_is_in_files(found: StreamRoute, reason: str) -> None:
    (backend,) = found.backends
    assert (live_stream(found, backend, LIVE) is None) == bool(reason)
    assert in_files(found, LIVE).startswith(reason)
    assert bool(in_files(found, LIVE)) == bool(reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data_plane": "files"}, ""),
        ({"live_streams": False}, "-live-streams is off"),
        ({"capabilities": structs.replace(ABLE, stream_js=None)}, "nginx lacks its njs module for TCP and UDP"),
        ({"streams_in_files": "a template"}, "a template"),
    ],
)
def test_what_excludes_all_of_them(changes: dict[str, Any], reason: str) -> None:
    env, found = structs.replace(LIVE, **changes), route()
    assert live_stream(found, found.backends[0], env) is None
    assert in_files(found, env) == reason  # nothing is told where everything is in files
    assert env.stream_js is None


def test_variables_that_are_no_text_are_those_that_say_the_same() -> None:
    found = route(method=Words(("hash", "${binary_remote_addr}:$server_port")))
    pushed = live_stream(found, found.backends[0], LIVE)
    assert pushed
    assert pushed.key == ("", "remote_addr", ":", "server_port", "")
