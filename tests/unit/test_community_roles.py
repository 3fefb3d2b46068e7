"""What the roles of ingress-nginx grant is all that Headgate asks with its arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from headgate.watch.permissions import EVERYWHERE, Rule, needed
from tests.unit.test_community_flags import MANIFEST, options

ROLES = Path(__file__).parents[1] / "e2e" / "manifests" / "community-roles.yaml"
CLUSTER, OWN = (role["rules"] for role in yaml.safe_load_all(ROLES.read_text()))


def lacking(rule: Rule, granted: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return resource and verb of what *granted* does not permit of *rule*."""
    return [
        (resource, verb)
        for resource in rule.resources
        for verb in rule.verbs
        if not any(
            set(rule.groups) <= {*each["apiGroups"]}
            and resource in each["resources"]
            and verb in each["verbs"]
            and set(rule.names or ("",)) <= {*each.get("resourceNames", rule.names or ("",))}
            for each in granted
        )
    ]


def test_nothing_is_lacking() -> None:
    asked = needed(options(*MANIFEST))
    assert asked.keys() == {EVERYWHERE, "ingress-nginx"}
    assert [lacking(rule, CLUSTER) for rule in asked[EVERYWHERE]] == [[] for _ in asked[EVERYWHERE]]
    assert [lacking(rule, CLUSTER + OWN) for rule in asked["ingress-nginx"]] == [[] for _ in asked["ingress-nginx"]]


def test_with_custom_resources_their_rules_are_lacking() -> None:
    asked = needed(options(*MANIFEST, "-enable-custom-resources"))[EVERYWHERE]
    assert {resource for rule in asked for resource, _ in lacking(rule, CLUSTER)} >= {"virtualservers", "policies"}
