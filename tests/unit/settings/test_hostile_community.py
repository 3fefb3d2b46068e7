"""Hostile text in annotations of ingress-nginx: refused, without effect, or one argument of a directive.

Each is processed from the Ingress to the files, beside the annotations without which it would mean nothing.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from functools import lru_cache

import msgspec
import pytest

from headgate.api import EndpointSlice, Ingress, IngressClass, Secret, Service, TopLevel
from headgate.settings import COMMUNITY
from headgate.settings.community import FIELDS
from headgate.settings.community.shared import SHARED
from tests.nginx_lexer import directives
from tests.properties.cluster_objects import self_signed_pair
from tests.simulated_cluster import SimulatedCluster
from tests.unit.settings.test_hostile_files import FRAGMENTS, SERVICE, SLICE

HOST = "victim.test"
SNIPPETS = {"auth-snippet", "configuration-snippet", "server-snippet"}
"""nginx's own language; a flag guards them."""
ASKED = {"auth-url": "http://10.0.0.9/check"}
LOCKED = {"auth-type": "basic", "auth-secret": "users"}
STICKY = {"affinity": "cookie"}
COUNTED = {"limit-rps": "5"}
SHARED_PAGES = {"enable-cors": "true"}
CERTIFIED = {"auth-tls-secret": "default/authority"}
TRUSTING = {"proxy-ssl-secret": "default/authority"}
COMPANIONS: Mapping[str, Mapping[str, str]] = {
    **{name: ASKED for name in FIELDS if name.startswith("auth-") and name != "auth-url"},
    **dict.fromkeys(("auth-realm", "auth-secret", "auth-secret-type", "satisfy"), LOCKED),
    **{name: CERTIFIED for name in FIELDS if name.startswith("auth-tls-")},
    **{name: TRUSTING for name in FIELDS if name.startswith("proxy-ssl-")},
    **{name: STICKY for name in FIELDS if name.startswith("session-cookie-")},
    **{name: SHARED_PAGES for name in FIELDS if name.startswith("cors-")},
    **{name: {"canary": "true", "canary-weight": "5"} for name in FIELDS if name.startswith("canary-")},
    **{name: COUNTED for name in FIELDS if name.startswith("limit-")},
    "auth-cache-duration": {**ASKED, "auth-cache-key": "$remote_user"},
    "canary-by-header-value": {"canary": "true", "canary-by-header": "X-A"},
    "canary-by-header-pattern": {"canary": "true", "canary-by-header": "X-A"},
    "mirror-host": {"mirror-target": "http://10.0.0.9"},
    "mirror-request-body": {"mirror-target": "http://10.0.0.9"},
    "custom-http-errors": {"default-backend": "tea"},
    "default-backend": {"custom-http-errors": "404"},
    "permanent-redirect-code": {"permanent-redirect": "https://a.test/"},
    "temporal-redirect-code": {"temporal-redirect": "https://a.test/"},
    "proxy-redirect-to": {"proxy-redirect-from": "http://a.test/"},
    "proxy-redirect-from": {"proxy-redirect-to": "http://a.test/"},
    "x-forwarded-prefix": {"rewrite-target": "/new"},
}
TAKEN = {
    "app-root": "/shop", "auth-cache-key": "$remote_user", "auth-method": "POST", "auth-realm": "Staff",
    "auth-request-redirect": "/start", "auth-signin-redirect-param": "rd", "auth-tls-match-cn": "CN=ann",
    "canary-by-cookie": "canary", "canary-by-header": "X-Canary", "canary-by-header-pattern": "a.*b",
    "canary-by-header-value": "yes", "default-backend": "tea", "proxy-next-upstream": "error timeout",
    "proxy-redirect-from": "http://backend.test/", "proxy-redirect-to": "https://shop.test/",
    "proxy-ssl-ciphers": "HIGH:!aNULL", "session-cookie-domain": "shop.test", "session-cookie-name": "route",
    "session-cookie-path": "/shop", "ssl-ciphers": "HIGH:!aNULL", "upstream-vhost": "backend.test",
    "permanent-redirect-code": "308", "satisfy": "any",
    "mirror-host": "copy.test", "auth-tls-verify-depth": "2", "temporal-redirect-code": "307",
}  # fmt: skip
"""Texts that are taken, where the annotation has no example."""
FILES = ("certificate", "file", "include", "access_log", "crl", "cache_path")
NAMES = sorted({*FIELDS, *SHARED} - SNIPPETS)


def text_of(name: str) -> str:
    parse = FIELDS[name].parse if name in FIELDS else SHARED[name].parse
    return TAKEN.get(name) or parse.example or ("5" if "number" in parse.words else "true")


def ingress(name: str, host: str, said: Mapping[str, str], created: int = 2) -> Ingress:
    service = "coffee" if created == 1 else "tea"
    path = {"path": "/tea", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}
    metadata = {
        "name": name,
        "namespace": "default",
        "creationTimestamp": f"2026-01-{created:02}T00:00:00Z",
        "annotations": {COMMUNITY.prefix + key: text for key, text in said.items()},
    }
    rules = [{"host": host, "http": {"paths": [path]}}]
    tls = [{"hosts": [host]}]
    return msgspec.convert(
        {"metadata": metadata, "spec": {"ingressClassName": "nginx", "rules": rules, "tls": tls}}, Ingress
    )


def files(said: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """Return the files of an Ingress for each of *said*, each with a host of its own, and of a neighbour."""
    cluster = SimulatedCluster()
    around: list[TopLevel] = [
        msgspec.convert(SERVICE, Service),
        msgspec.convert(SLICE, EndpointSlice),
        msgspec.convert({"metadata": {"name": "nginx"}, "spec": {"controller": "k8s.io/ingress-nginx"}}, IngressClass),
        msgspec.convert(
            {"metadata": {"name": "users", "namespace": "default"}, "stringData": {"auth": "a:{PLAIN}b"}}, Secret
        ),
        msgspec.convert({"metadata": {"name": "authority", "namespace": "default"}, "stringData": authority()}, Secret),
        ingress("victim", HOST, {}, 1),
    ]
    cluster.put(*around, *(ingress(host.partition(".")[0], host, each) for host, each in said.items()))
    cluster.put(
        *(ingress(f"primary-{host.partition('.')[0]}", host, {}, 1) for host, each in said.items() if "canary" in each)
    )
    found = cluster.process_batch().files
    return {name: file.data.decode() for name, file in found.items() if name.endswith((".conf", ".locations"))}


@lru_cache(maxsize=1)
def authority() -> dict[str, str]:
    pair = {name: b64decode(text).decode() for name, text in self_signed_pair().items()}
    return {**pair, "ca.crt": pair["tls.crt"]}


def companions(name: str) -> Mapping[str, str]:
    return COMPANIONS.get(name, {})


@lru_cache(maxsize=1)
def usual_names() -> frozenset[str]:
    """The directives that annotations with harmless values become."""
    said = {f"h{number}.test": {**companions(name), name: text_of(name)} for number, name in enumerate(NAMES)}
    said |= {f"n{number}.test": companions(name) for number, name in enumerate(NAMES)}
    return frozenset(each.name for text in files(said).values() for each in directives(text))


def test_harmless_values_are_taken() -> None:
    some = {"auth_request", "error_page", "geo", "limit_conn", "limit_rate", "map", "proxy_cache", "proxy_cookie_path"}
    assert some | {"proxy_ssl_verify", "satisfy", "split_clients", "ssl_verify_client"} <= usual_names()


@pytest.mark.parametrize("name", NAMES)
def test_no_hostile_text_leaves_its_argument(name: str) -> None:
    text = text_of(name)
    texts = [text[:cut] + fragment + text[cut:] for fragment in FRAGMENTS for cut in (len(text) // 2, len(text))]
    said = {f"h{number}.test": {**companions(name), name: each} for number, each in enumerate(dict.fromkeys(texts))}
    hosts = {HOST, *said}
    further = {"server-alias": {text}, "from-to-www-redirect": {f"www.{host}" for host in said}}.get(name, set())
    for file, written in files(said).items():
        for each in directives(written):
            assert each.name in usual_names() or each.name in hosts or "map" in each.within or "geo" in each.within, (
                file,
                each,
            )
            if each.name == "server_name":
                assert set(each.arguments) <= {*hosts, *further, "_"}, each
            if any(word in each.name for word in FILES):
                assert not any(".." in argument.split("/") or "mark" in argument for argument in each.arguments), each
