"""What one user does wrong harms nobody else, and each is told: bad Ingresses, snippets, ConfigMaps, templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import answering, config_map, endpoints, ingress, ingress_class, path, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.waiting import wait_until

BROKEN = "no_such_directive on;"
Setup = tuple[HeadgateProcess, ScriptedCluster]


@pytest.fixture(scope="module")
def setup(nginx_binary: str) -> Iterator[Setup]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        cluster = stack.enter_context(ScriptedCluster(directory))
        cluster.put(ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"), config_map())
        cluster.put(answering("neighbour", "neighbour.test", "fine"))
        flags = (f"--kubeconfig={cluster.kubeconfig}", "-nginx-configmaps=ours/config", "-enable-snippets")
        headgate = HeadgateProcess(directory, nginx_binary, *flags)
        stack.callback(headgate.stop)
        headgate.start_ready()
        yield headgate, cluster


@pytest.fixture(autouse=True)
def usual(setup: Setup) -> Iterator[None]:
    """Put the ConfigMap back, and see that the neighbour was never harmed."""
    yield
    headgate, cluster = setup
    cluster.put(config_map())
    wait_until(lambda: "# a note" not in headgate.file("nginx.conf"))
    assert headgate.get("neighbour.test").body == "fine"


def says(headgate: HeadgateProcess, host: str, text: str) -> Callable[[], bool]:
    return lambda: headgate.get(host).body == text


def last(cluster: ScriptedCluster, name: str, kind: str = "Ingress") -> dict[str, str]:
    """Return the newest Event about an object, by its time and number."""
    return max(cluster.events(name, kind), key=lambda event: int(event["metadata"]["resourceVersion"]))


def about_keys(cluster: ScriptedCluster) -> list[str]:
    """Return what was said about single keys of the ConfigMap."""
    events = cluster.events("config", "ConfigMap")
    return [event["message"] for event in events if event["reason"] == "InvalidValue"]


def test_an_update_that_nginx_refuses_keeps_the_last_good_one(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(answering("cafe", "cafe.test", "one"))
    wait_until(says(headgate, "cafe.test", "one"))
    errors = headgate.metric("nginx_ingress_controller_nginx_reload_errors_total")
    # Both in one batch, or one after the other: the good one must come through.
    cluster.put(ingress("cafe", "cafe.test", location_snippets=BROKEN), answering("late", "late.test", "in time"))
    wait_until(says(headgate, "late.test", "in time"))
    wait_until(lambda: "AddedOrUpdatedWithError" in cluster.reasons("cafe"))
    assert headgate.get("cafe.test").body == "one"
    message = last(cluster, "cafe")["message"]
    assert message.startswith("Configuration for default/cafe was added or updated but was not applied: ")
    assert 'unknown directive "no_such_directive"' in message
    assert message.endswith("the previous configuration is kept")
    assert headgate.metric("nginx_ingress_controller_nginx_reload_errors_total") > errors
    assert "no_such_directive" not in headgate.file("conf.d/default-cafe.conf")
    cluster.put(answering("cafe", "cafe.test", "two"))
    wait_until(says(headgate, "cafe.test", "two"))
    wait_until(lambda: last(cluster, "cafe")["reason"] == "AddedOrUpdated")


def test_a_new_ingress_that_nginx_refuses_has_no_file_and_is_reported(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(ingress("bad", "bad.test", server_snippets=BROKEN))
    wait_until(lambda: cluster.reasons("bad"))
    event = last(cluster, "bad")
    assert event["reason"] == "AddedOrUpdatedWithError"
    assert event["message"].endswith("nothing is served for it")
    assert headgate.file("conf.d/default-bad.conf") == ""
    assert headgate.get("bad.test").status == 404
    cluster.delete("Ingress", "bad")


def test_an_invalid_update_withdraws_the_ingress(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(answering("shop", "shop.test", "open"))
    wait_until(says(headgate, "shop.test", "open"))
    cluster.put(ingress("shop", {"shop.test": [path("tea", "/a b;{")]}))
    wait_until(lambda: headgate.get("shop.test").status == 404)
    wait_until(lambda: not headgate.file("conf.d/default-shop.conf"))
    wait_until(lambda: "Rejected" in cluster.reasons("shop"))
    message = last(cluster, "shop")["message"]
    assert message.startswith("default/shop was rejected: with error: spec.rules[0].http.paths[0].path")
    cluster.put(answering("shop", "shop.test", "open again"))
    wait_until(says(headgate, "shop.test", "open again"))


def test_a_config_map_that_nginx_refuses_is_left_out_and_later_changes_apply(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(config_map(http_snippets=f"# a note\n{BROKEN}"))
    wait_until(lambda: "UpdatedWithError" in cluster.reasons("config", "ConfigMap"))
    wait_until(lambda: any('unknown directive "no_such_directive"' in said for said in about_keys(cluster)))
    assert headgate.get("neighbour.test").body == "fine"
    cluster.put(answering("later", "later.test", "served"))
    wait_until(says(headgate, "later.test", "served"))
    cluster.put(config_map(http_snippets="# a note", server_tokens="false"))
    wait_until(lambda: headgate.get("later.test").headers["Server"] == "nginx")
    assert "# a note" in headgate.file("nginx.conf")


def test_a_config_map_whose_snippet_breaks_every_ingress_is_reported_and_no_ingress(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(answering("cafe", "cafe.test", "one"), answering("inn", "inn.test", "two"))
    wait_until(says(headgate, "inn.test", "two"))
    wait_until(lambda: "AddedOrUpdated" in cluster.reasons("inn"))
    cluster.put(config_map(server_snippets=BROKEN))
    wait_until(lambda: any(said.startswith("server-snippets: ") for said in about_keys(cluster)))
    wait_until(lambda: last(cluster, "config", "ConfigMap")["reason"] == "UpdatedWithError")
    assert headgate.get("neighbour.test").body == "fine"
    assert "AddedOrUpdatedWithError" not in cluster.reasons("inn")
    cluster.put(answering("later", "later.test", "served now"))
    wait_until(says(headgate, "later.test", "served now"))
    # An Ingress that is bad by itself is no reason to doubt a good ConfigMap.
    cluster.put(ingress("inn", "inn.test", server_snippets=BROKEN), config_map(server_tokens="false"))
    wait_until(lambda: headgate.get("neighbour.test").headers["Server"] == "nginx")
    wait_until(lambda: last(cluster, "inn")["reason"] == "AddedOrUpdatedWithError")
    wait_until(lambda: last(cluster, "config", "ConfigMap")["reason"] == "Updated")


def test_a_deleted_config_map_restores_the_defaults(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(config_map(server_tokens="false"))
    wait_until(lambda: headgate.get("neighbour.test").headers["Server"] == "nginx")
    cluster.delete("ConfigMap", "config", "ours")
    wait_until(lambda: headgate.get("neighbour.test").headers["Server"].startswith("nginx/"))


def test_bad_values_of_the_config_map_are_reported_and_the_others_apply(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(config_map(server_tokens="false", proxy_read_timeout="soon", no_such_key="1"))
    wait_until(lambda: headgate.get("neighbour.test").headers["Server"] == "nginx")
    for key in ("proxy-read-timeout: 'soon'", "no-such-key"):
        wait_until(lambda key=key: any(key in message for message in cluster.messages("config", "ConfigMap")))
    wait_until(lambda: last(cluster, "config", "ConfigMap")["message"].endswith("Ignoring invalid values"))


@pytest.mark.parametrize(
    "template",
    ["{% if %}", "{{ no.such.thing }}", "server {"],
    ids=["does not compile", "does not render", "nginx refuses it"],
)
def test_a_broken_template_leaves_the_previous_one_in_use(setup: Setup, template: str) -> None:
    headgate, cluster = setup
    before = len(cluster.events("config", "ConfigMap"))
    cluster.put(config_map(ingress_template=template))
    wait_until(lambda: len(cluster.events("config", "ConfigMap")) > before)
    assert headgate.get("neighbour.test").body == "fine"
    cluster.put(answering("late", "late.test", template[:4].replace("{", "(")))
    wait_until(lambda: "late.test" in headgate.file("conf.d/default-late.conf"))
    wait_until(says(headgate, "late.test", template[:4].replace("{", "(")))


def test_a_template_override_is_used(setup: Setup) -> None:
    headgate, cluster = setup
    template = '{% extends "builtin/http.conf.j2" %}{% block server_extra %}add_header X-Ours yes always;{% endblock %}'
    cluster.put(config_map(ingress_template=template))
    wait_until(lambda: headgate.get("neighbour.test").headers.get("X-Ours") == "yes")
    cluster.put(config_map())
    wait_until(lambda: "X-Ours" not in headgate.get("neighbour.test").headers)


def test_a_value_of_ten_megabytes_changes_nothing_and_is_not_repeated(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(config_map(server_tokens="false", proxy_read_timeout="9" * 10_000_000))
    wait_until(lambda: headgate.get("neighbour.test").headers["Server"] == "nginx")
    wait_until(lambda: any("proxy-read-timeout" in message for message in cluster.messages("config", "ConfigMap")))
    assert len(headgate.log_text()) < 1_000_000
    assert "9999999999" not in headgate.file("nginx.conf")
