"""Hosts and paths through a serving nginx of each build: one running controller, one folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.live_objects import cafe, endpoints, ingress, path, service
from tests.live.live_places import short_folder
from tests.live.live_program import Program

PATHS = (
    path("tea", "/prefix"),
    path("tea", "/exact", "Exact"),
    path("tea", "/slash/", "Exact"),
    path("tea", "/implementation", "ImplementationSpecific"),
    path("coffee", "/prefix/deeper"),
)


@pytest.fixture(scope="module")
def program(build: str, tea: int, coffee: int) -> Iterator[Program]:
    with short_folder() as folder:
        manifests = cafe(folder, tea)
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
        running = Program(folder, build, f"--manifests={manifests.path}", "-allow-empty-ingress-host")
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
def test_a_path_is_served_by_its_rule_or_by_nobody(program: Program, uri: str, backend: str | None) -> None:
    answer = program.get("paths.test", uri)
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
    program: Program, host: str, backend: str | None
) -> None:
    answer = program.get(host, "/")
    assert (answer.status == 200, f"Server name: {backend}\n" in answer.body) == (bool(backend), bool(backend))


def test_a_host_may_come_with_a_port(program: Program) -> None:
    assert program.get("paths.test:8080", "/exact").status == 200


def test_a_default_backend_takes_what_no_path_takes(program: Program) -> None:
    assert "Server name: tea\n" in program.get("fallback.test", "/tea").body
    assert "Server name: coffee\n" in program.get("fallback.test", "/other").body


def test_a_service_without_endpoints_is_502(program: Program) -> None:
    assert program.get("nobody.test").status == 502


@pytest.mark.parametrize("host", ["unknown.test", "127.0.0.1"])
def test_a_rule_without_host_serves_what_no_other_host_takes(program: Program, host: str) -> None:
    assert program.get(host, "/anywhere").status == 200
    assert program.get(host, "/else").status == 404


def test_a_backend_learns_who_asked(program: Program) -> None:
    body = program.get("paths.test", "/exact").body
    for header in ("Host: paths.test", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Real-IP: 127.0.0.1"):
        assert f"  {header}\n" in body
