"""How a Headgate in a cluster ends: not ready at once, but open to connections for the time of grace."""

from __future__ import annotations

from tests.live.live_cluster import Cluster
from tests.live.live_objects import answering
from tests.live.live_program import Program, Start
from tests.waiting import wait_until

MINUTES = ("--shutdown-grace-period=300", "--drain-timeout=301")


def leaving(program: Program) -> Program:
    """Tell a program that serves to stop, and return it when it is said to be not ready."""
    program.terminate()
    wait_until(lambda: program.readiness().status == 503)
    return program


def test_who_leaves_serves_new_connections_and_new_configurations(cluster: Cluster, replica: Start) -> None:
    cluster.put(answering("old", "old.test", "old"))
    program = leaving(replica(*MINUTES))
    assert program.readiness().body == "Headgate is stopping\n"
    assert program.get("old.test").body == "old"
    cluster.put(answering("new", "new.test", "new"))
    wait_until(lambda: program.get("new.test").body == "new")
    assert program.readiness().status == 503
    program.terminate()
    assert program.wait_ended() == 0, "a second signal waits for nothing"


def test_the_grace_ends(cluster: Cluster, replica: Start) -> None:
    cluster.put(answering("old", "old.test", "old"))
    program = replica("--shutdown-grace-period=1", "--drain-timeout=300")
    assert leaving(program).wait_ended() == 0
    assert [line["grace"] for line in program.lines("told to stop")] == [1]


def test_the_grace_is_a_part_of_the_time_to_drain(cluster: Cluster, replica: Start) -> None:
    program = replica("--shutdown-grace-period=300", "--drain-timeout=0")
    program.terminate()
    assert program.wait_ended() == 0


def test_who_never_served_has_nothing_to_wait_for(cluster: Cluster, run: Start) -> None:
    with cluster.down():
        program = run(f"--kubeconfig={cluster.kubeconfig}", *MINUTES)
        program.start()
        wait_until(lambda: program.lines("informer failed"))
        program.terminate()
        assert program.wait_ended() == 0
