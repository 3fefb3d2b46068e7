import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory with a short path, as sockets need it."""
    directory = Path(tempfile.mkdtemp(prefix="hg", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)
