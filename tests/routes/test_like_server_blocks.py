"""The proof: a host that is routed at run time answers every request as its server block does.

Configurations and requests are generated from a fixed seed; nginx serves each configuration twice, and the answers are
compared byte for byte, with what the backends were sent.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from tests.directories import short_directory
from tests.examples import examples
from tests.explain.test_like_nginx import ASKED_HOSTS, BITS, near
from tests.live.json_objects import Json, config_map, ingress, path
from tests.routes.served import Ports, exchange, generate, hosts, serving

SEEDS, REQUESTS = range(examples(4)), 250
HOSTS = ["a.test", "b.a.test", "*.w.test", "c.test", "d.test", "e.test", "*.x.d.test", "f.test"]
COVERED = ["in.w.test", "g.test"]
PATHS = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/",
    "/ab",
    "/a.b",
    "/A",
    "/x/y",
    "/x",
    "/a%20b",
    "/ä",
    "/x//y",
    "/tea/green",
    "/t/",
]
KINDS = ["Prefix", "Prefix", "Exact", "ImplementationSpecific", "ImplementationSpecific"]
SETTINGS = {
    "client_max_body_size": ["0", "10", "1k"],
    "proxy_read_timeout": ["7s"],
    "proxy_buffering": ["false"],
    "hsts": ["true"],
    "hsts_behind_proxy": ["true"],
    "redirect_to_https": ["true"],
    "server_tokens": ["false"],
    "proxy_hide_headers": ["X-Powered-By"],
    "proxy_set_headers": ["X-Own: own", "Host: other.test"],
    "add_header": ["X-Added: a"],
    "app_root": ["/a"],
    "lb_method": ["round_robin", "hash $request_uri consistent"],
    "websocket_services": ["tea"],
    "keepalive": ["16", "0"],
    "rewrites": ["serviceName=tea rewrite=/new", "serviceName=coffee rewrite=/b/"],
    "rewrite_target": ["/target", "/t?x=1", "/u?"],
    "path_regex": ["case_sensitive", "case_insensitive", "exact"],
    "proxy_next_upstream_tries": ["1"],
}
CONFIG = {
    "server_tokens": ["false", "mine"],
    "hsts": ["true"],
    "redirect_to_https": ["true"],
    "proxy_hide_headers": ["X-Powered-By,Server"],
    "proxy_pass_headers": ["Server"],
    "proxy_set_headers": ["X-All: b"],
    "add_header": ["X-All: c"],
    "client_max_body_size": ["10", "0"],
    "real_ip_header": ["X-Real-IP"],
    "set_real_ip_from": ["127.0.0.1"],
    "proxy_buffering": ["false"],
    "http_snippets": ["map $http_x_any $mine { default 1; }"],
    "http_redirect_code": ["308"],
}
"""Keys of the ConfigMap that may apply to all hosts."""
ROUTED_LEAST = 3


def test_routed_hosts_answer_as_their_server_blocks(backends: list[Json]) -> None:
    served = [names for seed in SEEDS for names in compare(seed, backends)]
    assert len(served) > len(SEEDS) * REQUESTS // 10
    assert len([name for name in served if name]) > len(SEEDS) * REQUESTS // 200


def manifests(chance: random.Random) -> Iterator[Json]:
    for number, host in enumerate([*chance.sample(HOSTS, 6), *COVERED]):
        names = chance.sample(sorted(SETTINGS), chance.choice([0, 1, 1, 3]))
        if host == "g.test":
            names = []
        chosen = chance.sample(PATHS, chance.randint(1, 7))
        paths = [path(chance.choice(["tea", "coffee", "none"]), each, chance.choice(KINDS)) for each in chosen]
        more: dict[str, Any] = {name: chance.choice(SETTINGS[name]) for name in names}
        if chance.random() < 0.5:
            more["tls"] = {chance.choice(["cert-a", "cert-b", "cert-a", "cert-b", "absent"]): [host]}
            more["ssl_redirect"] = chance.choice(["true", "false", "false"])
        yield ingress(f"i{number}", {host: paths}, default=chance.choice(["", "", "coffee"]), **more)

    keys = chance.sample(sorted(CONFIG), chance.choice([0, 1, 3]))
    yield config_map(**{key: chance.choice(CONFIG[key]) for key in keys})
    # In half of the configurations a server block shares the TLS context: certificates are in a file then.
    block: dict[str, Any] = {"tls": {"cert-a": ["own.test"]}} if chance.random() < 0.5 else {}
    yield ingress("own", {"own.test": [path("tea")]}, server_snippets="# own", **block)


def strange(chance: random.Random) -> str:
    return "/" + "/".join(chance.choice(BITS) for _ in range(chance.randint(1, 4)))


def request(chance: random.Random, named: list[tuple[str, str]]) -> tuple[bytes, str | None]:
    """Return a request, and its server name (SNI) if it is one over TLS."""
    host, where = chance.choice(named) if chance.random() < 0.9 else (chance.choice(ASKED_HOSTS), strange(chance))
    host = host.replace("*", chance.choice(["q", "q", "Q", "x.y", ""]))
    name = chance.choice([host, host, host, host.upper(), "", "nobody.test", "b.a.test"])
    server_name = name if ".." not in name and name[:1] not in {".", "1", "_"} and chance.random() < 0.4 else None
    host = chance.choice([host, host, host, host.upper(), f"{host}.", f"{host}:1234"])
    target = near(chance, where).replace("ä", "%C3%A4").replace("Ä", "%C3%84")
    target += chance.choice(["", "", "?", "?x=/a/../b", "?q=%2F&r"])
    target = chance.choice([target, target, target, f"http://{host}{target}"])
    method, body = chance.choice([("GET", ""), ("GET", ""), ("HEAD", ""), ("POST", "x" * chance.choice([1, 11, 2000]))])
    version = chance.choice(["1.1", "1.1", "1.1", "1.0"])
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", "Connection: close"]
    lines += [f"Content-Length: {len(body)}"] if body else []
    lines += ["X-Forwarded-Proto: " + chance.choice(["http", "https"])] if chance.random() < 0.3 else []
    return ("\r\n".join([*lines, "", ""]) + body).encode(), server_name


def comparable(answer: bytes) -> bytes:
    """Return *answer*, but only the status of a request that nginx cannot parse.

    The server of its host or its server name answers it, and routed hosts have none (docs/data-planes.md).
    """
    head = answer.partition(b"HTTP/1.1 ")
    return answer if head[2][:3] != b"400" else b"".join(head[:2]) + b"400"


def compare(seed: int, backends: list[Json]) -> list[str | None]:
    """Serve the configuration of *seed* twice and compare; the server names of requests that reached a backend."""
    chance, ports = random.Random(seed), Ports.free()
    objects: list[Json] = [*manifests(chance), *backends]
    named = [
        (rule.get("host", ""), each["path"])
        for item in objects if item["kind"] == "Ingress"
        for rule in item["spec"]["rules"] for each in rule["http"]["paths"]
    ]  # fmt: skip
    more = ["-default-server-tls-secret=default/cert-b"] if seed % 2 else []
    asked = [request(chance, named) for _ in range(REQUESTS)]
    found: list[list[bytes]] = []
    for routing in (False, True):
        with short_directory() as folder:
            report = generate(
                folder, objects, ports, "-enable-snippets", "-nginx-configmaps=ours/config", *more, routing=routing
            )
            assert len(hosts(report)) >= (ROUTED_LEAST if routing else 0), report.problems
            assert bool(hosts(report)) is routing
            with serving(folder, report, ports.http):
                found.append(
                    [exchange(ports.https if name is not None else ports.http, each, name) for each, name in asked]
                )
    for each, blocks, routes in zip(asked, *found, strict=True):
        assert comparable(routes) == comparable(blocks), (
            f"seed {seed}\n{each!r}\nserver blocks: {blocks!r}\nroutes: {routes!r}"
        )
    return [name for (_, name), answer in zip(asked, found[1], strict=True) if b"Server name" in answer]
