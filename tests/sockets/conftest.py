"""Short folders, and containerds that end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.directories import short_directory
from tests.sockets.container_runtimes import Containerd


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.fixture
def containerd(directory: Path) -> Iterator[Callable[..., Containerd]]:
    """Start a containerd at a path below the folder, and return it when it accepts connections."""
    started: list[Containerd] = []

    def start(path: str, *disabled: str) -> Containerd:
        started.append(Containerd(directory / f"c{len(started)}", directory / path, disabled))
        started[-1].wait()
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
