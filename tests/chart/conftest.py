"""The Helm chart, as ``helm template`` and ``helm lint`` see it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.chart.helm import HelmError, program

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))


@pytest.fixture(scope="session", autouse=True)
def _helm() -> None:
    try:
        program()
    except HelmError as why:
        pytest.skip(str(why))
