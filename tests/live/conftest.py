"""The whole program over a folder or a scripted API server, with a real nginx and real backends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from showcase.backends import running
from showcase.example import Endpoint
from showcase.ports import free_port

from headgate.nginx import procfs
from tests.binaries import BINARIES
from tests.live.live_cluster import Cluster
from tests.live.live_objects import Manifests, cafe, endpoints, ingress_class, service
from tests.live.live_places import ANY, short_folder
from tests.live.live_program import Program, Start


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what cannot run here."""
    here = Path(__file__).parent
    if BINARIES and procfs.readable():
        return
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="no nginx here" if not BINARIES else "no /proc"))


@pytest.fixture(scope="session")
def tea() -> Iterator[int]:
    """The port of a backend that says ``Server name: tea``, the URI and the headers."""
    yield from _backend("tea")


@pytest.fixture(scope="session")
def coffee() -> Iterator[int]:
    """The port of a backend that says ``Server name: coffee``."""
    yield from _backend("coffee")


def _backend(name: str) -> Iterator[int]:
    port = free_port()
    with running([Endpoint(name, "127.0.0.1", port)]):
        yield port


@pytest.fixture(scope="module", params=sorted(BINARIES))
def build(request: pytest.FixtureRequest) -> str:
    """The path of each nginx that is here."""
    return BINARIES[request.param]


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture
def manifests(folder: Path, tea: int) -> Manifests:
    """A folder with the class and the Service ``tea``."""
    return cafe(folder, tea)


@pytest.fixture
def run(folder: Path) -> Iterator[Start]:
    """Make programs under the test's folder; all are ended with the test."""
    with ExitStack() as stack:

        def make(*flags: str, nginx: str = ANY, under: str = "", **environ: str) -> Program:
            (folder / under).mkdir(exist_ok=True)
            program = Program(folder / under, nginx, *flags, environ=environ)
            stack.callback(program.stop)
            return program

        yield make


@pytest.fixture
def serve(run: Start, manifests: Manifests) -> Start:
    """Start a program over ``manifests`` and wait until it is ready."""

    def make(*flags: str, **more: str) -> Program:
        program = run(f"--manifests={manifests.path}", *flags, **more)
        program.start_ready()
        return program

    return make


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    """An API server with the class and the Service ``tea``, which nobody can reach."""
    with Cluster(folder) as running:
        running.put(ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"))
        yield running


@pytest.fixture
def replica(run: Start, cluster: Cluster) -> Start:
    """Start a program against ``cluster`` and wait until it is ready."""

    def make(*flags: str, **more: str) -> Program:
        program = run(f"--kubeconfig={cluster.kubeconfig}", "-enable-snippets", *flags, **more)
        program.start_ready()
        return program

    return make
