"""Every annotation and ConfigMap key of the incumbent is declared, decides what an Ingress is, or is declined."""

import csv
import re
from pathlib import Path

import pytest

from headgate.settings import INCUMBENT, REGISTRY, Scope, Where
from headgate.settings.declined import Outlook, absence, absences, declined

HERE = Path(__file__).parent


def rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="") as table:
        return list(csv.DictReader(table))


ANNOTATIONS = {row["annotation"]: row for row in rows("nic-annotations.csv")}
KEYS = {row["key"]: row for row in rows("nic-configmap.csv")}

OTHER_DEFAULTS = {
    "keepalive": ("", "nginx itself keeps connections by now; 0 turns that off where the incumbent's does not"),
    "worker-shutdown-timeout": ("60s", "without one, old workers stay as long as one client does"),
    "upstream-zone-size": ("", "256k too, but only where workers have something to share"),
    "log-format": (None, "the same format, which the table only describes"),
    "stream-log-format": (None, "the same format, which the table only describes"),
}
"""Defaults that differ from the incumbent's table, each with the reason."""


def scope(words: str) -> Scope:
    """Read the words of the table."""
    if words.startswith(("master-only", "master-effective")):
        return Scope.SERVER
    if words.startswith("minion-only") or "on a master it has no effect" in words:
        return Scope.LOCATION
    if "merged per location" in words:
        return Scope.JOINED
    return Scope.INHERITED if "copies the master value" in words else Scope.OWN


def open_source_half(text: str) -> str:
    """Take the open-source half of a default such as ``256k / 512k`` or ``256k (OSS) / 512k (Plus)``."""
    return re.sub(r"( \(OSS\))? / .*", "", text)


@pytest.mark.parametrize("key", ANNOTATIONS)
def test_annotation(key: str) -> None:
    homes = [key in REGISTRY.annotations, key in INCUMBENT.structural, bool(declined("annotation", key))]
    assert homes.count(True) == 1


@pytest.mark.parametrize("key", KEYS)
def test_configmap_key(key: str) -> None:
    assert [key in REGISTRY.keys, bool(declined("configmap", key))].count(True) == 1


@pytest.mark.parametrize("key", sorted(ANNOTATIONS.keys() & REGISTRY.annotations.keys()))
def test_mergeable_roles_are_those_of_the_incumbent(key: str) -> None:
    assert REGISTRY.annotations[key].spec.scope is scope(ANNOTATIONS[key]["mergeable_scope"])


@pytest.mark.parametrize("key", sorted(KEYS.keys() & REGISTRY.keys.keys()))
def test_default_of_a_key(key: str) -> None:
    field, row = REGISTRY.keys[key], open_source_half(KEYS[key]["default"])
    if key in OTHER_DEFAULTS:
        default, reason = OTHER_DEFAULTS[key]
        assert reason
        assert default in {None, field.usual}
    else:
        assert field.usual == {"on": "true"}.get(row, row)


FROM_FLAGS = ("listen-ports", "listen-ports-ssl")
WITH_DEFAULT = sorted(
    key for key in ANNOTATIONS.keys() & REGISTRY.annotations.keys()
    if ANNOTATIONS[key]["default"] and not key.endswith(FROM_FLAGS)
)  # fmt: skip
"""Annotations whose row says a default."""


@pytest.mark.parametrize("key", WITH_DEFAULT)
def test_default_of_an_annotation(key: str) -> None:
    field, row = REGISTRY.annotations[key], open_source_half(ANNOTATIONS[key]["default"])
    if field.spec.key in OTHER_DEFAULTS:
        assert OTHER_DEFAULTS[field.spec.key][0] in {None, field.usual}
    elif row.startswith("ConfigMap"):
        assert field.spec.key in REGISTRY.keys
    else:
        assert field.usual == row


@pytest.mark.parametrize("key", sorted(KEYS.keys() & REGISTRY.keys.keys()))
def test_a_key_that_is_an_annotation_too_is_the_same_setting(key: str) -> None:
    assert (Where.ANNOTATION in REGISTRY.keys[key].spec.where) is (f"nginx.org/{key}" in ANNOTATIONS)


def test_every_declined_key_is_a_key_of_the_incumbent() -> None:
    for place, known in (("annotation", ANNOTATIONS), ("configmap", KEYS)):
        for key, found in absences(place):
            assert found.reason
            assert any(row.startswith(key[:-1]) if key.endswith("*") else row == key for row in known), key


WORK_HERE = {
    "nginx.com/sticky-cookie-services", "nginx.com/slow-start", "nginx.com/health-checks",
    "nginx.com/health-checks-mandatory", "nginx.com/health-checks-mandatory-queue",
    "nginx.com/jwt-key", "nginx.com/jwt-realm", "nginx.com/jwt-token", "nginx.com/jwt-login-url",
    "resolver-addresses", "resolver-ipv6", "resolver-valid", "resolver-timeout",
    "oidc-pkce-timeout", "oidc-id-tokens-timeout", "oidc-access-tokens-timeout", "oidc-refresh-tokens-timeout",
}  # fmt: skip
"""Rows for NGINX Plus that open-source nginx can do by now."""


def test_of_nginx_plus_only_supported_keys_are_declared() -> None:
    plus = {key for table in (ANNOTATIONS, KEYS) for key, row in table.items() if row["plus_only"] == "yes"}
    assert plus & (REGISTRY.annotations.keys() | REGISTRY.keys.keys()) == WORK_HERE


COMING: frozenset[str] = frozenset()
"""Open-source rows that arrive with the custom resources."""


def test_every_open_source_row_works_but_those_of_the_custom_resources() -> None:
    for place, table in (("annotation", ANNOTATIONS), ("configmap", KEYS)):
        for key, row in table.items():
            found = absence(place, key)
            if row["plus_only"] != "yes" and found:
                assert key in COMING
                assert found.outlook is Outlook.COMING
