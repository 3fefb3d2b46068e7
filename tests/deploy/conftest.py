"""The manifests of deploy/, built as ``kubectl apply -k`` builds them; no cluster is asked."""

from __future__ import annotations

import shutil

import pytest

from tests.deploy.manifests import VARIANTS, Manifests, build


@pytest.fixture(scope="session", autouse=True)
def kubectl() -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not there, which builds the kustomizations")


@pytest.fixture(scope="session", params=VARIANTS)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    """Each variant in turn."""
    return build(request.param)
