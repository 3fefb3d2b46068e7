"""A run with a kubeconfig reports its cluster and what it writes there; with --read-only it writes nothing."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.live.headgate_process import ROOT, HeadgateProcess, StartHeadgate
from tests.live.json_objects import ingress, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import DEADLINE_S, wait_until

WRITING = ("-report-ingress-status", "-external-service=front")
BALANCER = {
    **service("front", "ours", type="LoadBalancer"),
    "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
}


def methods(cluster: ScriptedCluster) -> set[str]:
    return {method for method, _, _ in cluster.do(lambda server: list(server.requests))}


def fields(headgate: HeadgateProcess) -> dict[str, str]:
    """Return what the line about the cluster says."""
    (line,) = headgate.log_records("cluster")
    return {key: line[key] for key in line if key not in {"time", "level", "source", "msg"}}


def test_a_read_only_run_serves_and_sends_nothing_but_get(
    serve_cluster: StartHeadgate, cluster: ScriptedCluster
) -> None:
    cluster.put(ingress("tea", "tea.test"), ingress("bad", "bad.test", lb_method="nonsense"), BALANCER)
    headgate = serve_cluster("--read-only", *WRITING)
    assert "tea.test" in headgate.file("conf.d/default-tea.conf")
    assert headgate.events("Ingress default/bad")
    cluster.put(ingress("late", "late.test", server_snippets="no_such_directive on;"))
    wait_until(lambda: headgate.events("Ingress default/late"))
    cluster.put(ingress("last", "last.test"))
    wait_until(lambda: headgate.events("Ingress default/last"))
    headgate.terminate()
    assert headgate.wait_ended() == 0, headgate.log_text()[-9000:]
    assert methods(cluster) == {"GET"}
    assert fields(headgate)["writes"] == "nothing (--read-only)"
    assert len(headgate.log_records("flag")) == len(WRITING)


def test_another_run_writes_what_its_line_names(serve_cluster: StartHeadgate, cluster: ScriptedCluster) -> None:
    cluster.put(ingress("tea", "tea.test"), BALANCER)
    headgate = serve_cluster(*WRITING)
    assert fields(headgate) == {
        "server": cluster.server.url,
        "context": "x",
        "user": "u",
        "namespaces": "all",
        "writes": "Lease ours/nginx-ingress-leader-election, events, statuses of Ingresses and custom resources",
    }
    wait_until(lambda: cluster.addresses("tea") and cluster.events("tea"))
    assert methods(cluster) >= {"GET", "POST", "PUT"}


def test_the_cluster_is_reported_before_the_first_request(
    new_headgate: StartHeadgate, cluster: ScriptedCluster
) -> None:
    with cluster.down():
        headgate = new_headgate(f"--kubeconfig={cluster.kubeconfig}")
        headgate.start()
        wait_until(headgate.outages)
        headgate.kill()  # so that no request is under way when the server listens again
        messages = [record["msg"] for record in headgate.log_records()]
        assert messages.index("cluster") < min(map(headgate.log_records().index, headgate.outages()))


def test_without_leader_election_only_events_are_written_in_the_namespaces_that_are_watched(
    serve_cluster: StartHeadgate,
) -> None:
    headgate = serve_cluster("-enable-leader-election=false", "-watch-namespace=shop,blog")
    assert (fields(headgate)["namespaces"], fields(headgate)["writes"]) == (
        "shop, blog",
        "events, statuses of custom resources",
    )


@pytest.mark.parametrize(
    ("flags", "last"),
    [
        (
            (),
            (
                "writes there: Lease ours/nginx-ingress-leader-election, events, statuses of custom resources"
                " (--read-only writes nothing)"
            ),
        ),
        (("--read-only",), "writes nothing there (--read-only)"),
    ],
)
def test_a_terminal_gets_it_as_sentences_whatever_the_log_level(
    new_headgate: StartHeadgate, cluster: ScriptedCluster, flags: tuple[str, ...], last: str
) -> None:
    headgate = new_headgate(f"--kubeconfig={cluster.kubeconfig}", "-log-level=error", *flags, nginx=ANY_NGINX)
    command = [sys.executable, "-m", "headgate", "run", *headgate.flags]
    terminal, end = pty.openpty()
    environ = {**os.environ, "POD_NAMESPACE": "ours"}
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=end)
    os.close(end)
    try:
        with os.fdopen(terminal, "rb") as lines:
            said = [lines.readline().decode().strip() for _ in range(2)]
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
    assert said == [
        f"headgate: uses the cluster of context x ({cluster.server.url}) as user u, watches all namespaces",
        f"headgate: {last}",
    ]


def test_a_folder_has_no_cluster_to_report(serve_manifests: StartHeadgate) -> None:
    headgate = serve_manifests("--read-only")
    assert not headgate.log_records("cluster")
    assert ["--manifests" in record["problem"] for record in headgate.log_records("flag")] == [True]
