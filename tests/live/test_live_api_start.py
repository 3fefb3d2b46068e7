"""An API server that withholds something at the start: the rest is served, and it is said once."""

from __future__ import annotations

from tests.live.headgate_process import StartHeadgate
from tests.live.json_objects import answering, tls_secret
from tests.live.scripted_cluster import ScriptedCluster
from tests.waiting import wait_until


def test_classes_that_may_not_be_watched_are_listed(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    cluster.do(lambda api: api.forbid("watch", "ingressclasses"))
    headgate = serve_cluster()
    assert headgate.readiness().status == 200
    cluster.put(answering("new", "new.test", "new"))
    wait_until(lambda: headgate.get("new.test").body == "new")
    assert len([line for line in headgate.log_records() if "ingressclasses" in str(line.get("informer"))]) <= 1


def test_a_missing_permission_is_logged_once_and_the_rest_continues(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    cluster.put(tls_secret("cert", "safe.test"))
    cluster.put(answering("safe", "safe.test", "safe", tls={"cert": ["safe.test"]}))
    cluster.do(lambda api: api.forbid("list", "secrets"))
    headgate = serve_cluster()
    wait_until(lambda: cluster.asked("GET", "secrets") > 2)
    said = [line for line in headgate.log_records("informer failed") if line["informer"].startswith("secrets")]
    assert len(said) == 1
    assert 'cannot list resource "secrets"' in said[0]["error"]
    cluster.do(lambda api: api.allow("list", "secrets"))
    wait_until(lambda: headgate.get_tls("safe.test").body == "safe")


def test_an_api_server_that_is_down_at_the_start_is_waited_for(
    cluster: ScriptedCluster, new_headgate: StartHeadgate
) -> None:
    cluster.put(answering("kept", "kept.test", "kept"))
    with cluster.down():
        headgate = new_headgate(f"--kubeconfig={cluster.kubeconfig}", "-enable-snippets")
        headgate.start()
        wait_until(headgate.outages)
        wait_until(lambda: headgate.readiness().status == 503)  # the own Pod is asked for before probes are answered
    headgate.wait_ready()
    assert headgate.get("kept.test").body == "kept"
