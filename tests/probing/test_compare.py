"""``headgate compare``, as users call it, about two nginx that serve nearly the same objects."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from showcase.ports import free_ports

from headgate.cli import run
from tests.explain.test_like_nginx import LOOPBACK, MarkedNginx, marked_nginx, surroundings
from tests.explain.test_like_nginx import ingress as shop_ingress
from tests.explain.test_virtual_server_paths import custom
from tests.live.json_objects import ingress_class
from tests.live.scripted_cluster import ScriptedCluster
from tests.properties.cluster_objects import self_signed_pair

PREFIX = "nginx.ingress.kubernetes.io/"
Said = Mapping[str, str]
CORS = {"enable-cors": "true", "cors-allow-origin": "https://shop.example.com"}
REWRITTEN = {"use-regex": "true", "rewrite-target": "/$2"}
GUARDED = {"auth-type": "basic", "auth-secret": "plain"}
CANARY = {"canary": "true", "canary-by-header": "X-Canary"}
COOKIE = {"affinity": "cookie", "session-cookie-name": "route"}


def ingress(name: str, said: Said, path: str = "/tea", kind: str = "Prefix", service: str = "tea") -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    paths = [{"path": path, "pathType": kind, "backend": backend}]
    host = f"{name.removesuffix('-new')}.test"
    spec: dict[str, Any] = {"rules": [{"host": host, "http": {"paths": paths}}]}
    if name == "secure":
        spec["tls"] = [{"hosts": [host], "secretName": "pair"}]
    return shop_ingress(name, spec, {PREFIX + key: text for key, text in said.items()})


def objects(ports: dict[str, int], *, moved: bool) -> Iterator[dict[str, Any]]:
    """Yield what both serve; *moved* is the second one, which does some of it otherwise."""
    yield ingress_class(controller="k8s.io/ingress-nginx")
    yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain", "namespace": "shop"},
           "data": {"auth": b64encode(b"x:{PLAIN}y").decode()}}  # fmt: skip
    yield {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
           "metadata": {"name": "pair", "namespace": "shop"}, "data": self_signed_pair()}  # fmt: skip
    yield ingress("same", REWRITTEN, "/api(/|$)(.*)", "ImplementationSpecific")
    yield ingress("backend", {}, service="coffee" if moved else "tea")
    yield ingress("exact", {}, kind="Prefix" if moved else "Exact")
    yield ingress("cors", {} if moved else CORS)
    yield ingress("guarded", {} if moved else GUARDED)
    yield ingress("secure", {"ssl-redirect": "false"} if moved else {})
    yield ingress("limited", {"proxy-body-size": "8k" if moved else "4k"})
    yield ingress("sticky", {} if moved else COOKIE)
    yield ingress("canary", {})
    if not moved:
        yield ingress("canary-new", CANARY, service="coffee")
    yield from surroundings(ports)


class Pair(NamedTuple):
    a: MarkedNginx
    b: MarkedNginx

    def command(self, *more: str) -> list[str]:
        return ["compare", named(self.a), named(self.b), str(self.a.folder / "in.yaml"), "--rate", "10000", *more]


def named(nginx: MarkedNginx) -> str:
    return f"http://{LOOPBACK}:{nginx.ports['http']},https://{LOOPBACK}:{nginx.ports['https']}"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        a, b = (stack.enter_context(serving(moved=moved)) for moved in (False, True))
        yield Pair(a, b)


@contextmanager
def serving(*, moved: bool) -> Iterator[MarkedNginx]:
    yield from marked_nginx(partial(objects, moved=moved))


def compared(pair: Pair, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    status = run(pair.command("-o", "json", *more), {})
    return status, json.loads(capsys.readouterr().out)


def rows(found: Any) -> set[tuple[str, ...]]:
    """Return method, URL, what differs and its two values; of digests the algorithm."""
    return {
        (each["method"], each["url"], row["name"], shown(row, "a"), shown(row, "b"))
        for each in found["different"]
        for row in each["differences"]
    }


def shown(row: Any, side: str) -> str:
    return str(row[side].partition(":")[0] if row["name"] in {"body", "certificate"} else row[side])


def test_every_difference_is_found_and_nothing_else(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = compared(pair, capsys)
    assert (status, found["unsteady"], found["notes"], found["leftOut"]) == (1, [], [], 0)
    below = ("/tea", "/tea/", "/tea/headgate-compare")
    cors = {row for row in rows(found) if row[1].startswith("http://cors.test/")}
    assert rows(found) - cors == {
        *(("GET", f"http://backend.test{path}", "body", "sha256", "sha256") for path in below),
        *(("GET", f"http://exact.test{path}", "status", "404", "200") for path in below[1:]),
        *(("GET", f"http://guarded.test{path}", "status", "401", "200") for path in below),
        *(("GET", f"http://guarded.test{path}", "www-authenticate", 'Basic realm=""', "") for path in below),
        *(("GET", f"http://sticky.test{path}", "set-cookie", "route", "") for path in below),
        ("GET", "http://canary.test/tea", "body", "sha256", "sha256"),
        ("GET", "http://secure.test/tea", "status", "308", "200"),
        ("GET", "http://secure.test/tea", "location", "https://secure.test/tea", ""),
        ("GET", "https://secure.test/", "certificate", "sha256", "sha256"),
    }
    allowed = ("access-control-allow-origin", "https://shop.example.com", "")
    assert {("OPTIONS", "http://cors.test/tea", *allowed), ("GET", "http://cors.test/tea", *allowed)} <= cors
    reasons = {each["url"]: (each["why"], each.get("headers")) for each in found["different"]}
    assert reasons["http://canary.test/tea"] == ("condition of a route", {"x-canary": "always"})
    assert reasons["http://guarded.test/tea"] == ("path, without credentials", None)


def test_bodies_are_sent_only_on_demand(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert "POST" not in {each["method"] for each in compared(pair, capsys)[1]["different"]}
    found = compared(pair, capsys, "--uploads")[1]
    uploads = {each["url"]: each for each in found["different"] if each["why"] == "upload above the limit"}
    limited = uploads["http://limited.test/tea"]
    assert (limited["method"], limited["upload"]) == ("POST", 4097)
    assert limited["differences"] == [{"name": "status", "a": "413", "b": "200"}]
    of_limited = [each for each in found["different"] if "limited.test" in each["url"]]
    assert of_limited == [limited]


def test_nothing_differs_from_itself(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Pair(pair.a, pair.a).command("--uploads"), {}) == 0
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == f"A is {named(pair.a)}, B is {named(pair.a)}."
    assert second.endswith(" requests compared, 0 with differences.")
    assert not rest


def test_people_read_a_table(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(pair.command("--max", "13"), {}) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1].startswith("13 requests compared, ")
    assert lines[3] == "REQUEST WHY IT IS SENT DIFFERS A B"
    assert "GET http://guarded.test/tea path, without credentials status 401 200" in lines
    assert 'www-authenticate Basic realm="" -' in lines
    assert lines[-1].endswith(" requests left out; --max allows more.")


def test_one_scheme_is_asked_where_the_other_has_no_address(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    argv = pair.command("-o", "json")
    argv[2] = f"http://{LOOPBACK}:{pair.b.ports['http']}"
    assert run(argv, {}) == 1
    found = json.loads(capsys.readouterr().out)
    assert {each["url"].partition(":")[0] for each in found["different"]} == {"http"}
    assert found["notes"] == ["Nothing was asked in https: give an address of both controllers."]


def test_an_address_that_accepts_no_connection(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    argv = pair.command()
    (port,) = free_ports(1)
    argv[2] = f"http://{LOOPBACK}:{port}"
    assert run(argv, {}) == 2
    assert capsys.readouterr().err == f"headgate: cannot ask http://{LOOPBACK}:{port}: Connection refused\n"


def test_hosts_that_are_not_served_here_are_asked_too(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = [{"path": "/", "action": {"pass": "gone"}}]
    refused = custom("VirtualServer", "refused", "tea", host="refused.test", routes=routes)
    made = [ingress_class(), refused]
    (tmp_path / "in.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    argv = [*pair.command()[:3], str(tmp_path), "--rate", "10000"]
    assert run(argv, {}) == 0
    out = capsys.readouterr().out
    assert "Headgate does not serve refused.test, of which only / was asked for." in out
    assert "Headgate refuses VirtualServer shop/refused, whose paths were not asked for;" in out


def test_the_objects_of_a_cluster(pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedCluster(tmp_path) as cluster:
        cluster.put(ingress_class(controller="k8s.io/ingress-nginx"), ingress("exact", {}))
        argv = [*pair.command("-o", "json")[:3], "--cluster", f"--kubeconfig={cluster.kubeconfig}", "-o", "json"]
        assert run(argv, {}) == 1
    found = {each["url"] for each in json.loads(capsys.readouterr().out)["different"]}
    assert found == {"http://exact.test/tea/", "http://exact.test/tea/headgate-compare"}


def test_without_a_host_nothing_is_proven(pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = ingress("other", {}) | {"spec": {"ingressClassName": "other", "rules": [{"host": "other.test"}]}}
    (tmp_path / "in.json").write_text(json.dumps(made))
    assert run([*pair.command()[:3], str(tmp_path)], {}) == 2
    assert "no object has a host" in capsys.readouterr().err


def test_a_host_that_is_no_name_is_not_asked(pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [ingress_class(controller="k8s.io/ingress-nginx"), ingress("good", {}), ingress("bad", {})]
    made[2]["spec"]["rules"][0]["host"] = "a.test\r\nX: y"
    (tmp_path / "in.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    assert run([*pair.command()[:3], str(tmp_path), "--rate", "10000"], {}) == 0
    out = capsys.readouterr().out
    assert "10 requests compared" in out
    assert "because no host can be called so: 'a.test\\r\\nX: y'" in out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "the argument URL_A is missing"),
        (["10.0.0.1", "10.0.0.2"], "DIR|FILE|-"),
        (["10.0.0.1", "10.0.0.2", "x", "--cluster"], "is given beside --cluster"),
        (["http://10.0.0.1/x", "10.0.0.2", "x"], "is not the address of a controller"),
        (["http://u:p@10.0.0.1", "10.0.0.2", "x"], "is not the address of a controller"),
        (["10.0.0.1:80", "10.0.0.2", "x"], "has a port without a scheme"),
        (["http://10.0.0.1:99999", "10.0.0.2", "x"], "has a port that is none"),
        (["http://10.0.0.1,http://10.0.0.3", "10.0.0.2", "x"], "has two addresses of http"),
        (["http://10.0.0.1", "https://10.0.0.2", "x"], "has no scheme that http://10.0.0.1 has"),
        (["10.0.0.1", "10.0.0.2", "/no/such/folder"], "/no/such/folder"),
        (["10.0.0.1", "10.0.0.2", "x", "--rate", "0"], "--rate"),
    ],
)
def test_what_is_not_understood(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", *argv], {}) == 2
    assert words in capsys.readouterr().err
