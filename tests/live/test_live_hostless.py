"""Ingresses that nginx refuses, those without a host above all: they harm nobody, and events tell what is served."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from showcase.ports import free_port

from tests.live.headgate_process import HeadgateProcess, StartHeadgate, ask
from tests.live.json_objects import Json, ManifestFolder, answering, ingress, path
from tests.waiting import wait_until

FLAGS = ("-allow-empty-ingress-host", "-enable-snippets")
BROKEN = "sub_filter_once invalid;"
ANYBODY = "nobody-named.test"


def last(headgate: HeadgateProcess, name: str) -> tuple[str, str]:
    """Return reason and message of the newest event about an Ingress, empty texts if there is none."""
    return (headgate.events(f"Ingress default/{name}") or [("", "")])[-1]


def posix_class() -> Json:
    """An Ingress whose path is a regular expression that only nginx knows to be none."""
    return ingress("x", {"": [path("tea", "/[[:foo:]]")]}, path_regex="case_sensitive")


REFUSED = {"path": posix_class(), "snippet": answering("x", "", "x", server_snippets=BROKEN)}


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED)
def test_an_ingress_that_nginx_refuses_does_not_keep_a_new_pod_from_starting(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, bad: Json
) -> None:
    manifests.put(bad, ingress("tea", "tea.test"))
    headgate = serve_manifests(*FLAGS)
    assert headgate.get("tea.test").status == 200
    assert headgate.get(ANYBODY).status == 404
    wait_until(lambda: last(headgate, "x")[1].endswith("nothing is served for it"))
    assert last(headgate, "tea")[0] == "AddedOrUpdated"


def test_a_deleted_ingress_does_not_serve_in_place_of_its_refused_successor(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    elder = answering("elder", "", "elder", created="2026-01-01T00:00:00Z")
    younger = answering("younger", "", "younger", created="2026-02-01T00:00:00Z", server_snippets=BROKEN)
    manifests.put(elder, younger)
    headgate = serve_manifests(*FLAGS)
    assert headgate.get(ANYBODY).body == "elder"
    manifests.delete(elder)
    wait_until(lambda: headgate.get(ANYBODY).status == 404)
    wait_until(lambda: last(headgate, "younger")[1].endswith("nothing is served for it"))
    manifests.put(ingress("tea", "tea.test"))
    wait_until(lambda: headgate.get("tea.test").status == 200)
    assert headgate.get(ANYBODY).status == 404
    assert "elder" not in headgate.file("conf.d/_default-server.conf")


def test_an_ingress_that_claims_a_host_with_a_bad_snippet_keeps_serving_and_reports_it(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(answering("x", "", "one"))
    headgate = serve_manifests(*FLAGS)
    assert headgate.get(ANYBODY).body == "one"
    manifests.put(answering("x", "x.test", "two", server_snippets=BROKEN), ingress("tea", "tea.test"))
    wait_until(lambda: headgate.get("tea.test").status == 200)
    wait_until(lambda: last(headgate, "x")[1].endswith("the previous configuration is kept"))
    assert headgate.get(ANYBODY).body == "one"
    # Somebody else takes what it no longer asks for: now nothing of it is served, and that is said.
    manifests.put(answering("y", "", "three"))
    wait_until(lambda: headgate.get(ANYBODY).body == "three")
    wait_until(lambda: last(headgate, "x")[1].endswith("nothing is served for it"))
    manifests.put(answering("x", "x.test", "two"))
    wait_until(lambda: headgate.get("x.test").body == "two")
    wait_until(lambda: last(headgate, "x")[0] == "AddedOrUpdated")


def test_a_host_that_went_to_another_ingress_is_not_kept_by_one_that_is_refused(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(answering("a", "shop.test", "old"))
    headgate = serve_manifests(*FLAGS)
    assert headgate.get("shop.test").body == "old"
    manifests.put(answering("a", "other.test", "old", server_snippets=BROKEN))
    wait_until(lambda: last(headgate, "a")[1].endswith("the previous configuration is kept"))
    assert headgate.get("shop.test").body == "old"
    manifests.put(answering("b", "shop.test", "new"))
    wait_until(lambda: headgate.get("shop.test").body == "new")
    wait_until(lambda: last(headgate, "a")[1].endswith("nothing is served for it"))


def test_an_ingress_that_needs_part_of_a_deleted_one_is_reported_and_recovers_when_it_is_recreated(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    maker = ingress("maker", {"maker.test": [path("tea")]})
    user = ingress("user", {"user.test": [path("tea")]},
                   location_snippets="if ($arg_x) { proxy_pass http://default-maker-maker.test-tea-80; }")  # fmt: skip
    manifests.put(maker, user, ingress("other", "other.test"))
    headgate = serve_manifests(*FLAGS)
    assert headgate.get("user.test", "/?x=1").status == 200
    manifests.delete(maker)
    wait_until(lambda: headgate.get("maker.test").status == 404)
    wait_until(lambda: "host not found in upstream" in last(headgate, "user")[1])
    assert (headgate.get("user.test").status, headgate.get("other.test").status) == (404, 200)
    manifests.put(maker)
    wait_until(lambda: headgate.get("user.test", "/?x=1").status == 200)
    wait_until(lambda: last(headgate, "user")[0] == "AddedOrUpdated")


def test_an_ingress_that_no_longer_works_does_not_prevent_a_restart_of_nginx_and_is_reported(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, directory: Path
) -> None:
    outside = directory / "x.inc"
    outside.write_text("# nothing")
    manifests.put(ingress("x", "x.test", server_snippets=f"include {outside};"), ingress("tea", "tea.test"))
    headgate = serve_manifests(*FLAGS)
    assert (headgate.get("x.test").status, headgate.get("tea.test").status) == (200, 200)
    outside.unlink()
    os.kill(headgate.master, signal.SIGKILL)
    wait_until(lambda: "No such file" in last(headgate, "x")[1])
    # The file may have kept clients out.
    wait_until(lambda: (headgate.get("x.test").status, headgate.get("tea.test").status) == (500, 200))
    outside.write_text("# nothing")
    wait_until(lambda: headgate.get("x.test").status == 200)
    wait_until(lambda: last(headgate, "x")[0] == "AddedOrUpdated")


def test_a_port_that_another_process_has_is_taken_once_it_is_free(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    port = free_port()
    with socket.create_server(("0.0.0.0", port)):
        manifests.put(ingress("late", "late.test", listen_ports=str(port)), ingress("tea", "tea.test"))
        headgate = serve_manifests(*FLAGS, "-disable-ipv6")
        assert headgate.get("tea.test").status == 200
        wait_until(lambda: "Address already in use" in last(headgate, "late")[1])
    wait_until(lambda: last(headgate, "late")[0] == "AddedOrUpdated")
    assert ask(port, "late.test", "/").status == 200
