"""An API server that withholds something at the start: the rest is served, and it is said once."""

from __future__ import annotations

from tests.live.live_cluster import Cluster
from tests.live.live_objects import answering, tls_secret
from tests.live.live_program import Start
from tests.waiting import wait_until


def test_classes_that_may_not_be_watched_are_read_all_the_same(cluster: Cluster, replica: Start) -> None:
    cluster.do(lambda api: api.forbid("watch", "ingressclasses"))
    program = replica()
    assert program.readiness().status == 200
    cluster.put(answering("new", "new.test", "new"))
    wait_until(lambda: program.get("new.test").body == "new")
    assert len([line for line in program.lines() if "ingressclasses" in str(line.get("informer"))]) <= 1


def test_a_missing_permission_is_said_once_and_the_rest_goes_on(cluster: Cluster, replica: Start) -> None:
    cluster.put(tls_secret("cert", "safe.test"))
    cluster.put(answering("safe", "safe.test", "safe", tls={"cert": ["safe.test"]}))
    cluster.do(lambda api: api.forbid("list", "secrets"))
    program = replica()
    wait_until(lambda: cluster.asked("GET", "secrets") > 2)
    said = [line for line in program.lines("informer failed") if line["informer"].startswith("secrets")]
    assert len(said) == 1
    assert 'cannot list resource "secrets"' in said[0]["error"]
    cluster.do(lambda api: api.allow("list", "secrets"))
    wait_until(lambda: program.get_tls("safe.test").body == "safe")


def test_an_api_server_that_is_down_at_the_start_is_waited_for(cluster: Cluster, run: Start) -> None:
    cluster.put(answering("kept", "kept.test", "kept"))
    with cluster.down():
        program = run(f"--kubeconfig={cluster.kubeconfig}", "-enable-snippets")
        program.start()
        wait_until(lambda: program.lines("informer failed"))
        assert program.readiness().status == 503
    program.wait_ready()
    assert program.get("kept.test").body == "kept"
