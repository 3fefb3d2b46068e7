"""Objects whose fields have wrong types, as an API server with another schema may send them."""

from __future__ import annotations

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, answering, config_map
from tests.live.scripted_cluster import ScriptedCluster
from tests.waiting import wait_until


def garbled(name: str, host: str, **more: str) -> Json:
    """An Ingress with a number where a path should be."""
    item = answering(name, host, "x", **more)
    item["spec"]["rules"][0]["http"]["paths"][0]["path"] = 7
    return item


def refused(headgate: HeadgateProcess) -> float:
    return headgate.metric("headgate_objects_refused")


def test_an_ingress_that_no_longer_decodes_is_withdrawn_and_reported(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    cluster.put(config_map(external_status_address="198.51.100.7"))
    cluster.put(answering("cafe", "cafe.test", "one"), answering("other", "other.test", "fine"))
    headgate = serve_cluster("-report-ingress-status", "-nginx-configmaps=ours/config")
    assert headgate.get("cafe.test").body == "one"
    wait_until(lambda: cluster.addresses("cafe"))
    cluster.put(garbled("cafe", "cafe.test"), garbled("foreign", "foreign.test", class_name="other"))
    wait_until(lambda: headgate.get("cafe.test").status == 404)
    wait_until(lambda: "Rejected" in cluster.reasons("cafe"))
    (event,) = (event for event in cluster.events("cafe") if event["reason"] == "Rejected")
    assert event["message"] == (
        "default/cafe was rejected: with error: "
        "spec.rules[0].http.paths[0].path: '7' must be a string, not an integer; put it in quotes "
        "(the object is not used)"
    )
    stored = cluster.do(lambda api: api.get("Ingress", "default", "cafe"))
    assert event["involvedObject"]["uid"] == stored["metadata"]["uid"]
    wait_until(lambda: cluster.addresses("cafe") == [])
    assert refused(headgate) == 1
    assert len(headgate.log_records("object does not decode")) == 2
    assert (cluster.reasons("foreign"), headgate.get("other.test").body) == ([], "fine")
    cluster.put(answering("cafe", "cafe.test", "two"))
    wait_until(lambda: headgate.get("cafe.test").body == "two")
    wait_until(lambda: refused(headgate) == 0)


def test_an_ingress_that_never_decoded_is_reported_until_it_is_deleted(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    cluster.put(garbled("cafe", "cafe.test"), answering("other", "other.test", "fine"))
    headgate = serve_cluster()
    wait_until(lambda: cluster.reasons("cafe") == ["Rejected"])
    assert (refused(headgate), headgate.get("other.test").body) == (1, "fine")
    cluster.delete("Ingress", "cafe")
    wait_until(lambda: refused(headgate) == 0)


def test_a_config_map_that_no_longer_decodes_stays_in_force_as_it_was(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    cluster.put(config_map(server_snippets="location = /set { return 200 one; }"), answering("cafe", "cafe.test", "x"))
    headgate = serve_cluster("-nginx-configmaps=ours/config", "-enable-snippets")
    wait_until(lambda: headgate.get("cafe.test", "/set").body == "one")
    broken = config_map(server_snippets="location = /set { return 200 two; }")
    cluster.put({**broken, "data": {**broken["data"], "proxy-read-timeout": 7}})
    (message,) = wait_until(
        lambda: [event["message"] for event in cluster.events("config", "ConfigMap") if "a string" in event["message"]]
    )
    assert message.endswith("put it in quotes (the previous settings stay in force)")
    assert headgate.get("cafe.test", "/set").body == "one"
    cluster.put(broken)
    wait_until(lambda: headgate.get("cafe.test", "/set").body == "two")
