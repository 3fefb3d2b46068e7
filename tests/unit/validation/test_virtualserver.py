"""What is wrong with a VirtualServer, in the words that its owner reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.api.nginx_org import VirtualServer
from headgate.validation.routepath import RoutePath
from headgate.validation.rules import Rules
from headgate.validation.virtualserver import validate_virtual_server

TEA = "upstreams: [{name: tea, service: tea-svc, port: 80}]"


def faults(*parts: str, host: str = "cafe.test") -> list[str]:
    """Return the Problems of a VirtualServer whose spec has *parts*, which are YAML."""
    spec: dict[str, Any] = {"host": host}
    for part in parts:
        spec |= yaml.safe_load(part)
    item = VirtualServer.convert({"metadata": {"name": "cafe", "namespace": "default"}, "spec": spec})
    valid, problems = validate_virtual_server(item, Rules())
    assert (valid is None) == bool(problems)
    return [str(problem).removesuffix(" (the VirtualServer is refused)") for problem in problems]


def table() -> list[tuple[str, str]]:
    """Return the rows of the table: a spec, and the beginning of a sentence about it."""
    text = Path(__file__).with_name("virtualserver.faults").read_text()
    rows = (row.strip().rpartition("\n=> ") for row in text.partition("\n\n")[2].split("\n\n"))
    return [(spec, words) for spec, _, words in rows]


def test_a_whole_virtual_server_is_valid() -> None:
    assert faults(
        TEA,
        """
        tls: {secret: cafe, redirect: {enable: true, code: 302, basedOn: x-forwarded-proto}}
        routes:
        - {path: /tea, action: {pass: tea}}
        - {path: =/exact, action: {return: {code: 200, type: text/plain, body: "Hello ${request_uri}\\n"}}}
        - {path: "~ ^/r[0-9]+", action: {redirect: {url: "${scheme}://x.test${request_uri}", code: 308}}}
        - {path: ^~/first, splits: [{weight: 90, action: {pass: tea}}, {weight: 10, action: {pass: tea}}]}
        - path: /proxy
          action: {proxy: {upstream: tea, rewritePath: /new, requestHeaders: {set: [{name: X-A, value: "${host}"}]}}}
          matches:
          - conditions: [{header: x-version, value: "!v2"}, {variable: $request_method, value: POST}]
            action: {pass: tea}
          errorPages:
          - {codes: [502, 503], return: {code: 200, body: "${upstream_status}"}}
        """,
    ) == []  # fmt: skip


@pytest.mark.parametrize(("spec", "words"), table())
def test_what_is_wrong_is_one_sentence(spec: str, words: str) -> None:
    found = faults(*spec.replace("TEA", TEA).splitlines())
    assert any(fault.startswith(words) for fault in found), found


def test_every_fault_is_reported() -> None:
    assert len(faults("host: ''", "tls: {secret: Upper}", "routes: [{path: /, action: {pass: milk}}]")) == 3


def test_an_empty_text_is_no_text() -> None:
    upstream = "upstreams: [{name: a, service: a, port: 80, connect-timeout: '', lb-method: ''}]"
    assert faults(upstream, "routes: [{path: /, action: {pass: a}}]") == []


def test_a_host_without_routes_is_a_warning() -> None:
    item = VirtualServer.convert({"metadata": {"name": "cafe", "namespace": "default"}, "spec": {"host": "cafe.test"}})
    valid, (problem,) = validate_virtual_server(item, Rules())
    assert valid
    assert str(problem) == (
        "spec.routes: is empty, so that no request for the host has a backend; add a route (requests are answered 404)"
    )


@pytest.mark.parametrize(
    ("text", "modifier", "path"),
    [("/a", "", "/a"), ("=/a", "=", "/a"), ("= /a", "=", "/a"), ("^~/a", "^~", "/a"), ("~ a", "~", "a"),
     ("~*  a", "~*", "a")],
)  # fmt: skip
def test_a_path_has_a_modifier(text: str, modifier: str, path: str) -> None:
    assert RoutePath.of(text) == RoutePath(modifier, path)


ISSUED = "tls: {secret: cafe, cert-manager: {issuer: ca, duration: 90d}}"
RECORDED = "externalDNS: {enable: true, recordTTL: -1}"


@pytest.mark.parametrize(
    ("spec", "flag", "words"),
    [
        (ISSUED, "enable-cert-manager", "spec.tls.cert-manager.duration: '90d' is not a duration"),
        (RECORDED, "enable-external-dns", "spec.externalDNS.recordTTL: '-1' is out of range"),
    ],
)
def test_objects_that_are_not_made_are_warnings(spec: str, flag: str, words: str) -> None:
    routes = [{"path": "/", "action": {"return": {"body": "cafe"}}}]
    parts = {"host": "cafe.test", "routes": routes, **yaml.safe_load(spec)}
    item = VirtualServer.convert({"metadata": {"name": "cafe", "namespace": "default"}, "spec": parts})
    for gates, beginning in ((frozenset[str](), f": needs -{flag} ("), (frozenset({flag}), words)):
        valid, (problem,) = validate_virtual_server(item, Rules(gates=gates))
        assert valid
        assert beginning in str(problem)
