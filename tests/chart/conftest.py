"""The Helm chart, as ``helm template`` and ``helm lint`` see it."""

from __future__ import annotations

import pytest

from tests.chart.helm import HelmError, program


@pytest.fixture(scope="session", autouse=True)
def _helm() -> None:
    try:
        program()
    except HelmError as why:
        pytest.skip(str(why))
