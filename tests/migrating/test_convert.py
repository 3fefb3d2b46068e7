"""``headgate migrate convert``, as users call it: what is written, what the comments are, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.cli import run
from tests.k8s.certificates import Authority
from tests.live.json_objects import Json, ingress_class, path, secret, service, tls_secret
from tests.live.scripted_cluster import ScriptedCluster
from tests.live.test_live_community import community

CLASS = ingress_class(controller="k8s.io/ingress-nginx")
TEA = path("tea")


def convert(items: list[Json], folder: Path, *more: str, to: str = "virtualserver") -> int:
    (folder / "in.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [CLASS, *items]}))
    return run(["migrate", "convert", f"--to={to}", str(folder / "in.json"), *more], {})


def written(text: str) -> dict[tuple[str, str], Any]:
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(text) if item}


def test_virtual_servers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {
        "proxy_body_size": "8m",
        "proxy_read_timeout": "7",
        "configuration_snippet": "etag off;",
    }
    shop = community("shop", {"shop.test": [TEA, path("tea", "/x", "Exact")]}, **said)
    assert convert([service("tea"), shop], tmp_path, "--to-class=new", "-enable-snippets") == 0
    shown = capsys.readouterr()
    assert shown.err == (
        "headgate: 1 converted as they are, 0 with comments, 0 closed because of a guard, 0 not converted.\n"
    )
    found = written(shown.out)
    assert found["ConfigMap", "nginx-config"]["data"]["proxy-connect-timeout"] == "5s"
    spec = found["VirtualServer", "shop"]["spec"]
    assert (spec["ingressClassName"], spec["host"]) == ("new", "shop.test")
    assert [route["path"] for route in spec["routes"]] == ["=/x", "/"]
    assert {route["location-snippets"] for route in spec["routes"]} == {"etag off;"}
    assert spec["upstreams"] == [{
        "name": "tea-80", "service": "tea", "port": 80, "client-max-body-size": "8m", "read-timeout": "7s",
        "next-upstream-tries": 3,
    }]  # fmt: skip


def test_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = community("shop", {"shop.test": [TEA]}, affinity="cookie", session_cookie_max_age="60")
    assert convert([service("tea"), shop], tmp_path) in {0, 1}  # not each nginx has sessions
    (upstream,) = written(capsys.readouterr().out)["VirtualServer", "shop"]["spec"]["upstreams"]
    assert upstream["sessionCookie"] == {
        "enable": True, "name": "INGRESSCOOKIE", "expires": "60s", "httpOnly": True, "path": "/",
    }  # fmt: skip


def test_ingresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = community("shop", {"shop.test": [TEA], "two.test": [TEA]}, limit_rps="5", proxy_body_size="8m")
    assert convert([service("tea"), shop], tmp_path, to="nginx.org") == 0
    item = written(capsys.readouterr().out)["Ingress", "shop"]
    assert [rule["host"] for rule in item["spec"]["rules"]] == ["shop.test", "two.test"]
    said = item["metadata"]["annotations"]
    assert {key: said[f"nginx.org/{key}"] for key in ("client-max-body-size", "limit-req-rate", "limit-req-burst")} == {
        "client-max-body-size": "8m", "limit-req-rate": "5r/s", "limit-req-burst": "25",
    }  # fmt: skip


@pytest.mark.parametrize("to", ["virtualserver", "nginx.org"])
def test_a_guard_that_has_no_equal_closes(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = community("kept", {"kept.test": [TEA]}, auth_url="https://login.example.com/check")
    assert convert([service("tea"), kept], tmp_path, to=to) == 1
    shown = capsys.readouterr()
    found = written(shown.out)
    assert found["Policy", "kept-closed"]["spec"]["accessControl"] == {"deny": ["0.0.0.0/0", "::/0"]}
    item = found["VirtualServer" if to == "virtualserver" else "Ingress", "kept"]
    assert "kept-closed" in json.dumps(item)
    assert "# CLOSED: default/kept: auth-url names login.example.com, which is no Service of the cluster;" in shown.out
    assert "1 closed because of a guard" in shown.err


@pytest.mark.parametrize(
    ("host", "closed"),
    [("login", False), ("login.default", False), ("login.default.svc.cluster.local", False), ("other.svc", True),
     ("login.org", True), ("unknown", True), ("10.0.0.1", True)],
)  # fmt: skip
def test_hosts_that_are_services(host: str, closed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = community("kept", {"kept.test": [TEA]}, auth_url=f"http://{host}/check")
    assert convert([service("tea"), service("login"), kept], tmp_path) in {0, 1}
    assert (("Policy", "kept-closed") in written(capsys.readouterr().out)) is closed


def test_what_has_no_equal_is_a_comment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"mirror_target": "http://tea.default.svc/copy", "limit_rate": "5\n# } injected"}
    assert convert([service("tea"), community("noted", {"noted.test": [TEA]}, **said)], tmp_path) == 1
    shown = capsys.readouterr()
    assert "# not carried over: default/noted: mirror-target has no equal; no copies are sent" in shown.out
    assert "# not carried over: default/noted: limit-rate " in shown.out
    assert not [line for line in shown.out.splitlines() if "injected" in line and not line.startswith("#")]


BOTH = pytest.mark.parametrize("to", ["virtualserver", "nginx.org"])


@BOTH
def test_fastcgi_is_closed(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    php = community("php", {"php.test": [TEA, path("tea", "/x", "Exact")]}, backend_protocol="FCGI")
    assert convert([service("tea"), php], tmp_path, to=to) == 1
    shown = capsys.readouterr()
    assert "# CLOSED: default/php: backend-protocol of Service tea is FCGI, which has no equal;" in shown.out
    found = written(shown.out)
    assert found["Policy", "php-closed"]["spec"]["accessControl"] == {"deny": ["0.0.0.0/0", "::/0"]}
    item = found["VirtualServer" if to == "virtualserver" else "Ingress", "php"]
    assert json.dumps(item).count("php-closed") == (2 if to == "virtualserver" else 1)


def test_a_canary_with_fastcgi_is_closed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main, said = community("main", {"a.test": [TEA]}, 1), {"canary": "true", "canary_weight": "10"}
    canary = community("new", {"a.test": [path("coffee")]}, 2, backend_protocol="FCGI", **said)
    assert convert([service("tea"), service("coffee"), main, canary], tmp_path) == 1
    (route,) = written(capsys.readouterr().out)["VirtualServer", "main"]["spec"]["routes"]
    assert route["policies"] == [{"name": "main-closed"}]


@BOTH
def test_backends_that_are_asked_in_another_way_are_noted(
    to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auto = community("auto", {"auto.test": [TEA]}, backend_protocol="AUTO_HTTP")
    subset = community("subset", {"s.test": [TEA]}, upstream_hash_by="$request_uri", upstream_hash_by_subset="true")
    passed = community("pass", {"pass.test": [TEA]}, ssl_passthrough="true")
    assert convert([service("tea"), auto, subset, passed], tmp_path, "--enable-ssl-passthrough", to=to) == 1
    shown = capsys.readouterr()
    assert "# differs: default/auto: backend-protocol of Service tea is AUTO_HTTP, which has no equal;" in shown.out
    assert "# differs: default/subset: upstream-hash-by-subset has no equal;" in shown.out
    assert "# not carried over: default/pass: ssl-passthrough is not written: TLS connections of pass.test" in shown.out
    assert "0 closed because of a guard, 0 not converted" in shown.err
    assert '"hash $request_uri consistent"' in shown.out


@BOTH
def test_the_key_of_a_limit(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"limit-conn-zone-variable": "$http_x_tenant"}
    main = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "default"}, "data": keys}
    limited = community("limited", {"a.test": [TEA]}, limit_rps="5")
    assert convert([service("tea"), main, limited], tmp_path, "--configmap=default/cm", to=to) == 0
    found = written(capsys.readouterr().out)
    if to == "nginx.org":
        key = found["Ingress", "limited"]["metadata"]["annotations"]["nginx.org/limit-req-key"]
    else:
        key = found["Policy", "limited-limit-rps"]["spec"]["rateLimit"]["key"]
    assert key == "${http_x_tenant}"


def test_passwords_are_written_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = community("kept", {"kept.test": [TEA]}, auth_type="basic", auth_secret="users")
    assert convert([service("tea"), secret("users", auth=b"ann:{PLAIN}x\n"), kept], tmp_path) == 0
    found = written(capsys.readouterr().out)
    assert found["Secret", "users-htpasswd"]["type"] == "nginx.org/htpasswd"
    assert found["Policy", "kept-passwords"]["spec"]["basicAuth"] == {"secret": "users-htpasswd"}
    assert convert([service("tea"), kept], tmp_path) == 1
    assert "needs a Secret of type nginx.org/htpasswd" in capsys.readouterr().out


def test_other_namespaces_have_virtual_server_routes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = community("first", {"shop.test": [TEA]}, 1)
    second = community("second", {"shop.test": [path("coffee", "/coffee", "Exact")]}, 2, namespace="bar")
    assert convert([service("tea"), service("coffee", "bar"), first, second], tmp_path) == 0
    found = written(capsys.readouterr().out)
    assert {"path": "=/coffee", "route": "bar/second"} in found["VirtualServer", "first"]["spec"]["routes"]
    route = found["VirtualServerRoute", "second"]["spec"]
    assert [each["path"] for each in route["subroutes"]] == ["=/coffee"]
    assert [each["service"] for each in route["upstreams"]] == ["coffee"]


@pytest.mark.parametrize("to", ["virtualserver", "nginx.org"])
def test_certificates_of_clients_stay_beside_other_policies(
    to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = community("kept", {"kept.test": [TEA]}, auth_tls_secret="default/ca", enable_cors="true")
    kept["spec"]["tls"] = [{"hosts": ["kept.test"], "secretName": "pair"}]
    authority = secret("ca", ca_crt=Authority().pem)
    objects = [service("tea"), authority, tls_secret("pair", "kept.test"), kept]
    assert convert(objects, tmp_path, to=to) == (0 if to == "virtualserver" else 1)
    found = written(capsys.readouterr().out)
    assert found["Secret", "ca-ca"]["type"] == "nginx.org/ca"
    text = json.dumps(found["VirtualServer" if to == "virtualserver" else "Ingress", "kept"])
    assert "kept-client-certificates" in text
    assert "kept-cors" in text
    if to == "nginx.org":  # the subject cannot be passed on, and clients cannot claim one
        assert "ssl-client-subject-dn: ," in text


@pytest.mark.parametrize("to", ["virtualserver", "nginx.org"])
def test_clients_cannot_say_what_the_service_would(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"auth_url": "http://login.default.svc:80/check", "auth_response_headers": "X-User"}
    kept = community("kept", {"kept.test": [TEA]}, 1, **said)
    assert convert([service("tea"), service("login"), kept], tmp_path, to=to) == 1
    found = written(capsys.readouterr().out)
    assert found["Policy", "kept-external-auth"]["spec"]["externalAuth"]["authServiceName"] == "default/login"
    if to == "virtualserver":
        (route,) = found["VirtualServer", "kept"]["spec"]["routes"]
        headers = {each["name"]: each["value"] for each in route["action"]["proxy"]["requestHeaders"]["set"]}
        assert headers["X-User"] == ""
    else:
        assert "X-User: " in found["Ingress", "kept"]["metadata"]["annotations"]["nginx.org/proxy-set-headers"]


def test_further_hosts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"server_alias": "store.test", "from_to_www_redirect": "true"}
    items = [service("tea"), community("shop", {"shop.test": [TEA]}, 1, **said)]
    assert convert(items, tmp_path) == 0
    found = written(capsys.readouterr().out)
    hosts = {
        item["spec"]["host"]: item["spec"]["routes"] for (kind, _), item in found.items() if kind == "VirtualServer"
    }
    assert set(hosts) == {"shop.test", "store.test", "www.shop.test"}
    assert hosts["www.shop.test"][0]["action"]["redirect"]["url"] == "${scheme}://shop.test${request_uri}"
    assert convert(items, tmp_path, to="nginx.org") == 1
    shown = capsys.readouterr()
    rules = written(shown.out)["Ingress", "shop"]["spec"]["rules"]
    assert [rule["host"] for rule in rules] == ["shop.test", "store.test"]
    assert "not carried over: default/shop: the redirect of www.shop.test has no annotation" in shown.err


def test_a_canary_of_a_rewritten_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api = path("tea", "/api", "ImplementationSpecific")
    main = community("main", {"shop.test": [api]}, 1, rewrite_target="/v1")
    new = path("coffee", "/api", "ImplementationSpecific")
    canary = community("new", {"shop.test": [new]}, 2, canary="true", canary_weight="10")
    assert convert([service("tea"), service("coffee"), main, canary], tmp_path, to="nginx.org") == 1
    shown = capsys.readouterr()
    assert written(shown.out)["Ingress", "main"]["metadata"]["annotations"]["nginx.org/rewrite-target"] == "/v1"
    assert "not carried over: default/new: canary has no annotation of nginx.org" in shown.err


def test_expressions_of_several_ingresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = path("tea", "/a", "ImplementationSpecific")
    long = path("tea", "/a/b", "ImplementationSpecific")
    first = community("first", {"shop.test": [short]}, 1, use_regex="true")
    second = community("second", {"shop.test": [long]}, 2, denylist_source_range="192.0.2.0/24")
    items = [service("tea"), first, second]
    assert convert(items, tmp_path) == 0
    routes = written(capsys.readouterr().out)["VirtualServer", "first"]["spec"]["routes"]
    assert [route["path"] for route in routes] == ["~* ^/a/b", "~* ^/a"]
    assert convert(items, tmp_path, to="nginx.org") == 1
    assert "# CLOSED: default/second: regular expressions of shop.test and those of other" in capsys.readouterr().out


def test_a_host_of_requests_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = community("shop", {"shop.test": [TEA]}, 1, upstream_vhost="inner.test", x_forwarded_prefix="/p")
    assert convert([service("tea"), shop], tmp_path) == 0
    (route,) = written(capsys.readouterr().out)["VirtualServer", "shop"]["spec"]["routes"]
    assert {"name": "Host", "value": "inner.test"} in route["action"]["proxy"]["requestHeaders"]["set"]
    assert convert([service("tea"), shop], tmp_path, to="nginx.org") == 1
    assert "not carried over: default/shop: header Host of requests has a value" in capsys.readouterr().err


def test_networks_that_are_denied_are_taken_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"allowlist_source_range": "192.0.2.0/30", "denylist_source_range": "192.0.2.0/31,198.51.100.0/24"}
    both = community("both", {"both.test": [TEA]}, 1, **said)
    said["denylist_source_range"] = "192.0.2.0/24"
    nobody = community("nobody", {"nobody.test": [TEA]}, 1, **said)
    assert convert([service("tea"), both, nobody], tmp_path) == 0
    found = written(capsys.readouterr().out)
    assert found["Policy", "both-access"]["spec"]["accessControl"] == {"allow": ["192.0.2.2/31"]}
    assert found["Policy", "nobody-access"]["spec"]["accessControl"] == {"deny": ["0.0.0.0/0", "::/0"]}


def test_names_cannot_leave_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = community("../../shop", {"shop.test": [TEA]})
    convert([service("tea"), shop], tmp_path, f"--output={tmp_path / 'a' / 'out'}")
    capsys.readouterr()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "in.json"]
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["out"]


def test_files_and_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with ScriptedCluster(tmp_path) as cluster:
        cluster.put(CLASS, service("tea"), community("shop", {"shop.test": [TEA]}))
        argv = ["migrate", "convert", "--to=virtualserver", "--cluster", f"--kubeconfig={cluster.kubeconfig}"]
        assert run([*argv, f"--output={out}"], {}) == 0
    assert not capsys.readouterr().out
    assert sorted(file.name for file in out.iterdir()) == [
        "default_shop_virtualserver.yaml", "nginx-ingress_nginx-config_configmap.yaml",
    ]  # fmt: skip


def test_files_of_secrets_and_of_names_that_join_to_the_same_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, items, users = tmp_path / "out", [], (("a-b", "c"), ("a", "b-c"))
    names = sorted(f"{namespace}_{name}-htpasswd_secret.yaml" for namespace, name in users)
    out.mkdir()
    for file in (out / name for name in names):
        file.write_text("old")
        file.chmod(0o644)
    for namespace, name in users:
        kept = community(name, {f"{namespace}.test": [TEA]}, namespace=namespace, auth_type="basic", auth_secret=name)
        held = secret(name, auth=b"ann:{PLAIN}x\n")
        held["metadata"]["namespace"] = namespace
        items += [service("tea", namespace), held, kept]
    assert convert(items, tmp_path, f"--output={out}") == 0
    assert not capsys.readouterr().out
    found = [file for file in out.iterdir() if "secret" in file.name]
    assert sorted(file.name for file in found) == names
    assert {file.stat().st_mode & 0o777 for file in found} == {0o600}
    assert not any("old" in file.read_text() for file in found)


def test_ingresses_of_others_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = community("other", {"other.test": [TEA]})
    other["spec"]["ingressClassName"] = "other"
    assert convert([service("tea"), other], tmp_path) == 0
    assert not written(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["convert", "x"], "--to: is missing"),
        (["convert", "--to=gateway", "x"], "write one of nginx.org, virtualserver"),
        (["convert", "--to=nginx.org"], "DIR|FILE|-"),
        (["convert", "--to=nginx.org", "/no/such/folder"], "/no/such/folder"),
        (["konvert"], "convert"),
    ],
)
def test_what_is_not_understood(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", *argv], {}) == 2
    assert words in capsys.readouterr().err
