"""The whole of Headgate over a folder or a scripted API server, with a real nginx and real backends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from showcase.backends import running
from showcase.example import Endpoint
from showcase.ports import free_port

from headgate.nginx import procfs
from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, cafe, endpoints, ingress_class, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.nginx_binaries import ANY_NGINX, BINARIES, SERVING


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


@pytest.fixture(scope="module", params=sorted(SERVING))
def nginx_binary(request: pytest.FixtureRequest) -> str:
    """The path of each nginx that is here."""
    return SERVING[request.param]


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.fixture
def manifests(directory: Path, tea: int) -> ManifestFolder:
    """A folder with the class and the Service ``tea``."""
    return cafe(directory, tea)


@pytest.fixture
def new_headgate(directory: Path) -> Iterator[StartHeadgate]:
    """Make Headgates below the test's directory, not yet started; all are ended with the test."""
    with ExitStack() as stack:

        def make(*flags: str, nginx: str = ANY_NGINX, under: str = "", **environ: str) -> HeadgateProcess:
            (directory / under).mkdir(exist_ok=True)
            headgate = HeadgateProcess(directory / under, nginx, *flags, environ=environ)
            stack.callback(headgate.stop)
            return headgate

        yield make


@pytest.fixture
def whole_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each Headgate as its user does, with all that it inherits and loads."""
    monkeypatch.setattr(HeadgateProcess, "forked", False)


@pytest.fixture
def serve_manifests(new_headgate: StartHeadgate, manifests: ManifestFolder) -> StartHeadgate:
    """Start a Headgate over ``manifests`` and wait until it is ready."""

    def make(*flags: str, **more: str) -> HeadgateProcess:
        headgate = new_headgate(f"--manifests={manifests.path}", *flags, **more)
        headgate.start_ready()
        return headgate

    return make


@pytest.fixture
def cluster(directory: Path) -> Iterator[ScriptedCluster]:
    """An API server with the class and the Service ``tea``, which nobody can reach."""
    with ScriptedCluster(directory) as running:
        running.put(ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"))
        yield running


@pytest.fixture
def serve_cluster(new_headgate: StartHeadgate, cluster: ScriptedCluster) -> StartHeadgate:
    """Start a Headgate against ``cluster`` and wait until it is ready."""

    def make(*flags: str, **more: str) -> HeadgateProcess:
        headgate = new_headgate(f"--kubeconfig={cluster.kubeconfig}", "-enable-snippets", *flags, **more)
        headgate.start_ready()
        return headgate

    return make
