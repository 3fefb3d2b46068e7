"""An environment in the API server of KUBECONFIG for each test: a namespace, an ingress class and backends of its own.

Runs only where it is asked for by name (``pytest -m e2e``, ``make e2e``): a developer's KUBECONFIG may name anything.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
from aiohttp import web

from headgate.k8s import Client, load
from tests.e2e.cluster import Cluster
from tests.e2e.environment import Environment, new_environment
from tests.k8s.certificates import Authority

HERE = f"{Path(__file__).parent}/"
SOMEWHERE = ("192.0.2.1", 9)
"""An address of TEST-NET-1 (RFC 5737); connecting a datagram socket to it sends nothing."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = "e2e" in config.getoption("-m") and "not e2e" not in config.getoption("-m")
    why = (
        "runs only as `pytest -m e2e`" if not asked else "" if os.environ.get("KUBECONFIG") else "KUBECONFIG is not set"
    )
    for item in items:
        if str(item.path).startswith(HERE):  # the parents of 10,000 paths take a second
            item.add_marker(pytest.mark.e2e)
            if why:
                item.add_marker(pytest.mark.skip(reason=why))
    if asked:
        items.sort(key=lambda item: item.get_closest_marker("disruptive") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the replicas said when a test failed."""
    report = yield
    env = getattr(item, "funcargs", {}).get("env")
    if report.failed and isinstance(env, Environment):
        report.sections += [(f"log of {replica.prefix.name}", replica.log()) for replica in env.replicas]
    return report


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Client(load()) as client:
        yield Cluster(client)


@pytest.fixture
async def env(cluster: Cluster) -> AsyncIterator[Environment]:
    async with new_environment(cluster) as env:
        yield env


@pytest.fixture
def address() -> str:
    """An address of this machine that an EndpointSlice may name, which loopback is not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(SOMEWHERE)
        except OSError as error:
            pytest.skip(f"no address but loopback, which an API server refuses in EndpointSlices: {error}")
        found: str = probe.getsockname()[0]
    if found.startswith(("127.", "169.254.")):
        pytest.skip(f"the address of this machine is {found}, which an API server refuses in EndpointSlices")
    return found


@pytest.fixture
async def echo(env: Environment, address: str) -> AsyncIterator[None]:
    """The Service ``echo`` of the environment's namespace, which answers with method and path."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {request.path}")

    app = web.Application(client_max_size=1 << 20)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, address, 0)
    await site.start()
    port: int = runner.addresses[0][1]
    env.backend = (address, port)
    await env.add_echo()
    yield
    await runner.cleanup()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()
