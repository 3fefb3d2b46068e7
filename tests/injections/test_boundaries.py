"""What an object of one namespace can reach: Secrets, Services and addresses of others, and the ConfigMap's texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from headgate.api import ConfigMap, EndpointSlice, Secret, Service, TopLevel
from headgate.ir import Layout
from tests.directories import short_directory
from tests.injections.attacks import ENGINE, WORDS, around, ingress, path
from tests.injections.test_injections import FLAGS, NAME, Served, write
from tests.nginx_binaries import BINARIES, capabilities, prepare, refusal
from tests.nginx_lexer import Directive, directives
from tests.properties.cluster_objects import self_signed_pair
from tests.simulated_cluster import CURRENT, SimulatedCluster
from tests.unit.settings.test_hostile_files import SERVICE, SLICE

PASSWORD = "ann:{PLAIN}marked"
MARK = b"marked"
UNSERVED = "unix:/var/lib/nginx/nginx-503-server.sock"
"""What answers for a Service without endpoints."""
OURS = ConfigMap.KIND.ref("ingress-nginx", "controller")


def secret(namespace: str, name: str, **data: str) -> Secret:
    texts = {key.replace("_", "."): text for key, text in data.items()}
    return msgspec.convert({"metadata": {"name": name, "namespace": namespace}, "stringData": texts}, Secret)


def locations(served: Served) -> list[Directive]:
    return [each for name, text in served.texts() if NAME in name for each in directives(text)]


def closed(served: Served) -> bool:
    """Whether the location of ``/`` answers 500 before anything else but a redirect to HTTPS."""
    inside = [each for each in locations(served) if each.within[:2] == ("server", "location")]
    names = [(each.name, each.arguments[:1]) for each in inside if each.within == ("server", "location")]
    return ("return", ("500",)) in names[:2]


def servers(served: Served) -> set[str]:
    """Return the addresses of the upstreams."""
    return {each.arguments[0] for each in locations(served) if each.name == "server" and each.within}


SECRETS = {
    "auth-secret": {"auth-type": "basic", "auth-secret": "other/theirs"},
    "auth-tls-secret": {"auth-tls-secret": "other/theirs"},
    "proxy-ssl-secret": {"proxy-ssl-secret": "other/theirs", "backend-protocol": "HTTPS"},
}


@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_of_another_namespace_is_not_used_and_nothing_is_served_without_it(key: str) -> None:
    marked = f"{MARK.decode()}\n{self_signed_pair()['tls.crt']}"
    theirs = secret("other", "theirs", auth=PASSWORD, ca_crt=marked, tls_crt=marked, tls_key=marked)
    served = Served([theirs, ingress(NAME, SECRETS[key])], CURRENT)
    assert "is of another namespace" in served.told[f"default/{NAME}"]
    assert not any(MARK in file.data for file in served.files.values())
    assert closed(served)


@pytest.mark.parametrize("form", ["auth-file", "auth-map"])
def test_secrets_whose_names_join_to_the_same_text_have_files_of_their_own(form: str) -> None:
    """CVE-2020-8553: ``a-b/c`` and ``a/b-c``."""
    said = {"auth-type": "basic", "auth-secret-type": form}
    objects: list[TopLevel] = []
    for number, (namespace, name) in enumerate((("a-b", "c"), ("a", "b-c"))):
        key = "auth" if form == "auth-file" else "ann"
        text = f"{'ann:' if form == 'auth-file' else ''}{{PLAIN}}of-{number}"
        where = {"metadata": {"namespace": namespace}}
        objects += [
            secret(namespace, name, **{key: text}),
            msgspec.convert(SERVICE | {"metadata": {"name": "tea", "namespace": namespace}}, Service),
            ingress(f"{NAME}-{number}", {**said, "auth-secret": name}, **where),
        ]
    served = Served(objects, CURRENT)
    held = {name: file.data for name, file in served.files.items() if b"{PLAIN}of-" in file.data}
    assert sorted(text.strip() for text in held.values()) == [b"ann:{PLAIN}of-0", b"ann:{PLAIN}of-1"]
    for number in (0, 1):
        text = next(text for name, text in served.texts() if f"{NAME}-{number}" in name and name.endswith(".conf"))
        files = {each.arguments[0] for each in directives(text) if each.name == "auth_basic_user_file"}
        found = [held[f"secrets/{file.rpartition('/')[2]}"] for file in files]
        assert [text.strip() for text in found] == [b"ann:{PLAIN}of-%d" % number]


def test_a_user_of_an_auth_map_is_one_line() -> None:
    said = {"auth-type": "basic", "auth-secret": "map", "auth-secret-type": "auth-map"}
    served = Served([secret("default", "map", ann="{PLAIN}a\nmallory:{PLAIN}b"), ingress(NAME, said)], CURRENT)
    assert not any(b"mallory" in file.data for file in served.files.values())
    assert "line break" in served.told[f"default/{NAME}"]
    files = {each.arguments[0] for each in locations(served) if each.name == "auth_basic_user_file"}
    assert len(files) == 1
    assert not {f"secrets/{file.rpartition('/')[2]}" for file in files} & set(served.files)  # nginx answers 403


def test_files_are_not_named_by_users() -> None:
    said = {"auth-type": "basic", "auth-secret": "users"}
    identified = ingress(NAME, said, metadata={"uid": "../../../etc/nginx/mark"})
    assert set(Served([identified], CURRENT).files) == set(Served([ingress(NAME, said)], CURRENT).files)


HERE = ("127.0.0.1", "localhost", "a.localhost", "127.1", "2130706433", "0x7f.1", "0.0.0.0", "0")
METADATA = ("169.254.169.254", "169.254.170.2")
LOCAL = (*HERE, *METADATA, "224.0.0.1")


@pytest.mark.parametrize("host", LOCAL)
@pytest.mark.parametrize("port", ["", ":10254"])
def test_auth_url_cannot_ask_the_pod_or_the_metadata_service(host: str, port: str) -> None:
    served = Served([ingress(NAME, {"auth-url": f"http://{host}{port}/x"})], CURRENT)
    assert f"its host {host} " in served.told[f"default/{NAME}"]
    assert closed(served)
    assert servers(served) == {"10.0.0.1:8080"}


@pytest.mark.parametrize("said", [{"auth-url": "http://$host:10254/x"}, {}])
@pytest.mark.parametrize("host", ["localhost", "a.localhost"])
def test_the_host_of_a_request_cannot_be_the_pod(host: str, said: Mapping[str, str]) -> None:
    cluster = configured("global-auth-url", "http://$host:10254/x")
    hosts = [{"host": each, "http": {"paths": [path()]}} for each in (f"{NAME}.test", "*.wild.test", host)]
    cluster.put(ingress(NAME, said, rules=hosts))
    cluster.process_batch()
    assert f"its host {host} is a loopback name" in cluster.reported()[f"default/{NAME}"]
    found = directives(cluster.files[f"conf.d/default-{NAME}.conf"].data.decode())
    assert {each.arguments[0] for each in found if each.name == "server" and each.within} == {"10.0.0.1:8080"}
    paths = [each for each in found if each.name == "location" and each.arguments == ("/",)]
    refused = [each for each in found if each.within == ("server", "location") and each.arguments[:1] == ("500",)]
    assert len(refused) == len(paths) > 0
    assert not [each for each in found if each.name == "auth_request"]


@pytest.mark.parametrize("host", LOCAL)
def test_copies_cannot_be_sent_to_the_pod_or_the_metadata_service(host: str) -> None:
    served = Served([ingress(NAME, {"mirror-target": f"http://{host}:10254/x"})], CURRENT)
    assert f"its host {host} " in served.told[f"default/{NAME}"]
    assert dict(served.texts()) == dict(Served([ingress(NAME)], CURRENT).texts())


@pytest.mark.parametrize("host", [*LOCAL, "::1", "[::1]", f"a;{ENGINE}", "unix:/run/control.sock"])
def test_a_service_cannot_be_the_pod_or_the_metadata_service(host: str) -> None:
    metadata = {"name": "external", "namespace": "default"}
    external = msgspec.convert(
        {"metadata": metadata, "spec": {"type": "ExternalName", "externalName": host, "ports": [{"port": 80}]}}, Service
    )
    served = Served([external, ingress(NAME, None, path(service="external"))], CURRENT)
    assert "its externalName" in served.told[f"default/{NAME}"]
    assert servers(served) == {UNSERVED}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.1"])
def test_an_endpoint_cannot_be_the_pod_or_the_metadata_service(address: str) -> None:
    kind = "IPv6" if ":" in address else "IPv4"
    service = msgspec.convert(SERVICE | {"metadata": {"name": "local", "namespace": "default"}}, Service)
    labels = {"kubernetes.io/service-name": "local"}
    metadata = {"name": "local-1", "namespace": "default", "labels": labels}
    slices = SLICE | {"metadata": metadata, "addressType": kind, "endpoints": [{"addresses": [address]}]}
    objects = [service, msgspec.convert(slices, EndpointSlice), ingress(NAME, None, path(service="local"))]
    served = Served(objects, CURRENT)
    assert "none of its addresses can be used" in served.told[f"default/{NAME}"]
    assert servers(served) == {UNSERVED}


def test_the_host_of_another_object_is_no_alias() -> None:
    served = Served([ingress(NAME, {"server-alias": "victim.test"})], CURRENT)
    names = {word for each in locations(served) if each.name == "server_name" for word in each.arguments}
    assert names == {f"{NAME}.test"}


def test_a_canary_of_another_namespace_gets_no_requests_of_a_shared_host() -> None:
    """In ingress-nginx it does; here a flag is needed."""
    shared = [{"host": "victim.test", "http": {"paths": [path()]}}]
    said = {"canary": "true", "canary-weight": "20"}
    tea = msgspec.convert(SERVICE | {"metadata": {"name": "tea", "namespace": "other"}}, Service)
    served = Served([tea, ingress(NAME, said, rules=shared, metadata={"namespace": "other"})], CURRENT)
    text = dict(served.texts())["conf.d/default-victim.conf"]
    assert not any("canary" in argument for each in directives(text) for argument in each.arguments)
    assert any("--canaries-across-namespaces" in text for text in served.told.values())


def test_an_error_page_does_not_change_what_auth_url_decides() -> None:
    """CVE-2026-24513: an error backend that answers 200 in place of 401 must not let the client in."""
    said = {"auth-url": "http://192.0.2.9/check", "custom-http-errors": "401,403", "default-backend": "tea"}
    found = locations(Served([ingress(NAME, said)], CURRENT))
    asked = next(each.arguments[0] for each in found if each.name == "auth_request")
    text = next(text for name, text in Served([ingress(NAME, said)], CURRENT).texts() if NAME in name)
    block = text.partition(f"location = {asked} {{")[2].partition("\n    }")[0]
    assert "internal;" in block
    assert "proxy_intercept_errors off;" in block
    assert "error_page" in block  # its own, that answers nothing: those of the server are not inherited
    assert "@error" not in block


@pytest.mark.parametrize("said", [{"auth-type": "digest"}, {"auth-url": "http://127.0.0.1/"}])
def test_a_closed_path_is_no_error_page_of_another_ingress(said: Mapping[str, str]) -> None:
    shared = [{"host": f"{NAME}.test", "http": {"paths": [path("/open", service="other")]}}]
    answered = {"custom-http-errors": "403", "default-backend": "tea", "allowlist-source-range": "192.0.2.1"}
    other = msgspec.convert(SERVICE | {"metadata": {"name": "other", "namespace": "default"}}, Service)
    served = Served([ingress(NAME, said), other, ingress("second", answered, rules=shared)], CURRENT)
    assert "these statuses are not replaced" in served.told["default/second"]


KEYS: Mapping[str, tuple[str, ...]] = {
    "log-format-upstream": (f"$status'; {ENGINE} #", f'$status"; {ENGINE}', f"$status;\n{ENGINE}", "a\\"),
    "log-format-stream": (f"$status'; {ENGINE} #", f"$status;\n{ENGINE}"),
    "ssl-ciphers": WORDS,
    "ssl-protocols": WORDS,
    "ssl-ecdh-curve": WORDS,
    "block-user-agents": (f'a"; {ENGINE}', "~(", f"a;}}{ENGINE}"),
    "block-referers": (f'a"; {ENGINE}', f"a;}}{ENGINE}"),
    "global-auth-url": (f"http://a.test/;}}{ENGINE}",),
    "forwarded-for-header": WORDS,
    "proxy-real-ip-cidr": ("0.0.0.0/0;", f"192.0.2.0/24;{ENGINE}"),
    "proxy-body-size": (f"8m;{ENGINE}", f"8m\r;{ENGINE}"),
    "gzip-types": (f"text/html;{ENGINE}", 'a"'),
    "custom-http-errors": (f"404;{ENGINE}",),
    "whitelist-source-range": (f"192.0.2.0/24;{ENGINE}",),
}
HARMLESS = {"log-format-upstream": "$status", "log-format-stream": "$status", "block-user-agents": "a",
            "block-referers": "a"}  # fmt: skip
"""Values beside whose directives the malicious one may be one argument."""


TEXTS = {"log_format"}
"""Directives with an argument for each line of a value."""


def configured(key: str, text: str) -> SimulatedCluster:
    cluster = SimulatedCluster((f"--configmap={OURS.key}", *FLAGS))
    metadata = {"namespace": OURS.namespace, "name": OURS.name}
    cluster.put(*around(), msgspec.convert({"metadata": metadata, "data": {key: text} if key else {}}, ConfigMap))
    cluster.process_batch()
    return cluster


def words(cluster: SimulatedCluster) -> dict[str, list[tuple[tuple[str, ...], str, int]]]:
    return {
        name: [
            (each.within, "" if "map" in each.within else each.name, 0 if each.name in TEXTS else len(each.arguments))
            for each in found
        ]
        for name, file in cluster.files.items()
        if name.endswith(".conf")
        for found in [directives(file.data.decode())]
    }


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_the_configmap_stays_in_its_directive(key: str) -> None:
    usual, harmless = words(configured("", "")), words(configured(key, HARMLESS.get(key, "")))
    for text in KEYS[key]:
        found = words(configured(key, text))
        served = {name: parts for name, parts in found.items() if name in harmless}
        closed = set(usual) - set(found)
        assert closed <= {"conf.d/default-victim.conf"}, text
        for name, parts in served.items():
            assert parts in (usual[name], harmless[name]), (text, name)


@pytest.mark.parametrize("name", BINARIES)
def test_nginx_takes_formats_of_logs_with_quotes(name: str) -> None:
    with short_directory() as folder:
        layout = Layout.under(str(folder))
        flags = (f"--configmap={OURS.key}", *FLAGS)
        cluster = SimulatedCluster(flags, capabilities(BINARIES[name]), layout)
        metadata = {"namespace": OURS.namespace, "name": OURS.name}
        data = {key: KEYS[key][0] for key in HARMLESS}
        cluster.put(*around(), msgspec.convert({"metadata": metadata, "data": data}, ConfigMap))
        cluster.process_batch()
        prepare(layout)
        write(cluster.files.values(), Path(layout.conf))
        assert refusal(BINARIES[name], layout) == ""
