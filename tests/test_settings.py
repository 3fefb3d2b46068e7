"""Every setting has a case without which nginx would get something else, and one with a wrong value."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.ir import Layout
from headgate.offline import LIVE_STATE, generate_folder
from headgate.settings import REGISTRY
from tests.simulated_cluster import CURRENT, flags
from tests.test_cases import CASES, argv, pushed

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # reads all cases in 0.3 s instead of 3 s
ELSEWHERE = {
    "nginx.org/limit-req-scale": "tests/unit/translate/test_replicas.py",
    "external-status-address": "tests/live/test_live_status.py",
    "oidc-access-tokens-timeout": "tests/oidc/test_lifetimes.py",
    "oidc-id-tokens-timeout": "tests/oidc/test_lifetimes.py",
    "oidc-pkce-timeout": "tests/oidc/test_lifetimes.py",
    "oidc-refresh-tokens-timeout": "tests/oidc/test_lifetimes.py",
    "otel-exporter-endpoint": "tests/unit/translate/test_telemetry.py",
    "otel-exporter-header-name": "tests/unit/translate/test_telemetry.py",
    "otel-exporter-header-value": "tests/unit/translate/test_telemetry.py",
    "otel-service-name": "tests/unit/translate/test_telemetry.py",
    "otel-trace-in-http": "tests/unit/translate/test_telemetry.py",
}
"""Settings whose effect a folder and the binary at hand cannot show, and the test that does."""
ALL_TEXTS_FIT = {f"{place}{name}" for place in ("", "nginx.org/") for name in (
    "server-snippets", "location-snippets", "main-snippets", "http-snippets", "stream-snippets",
)}  # fmt: skip
"""Settings that take any text (but a NUL byte)."""
PROBLEMS = "".join((case / "problems.txt").read_text() for case in CASES)
KEYS = sorted(REGISTRY.annotations.keys() | REGISTRY.keys.keys())


@cache
def objects(case: Path) -> tuple[dict[str, Any], ...]:
    """Return the objects of a case, none if it is not YAML."""
    try:
        found = tuple(yaml.load_all((case / "in.yaml").read_text(), Loader))
    except yaml.YAMLError:
        return ()
    return tuple(item for item in found if isinstance(item, dict))


def places(item: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield where an object may say *key*: its annotations, the data of a ConfigMap."""
    metadata = item.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("annotations"), dict):
        yield metadata["annotations"]
    if item.get("kind") == "ConfigMap" and isinstance(item.get("data"), dict):
        yield item["data"]


def candidates(key: str) -> list[Path]:
    """Return the cases that say *key*, that of its own name first."""
    saying = [case for case in CASES if any(key in place for item in objects(case) for place in places(item))]
    return sorted(saying, key=lambda case: (case.parent.name != "settings", case.name != key.rpartition("/")[2]))


def without(case: Path, key: str, folder: Path) -> list[str]:
    """Write the case without *key* into *folder*; return its flags."""
    kept = [item | {} for item in yaml.load_all((case / "in.yaml").read_text(), Loader)]
    for item in kept:
        for place in places(item):
            place.pop(key, None)
    (folder / "in.yaml").write_text(yaml.safe_dump_all(kept))
    return [f"--manifests={folder / 'in.yaml'}", *argv(case)[1:]]


def files(arguments: list[str]) -> dict[str, bytes]:
    outcome = generate_folder(flags(arguments), Layout.container(), CURRENT)
    return {name: file.data for name, file in outcome.files.items()}


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ELSEWHERE])
def test_a_case_proves_it(key: str, tmp_path: Path) -> None:
    for case in candidates(key):
        whole, rest = files(argv(case)), files(without(case, key, tmp_path))
        differing = {name for name in whole.keys() | rest.keys() if whole.get(name) != rest.get(name)}
        shown = {path.name.removesuffix(".diff") for path in (case / "out").iterdir()}
        if any(name.rpartition("/")[2] in shown for name in differing):
            return
        if (case / "out-live").exists() and pushed(LIVE_STATE, argv(case)) != pushed(
            LIVE_STATE, without(case, key, tmp_path)
        ):
            return
    pytest.fail(f"no case shows what {key} does")


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ALL_TEXTS_FIT])
def test_a_case_has_a_wrong_value_with_its_problem(key: str) -> None:
    assert re.search(rf": {re.escape(key)}: '.*\((the Ingress is refused|.* stays in force)\)$", PROBLEMS, re.MULTILINE)


def test_what_is_proven_elsewhere_is() -> None:
    root = Path(__file__).parents[1]
    for key, name in ELSEWHERE.items():
        assert key in KEYS
        assert re.search(key.rpartition("/")[2].replace("-", "[-_]"), (root / name).read_text()), key
