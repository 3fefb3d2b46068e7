"""How many lines the log of the first batch has."""

import logging

import pytest

from headgate.api import EndpointSlice, Ingress, IngressClass, Service
from headgate.controller.reporter import FIRST_LINES
from tests.live.json_objects import endpoints, ingress, ingress_class, service
from tests.simulated_cluster import SimulatedCluster, api_object


def shown(cluster: SimulatedCluster) -> list[str]:
    """Return the names of the objects whose lines are no details."""
    return [ref.name for ref, occasion in sorted(cluster.events.occasions.items()) if not occasion.quiet]


def cluster_of(good: int, bad: int) -> SimulatedCluster:
    cluster = SimulatedCluster()
    cluster.put(api_object(IngressClass, **ingress_class()))
    cluster.put(api_object(Service, **service("tea")), api_object(EndpointSlice, **endpoints("tea", "192.0.2.1")))
    for number in range(good):
        cluster.put(api_object(Ingress, **ingress(f"good{number:04}", f"g{number}.test")))
    for number in range(bad):
        cluster.put(api_object(Ingress, **ingress(f"bad{number:04}", f"b..{number}.test", namespace="other")))
    return cluster


def test_a_few_objects_have_a_line_each() -> None:
    cluster = cluster_of(FIRST_LINES - 2, 2)
    cluster.process_batch()
    assert len(shown(cluster)) == FIRST_LINES


def test_of_many_objects_only_the_first_faulty_ones_have_a_line(caplog: pytest.LogCaptureFixture) -> None:
    cluster = cluster_of(5, FIRST_LINES + 7)
    cluster.process_batch()
    assert len(shown(cluster)) == FIRST_LINES
    assert {name[:3] for name in shown(cluster)} == {"bad"}
    assert [record.fields for record in caplog.records if record.levelno == logging.WARNING] == [{"count": 7}]


def test_later_changes_have_a_line_however_many_they_are() -> None:
    cluster = cluster_of(0, 0)
    cluster.process_batch()
    for number in range(FIRST_LINES + 10):
        cluster.put(api_object(Ingress, **ingress(f"late{number}", f"l{number}.test")))
    cluster.process_batch()
    assert len(shown(cluster)) == FIRST_LINES + 10
