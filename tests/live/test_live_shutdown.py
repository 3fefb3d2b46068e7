"""How a Headgate in a cluster shuts down: not ready at once, but open to connections for the grace period."""

from __future__ import annotations

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import answering
from tests.live.scripted_cluster import ScriptedCluster
from tests.waiting import wait_until

MINUTES = ("--shutdown-grace-period=300", "--drain-timeout=301")


def told_to_stop(headgate: HeadgateProcess) -> HeadgateProcess:
    """Send SIGTERM to a Headgate that serves, and return it when it says that it is not ready."""
    headgate.terminate()
    wait_until(lambda: headgate.readiness().status == 503)
    return headgate


def test_during_the_grace_period_new_connections_and_configurations_are_served(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    cluster.put(answering("old", "old.test", "old"))
    headgate = told_to_stop(serve_cluster(*MINUTES))
    assert headgate.readiness().body == "Headgate is stopping\n"
    assert headgate.get("old.test").body == "old"
    cluster.put(answering("new", "new.test", "new"))
    wait_until(lambda: headgate.get("new.test").body == "new")
    assert headgate.readiness().status == 503
    headgate.terminate()
    assert headgate.wait_ended() == 0, "a second signal waits for nothing"


def test_shutdown_continues_after_the_grace_period(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    cluster.put(answering("old", "old.test", "old"))
    headgate = serve_cluster("--shutdown-grace-period=1", "--drain-timeout=300")
    assert told_to_stop(headgate).wait_ended() == 0
    assert [line["grace"] for line in headgate.log_records("shutting down")] == [1]


def test_the_grace_period_is_part_of_the_drain_timeout(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    headgate = serve_cluster("--shutdown-grace-period=300", "--drain-timeout=0")
    headgate.terminate()
    assert headgate.wait_ended() == 0


def test_a_replica_that_never_served_has_no_grace_period(cluster: ScriptedCluster, new_headgate: StartHeadgate) -> None:
    with cluster.down():
        headgate = new_headgate(f"--kubeconfig={cluster.kubeconfig}", *MINUTES)
        headgate.start()
        wait_until(headgate.outages)
        headgate.terminate()
        assert headgate.wait_ended() == 0
