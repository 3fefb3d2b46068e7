"""Short folders, and containerds that end with the test."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sockets.runtime_places import Containerd


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name, since sockets have at most 107 bytes; passable for other users."""
    path = Path(tempfile.mkdtemp(prefix="hg", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def containerd(folder: Path) -> Iterator[Callable[..., Containerd]]:
    """Start a containerd at a path below the folder, and return it when it accepts connections."""
    started: list[Containerd] = []

    def start(path: str, *disabled: str) -> Containerd:
        started.append(Containerd(folder / f"c{len(started)}", folder / path, disabled))
        started[-1].wait()
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
