"""A troubled API server: nginx goes on serving, and the state is right when the trouble is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.directories import short_directory
from tests.k8s.apiserver import ApiServer
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import answering, endpoints, ingress_class, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import wait_until

INGRESSES = "/ingresses$"
Setup = tuple[HeadgateProcess, ScriptedCluster]


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        cluster = stack.enter_context(ScriptedCluster(directory))
        cluster.put(ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"))
        running = HeadgateProcess(directory, ANY_NGINX, f"--kubeconfig={cluster.kubeconfig}", "-enable-snippets")
        stack.callback(running.stop)
        running.start_ready()
        yield running, cluster


@pytest.fixture
def cluster(setup: Setup) -> ScriptedCluster:
    return setup[1]


@pytest.fixture
def headgate(setup: Setup) -> HeadgateProcess:
    """Headgate, which serves ``kept.test`` and ``old.test``."""
    running, cluster = setup
    cluster.put(answering("kept", "kept.test", "kept"), answering("old", "old.test", "old"))
    if cluster.do(lambda api: any(item["metadata"]["name"] == "new" for item in api.all("Ingress"))):
        cluster.delete("Ingress", "new")
    wait_until(lambda: (running.get("kept.test").body, running.get("old.test").body) == ("kept", "old"))
    wait_until(lambda: running.get("new.test").status == 404)
    return running


def change(api: ApiServer) -> None:
    """Change, add and delete."""
    api.put(answering("kept", "kept.test", "changed"))
    api.put(answering("new", "new.test", "new"))
    api.delete("Ingress", "default", "old")


def change_unseen(api: ApiServer) -> None:
    """The same while no watch is open, nor can be resumed: the server has forgotten what it was at before."""
    api.cut_watches()
    change(api)
    api.compact()


def caught_up(headgate: HeadgateProcess) -> None:
    wait_until(lambda: headgate.get("kept.test").body == "changed")
    wait_until(lambda: headgate.get("new.test").body == "new")
    wait_until(lambda: headgate.get("old.test").status == 404)


def test_changes_hidden_by_a_compaction_are_listed_again(headgate: HeadgateProcess, cluster: ScriptedCluster) -> None:
    lists = cluster.asked("GET", "ingresses", limit="500")
    cluster.do(change_unseen)
    caught_up(headgate)
    assert cluster.asked("GET", "ingresses", limit="500") > lists
    assert headgate.exit_status is None


def test_html_in_place_of_the_api_is_retried(headgate: HeadgateProcess, cluster: ScriptedCluster) -> None:
    page = {"status": 200, "body": b"<html>log in here</html>", "content_type": "text/html", "times": 2}
    cluster.do(lambda api: api.fail("GET", INGRESSES, **page))
    cluster.do(lambda api: api.cut_watches("ingresses"))
    cluster.do(change)
    assert headgate.get("kept.test").status == 200
    caught_up(headgate)
    assert [line for line in headgate.log_records("informer failed") if "<html>" in line["error"]]


def test_an_api_server_that_is_busy_is_asked_later(headgate: HeadgateProcess, cluster: ScriptedCluster) -> None:
    busy = {"status": 429, "reason": "TooManyRequests", "headers": {"Retry-After": "1"}}
    for method, path in (("GET", INGRESSES), ("POST", "/events$"), ("PUT", "/status$")):
        cluster.do(lambda api, method=method, path=path: api.fail(method, path, **busy))
    cluster.do(lambda api: api.cut_watches("ingresses"))
    cluster.do(change)
    caught_up(headgate)
    wait_until(lambda: cluster.reasons("new"))


def test_traffic_continues_while_the_api_server_restarts(headgate: HeadgateProcess, cluster: ScriptedCluster) -> None:
    outages = len(headgate.outages())
    with cluster.down():
        wait_until(lambda: len(headgate.outages()) > outages)
        assert headgate.get("kept.test").body == "kept"
        assert headgate.readiness().status == 200
        cluster.do(change)
    caught_up(headgate)


def test_a_rotated_token_is_read_again(headgate: HeadgateProcess, cluster: ScriptedCluster) -> None:
    cluster.do(lambda api: api.tokens.add("first"))
    events = cluster.asked("POST", "events")
    cluster.token.write_text("second")
    cluster.do(lambda api: (api.tokens.clear(), api.tokens.add("second"), api.cut_watches()))
    cluster.do(change)
    caught_up(headgate)
    wait_until(lambda: cluster.asked("POST", "events") > events)
    cluster.do(lambda api: api.tokens.clear())


def test_events_that_may_not_be_written_are_dropped_and_the_rest_continues(
    headgate: HeadgateProcess, cluster: ScriptedCluster
) -> None:
    dropped = headgate.metric("headgate_events_dropped_total")
    cluster.do(lambda api: api.forbid("create", "events"))
    cluster.put(answering("unheard", "unheard.test", "x"))
    wait_until(lambda: headgate.metric("headgate_events_dropped_total") > dropped)
    cluster.do(change)
    caught_up(headgate)
    cluster.do(lambda api: api.allow("create", "events"))


def test_a_class_of_another_controller_with_the_same_name_is_ignored(
    headgate: HeadgateProcess, cluster: ScriptedCluster
) -> None:
    cluster.put(ingress_class(controller="example.com/other"))
    wait_until(lambda: headgate.get("kept.test").status == 404)
    cluster.put(ingress_class())
    wait_until(lambda: headgate.get("kept.test").body == "kept")
