"""A host or a path that several objects claim: each that does not hold it is reported with the object that does."""

from __future__ import annotations

from typing import Any

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, ingress, path
from tests.waiting import wait_until

HOST = "host.test"


def claimant(name: str, day: int, **more: Any) -> Json:
    """An Ingress that answers its name, created on a day of January."""
    return ingress(name, HOST, location_snippets=f'return 200 "{name}";', created=f"2026-01-{day:02}T00:00:00Z", **more)


def minion(name: str, created: str = "") -> Json:
    """A minion that answers its name on ``/tea``."""
    rules = {HOST: [path("tea", "/tea")]}
    snippet = f'return 200 "{name}";'
    return ingress(name, rules, created=created, location_snippets=snippet, mergeable_ingress_type="minion")


def last(headgate: HeadgateProcess, name: str, namespace: str = "default") -> tuple[str, str]:
    """Return reason and message of the newest event about an Ingress, empty texts if there is none."""
    return (headgate.events(f"Ingress {namespace}/{name}") or [("", "")])[-1]


def test_the_remaining_losers_are_reported_with_the_new_holder_when_the_holder_is_deleted(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    oldest = claimant("oldest", 1, namespace="other")
    manifests.put(oldest, claimant("second", 2), claimant("third", 3), claimant("fourth", 4, namespace="other"))
    headgate = serve_manifests("-enable-snippets")
    assert headgate.get(HOST).body == "oldest"
    lost = "All hosts are taken by other resources: Ingress other/oldest, created 2026-01-01T00:00:00Z; "
    elsewhere, shared = "use another host or another ingress class", "use a master and minions"
    wait_until(lambda: last(headgate, "third")[1].startswith(lost + elsewhere))
    wait_until(lambda: last(headgate, "fourth", "other")[1].startswith(lost + shared))
    manifests.delete(oldest)
    lost = "All hosts are taken by other resources: Ingress default/second, created 2026-01-02T00:00:00Z; "
    wait_until(lambda: last(headgate, "third")[1].startswith(lost + shared))
    wait_until(lambda: last(headgate, "fourth", "other")[1].startswith(lost + elsewhere))
    assert last(headgate, "third")[0] == "Rejected"
    wait_until(lambda: headgate.get(HOST).body == "second")
    wait_until(lambda: last(headgate, "second")[0] == "AddedOrUpdated")


def test_one_claimant_less_that_did_not_hold_the_host_is_not_reported_to_the_others(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    second = claimant("second", 2)
    manifests.put(claimant("oldest", 1), second, claimant("third", 3))
    headgate = serve_manifests("-enable-snippets")
    wait_until(lambda: last(headgate, "third")[0] == "Rejected")
    manifests.delete(second)
    manifests.put(claimant("later", 5))
    wait_until(lambda: last(headgate, "later")[0] == "Rejected")
    assert len(headgate.events("Ingress default/third")) == 1


def test_a_minion_that_lost_a_path_is_reported_with_its_new_holder(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    oldest = minion("oldest", "2026-01-01T00:00:00Z")
    manifests.put(ingress("master", {HOST: []}, mergeable_ingress_type="master"))
    manifests.put(oldest, minion("second", "2026-01-02T00:00:00Z"), minion("timeless"))
    headgate = serve_manifests("-enable-snippets")
    assert headgate.get(HOST, "/tea").body == "oldest"
    lost = "path /tea is taken by another resource: Ingress default/"
    wait_until(lambda: f"{lost}oldest, created 2026-01-01T00:00:00Z; use another path" in last(headgate, "timeless")[1])
    manifests.delete(oldest)
    wait_until(lambda: f"{lost}second, created 2026-01-02T00:00:00Z; use another path" in last(headgate, "timeless")[1])
    wait_until(lambda: headgate.get(HOST, "/tea").body == "second")
