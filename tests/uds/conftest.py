from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.directories import short_directory


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory with a short path, as sockets need it."""
    with short_directory() as path:
        yield path
