"""Hosts and paths through a serving nginx of each build: one running controller, one folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import cafe, endpoints, ingress, path, service

PATHS = (
    path("tea", "/prefix"),
    path("tea", "/exact", "Exact"),
    path("tea", "/slash/", "Exact"),
    path("tea", "/implementation", "ImplementationSpecific"),
    path("coffee", "/prefix/deeper"),
)


@pytest.fixture(scope="module")
def headgate(nginx_binary: str, tea: int, coffee: int) -> Iterator[HeadgateProcess]:
    with short_directory() as directory:
        manifests = cafe(directory, tea)
        manifests.put(
            service("coffee"),
            endpoints("coffee", "127.0.0.1", port=coffee),
            service("nobody"),
            ingress("paths", {"paths.test": PATHS}),
            ingress("wild", {"*.wild.test": [path("tea")], "own.wild.test": [path("coffee")]}),
            ingress("fallback", {"fallback.test": [path("tea", "/tea")]}, default="coffee"),
            ingress("nobody", {"nobody.test": [path("nobody")]}),
            ingress("any", {"": [path("tea", "/anywhere")]}),
        )
        running = HeadgateProcess(directory, nginx_binary, f"--manifests={manifests.path}", "-allow-empty-ingress-host")
        running.start_ready()
        yield running
        running.stop()


@pytest.mark.parametrize(
    ("uri", "backend"),
    [
        ("/prefix", "tea"),
        ("/prefix/", "tea"),
        ("/prefix/x?q=1", "tea"),
        ("/prefixes", None),
        ("/prefix/deeper", "coffee"),
        ("/prefix/deeper/x", "coffee"),
        ("/prefix/deeperest", "tea"),
        ("/exact", "tea"),
        ("/exact/", None),
        ("/slash/", "tea"),
        ("/slash", None),
        ("/slash/x", None),
        ("/implementation", "tea"),
        ("/implementations", "tea"),
        ("/", None),
        ("/index.html", None),
    ],
)
def test_a_path_is_served_by_its_rule_or_not_at_all(headgate: HeadgateProcess, uri: str, backend: str | None) -> None:
    answer = headgate.get("paths.test", uri)
    if backend is None:
        assert answer.status == 404
    else:
        assert answer.status == 200
        assert f"Server name: {backend}\n" in answer.body
        assert f"URI: {uri}\n" in answer.body


@pytest.mark.parametrize(
    ("host", "backend"),
    [
        ("a.wild.test", "tea"),
        ("A.Wild.Test", "tea"),
        ("own.wild.test", "coffee"),
        ("a.b.wild.test", None),
        ("wild.test", None),
        ("paths.test:8080", None),
    ],
)
def test_a_wildcard_covers_one_label_and_a_named_host_comes_first(
    headgate: HeadgateProcess, host: str, backend: str | None
) -> None:
    answer = headgate.get(host, "/")
    assert (answer.status == 200, f"Server name: {backend}\n" in answer.body) == (bool(backend), bool(backend))


def test_a_host_may_come_with_a_port(headgate: HeadgateProcess) -> None:
    assert headgate.get("paths.test:8080", "/exact").status == 200


def test_the_default_backend_serves_paths_without_a_rule(headgate: HeadgateProcess) -> None:
    assert "Server name: tea\n" in headgate.get("fallback.test", "/tea").body
    assert "Server name: coffee\n" in headgate.get("fallback.test", "/other").body


def test_a_service_without_endpoints_is_502(headgate: HeadgateProcess) -> None:
    assert headgate.get("nobody.test").status == 502


@pytest.mark.parametrize("host", ["unknown.test", "127.0.0.1"])
def test_a_rule_without_host_serves_all_other_hosts(headgate: HeadgateProcess, host: str) -> None:
    assert headgate.get(host, "/anywhere").status == 200
    assert headgate.get(host, "/else").status == 404


def test_a_backend_receives_the_clients_address_and_host(headgate: HeadgateProcess) -> None:
    body = headgate.get("paths.test", "/exact").body
    for header in ("Host: paths.test", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Real-IP: 127.0.0.1"):
        assert f"  {header}\n" in body
