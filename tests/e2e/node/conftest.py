"""An installation of Headgate for each test, on a node of the cluster under KUBECONFIG."""

from __future__ import annotations

import os

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.environment import Environment
from tests.e2e.node.installation import Installation, node_address
from tests.e2e.node.node_access import NodeAccess


@pytest.fixture
async def installation(env: Environment, cluster: Cluster) -> Installation:
    """Headgate, not yet installed."""
    image = os.environ.get("E2E_IMAGE")
    if not image:
        pytest.skip("E2E_IMAGE does not name an image of Headgate that the nodes have")
    node = await node_address(cluster)
    if not node:
        pytest.skip("the cluster has no node that is ready")
    return Installation(env, image, node)


@pytest.fixture
async def node_access(installation: Installation) -> NodeAccess:
    """Root on the node."""
    node_access = NodeAccess(installation)
    await node_access.start()
    return node_access


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured and recorded as properties."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties if report.when == "call" else ():
            figure = f"{value:.2f}" if isinstance(value, float) else value
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {name} {figure}")
