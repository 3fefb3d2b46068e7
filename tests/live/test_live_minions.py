"""A minion that nginx refuses costs its own paths alone; it and its siblings are told what is true of each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, endpoints, ingress, path, service
from tests.waiting import wait_until

HOST = "shop.test"
FLAGS = ("-enable-snippets",)
BROKEN = "nonsense on;"
MASTER = "Ingress default/shop"


def master(host: str = HOST, **annotations: str) -> Json:
    return ingress("shop", {host: []}, mergeable_ingress_type="master", **annotations)


def minion(name: str, *paths: str, text: str = "", host: str = HOST, **more: Any) -> Json:
    """A minion that answers *text*, its name if that is empty, on *paths*, ``/NAME`` if there are none."""
    more = {"location_snippets": f'return 200 "{text or name}";', **more}
    wanted: Iterable[str] = paths or (f"/{name}",)
    return ingress(name, {host: [path("tea", each) for each in wanted]}, mergeable_ingress_type="minion", **more)


def proxied(name: str, **annotations: str) -> Json:
    """A minion that asks the Service ``tea`` for ``/NAME``."""
    rules = {HOST: [path("tea", f"/{name}")]}
    return ingress(name, rules, mergeable_ingress_type="minion", **annotations)


def last(headgate: HeadgateProcess, name: str, namespace: str = "default") -> tuple[str, str]:
    """Return reason and message of the newest event about an Ingress, empty texts if there is none."""
    return (headgate.events(f"Ingress {namespace}/{name}") or [("", "")])[-1]


def bodies(headgate: HeadgateProcess, *paths: str) -> list[str]:
    answers = (headgate.get(HOST, each) for each in paths)
    return [answer.body if answer.status == 200 else str(answer.status) for answer in answers]


def wait_refused(headgate: HeadgateProcess, name: str, after: str, namespace: str = "default") -> str:
    """Wait until the owner of an Ingress reads that nginx refuses it, and what is served now; return nginx's words."""
    wait_until(lambda: f"; {after}" in last(headgate, name, namespace)[1])
    reason, message = last(headgate, name, namespace)
    assert reason == "AddedOrUpdatedWithError"
    return message


KEPT, NOTHING = "the previous configuration is kept", "nothing is served for it"


def test_a_bad_minion_of_another_team_does_not_keep_the_others_from_starting(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    bad = minion("bad", "/b", namespace="team-b", location_snippets=BROKEN)
    manifests.put(master(), minion("good", "/"), bad, service("tea", "team-b"))
    headgate = serve_manifests(*FLAGS)
    assert bodies(headgate, "/", "/any") == ["good", "good"]
    assert 'unknown directive "nonsense"' in wait_refused(headgate, "bad", NOTHING, "team-b")
    assert (last(headgate, "shop")[0], last(headgate, "good")[0]) == ("AddedOrUpdated", "AddedOrUpdated")


def test_a_bad_minion_holds_back_no_change_of_the_others(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(master(), minion("good", "/"))
    headgate = serve_manifests(*FLAGS)
    manifests.put(minion("bad", "/b", location_snippets=BROKEN))
    wait_refused(headgate, "bad", NOTHING)
    manifests.put(minion("good", "/", "/new", text="changed"))
    wait_until(lambda: bodies(headgate, "/new") == ["changed"])
    assert BROKEN not in headgate.file("attached/shop.test/default-bad.locations")
    manifests.put(minion("bad", "/b"))
    wait_until(lambda: bodies(headgate, "/b") == ["bad"])
    wait_until(lambda: last(headgate, "bad")[0] == "AddedOrUpdated")
    told = [reason for name in ("shop", "good") for reason, _ in headgate.events(f"Ingress default/{name}")]
    assert set(told) == {"AddedOrUpdated"}


def test_bad_updates_keep_what_was_served_of_each(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(master(), *(minion(name) for name in "abc"))
    headgate = serve_manifests(*FLAGS)
    manifests.put(minion("a", "/a", "/more", location_snippets=BROKEN), minion("b", text="new"))
    manifests.put(minion("c", location_snippets="proxy_buffering;"))
    wait_refused(headgate, "a", KEPT)
    assert 'invalid number of arguments in "proxy_buffering"' in wait_refused(headgate, "c", KEPT)
    wait_until(lambda: bodies(headgate, "/a", "/b", "/c", "/more") == ["a", "new", "c", "404"])


def test_a_minion_that_leaves_the_rest_to_nobody_keeps_it_while_it_is_refused(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(master(), minion("a", "/"))
    headgate = serve_manifests(*FLAGS)
    manifests.put(minion("a", "/elsewhere", location_snippets=BROKEN))
    wait_refused(headgate, "a", KEPT)
    assert bodies(headgate, "/", "/any") == ["a", "a"]


def test_a_path_goes_to_its_new_holder_though_the_old_one_is_refused(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(master(), minion("a", "/x"))
    headgate = serve_manifests(*FLAGS)
    manifests.put(minion("a", "/y", location_snippets=BROKEN))
    wait_refused(headgate, "a", KEPT)
    assert bodies(headgate, "/x") == ["a"]
    manifests.put(minion("b", "/x"))
    wait_until(lambda: bodies(headgate, "/x") == ["b"])
    wait_refused(headgate, "a", NOTHING)


def test_a_minion_that_is_deleted_while_it_is_refused_is_gone(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(master(), minion("a"), minion("b"))
    headgate = serve_manifests(*FLAGS)
    manifests.put(bad := minion("a", location_snippets=BROKEN))
    wait_refused(headgate, "a", KEPT)
    manifests.delete(bad)
    wait_until(lambda: bodies(headgate, "/a", "/b") == ["404", "b"])
    assert headgate.file("attached/shop.test/default-a.locations") == ""
    manifests.put(minion("a", text="again"))
    wait_until(lambda: bodies(headgate, "/a") == ["again"])
    manifests.delete(master(), minion("a"), minion("b"))
    wait_until(lambda: not (headgate.prefix / "etc" / "attached" / HOST).exists())


def test_regular_expressions_of_several_minions_stay_in_order(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    def regex(name: str, pattern: str, **more: Any) -> Json:
        return minion(name, pattern, path_regex="case_sensitive", **more)

    those = [regex("a", "/tea/green"), regex("b", "/tea/.*"), regex("c", "/t.*"), minion("d", "/tea")]
    manifests.put(master(), *those)
    headgate = serve_manifests(*FLAGS)
    asked = ("/tea/green", "/tea/black", "/toast", "/tea")
    assert bodies(headgate, *asked) == ["a", "b", "c", "d"]
    manifests.put(regex("b", "/tea/.*", location_snippets=BROKEN), regex("c", "/t.*", text="new"))
    wait_refused(headgate, "b", KEPT)
    assert bodies(headgate, *asked) == ["a", "b", "new", "d"]


def test_a_bad_master_keeps_what_it_served_and_its_minions_go_on(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(master(), minion("a"))
    headgate = serve_manifests(*FLAGS)
    manifests.put(master(server_snippets=BROKEN), minion("a", text="new"), minion("b", "/"))
    wait_refused(headgate, "shop", KEPT)
    wait_until(lambda: bodies(headgate, "/a", "/any") == ["new", "b"])
    wait_until(lambda: last(headgate, "b")[0] == "AddedOrUpdated")
    assert last(headgate, "a")[0] == "AddedOrUpdated"


def test_a_bad_master_of_which_nothing_is_served_is_told_to_its_minions(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(master(server_snippets=BROKEN), minion("a"), minion("b", location_snippets=BROKEN))
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests(*FLAGS)
    assert headgate.get("tea.test").status == 200
    wait_refused(headgate, "shop", NOTHING)
    for name in ("a", "b"):
        words = wait_refused(headgate, name, NOTHING)
        assert f'{MASTER}, to which it belongs, was refused: unknown directive "nonsense"' in words
    # Now nginx reads for the first time what the minions say.
    manifests.put(master())
    wait_until(lambda: bodies(headgate, "/a", "/b") == ["a", "404"])
    wait_until(lambda: last(headgate, "a")[0] == last(headgate, "shop")[0] == "AddedOrUpdated")
    assert MASTER not in wait_refused(headgate, "b", NOTHING)


def test_a_bad_snippet_that_a_master_hands_down_is_told_to_the_master_too(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int
) -> None:
    manifests.put(endpoints("tea", "127.0.0.1", port=tea))
    manifests.put(master(), proxied("heir"), minion("other"))
    headgate = serve_manifests(*FLAGS)
    manifests.put(master(location_snippets=BROKEN), minion("other", text="new"))
    wait_refused(headgate, "heir", KEPT)
    words = (
        'is included in the locations of Ingress default/heir too, which nginx refuses: unknown directive "nonsense"'
    )
    wait_until(lambda: f"nginx.org/location-snippets: {words}" in last(headgate, "shop")[1])
    wait_until(lambda: bodies(headgate, "/other") == ["new"])
    assert headgate.get(HOST, "/heir").status == 200
    manifests.put(master(location_snippets="# nothing"))
    wait_until(lambda: last(headgate, "shop")[0] == last(headgate, "heir")[0] == "AddedOrUpdated")


def test_a_master_that_asks_for_another_host_with_a_bad_snippet_serves_no_minion_of_that_host(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(master(), minion("a"), minion("b", host="other.test"))
    headgate = serve_manifests(*FLAGS)
    manifests.put(master("other.test", server_snippets=BROKEN))
    wait_refused(headgate, "shop", KEPT)
    wait_refused(headgate, "b", NOTHING)
    wait_until(lambda: bodies(headgate, "/a", "/b") == ["404", "404"])
    assert last(headgate, "a")[0] == "NoIngressMasterFound"
    assert headgate.get("other.test", "/b").status == 404
    manifests.put(master("other.test"))
    wait_until(lambda: headgate.get("other.test", "/b").body == "b")


def test_a_minion_in_the_way_of_its_master_is_served_once_the_master_gives_way(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(master(server_snippets='location /a/ { return 200 "mine"; }'), minion("a"), minion("b"))
    headgate = serve_manifests(*FLAGS)
    assert 'duplicate location "/a/"' in wait_refused(headgate, "a", NOTHING)
    assert bodies(headgate, "/a/x", "/b") == ["mine", "b"]
    manifests.put(master())
    wait_until(lambda: bodies(headgate, "/a/x") == ["a"])
    wait_until(lambda: last(headgate, "a")[0] == "AddedOrUpdated")


@pytest.mark.parametrize("bad", ["x", "a-x"])
def test_minions_whose_files_would_be_called_alike_are_told_apart(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, bad: str
) -> None:
    places = {"x": "team-a", "a-x": "team"}
    for name, namespace in places.items():
        more = {"location_snippets": BROKEN} if name == bad else {}
        item = minion(name, namespace=namespace, **more)
        (manifests.path / f"{name}-of-{namespace}.json").write_text(json.dumps(item))
        manifests.put(service("tea", namespace))
    manifests.put(master())
    headgate = serve_manifests(*FLAGS)
    wait_refused(headgate, bad, NOTHING, places[bad])
    good = next(name for name in places if name != bad)
    assert bodies(headgate, f"/{good}", f"/{bad}") == [good, "404"]


def test_the_limit_and_the_backends_of_a_minion_come_and_go_with_it(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int
) -> None:
    manifests.put(endpoints("tea", "127.0.0.1", port=tea))
    limited = proxied("a", limit_req_rate="100r/s", limit_req_key="${uri}")
    manifests.put(master(), limited, minion("b"))
    headgate = serve_manifests(*FLAGS)
    assert headgate.get(HOST, "/a").status == 200
    # Only nginx knows that there is no such variable.
    manifests.put(proxied("a", limit_req_rate="1r/s", limit_req_key="${http2_missing}"), minion("b", text="new"))
    wait_refused(headgate, "a", KEPT)
    wait_until(lambda: bodies(headgate, "/b") == ["new"])
    assert headgate.get(HOST, "/a").status == 200
    assert "rate=100r/s" in headgate.file("conf.d/default-a.conf")
