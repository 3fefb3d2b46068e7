"""Ingresses that nginx refuses, those without a host above all: they harm nobody, and events tell what is served."""

from __future__ import annotations

import socket

import pytest
from live_objects import Json, Manifests, answering, ingress, path
from live_places import until
from live_program import Program, Start, ask

FLAGS = ("-allow-empty-ingress-host", "-enable-snippets")
BROKEN = "sub_filter_once invalid;"
ANYBODY = "nobody-named.test"


def last(program: Program, name: str) -> tuple[str, str]:
    """Return reason and message of the newest event about an Ingress, empty texts if there is none."""
    return (program.events(f"Ingress default/{name}") or [("", "")])[-1]


def posix_class() -> Json:
    """An Ingress whose path is a regular expression that only nginx knows to be none."""
    return ingress("x", {"": [path("tea", "/[[:foo:]]")]}, path_regex="case_sensitive")


REFUSED = {"path": posix_class(), "snippet": answering("x", "", "x", server_snippets=BROKEN)}


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED)
def test_one_that_nginx_refuses_does_not_keep_a_new_pod_from_starting(
    serve: Start, manifests: Manifests, bad: Json
) -> None:
    manifests.put(bad, ingress("tea", "tea.test"))
    program = serve(*FLAGS)
    assert program.get("tea.test").status == 200
    assert program.get(ANYBODY).status == 404
    until(lambda: last(program, "x")[1].endswith("nothing is served for it"))
    assert last(program, "tea")[0] == "AddedOrUpdated"


def test_a_deleted_one_does_not_serve_in_place_of_its_refused_successor(serve: Start, manifests: Manifests) -> None:
    elder = answering("elder", "", "elder", created="2026-01-01T00:00:00Z")
    younger = answering("younger", "", "younger", created="2026-02-01T00:00:00Z", server_snippets=BROKEN)
    manifests.put(elder, younger)
    program = serve(*FLAGS)
    assert program.get(ANYBODY).body == "elder"
    manifests.delete(elder)
    until(lambda: program.get(ANYBODY).status == 404)
    until(lambda: last(program, "younger")[1].endswith("nothing is served for it"))
    manifests.put(ingress("tea", "tea.test"))
    until(lambda: program.get("tea.test").status == 200)
    assert program.get(ANYBODY).status == 404
    assert "elder" not in program.file("conf.d/_default-server.conf")


def test_one_that_asks_for_a_host_with_a_bad_snippet_keeps_what_it_served_and_says_so(
    serve: Start, manifests: Manifests
) -> None:
    manifests.put(answering("x", "", "one"))
    program = serve(*FLAGS)
    assert program.get(ANYBODY).body == "one"
    manifests.put(answering("x", "x.test", "two", server_snippets=BROKEN), ingress("tea", "tea.test"))
    until(lambda: program.get("tea.test").status == 200)
    until(lambda: last(program, "x")[1].endswith("the previous configuration is kept"))
    assert program.get(ANYBODY).body == "one"
    # Somebody else takes what it no longer asks for: now nothing of it is served, and that is said.
    manifests.put(answering("y", "", "three"))
    until(lambda: program.get(ANYBODY).body == "three")
    until(lambda: last(program, "x")[1].endswith("nothing is served for it"))
    manifests.put(answering("x", "x.test", "two"))
    until(lambda: program.get("x.test").body == "two")
    until(lambda: last(program, "x")[0] == "AddedOrUpdated")


def test_a_host_that_went_to_another_ingress_is_not_kept_by_one_that_is_refused(
    serve: Start, manifests: Manifests
) -> None:
    manifests.put(answering("a", "shop.test", "old"))
    program = serve(*FLAGS)
    assert program.get("shop.test").body == "old"
    manifests.put(answering("a", "other.test", "old", server_snippets=BROKEN))
    until(lambda: last(program, "a")[1].endswith("the previous configuration is kept"))
    assert program.get("shop.test").body == "old"
    manifests.put(answering("b", "shop.test", "new"))
    until(lambda: program.get("shop.test").body == "new")
    until(lambda: last(program, "a")[1].endswith("nothing is served for it"))


def test_who_needs_what_a_deleted_ingress_had_is_told_and_heals_when_it_is_back(
    serve: Start, manifests: Manifests
) -> None:
    maker = ingress("maker", {"maker.test": [path("tea")]})
    user = ingress("user", {"user.test": [path("tea")]},
                   location_snippets="if ($arg_x) { proxy_pass http://default-maker-maker.test-tea-80; }")  # fmt: skip
    manifests.put(maker, user, ingress("other", "other.test"))
    program = serve(*FLAGS)
    assert program.get("user.test", "/?x=1").status == 200
    manifests.delete(maker)
    until(lambda: program.get("maker.test").status == 404)
    until(lambda: "host not found in upstream" in last(program, "user")[1])
    assert (program.get("user.test").status, program.get("other.test").status) == (404, 200)
    manifests.put(maker)
    until(lambda: program.get("user.test", "/?x=1").status == 200)
    until(lambda: last(program, "user")[0] == "AddedOrUpdated")


def test_a_port_that_another_process_has_is_taken_once_it_is_free(serve: Start, manifests: Manifests) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        manifests.put(ingress("late", "late.test", listen_ports=str(port)), ingress("tea", "tea.test"))
        program = serve(*FLAGS, "-disable-ipv6")
        assert program.get("tea.test").status == 200
        until(lambda: "Address already in use" in last(program, "late")[1])
    until(lambda: last(program, "late")[0] == "AddedOrUpdated", 30)
    assert ask(port, "late.test", "/").status == 200
