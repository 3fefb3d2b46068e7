"""Error pages of routes, and requests of scripts from other origins (CORS)."""

from __future__ import annotations

from typing import Any

from tests.live.json_objects import Json, config_map
from tests.live.test_live_policies import policy
from tests.routes.routed_nginx import RoutedNginx
from tests.routes.served import Question, assert_alike, both, question, varied
from tests.routes.test_attached_objects import custom, to, upstream
from tests.routes.test_changed_paths import returning
from tests.routes.test_guards import SECRETS, basic, named


def page(*codes: int, **what: Any) -> Json:
    return {"codes": list(codes), **what}


def saying(body: str, code: int = 0, **headers: str) -> Json:
    more = {"headers": [{"name": name.replace("_", "-"), "value": value} for name, value in headers.items()]}
    return {"return": {"body": body, "type": "text/html", **({"code": code} if code else {}), **more}}


PAGES = [
    page(502, 503, **saying("sorry ${upstream_status}", X_Page="a")),
    page(401, 403, **saying("keep out", 200)),
    page(413, redirect={"url": "http://large.test/${scheme}", "code": 302}),
    page(404, 301, **saying("none here")),
]
UPSTREAMS = [upstream("tea"), upstream("none"), upstream("small", "tea", **{"client-max-body-size": "10"})]
OBJECTS = [
    config_map(add_header="X-All: a"),
    *SECRETS,
    policy("users", basicAuth={"secret": "users"}),
    policy("inside", accessControl={"allow": ["10.0.0.0/8"]}),
    policy("one", cors={"allowOrigin": ["https://a.test"], "allowMethods": ["GET"], "allowCredentials": True}),
    policy("any", cors={"allowOrigin": ["*"], "allowHeaders": ["X-A"], "exposeHeaders": ["X-B"], "maxAge": 5}),
    custom(
        "VirtualServer", "pages", "pages.test", upstreams=UPSTREAMS,
        routes=[
            to("/", "tea"), to("/none", "none", errorPages=PAGES), to("/small/", "small", errorPages=PAGES),
            to("/closed", "tea", errorPages=PAGES, **named("users")),
            to("/far", "tea", errorPages=PAGES, **named("inside")),
            to("/other", "none", errorPages=PAGES[:1]), to("~ ^/x", "none", errorPages=PAGES[2:]),
            {"path": "/s", "errorPages": PAGES, "splits": [
                {"weight": 100, "action": {"pass": "none"}}, {"weight": 0, "action": {"pass": "tea"}},
            ]},
            {"path": "/sub", "route": "sub"},
        ],
    ),
    custom("VirtualServerRoute", "sub", "pages.test", upstreams=UPSTREAMS,
           subroutes=[to("/sub", "none", errorPages=[page(502, **saying("of the route"))])]),
    custom("VirtualServer", "cors", "cors.test", upstreams=UPSTREAMS,
           routes=[to("/", "tea", **named("one")), to("/any", "none", **named("any")), returning("/said", "x"),
                   to("/plain", "tea"), to("/closed", "tea", **named("users", "one"))]),
    custom("VirtualServer", "whole", "whole.test", upstreams=UPSTREAMS, **named("any"),
           routes=[to("/", "tea"), to("/one", "tea", **named("one"))]),
]  # fmt: skip
ROUTED = ["cors.test", "pages.test", "whole.test"]
PATHS = [
    "/",
    "/none",
    "/none/x",
    "/small",
    "/small/",
    "/closed",
    "/far",
    "/other",
    "/xy",
    "/s",
    "/sub/x",
    "/any",
    "/said",
]
PATHS += [
    "/plain",
    "/one",
    "/internal_location_splits_0_split_0",
    "/@error_page_0",
    "/%40error_page_0",
    "@error_page_0",
]
ORIGINS = [(), ("Origin: https://a.test",), ("Origin: https://b.test",), (basic("jane:secret"),)]


def asked() -> list[Question]:
    found: list[Question] = []
    for host in ROUTED:
        for target in PATHS:
            for origin in ORIGINS:
                found += [(each, None) for each in varied(host, target, *origin)]
                found.append(
                    (question(host, target, *origin, "Access-Control-Request-Method: PUT", method="OPTIONS"), None)
                )
    return found


def test_pages_and_headers_for_other_origins_are_those_of_server_blocks(backends: list[Json]) -> None:
    questions = asked()
    pairs = both([*OBJECTS, *backends], questions, "-nginx-configmaps=ours/config", routed=ROUTED)
    assert_alike(questions, pairs)
    answers = b"".join(route for _, route in pairs)
    for text in (b"sorry 502", b"keep out", b"Location: http://large.test/http", b"none here", b"of the route",
                 b"204 No Content", b"Access-Control-Allow-Origin: https://a.test", b"X-Page: a"):  # fmt: skip
        assert text in answers, text


async def test_hosts_share_pages_and_each_keeps_those_that_it_needs(routed: RoutedNginx) -> None:
    def server(name: str, body: str) -> Json:
        return custom("VirtualServer", name, f"{name}.test", upstreams=[upstream("none")],
                      routes=[to("/", "none", errorPages=[page(502, **saying(body, 200))])])  # fmt: skip

    assert (await routed.apply(server("one", "sorry"))).reloaded
    assert not (await routed.apply(server("two", "sorry"))).reloaded
    assert await routed.get("two.test") == "200 sorry"
    assert (await routed.apply(server("one", "later"))).reloaded
    assert (await routed.get("one.test"), await routed.get("two.test")) == ("200 later", "200 sorry")
    routed.delete(server("two", "sorry"))
    await routed.apply()
    assert not (await routed.apply(server("one", "sorry"))).reloaded
    assert await routed.get("one.test") == "200 sorry"
    assert routed.dedicated() == {}
