"""In which namespaces objects are served, as the admission webhook asks."""

from __future__ import annotations

import pytest

from headgate.api import GlobalConfiguration, Ingress, TopLevel
from headgate.api.nginx_org import Policy
from headgate.k8s import WorkQueue
from headgate.watch import Watches
from tests.simulated_cluster import flags
from tests.unit.test_watched_pods import Listed


@pytest.mark.parametrize(
    ("argv", "model", "namespace", "covered"),
    [
        ((), Ingress, "shop", True),
        (("-watch-namespace=shop,blog",), Ingress, "shop", True),
        (("-watch-namespace=shop,blog",), Ingress, "else", False),
        (("-watch-namespace-label=team=web",), Ingress, "shop", False),
        (("-enable-custom-resources=false",), Policy, "shop", False),
        (("-enable-custom-resources=false",), Ingress, "shop", True),
        (("-watch-namespace=shop", "-global-configuration=ours/listeners"), GlobalConfiguration, "ours", True),
        (("-watch-namespace=shop", "-global-configuration=ours/listeners"), Policy, "ours", False),
        (("-watch-namespace-label=team=web", "-global-configuration=ours/x"), GlobalConfiguration, "ours", True),
    ],
)
def test_namespaces(argv: tuple[str, ...], model: type[TopLevel], namespace: str, *, covered: bool) -> None:
    watches = Watches(flags(argv), Listed, WorkQueue())  # type: ignore[arg-type]
    assert watches.covers(model, namespace) is covered
