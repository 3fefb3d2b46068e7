"""Hostile text in any field of any object: refused, or one argument of the directive where it belongs.

Each is processed from the object to the files. What nginx would read is compared, directive by directive, with what
it reads when the field holds something harmless.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache

import msgspec
import pytest

from headgate.api import ConfigMap, EndpointSlice, Ingress, Service, TopLevel
from headgate.settings import REGISTRY
from tests.nginx_lexer import directives
from tests.simulated_cluster import SimulatedCluster
from tests.unit.settings.setting_samples import SAMPLES

FRAGMENTS = (
    ";", "{", "}", "\n", "\r", "#", "\\", "$", "../", '"', "'", "`", "\x00", " ", "\t", "${", "; mark on;",
    "{ mark on; }", "; } server { mark on;", "\nmark on;\n", '"; mark on; "', "'; mark on; '", "\\\nmark on;",
    "../../../etc/mark", "$(mark)", "{{ mark }}", "\u2028; mark on;", "# mark", "\\", "mark on",
)  # fmt: skip
VERBATIM = frozenset(
    {"main_snippets", "http_snippets", "stream_snippets", "server_snippets", "location_snippets",
     "main_template", "ingress_template", "virtualserver_template", "transportserver_template"}
)  # fmt: skip
"""Settings whose text is nginx's own language; flags and roles guard them, not parsers."""
FREE_TEXT = {"add_header", "proxy_set_header", "auth_basic"}
"""Directives whose arguments are text for people and programs, never paths."""
FLAGS = ("--manifests=.", "-nginx-configmaps=nginx-ingress/nginx-config")
SERVICE = {"metadata": {"name": "tea", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
SLICE = {
    "metadata": {"name": "tea-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "tea"}},
    "addressType": "IPv4",
    "ports": [{"port": 8080}],
    "endpoints": [{"addresses": ["10.0.0.1"]}],
}
COMPANIONS = {
    "proxy_redirect_from": {"proxy-redirect-to": "/x"},
    "proxy_redirect_to": {"proxy-redirect-from": "/y"},
    "basic_auth_realm": {"basic-auth-secret": "users"},
    **{name: {"nginx.com/jwt-key": "tokens"} for name in ("jwt_realm", "jwt_token", "jwt_login_url")},
    "hsts_max_age": {"hsts": "true"},
    "hsts_include_subdomains": {"hsts": "true"},
    "hsts_behind_proxy": {"hsts": "true"},
    **{name: {"limit-req-rate": "1r/s"} for name in SAMPLES if name.startswith("limit_req_")},
}
ANNOTATIONS = {key: field.name for key, field in REGISTRY.annotations.items() if field.name not in VERBATIM}
KEYS = {key: field.name for key, field in REGISTRY.keys.items() if field.name not in VERBATIM}


def ingress(name: str, annotations: dict[str, str] | None = None, **changes: object) -> Ingress:
    """Make an Ingress with a host of its own and the Services tea and coffee-svc."""
    services = ("tea", "coffee", "coffee-svc", "tea-svc", "0a-b", "a" * 63, "b-c")
    paths = [
        {"path": f"/{service}", "pathType": "Exact", "backend": {"service": {"name": service, "port": {"number": 80}}}}
        for service in services
    ]
    spec = {"ingressClassName": "nginx", "rules": [{"host": f"{name}.example.com", "http": {"paths": paths}}]}
    metadata = {"name": name, "namespace": "default", "annotations": annotations or {}}
    return msgspec.convert({"metadata": metadata, "spec": spec | changes}, Ingress)


def cluster_with_good_ingress() -> SimulatedCluster:
    """Return a cluster with a Service, its endpoints and an Ingress that nothing is wrong with."""
    cluster = SimulatedCluster(FLAGS)
    cluster.put(msgspec.convert(SERVICE, Service), msgspec.convert(SLICE, EndpointSlice), ingress("good"))
    return cluster


def hostile(name: str) -> Iterator[str]:
    """Yield fragments alone and inside a text that the setting takes."""
    text = next(iter(text for text in SAMPLES[name].taken if text.strip()), "x")
    for fragment in FRAGMENTS:
        half = len(text) // 2
        yield from (fragment, text + fragment, fragment + text, f"{text[:half]}{fragment}{text[half:]}")


@lru_cache(maxsize=64)  # most hostile texts are refused, and change no file
def names(text: str) -> Counter[tuple[tuple[str, ...], str]]:
    """Count the directives of a file by name, with the blocks around them."""
    return Counter((directive.within, directive.name) for directive in directives(text))


def files(cluster: SimulatedCluster) -> dict[str, str]:
    """Process the batch; return every file that nginx reads as configuration."""
    cluster.process_batch()
    return {name: file.data.decode() for name, file in cluster.files.items() if name.endswith(".conf")}


@pytest.mark.parametrize("key", ANNOTATIONS)
def test_an_annotation_stays_in_its_directive(key: str) -> None:
    name = ANNOTATIONS[key]
    more = {f"nginx.org/{other}": text for other, text in COMPANIONS.get(name, {}).items()}
    cluster = cluster_with_good_ingress()
    good = files(cluster)["conf.d/default-good.conf"]
    benign = [text for text in SAMPLES[name].taken if text.strip()]
    cluster.put(*(ingress(f"benign-{i}", {**more, key: text}) for i, text in enumerate(benign)))
    texts = list(dict.fromkeys(hostile(name)))
    cluster.put(*(ingress(f"bad-{i}", {**more, key: text}) for i, text in enumerate(texts)))
    found = files(cluster)
    known: set[tuple[tuple[str, ...], str]] = set()
    for text in (good, *(text for file, text in found.items() if "benign" in file)):
        known |= set(names(text))
    standing = cluster.reported()
    for i, text in enumerate(texts):
        file = found.get(f"conf.d/default-bad-{i}.conf")
        if file is None:
            assert standing[f"default/bad-{i}"].startswith("Rejected"), (key, text)
            continue
        counted = names(file)
        assert set(counted) <= known, (key, text)
        assert counted[(), "server"] == 1
        places = [words for _, name, words in directives(file) if name not in FREE_TEXT]
        assert not any(".." in word.split("/") for words in places for word in words), (key, text)
    assert found["conf.d/default-good.conf"] == good


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_the_configmap_stays_in_its_directive(key: str) -> None:
    name = KEYS[key]
    cluster = cluster_with_good_ingress()
    known: dict[str, set[tuple[tuple[str, ...], str]]] = {}
    for text in ["", *SAMPLES[name].taken]:
        cluster.put(config_map({**COMPANIONS.get(name, {}), key: text} if text else {}))
        for file, content in files(cluster).items():
            known.setdefault(file, set()).update(names(content))
    for text in dict.fromkeys(hostile(name)):
        cluster.put(config_map({**COMPANIONS.get(name, {}), key: text}))
        for file, content in files(cluster).items():
            assert set(names(content)) <= known[file], (key, text, file)


def config_map(data: dict[str, str]) -> ConfigMap:
    return msgspec.convert(
        {"metadata": {"name": "nginx-config", "namespace": "nginx-ingress"}, "data": data}, ConfigMap
    )


def at_host(text: str) -> list[TopLevel]:
    return [ingress("bad", rules=[{"host": text, "http": {"paths": [path("/")]}}])]


def at_tls_host(text: str) -> list[TopLevel]:
    return [ingress("bad", tls=[{"hosts": [text], "secretName": "cafe"}])]


def at_secret(text: str) -> list[TopLevel]:
    return [ingress("bad", tls=[{"hosts": ["bad.example.com"], "secretName": text}])]


def at_path(text: str) -> list[TopLevel]:
    kinds = ("Prefix", "Exact", "ImplementationSpecific")
    return [ingress(f"bad-{kind.lower()}", rules=[rule(f"{kind.lower()}.test", path(text, kind))]) for kind in kinds]


def at_regex(text: str) -> list[TopLevel]:
    said = {"nginx.org/path-regex": "case_insensitive", "nginx.org/rewrite-target": "/$1"}
    return [ingress("bad", said, rules=[rule("bad.test", path(text, "ImplementationSpecific"))])]


def at_service(text: str) -> list[TopLevel]:
    named = msgspec.convert(SERVICE | {"metadata": {"name": text, "namespace": "default"}}, Service)
    return [named, ingress("bad", rules=[rule("bad.test", path("/", service=text))])]


def at_port(text: str) -> list[TopLevel]:
    backend = {"service": {"name": "tea", "port": {"name": text}}}
    return [ingress("bad", rules=[rule("bad.test", path("/") | {"backend": backend})])]


def at_default_backend(text: str) -> list[TopLevel]:
    return [ingress("bad", defaultBackend={"service": {"name": text, "port": {"number": 80}}})]


def at_name(text: str) -> list[TopLevel]:
    return [ingress(text, rules=[rule("bad.test", path("/"))])]


def at_namespace(text: str) -> list[TopLevel]:
    cluster = ingress("bad")
    return [msgspec.structs.replace(cluster, metadata=msgspec.structs.replace(cluster.metadata, namespace=text))]


def at_class(text: str) -> list[TopLevel]:
    return [ingress("bad", ingressClassName=text)]


def at_role(text: str) -> list[TopLevel]:
    return [ingress("bad", {"nginx.org/mergeable-ingress-type": text})]


def at_address(text: str) -> list[TopLevel]:
    return [
        *other({"ports": [{"port": 80}]}, [text]),
        ingress("bad", rules=[rule("bad.test", path("/", service="other"))]),
    ]


def at_cluster_ip(text: str) -> list[TopLevel]:
    said = {"nginx.org/use-cluster-ip": "true"}
    spec = {"clusterIP": text, "ports": [{"port": 80}]}
    return [*other(spec, ["10.0.0.9"]), ingress("bad", said, rules=[rule("bad.test", path("/", service="other"))])]


def at_external_name(text: str) -> list[TopLevel]:
    spec = {"type": "ExternalName", "externalName": text}
    return [*other(spec, []), ingress("bad", rules=[rule("bad.test", path("/", service="other"))])]


def path(text: str, kind: str = "Prefix", service: str = "tea") -> dict[str, object]:
    return {"path": text, "pathType": kind, "backend": {"service": {"name": service, "port": {"number": 80}}}}


def rule(host: str, *paths: dict[str, object]) -> dict[str, object]:
    return {"host": host, "http": {"paths": paths}}


def other(spec: dict[str, object], addresses: list[str]) -> list[TopLevel]:
    """Make a Service "other" and its slice, whose kind of address is not checked by an API server."""
    labels = {"kubernetes.io/service-name": "other"}
    metadata = {"name": "other-1", "namespace": "default", "labels": labels}
    endpoints = [{"addresses": [address]} for address in addresses]
    slices = [
        msgspec.convert(SLICE | {"metadata": metadata | {"name": f"other-{kind.lower()}"}, "addressType": kind,
                                 "endpoints": endpoints}, EndpointSlice)
        for kind in ("IPv4", "FQDN")
    ]  # fmt: skip
    return [msgspec.convert({"metadata": metadata | {"name": "other"}, "spec": spec}, Service), *slices]


FIELDS = {
    at_host: "bad.example.com", at_tls_host: "bad.example.com", at_secret: "cafe", at_path: "/tea", at_regex: "/(a|b)",
    at_service: "tea", at_port: "http", at_default_backend: "tea", at_name: "bad", at_namespace: "default",
    at_class: "nginx", at_role: "master", at_address: "10.0.0.1", at_cluster_ip: "10.0.0.1",
    at_external_name: "localhost",
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.__name__.removeprefix("at_"))
def test_a_field_of_an_object_stays_in_its_argument(field: Callable[[str], list[TopLevel]]) -> None:
    text = FIELDS[field]
    cluster = cluster_with_good_ingress()
    good = files(cluster)
    cluster.put(*field(text))
    known = {at for content in files(cluster).values() for at in names(content)} | {((), "map"), (("map",), text)}
    for fragment in FRAGMENTS:
        for bad in (fragment, text + fragment, fragment + text):
            cluster = cluster_with_good_ingress()
            objects = field(bad)
            cluster.put(*objects)
            found = files(cluster)
            for file, content in found.items():
                assert {at for at in names(content) if "map" not in at[0]} <= known, (bad, file)
            assert found["conf.d/default-good.conf"] == good["conf.d/default-good.conf"]
            assert not any(".." in file.split("/") or file.startswith("/") for file in cluster.files)
            assert all(file.count("/") <= 1 and file.isprintable() and " " not in file for file in cluster.files), bad
