"""Malicious objects by class, each with the advisories of ingress-nginx about it and what becomes of it.

The texts are made for these tests: they try to end the argument, the directive or the block in which ingress-nginx
wrote the value, and then to name a directive that runs code or serves a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from headgate.api import EndpointSlice, Ingress, Secret, Service, TopLevel
from headgate.settings import COMMUNITY
from tests.properties.cluster_objects import self_signed_pair
from tests.unit.settings.test_hostile_community import authority
from tests.unit.settings.test_hostile_files import SERVICE, SLICE

ENGINE = "ssl_engine /tmp/mark.so;"
ALIAS = "alias /var/run/secrets/kubernetes.io/serviceaccount/;"
LUA = "content_by_lua_block { os.execute('mark') }"


class Fate(StrEnum):
    """What becomes of a malicious value."""

    REFUSED = "the object is not served, and its owner is told"
    CLOSED = "requests are answered 500, whatever the value, and its owner is told"
    IGNORED = "the object is served as without the value, and its owner is told"
    LEFT_OUT = "the object is served as with any other unusable value, and its owner is told"
    LITERAL = "the value is one argument, beside the same directives as a harmless one"


class Attack(NamedTuple):
    """A class of injection.

    Attributes:
        where: the annotation or field.
        advisories: what was published about it, without ``CVE-``.
        make: makes the objects from a value and the name of the Ingress.
        harmless: a value for comparison.
        values: the malicious ones.
        fate: what becomes of each.
    """

    where: str
    advisories: str
    make: Callable[[str, str], list[TopLevel]]
    harmless: str
    values: Sequence[str]
    fate: Fate = Fate.REFUSED


def path(text: str = "/", kind: str = "Prefix", service: str = "tea", port: Mapping[str, Any] | None = None) -> Any:
    backend = {"service": {"name": service, "port": port or {"number": 80}}}
    return {"path": text, "pathType": kind, "backend": backend}


def ingress(name: str, said: Mapping[str, str] | None = None, *paths: Any, **changes: Any) -> Ingress:
    """Make an Ingress in the dialect of ingress-nginx; *changes* are of its spec and metadata."""
    metadata = {
        "name": name,
        "namespace": "default",
        "creationTimestamp": "2026-01-02T00:00:00Z",
        "annotations": {COMMUNITY.prefix + key: text for key, text in (said or {}).items()},
        **changes.pop("metadata", {}),
    }
    host = f"{name}.test"
    spec = {
        "ingressClassName": "nginx",
        "rules": [{"host": host, "http": {"paths": paths or [path()]}}],
        "tls": [{"hosts": [host]}],
        **changes,
    }
    return msgspec.convert({"metadata": metadata, "spec": spec}, Ingress)


def around() -> list[TopLevel]:
    """Return what the objects name: a Service with an endpoint, Secrets; and an Ingress of somebody else."""
    users = {"metadata": {"name": "users", "namespace": "default"}, "stringData": {"auth": "a:{PLAIN}b"}}
    certified = {"metadata": {"name": "authority", "namespace": "default"}, "stringData": authority()}
    tls = {"metadata": {"name": "tls", "namespace": "default"}, "type": "kubernetes.io/tls", "data": self_signed_pair()}
    named = SERVICE | {"spec": {"ports": [{"name": "http", "port": 80}]}}
    return [
        msgspec.convert(named, Service),
        msgspec.convert(SLICE | {"ports": [{"name": "http", "port": 8080}]}, EndpointSlice),
        *(msgspec.convert(each, Secret) for each in (users, certified, tls)),
        ingress("victim"),
    ]


def at(key: str, **beside: str) -> Callable[[str, str], list[TopLevel]]:
    """Put the value in the annotation *key*, *beside* others."""
    said = {name.replace("_", "-"): text for name, text in beside.items()}
    return lambda text, name: [ingress(name, {**said, key: text})]


def at_path(kind: str, **said: str) -> Callable[[str, str], list[TopLevel]]:
    texts = {key.replace("_", "-"): text for key, text in said.items()}
    return lambda text, name: [ingress(name, texts, path(text, kind))]


def at_host(text: str, name: str) -> list[TopLevel]:
    return [ingress(name, rules=[{"host": text, "http": {"paths": [path()]}}], tls=[])]


def at_tls_host(text: str, name: str) -> list[TopLevel]:
    return [ingress(name, tls=[{"hosts": [f"{name}.test", text]}])]


def at_tls_secret(text: str, name: str) -> list[TopLevel]:
    return [ingress(name, tls=[{"hosts": [f"{name}.test"], "secretName": text}])]


def at_service(text: str, name: str) -> list[TopLevel]:
    return [ingress(name, None, path(service=text))]


def at_port_name(text: str, name: str) -> list[TopLevel]:
    return [ingress(name, None, path(port={"name": text}))]


def at_name(text: str, name: str) -> list[TopLevel]:
    return [ingress(name, metadata={"name": text})]


def at_namespace(text: str, name: str) -> list[TopLevel]:
    return [ingress(name, metadata={"namespace": text})]


def at_uid(text: str, name: str) -> list[TopLevel]:
    return [ingress(name, {"mirror-target": "https://192.0.2.1/"}, metadata={"uid": text})]


def at_label(text: str, name: str) -> list[TopLevel]:
    return [ingress(name, metadata={"labels": {"app": text}, "generateName": text})]


ASKED = {"auth_url": "http://192.0.2.9/check"}
LOCKED = {"auth_type": "basic", "auth_secret": "users"}
CERTIFIED = {"auth_tls_secret": "default/authority"}
BREAKOUTS = ('/";}', "/'}", "/ {", "/;", "/\\")
PATHS = (
    f"/ {{ {ALIAS} }} location /x", f"/\n{{ {ALIAS} }}\nlocation /x", f"/\r{{ {ALIAS} }}", f"/\t{{ {ALIAS} }}",
    f'/"; {ALIAS} #', f"/x{{{ALIAS}}}", f'/"{{{ALIAS}}}location "/y', f"/#\n}}\n{ENGINE}", f"/{LUA}", "/a\x00b",
    "/a/../../etc", "/$request_uri\n", "relative",
    "/etc/passwd", "/root", "/var/run/secrets/kubernetes.io/serviceaccount/token", "/_external_auth_default_victim",
)  # fmt: skip
"""Texts in a path that is no regular expression."""
EXPRESSIONS = (
    f"/(.*)\n{ALIAS}", f"/(.*)\r{ALIAS}", "/(?<args>.*)", "/(?<secret_dir_path>.*)",
    "/(?<ingress_default_victim_limited>.*)", "/(?P<certified_default_victim>.*)", "/(?'ext_auth_asked_victim'.*)",
    "/(", "/\\", "/[",
)  # fmt: skip
"""Regular expressions that are refused."""
QUOTED = (f'/(.*)"; {ALIAS} #', f"/a{{1}};}}{ALIAS}", "/(a|b){1,2};", "/a#", "/'a'")
"""Regular expressions that contain what means something to nginx, and are one argument."""
URLS = (
    f"https://192.0.2.1/;}}}} {ENGINE}", f"https://192.0.2.1/\n{ENGINE}", f"https://192.0.2.1/\r{ENGINE}",
    f'https://192.0.2.1/"; {ENGINE}', "https://192.0.2.1/{", f"https://192.0.2.1/#;\n}}}}}}\n{ENGINE}\n#",
    "https://192.0.2.1/\\", "https://192.0.2.1/ x",
)  # fmt: skip
SENT = ("https://192.0.2.1/?user=$remote_user", "https://192.0.2.1/${remote_user}", "https://192.0.2.1/$Remote_User")
"""URLs in which a client can put a line break: nginx decodes the name of the user."""
DECODED = ("https://192.0.2.1/?rd=$uri", "https://192.0.2.1/?rd=${document_uri}", "https://192.0.2.1$request_filename")
"""URLs of a header in which a client can put a line break: nginx decodes paths."""
WORDS = (f"a;}}{ENGINE}", f"a\n{ENGINE}", f"a\r{ENGINE}", f'a"; {ENGINE}', "a'", "a{", "a}", "a b\\")
HEADERS = ("/a\r\nX-Admin: 1", "/a\nX-Admin: 1", "/a\rX-Admin: 1")

SNIPPETS = (
    Attack("configuration-snippet", "2021-25742, 2023-5043", at("configuration-snippet"), "", (ALIAS,), Fate.IGNORED),
    Attack("configuration-snippet", "2021-25742, 2023-5043", at("configuration-snippet"), "", (LUA,), Fate.CLOSED),
    Attack("server-snippet", "2021-25742", at("server-snippet"), "", (f"location /x {{ {ALIAS} }}",), Fate.IGNORED),
    Attack("server-snippet", "2021-25742", at("server-snippet"), "", (LUA,), Fate.CLOSED),
    Attack("auth-snippet", "2021-25742", at("auth-snippet", **ASKED), "", (ALIAS,), Fate.CLOSED),
    Attack("modsecurity-snippet", "2021-25742", at("modsecurity-snippet"), "", ("Include /etc/passwd",), Fate.CLOSED),
    Attack("stream-snippet", "2021-25742", at("stream-snippet"), "", ("server { listen 1; }",), Fate.IGNORED),
)
PATH_FIELDS = (
    *(
        Attack(f"path ({kind})", "2021-25745, 2021-25748, 2022-4886, 2026-24512", at_path(kind), "/a", PATHS)
        for kind in ("Exact", "Prefix", "ImplementationSpecific")
    ),
    *(
        Attack(f"path ({kind}, use-regex)", "2022-4886, 2026-24512", at_path(kind, use_regex="true"), "/(.*)", values)
        for kind, values in (("Exact", EXPRESSIONS), ("ImplementationSpecific", EXPRESSIONS))
    ),
    Attack("path with rewrite-target", "2026-3288, 2026-4342",
           at_path("ImplementationSpecific", rewrite_target="/$1"), "/(.*)", EXPRESSIONS),
    Attack("expression", "2026-3288, 2026-4342",
           at_path("ImplementationSpecific", rewrite_target="/b"), "/a", QUOTED, Fate.LITERAL),
)  # fmt: skip
URL_ANNOTATIONS = (
    Attack("auth-url", "2025-24514", at("auth-url"), "https://192.0.2.1/", (*URLS, *SENT), Fate.CLOSED),
    Attack("auth-signin", "2021-25746", at("auth-signin", **ASKED), "https://192.0.2.1/", (*URLS, *SENT, *DECODED),
           Fate.IGNORED),
    Attack("auth-request-redirect", "2021-25746", at("auth-request-redirect", **ASKED), "/a", (*URLS, *HEADERS),
           Fate.CLOSED),
    Attack("mirror-target", "2025-1098", at("mirror-target"), "https://192.0.2.1/", (*URLS, *SENT), Fate.IGNORED),
    Attack(
        "mirror-host", "2025-1098", at("mirror-host", mirror_target="https://192.0.2.1/"), "a.test", WORDS, Fate.IGNORED
    ),
    Attack("permanent-redirect", "2023-5044", at("permanent-redirect"), "https://192.0.2.1/", URLS, Fate.IGNORED),
    Attack("temporal-redirect", "2023-5044", at("temporal-redirect"), "https://192.0.2.1/", URLS, Fate.IGNORED),
    Attack("auth-tls-error-page", "2021-25746",
           at("auth-tls-error-page", **CERTIFIED), "https://192.0.2.1/", URLS, Fate.IGNORED),
)  # fmt: skip
MATCH = (f"CN=a\n);}}}}\n{ENGINE}\n#", f"CN=a #(\n){{}}\n}}}}\n{ENGINE}", f"CN=a\r{ENGINE}", "CN=(", "CN=a\\",
         "CN=(?<secret_dir_path>.)", f"{ENGINE}")  # fmt: skip
MATCHED = (f'CN=a"; {ENGINE}', f"CN=a;}} {ENGINE}", "CN=a' {")
"""Regular expressions that are one argument."""
KEPT_OUT = (
    Attack("auth-tls-match-cn", "2025-1097", at("auth-tls-match-cn", **CERTIFIED), "CN=a", MATCH, Fate.CLOSED),
    Attack("auth-tls-match-cn, quoted", "2025-1097",
           at("auth-tls-match-cn", **CERTIFIED), "CN=a", MATCHED, Fate.LITERAL),
    Attack("auth-method", "2026-1580", at("auth-method", **ASKED), "GET", (*WORDS, "GET x"), Fate.CLOSED),
    Attack("auth-response-headers", "2021-25746", at("auth-response-headers", **ASKED), "X-A",
           (*WORDS, "X-A: 1\r\nX-B"), Fate.CLOSED),
    Attack("auth-proxy-set-headers", "2025-15566",
           at("auth-proxy-set-headers", **ASKED), "", (f'default/a"; {ENGINE}',), Fate.CLOSED),
    Attack("auth-cache-key", "2021-25746", at("auth-cache-key", **ASKED), "$remote_user", WORDS, Fate.IGNORED),
    Attack("auth-realm", "2021-25746", at("auth-realm", **LOCKED), "Staff",
           (f'Staff"; {ENGINE}', "Staff;}", "Staff'{"), Fate.LITERAL),
    Attack("auth-secret", "2025-24513", at("auth-secret", auth_type="basic"), "users",
           ("../../etc/passwd", "default/../users", "users/../../x", f"users;{ENGINE}"), Fate.CLOSED),
    Attack("auth-tls-secret", "2025-24513", at("auth-tls-secret"), "default/authority",
           ("../authority", "a/b/c"), Fate.CLOSED),
    Attack("proxy-ssl-secret", "2025-24513", at("proxy-ssl-secret"), "default/authority",
           ("../authority", "a/b/c"), Fate.CLOSED),
    Attack("proxy-ssl-name", "2021-25746", at("proxy-ssl-name", proxy_ssl_secret="default/authority"), "a.test",
           WORDS, Fate.IGNORED),
    Attack("proxy-ssl-ciphers", "2021-25746", at("proxy-ssl-ciphers", proxy_ssl_secret="default/authority"), "HIGH",
           WORDS, Fate.IGNORED),
    Attack("whitelist-source-range", "2021-25746", at("whitelist-source-range"), "192.0.2.0/24",
           ("192.0.2.0/24;", f"192.0.2.0/24;{ENGINE}", "all"), Fate.CLOSED),
)  # fmt: skip
OTHER_ANNOTATIONS = (
    Attack("rewrite-target", "2026-3288", at("rewrite-target"), "/a",
           ('/$1";}', f'/$1"; {ENGINE}', f"/$1;{ENGINE}", f"/$1\n{ENGINE}", "/$1\\", "/{", *HEADERS), Fate.IGNORED),
    Attack("x-forwarded-prefix", "2021-25746", at("x-forwarded-prefix", rewrite_target="/b"), "/a",
           (*BREAKOUTS, *HEADERS, "/$1", "/a/${1}"), Fate.IGNORED),
    Attack("server-alias", "2021-25746", at("server-alias"), "b.test",
           (*WORDS, "~^(.*)$", "~^(?<args>.*)$", '"~^x;{}"', "b.test;}server{listen 1"), Fate.IGNORED),
    Attack("app-root", "2021-25746", at("app-root"), "/a", (*BREAKOUTS, *HEADERS), Fate.IGNORED),
    Attack("upstream-vhost", "2021-25746", at("upstream-vhost"), "b.test",
           (*WORDS, "b.test\r\nX-Admin: 1"), Fate.IGNORED),
    Attack("proxy-redirect-to", "2021-25746", at("proxy-redirect-to", proxy_redirect_from="http://b.test/"), "/a",
           (*BREAKOUTS, f"/ {ENGINE}"), Fate.IGNORED),
    Attack("proxy-redirect-from", "2021-25746", at("proxy-redirect-from", proxy_redirect_to="/a"), "http://b.test/",
           (*BREAKOUTS, f"http://b.test/;{ENGINE}"), Fate.IGNORED),
    Attack("proxy-cookie-path", "2021-25746", at("proxy-cookie-path"), "/ /a", ("/ /a;}", '/ "', "/ /a\n#"),
           Fate.IGNORED),
    Attack("custom-http-errors", "2021-25746", at("custom-http-errors", default_backend="tea"), "404",
           ("404;}", f"404 {ENGINE}", "404,=200"), Fate.IGNORED),
    Attack("default-backend", "2021-25746", at("default-backend", custom_http_errors="404"), "tea",
           ("other/tea", "tea;}", "../tea"), Fate.IGNORED),
    Attack("cors-allow-origin", "2021-25746", at("cors-allow-origin", enable_cors="true"), "https://b.test",
           (*WORDS, "https://b.test$", "https://b.test\r\nX: 1", "~.*"), Fate.LEFT_OUT),
    Attack("cors-allow-headers", "2021-25746", at("cors-allow-headers", enable_cors="true"), "X-A",
           (*WORDS, "X-A\r\nX: 1"), Fate.IGNORED),
    Attack("session-cookie-name", "2021-25746", at("session-cookie-name", affinity="cookie"), "b", WORDS,
           Fate.IGNORED),
    Attack("session-cookie-path", "2021-25746", at("session-cookie-path", affinity="cookie"), "/b", BREAKOUTS,
           Fate.IGNORED),
    Attack("session-cookie-domain", "2021-25746", at("session-cookie-domain", affinity="cookie"), "b.test", WORDS,
           Fate.IGNORED),
    Attack("ssl-ciphers", "2021-25746", at("ssl-ciphers"), "HIGH", WORDS, Fate.IGNORED),
    Attack("upstream-hash-by", "2021-25746", at("upstream-hash-by"), "$request_uri", (*WORDS, "$host;}"),
           Fate.IGNORED),
    Attack("proxy-body-size", "2024-7646", at("proxy-body-size"), "8m", (f"8m;\r{ENGINE}", f"8m;{ENGINE}"),
           Fate.IGNORED),
    Attack("proxy-next-upstream", "2024-7646", at("proxy-next-upstream"), "error", (f"error;\r{ENGINE}", "error;}"),
           Fate.IGNORED),
    Attack("custom-headers", "2021-25746", at("custom-headers"), "", (f"default/a;{ENGINE}",), Fate.IGNORED),
)  # fmt: skip
FIELDS = (
    Attack("host", "2021-25746", at_host, "b.test",
           (f"b.test;{ENGINE}", 'b"', "b' {", "*", "*b.test", "b.*", "~^b$", "b.test\n", "b.test:80", "b.test/..")),
    Attack("tls.hosts", "2021-25746", at_tls_host, "b.test", (f"b.test;{ENGINE}", 'b"', "*", "~^b$", "b\n", "../b")),
    Attack("tls.secretName", "2025-24513", at_tls_secret, "tls", ("../authority", "other/tls", f"a;{ENGINE}")),
    Attack("service.name", "2021-25746", at_service, "tea", (f"tea;{ENGINE}", "../tea", "unix:/run/x", "other/tea")),
    Attack("service.port.name", "2021-25746", at_port_name, "http", (f"http;{ENGINE}", "80 }", "a\n")),
    Attack("metadata.name", "2026-4342", at_name, "b",
           (f"b\n{ENGINE}", "../../etc/nginx/mark", "b;}", "#", "b\r", "b'", "a/b")),
    Attack("metadata.namespace", "2026-4342", at_namespace, "default", (f"b\n{ENGINE}", "../..", "b;}", "#")),
    Attack("metadata.uid", "2025-1098", at_uid, "u",
           (f"u;\n}}}}\n{ENGINE}", "../../x", '"'), Fate.LITERAL),
    Attack("metadata.labels", "2026-4342", at_label, "u", (f"u\n}}}}\n{ENGINE}",), Fate.LITERAL),
)  # fmt: skip
ATTACKS = (*SNIPPETS, *PATH_FIELDS, *URL_ANNOTATIONS, *KEPT_OUT, *OTHER_ANNOTATIONS, *FIELDS)
