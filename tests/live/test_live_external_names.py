"""A Service whose name does not resolve costs the requests for it, and its Ingresses are told; later it is served."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, ingress, path, service
from tests.nginx_binaries import ANY_NGINX
from tests.unresolved_names import UnresolvedNames
from tests.waiting import wait_until

NOWHERE = "legacy.test"
FLAGS = ("-enable-snippets",)
UNREACHABLE = "Service default/legacy cannot be reached by its name: host not found in upstream"
UNTIL = "requests for it are answered 502 until its name resolves; it is tried again"


@pytest.fixture
def names(directory: Path) -> UnresolvedNames:
    return UnresolvedNames(directory, ANY_NGINX, NOWHERE)


def external(name: str = NOWHERE, service_name: str = "legacy") -> Json:
    return service(service_name, type="ExternalName", externalName=name)


def site(name: str, tea: int, **more: str) -> Json:
    """An Ingress for ``NAME.test`` with ``/`` at the Service ``tea`` and ``/legacy`` at the external one."""
    return ingress(name, {f"{name}.test": paths(tea)}, **more)


def paths(tea: int, root: str = "/") -> list[Json]:
    legacy = path("legacy", "/legacy")
    legacy["backend"]["service"]["port"]["number"] = tea
    return [path("tea", root), legacy]


def statuses(headgate: HeadgateProcess, host: str = "site.test") -> tuple[int, int]:
    return headgate.get(host).status, headgate.get(host, "/legacy").status


def last(headgate: HeadgateProcess, name: str = "site") -> tuple[str, str]:
    return (headgate.events(f"Ingress default/{name}") or [("", "")])[-1]


def test_a_name_that_does_not_resolve_costs_its_paths_until_the_service_has_another(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, names: UnresolvedNames, tea: int
) -> None:
    manifests.put(external(), site("site", tea), ingress("other", "other.test"))
    headgate = serve_manifests(nginx=str(names.program))
    assert (statuses(headgate), headgate.get("other.test").status) == ((200, 502), 200)
    wait_until(lambda: last(headgate))
    reason, message = last(headgate)
    assert reason == "AddedOrUpdatedWithWarning"
    assert message.endswith(f'{UNREACHABLE} "{NOWHERE}:{tea}" ({UNTIL})')
    assert last(headgate, "other")[0] == "AddedOrUpdated"
    manifests.put(external("localhost"))
    wait_until(lambda: statuses(headgate) == (200, 200))
    wait_until(lambda: last(headgate)[0] == "AddedOrUpdated")


def test_a_name_is_tried_again_and_served_once_it_resolves(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, names: UnresolvedNames, tea: int
) -> None:
    names.set("localhost")
    manifests.put(external("localhost"), site("site", tea), site("twin", tea))
    headgate = serve_manifests(nginx=str(names.program))
    for name in ("site", "twin"):
        assert statuses(headgate, f"{name}.test") == (200, 502)
        wait_until(lambda name=name: UNREACHABLE in last(headgate, name)[1])
    names.set()
    wait_until(lambda: statuses(headgate) == statuses(headgate, "twin.test") == (200, 200))
    wait_until(lambda: last(headgate)[0] == last(headgate, "twin")[0] == "AddedOrUpdated")


def test_a_name_that_no_longer_resolves_holds_back_no_change(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, names: UnresolvedNames, tea: int
) -> None:
    manifests.put(external("localhost"), site("site", tea))
    headgate = serve_manifests(nginx=str(names.program))
    assert statuses(headgate) == (200, 200)
    names.set("localhost")
    manifests.put(ingress("late", "late.test"))
    wait_until(lambda: headgate.get("late.test").status == 200)
    wait_until(lambda: UNREACHABLE in last(headgate)[1])
    assert statuses(headgate) == (200, 502)
    os.kill(headgate.master, signal.SIGKILL)
    wait_until(lambda: "was restarted" in headgate.log_text())
    assert statuses(headgate) == (200, 502)
    names.set()
    wait_until(lambda: statuses(headgate) == (200, 200))


def test_what_one_ingress_asks_of_its_upstream_does_not_concern_others_with_the_same_service(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, names: UnresolvedNames, tea: int
) -> None:
    manifests.put(external("localhost"), site("site", tea, lb_method="hash $nosuch"), site("twin", tea))
    headgate = serve_manifests(nginx=str(names.program))
    assert statuses(headgate, "twin.test") == (200, 200)
    wait_until(lambda: 'unknown "nosuch" variable' in last(headgate)[1])
    assert last(headgate, "twin")[0] == "AddedOrUpdated"


def test_an_earlier_name_goes_on_while_the_new_one_does_not_resolve(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, names: UnresolvedNames, tea: int
) -> None:
    manifests.put(external("localhost"), site("site", tea))
    headgate = serve_manifests(nginx=str(names.program))
    manifests.put(external(), ingress("late", "late.test"))
    wait_until(lambda: "requests go to its earlier name" in last(headgate)[1])
    wait_until(lambda: headgate.get("late.test").status == 200)
    assert statuses(headgate) == (200, 200)


def test_the_minion_that_points_at_it_is_told_and_its_siblings_are_not(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, names: UnresolvedNames, tea: int
) -> None:
    """A bad snippet beside it is another matter: each is told of its own."""
    shop = {"mergeable_ingress_type": "master"}
    minion = {"mergeable_ingress_type": "minion"}
    manifests.put(external(), ingress("shop", {"shop.test": []}, **shop))
    manifests.put(
        ingress("good", {"shop.test": [path("tea")]}, **minion),
        ingress("old", {"shop.test": paths(tea, "/old")}, **minion),
        ingress("bad", {"shop.test": [path("tea", "/bad")]}, location_snippets="nonsense on;", **minion),
    )
    headgate = serve_manifests(*FLAGS, nginx=str(names.program))
    assert statuses(headgate, "shop.test") == (200, 502)
    assert headgate.get("shop.test", "/old").status == 200
    wait_until(lambda: UNREACHABLE in last(headgate, "old")[1])
    wait_until(lambda: "nonsense" in last(headgate, "bad")[1])
    assert (last(headgate, "shop")[0], last(headgate, "good")[0]) == ("AddedOrUpdated", "AddedOrUpdated")


def test_an_ingress_that_nginx_refuses_besides_is_told_of_both(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, names: UnresolvedNames, tea: int
) -> None:
    manifests.put(external(), site("site", tea, server_snippets="nonsense on;"), ingress("other", "other.test"))
    headgate = serve_manifests(*FLAGS, nginx=str(names.program))
    assert headgate.get("other.test").status == 200
    wait_until(lambda: "nothing is served for it" in last(headgate)[1])
    assert 'unknown directive "nonsense"' in last(headgate)[1]
    wait_until(lambda: UNREACHABLE in last(headgate)[1])
    manifests.put(site("site", tea))
    wait_until(lambda: statuses(headgate) == (200, 502))
    wait_until(lambda: last(headgate)[0] == "AddedOrUpdatedWithWarning")
