"""A troubled API server: nginx goes on serving, and the state is right when the trouble is over."""

from __future__ import annotations

from conftest import Start
from live_cluster import Cluster
from live_objects import answering, ingress_class, tls_secret
from live_places import until
from live_program import Program

INGRESSES = "/ingresses$"


def started(cluster: Cluster, replica: Start, *flags: str) -> Program:
    """Serve ``kept.test`` and ``old.test``."""
    cluster.put(answering("kept", "kept.test", "kept"), answering("old", "old.test", "old"))
    program = replica(*flags)
    assert program.get("kept.test").body == "kept"
    return program


def changed(cluster: Cluster) -> None:
    """Change, add and delete, as it happens behind the back of a cut watch."""
    cluster.put(answering("kept", "kept.test", "changed"), answering("new", "new.test", "new"))
    cluster.delete("Ingress", "old")


def caught_up(program: Program) -> None:
    until(lambda: program.get("kept.test").body == "changed")
    until(lambda: program.get("new.test").body == "new")
    until(lambda: program.get("old.test").status == 404)


def test_what_a_compaction_hid_is_listed_again(cluster: Cluster, replica: Start) -> None:
    program = started(cluster, replica)
    lists = cluster.asked("GET", "ingresses", limit="500")
    cluster.do(lambda api: api.fail("GET", INGRESSES, status=503, where=lambda request: "watch" in request.query))
    cluster.do(lambda api: api.cut_watches())
    changed(cluster)
    cluster.do(lambda api: api.compact())
    caught_up(program)
    assert cluster.asked("GET", "ingresses", limit="500") > lists
    assert program.code is None


def test_html_in_place_of_the_api_is_waited_out(cluster: Cluster, replica: Start) -> None:
    program = started(cluster, replica)
    page = {"status": 200, "body": b"<html>log in here</html>", "content_type": "text/html", "times": 2}
    cluster.do(lambda api: api.fail("GET", INGRESSES, **page))
    cluster.do(lambda api: api.cut_watches("ingresses"))
    changed(cluster)
    assert program.get("kept.test").status == 200
    caught_up(program)
    assert [line for line in program.lines("informer failed") if "ingresses" in line["informer"]]


def test_an_api_server_that_is_busy_is_asked_later(cluster: Cluster, replica: Start) -> None:
    program = started(cluster, replica)
    busy = {"status": 429, "reason": "TooManyRequests", "headers": {"Retry-After": "1"}}
    for method, path in (("GET", INGRESSES), ("POST", "/events$"), ("PUT", "/status$")):
        cluster.do(lambda api, method=method, path=path: api.fail(method, path, **busy))
    cluster.do(lambda api: api.cut_watches("ingresses"))
    changed(cluster)
    caught_up(program)
    until(lambda: cluster.reasons("new"))


def test_a_restart_of_the_api_server_is_survived(cluster: Cluster, replica: Start) -> None:
    program = started(cluster, replica)
    with cluster.down():
        until(lambda: program.lines("informer failed"))
        assert program.get("kept.test").body == "kept"
        assert program.readiness().status == 200
        changed(cluster)
    caught_up(program)
    until(lambda: program.lines("informer recovered"))


def test_a_rotated_token_is_read_again(cluster: Cluster, replica: Start) -> None:
    cluster.do(lambda api: api.tokens.add("first"))
    program = started(cluster, replica)
    cluster.token.write_text("second")
    cluster.do(lambda api: (api.tokens.clear(), api.tokens.add("second"), api.cut_watches()))
    changed(cluster)
    caught_up(program)
    until(lambda: cluster.reasons("new"))


def test_classes_that_may_not_be_watched_are_read_all_the_same(cluster: Cluster, replica: Start) -> None:
    cluster.do(lambda api: api.forbid("watch", "ingressclasses"))
    program = started(cluster, replica)
    assert program.readiness().status == 200
    cluster.put(answering("new", "new.test", "new"))
    until(lambda: program.get("new.test").body == "new")
    assert len([line for line in program.lines() if "ingressclasses" in str(line.get("informer"))]) <= 1


def test_a_missing_permission_is_said_once_and_the_rest_goes_on(cluster: Cluster, replica: Start) -> None:
    cluster.put(tls_secret("cert", "safe.test"))
    cluster.put(answering("safe", "safe.test", "safe", tls={"cert": ["safe.test"]}))
    cluster.do(lambda api: api.forbid("list", "secrets"))
    program = started(cluster, replica)
    until(lambda: cluster.asked("GET", "secrets") > 2)
    said = [line for line in program.lines("informer failed") if line["informer"].startswith("secrets")]
    assert len(said) == 1
    assert 'cannot list resource "secrets"' in said[0]["error"]
    cluster.do(lambda api: api.allow("list", "secrets"))
    until(lambda: program.get_tls("safe.test").body == "safe", 40)


def test_events_that_may_not_be_written_harm_nothing(cluster: Cluster, replica: Start) -> None:
    cluster.do(lambda api: api.forbid("create", "events"))
    program = started(cluster, replica)
    until(lambda: program.number("headgate_events_dropped_total") >= 2)
    changed(cluster)
    caught_up(program)


def test_an_api_server_that_is_down_at_the_start_is_waited_for(cluster: Cluster, run: Start) -> None:
    cluster.put(answering("kept", "kept.test", "kept"))
    with cluster.down():
        program = run(f"--kubeconfig={cluster.kubeconfig}", "-enable-snippets")
        program.start()
        until(lambda: program.lines("informer failed"))
        assert program.readiness().status == 503
    program.wait_ready()
    assert program.get("kept.test").body == "kept"


def test_a_class_of_ours_is_told_from_one_of_the_same_name(cluster: Cluster, replica: Start) -> None:
    program = started(cluster, replica)
    cluster.put(ingress_class(controller="example.com/other"))
    until(lambda: program.get("kept.test").status == 404)
    cluster.put(ingress_class())
    until(lambda: program.get("kept.test").body == "kept")
