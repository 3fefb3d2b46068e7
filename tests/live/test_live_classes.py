"""Which Ingresses of a folder are served, by their class, and what is logged if there is none."""

from __future__ import annotations

from typing import Any

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, ingress, ingress_class
from tests.waiting import wait_until

NONE = "nothing is served"


def none_served(headgate: HeadgateProcess) -> list[str]:
    return [str(record["reason"]) for record in headgate.log_records(NONE)]


def without_class(name: str, host: str) -> dict[str, Any]:
    item = ingress(name, host)
    del item["spec"]["ingressClassName"]
    return item


def test_a_folder_of_which_no_ingress_is_served_is_logged_with_the_reason(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    headgate = serve_manifests()
    assert none_served(headgate) == [f"there is no Ingress, VirtualServer or TransportServer in {manifests.path}"]
    both = [ingress(name, f"{name}.test", class_name="public") for name in ("a", "b")]
    manifests.put({"apiVersion": "v1", "kind": "List", "metadata": {"name": "both"}, "items": both})
    wait_until(lambda: none_served(headgate)[1:])
    assert none_served(headgate)[1].startswith("2 Ingresses are ignored: its class is 'public'")
    assert "-ingress-class=public" in none_served(headgate)[1]

    manifests.put(without_class("c", "c.test"))
    wait_until(lambda: headgate.get("c.test").status == 200)
    assert headgate.get("a.test").status == 404
    assert wait_until(lambda: headgate.log_records("without class"))[0]["object"] == "Ingress default/c"

    manifests.put(ingress_class("public", "example.com/another"))
    wait_until(lambda: headgate.get("c.test").status == 404)
    wait_until(lambda: none_served(headgate)[2:])
    assert "these files have the IngressClass 'public'" in none_served(headgate)[2]
    assert "belongs to the controller 'example.com/another'" in none_served(headgate)[2]
    assert len(none_served(headgate)) == 3


def test_refused_objects_are_counted_by_their_kinds_if_nothing_is_served(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    host = {"apiVersion": "k8s.nginx.org/v1", "kind": "VirtualServer", "spec": {"host": "not a host"}}
    rate = {"apiVersion": "k8s.nginx.org/v1", "kind": "Policy", "spec": {"rateLimit": {"rate": "often"}}}
    manifests.put(*({**item, "metadata": {"name": name}} for item, name in ((host, "a"), (host, "b"), (rate, "c"))))
    headgate = serve_manifests()
    assert none_served(headgate) == ["1 Policy and 2 VirtualServers are refused, see the events above"]


def test_objects_without_a_listener_are_the_reason_if_nothing_is_served(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    upstreams = [{"name": "tea", "service": "tea", "port": 80}]
    listener = {"listener": {"http": "http-8083"}, "host": "cafe.test"}
    host = {"kind": "VirtualServer", "spec": {**listener, "routes": [{"path": "/", "action": {"pass": "tea"}}]}}
    stream = {"kind": "TransportServer", "spec": {"listener": {"name": "dns", "protocol": "UDP"},
                                                  "action": {"pass": "tea"}}}  # fmt: skip
    for item in (host, stream):
        item["spec"]["upstreams"] = upstreams
        manifests.put({"apiVersion": "k8s.nginx.org/v1", "metadata": {"name": "cafe", "namespace": "default"}, **item})
    headgate = serve_manifests()
    said = "1 TransportServer and 1 VirtualServer are valid and not served, see the events above"
    assert none_served(headgate) == [said]
    ((reason, message),) = headgate.events("VirtualServer default/cafe")
    assert reason == "AddedOrUpdatedWithWarning"
    assert "spec.listener: has no listener that can be used (the host is not served)" in message
    assert headgate.log_records("ready")[0]["hosts"] == 0
