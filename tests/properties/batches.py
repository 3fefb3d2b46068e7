"""Clusters that get the same objects in one batch or in several: what nginx gets and what is reported is the same."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from headgate.api import TopLevel
from headgate.controller.gauges import count_roles
from headgate.problems import ObjectRef
from tests.simulated_cluster import SimulatedCluster

FLAGS = ("--manifests=.", "-nginx-configmaps=nginx-ingress/nginx-config", "-allow-empty-ingress-host")


def reported(cluster: SimulatedCluster) -> dict[ObjectRef, str]:
    """Return the last report about every object."""
    return {ref: f"{verdict.reason} {verdict.message}" for ref, verdict in cluster.statuses.current.items()}


def processed_at_once(objects: list[TopLevel], flags: tuple[str, ...] = FLAGS) -> SimulatedCluster:
    """Return a cluster whose *objects* were processed in one batch."""
    cluster = SimulatedCluster(flags)
    cluster.put(*objects)
    cluster.process_batch()
    return cluster


def assert_same(one: SimulatedCluster, other: SimulatedCluster) -> None:
    assert one.texts() == other.texts()
    assert reported(one) == reported(other)
    assert count_roles(one.generation) == count_roles(other.generation)


def batches_of(
    objects: st.SearchStrategy[TopLevel],
    flags: tuple[str, ...] = FLAGS,
    same: Callable[[SimulatedCluster, SimulatedCluster], None] = assert_same,
) -> type[RuleBasedStateMachine]:
    """Return a machine that adds, changes and deletes *objects* in batches.

    After each batch the state is as if all objects had come in one.
    """

    class Batches(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.cluster = SimulatedCluster(flags)

        @rule(added=st.lists(objects, min_size=1, max_size=3))
        def add_or_change(self, added: list[TopLevel]) -> None:
            self.cluster.put(*added)
            self.process_and_compare()

        @rule(data=st.data(), more=st.lists(objects, max_size=1))
        def delete_and_add(self, data: st.DataObject, more: list[TopLevel]) -> None:
            refs = sorted(item.ref for item in self.cluster.objects())
            self.cluster.delete(*data.draw(st.lists(st.sampled_from(refs), max_size=3) if refs else st.just([])))
            self.cluster.put(*more)
            self.process_and_compare()

        def process_and_compare(self) -> None:
            self.cluster.process_batch()
            same(self.cluster, processed_at_once(self.cluster.objects(), flags))

    return Batches
