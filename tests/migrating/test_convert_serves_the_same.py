"""What ``headgate migrate convert`` writes is answered by a real nginx as the Ingresses were; no guard is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from headgate.probing import Comparison
from tests.examples import FACTOR
from tests.migrating.both_dialects import Json, Moved, echo, moved
from tests.nginx_binaries import BINARIES

ROOT = Path(__file__).parents[2]
EVERY = sorted(path.parent for path in ROOT.glob("tests/cases/community/*/in.yaml"))
BY_DAY = {"canary", "guards", "redirects", "regular-hosts", "shared-hosts", "limits"}
CASES = [case for case in EVERY if FACTOR > 1 or case.name in BY_DAY]
WHOLE = {("canary", "virtualserver"), ("redirects", "virtualserver"), ("regular-hosts", "virtualserver"),
         ("shared-hosts", "virtualserver"), ("shared-hosts", "nginx.org")}  # fmt: skip
"""Cases in which each request is answered alike, apart from a slash at the end of a redirect."""
CLOSED = {"401", "403", "500", "503"}


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    if not BINARIES:
        pytest.skip("no nginx here")
    with echo(binary()) as found:
        yield found


def binary() -> str:
    return list(BINARIES.values())[-1]


def objects(folder: Path) -> list[Json]:
    files = sorted(folder.glob("*.yaml")) if not (folder / "in.yaml").exists() else [folder / "in.yaml"]
    return [item for file in files for item in yaml.safe_load_all(file.read_text()) if item]


def argv(case: Path) -> list[str]:
    said = case / "options.txt"
    return said.read_text().format(case=case).splitlines() if said.exists() else []


@pytest.mark.parametrize("target", ["virtualserver", "nginx.org"])
@pytest.mark.parametrize("case", [*CASES, ROOT / "examples" / "ingress-nginx"], ids=lambda case: case.name)
def test_it_answers_the_same(case: Path, target: str, ports: dict[str, int]) -> None:
    found = moved(binary(), ports[target], objects(case), argv(case), target)
    assert not [each.probe.url for each in found.comparisons if opened(each)]
    differing = [each for each in found.comparisons if unexplained(each)]
    if (case.name, target) in WHOLE:
        assert not [(each.probe.url, each.differences) for each in differing]
    assert found.status == (1 if lost(found) else 0)
    if differing:
        assert found.noted, [(each.probe.url, each.differences) for each in differing]


def opened(found: Comparison) -> bool:
    """Whether a client is let in that was kept out."""
    status = next((each for each in found.differences if each.name == "status"), None)
    return status is not None and status.a in CLOSED and status.b.startswith("2")


def unexplained(found: Comparison) -> bool:
    """Whether something differs that is not what is said of all objects at their beginning."""
    return any(
        (each.name, each.a.rstrip("/")) != ("location", each.b.rstrip("/")) and each.b != "refuses the TLS handshake"
        for each in found.differences
        if not (each.name == "strict-transport-security" and not each.b)
    )


def lost(found: Moved) -> bool:
    return any(word in found.summary for word in ("not carried over: ", "CLOSED: ", "not converted: "))
