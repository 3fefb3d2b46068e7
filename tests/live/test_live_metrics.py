"""What Prometheus reads: reloads counted as operators watch them, nginx's numbers, latency, and who may scrape."""

from __future__ import annotations

import base64
import http.client
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from showcase.ports import free_port, free_ports

from headgate.nginx.capabilities import embedded
from headgate.render.renderer import MAIN
from tests.live.headgate_process import LOOPBACK, RELOADS, HeadgateProcess, StartHeadgate, ask, trusting
from tests.live.json_objects import (
    ManifestFolder,
    answering,
    config_map,
    endpoints,
    ingress,
    path,
    secret,
    service,
    tls_secret,
)
from tests.live.scripted_cluster import ScriptedCluster
from tests.live.stream_backends import (
    backend_objects,
    global_configuration,
    listener,
    over_tcp,
    over_tls,
    over_udp,
    tcp_backend,
    transport_server,
    udp_backend,
)
from tests.nginx_binaries import ANY_NGINX, BINARIES, LUA, capabilities
from tests.waiting import wait_until

CONTROLLER = "nginx_ingress_controller_"
NGINX = "nginx_ingress_nginx_"
WHEEL = embedded() or ""
REQUESTS = "headgate_http_requests_total"
LATENCY = f"{CONTROLLER}upstream_server_response_latency_ms"


@pytest.fixture(params=["files", "live"])
def serve_counting(request: pytest.FixtureRequest, serve_manifests: StartHeadgate) -> StartHeadgate:
    """Start a Headgate that counts requests and latencies, in each data plane."""
    plane = request.param
    if plane == "live" and not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")

    def make(*flags: str) -> HeadgateProcess:
        nginx = LUA or "" if plane == "live" else ANY_NGINX
        headgate = serve_manifests("-enable-latency-metrics", f"-data-plane={plane}", *flags, nginx=nginx)
        assert ("log_format response_time" in headgate.file("nginx.conf")) is (plane == "files")
        return headgate

    return make


def reload_counts(headgate: HeadgateProcess) -> tuple[int, int]:
    return int(headgate.metric(RELOADS, reason="endpoints")), int(headgate.metric(RELOADS, reason="other"))


def test_the_start_is_one_reload_however_many_resources(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    for number in range(40):
        manifests.put(
            tls_secret(f"s{number}", f"h{number}.test"),
            ingress(f"i{number}", f"h{number}.test", tls={f"s{number}": [f"h{number}.test"]}),
        )
    headgate = serve_manifests()
    assert reload_counts(headgate) == (0, 1)
    assert headgate.metric(f"{CONTROLLER}nginx_last_reload_status", **{"class": "nginx"}) == 1
    assert headgate.metric(f"{CONTROLLER}nginx_last_reload_milliseconds") > 0
    assert headgate.metric(f"{CONTROLLER}nginx_reload_errors_total") == 0
    assert headgate.metric(f"{CONTROLLER}ingress_resources_total", type="regular") == 40


def test_reloads_are_counted_by_what_caused_them_and_equal_files_cause_none(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int, coffee: int
) -> None:
    fixed = ingress("fixed", "fixed.test", use_cluster_ip="true")
    fixed["spec"]["rules"][0]["http"]["paths"] = [path("far")]
    manifests.put(
        ingress("tea", "tea.test"), fixed, service("far", clusterIP="127.0.0.1"), endpoints("far", "192.0.2.1")
    )
    headgate = serve_manifests("-data-plane=files")
    manifests.put(endpoints("tea", "127.0.0.1", port=coffee))
    wait_until(lambda: "Server name: coffee" in headgate.get("tea.test").body)
    wait_until(lambda: reload_counts(headgate) == (1, 1))
    batches = headgate.batches_processed()
    labelled = ingress("tea", "tea.test")
    labelled["metadata"]["labels"] = {"changed": "yes"}
    manifests.put(labelled)
    wait_until(lambda: headgate.batches_processed() > batches)
    batches = headgate.batches_processed()
    manifests.put(endpoints("far", "192.0.2.1", "192.0.2.2"))
    wait_until(lambda: headgate.batches_processed() > batches)
    assert reload_counts(headgate) == (1, 1)
    manifests.put(ingress("tea", {"tea.test": [path("tea", "/new")]}))
    wait_until(lambda: headgate.get("tea.test").status == 404)
    wait_until(lambda: reload_counts(headgate) == (1, 2))


def test_ten_ingresses_at_once_cost_few_reloads(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    headgate = serve_cluster("--reload-spacing=200")
    for number in range(10):
        cluster.put(answering(f"i{number}", f"h{number}.test", "here"))
    for number in range(10):
        wait_until(lambda number=number: headgate.get(f"h{number}.test").body == "here")
        wait_until(lambda number=number: cluster.reasons(f"i{number}"))  # said when the reload is counted
    assert 1 < headgate.reloads() <= 1 + 6


def test_resources_are_counted_by_role_and_refused_ones_apart(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    master = ingress("master", {"shared.test": []}, mergeable_ingress_type="master")
    minions = [
        ingress(name, {"shared.test": [path("tea", f"/{name}")]}, mergeable_ingress_type="minion")
        for name in ("one", "two")
    ]
    manifests.put(ingress("plain", "plain.test"), ingress("bad", {"bad.test": [path("tea", "no/slash")]}))
    manifests.put(master, *minions)
    headgate = serve_manifests()
    counts = {role: headgate.metric(f"{CONTROLLER}ingress_resources_total", type=role) for role in
              ("regular", "master", "minion")}  # fmt: skip
    assert counts == {"regular": 1, "master": 1, "minion": 2}
    assert headgate.metric("headgate_objects_refused") == 1
    assert headgate.get("shared.test", "/two").status == 200
    assert headgate.file("conf.d/default-master.conf")
    assert "/one" in headgate.file("attached/shared.test/default-one.locations")


@pytest.mark.skipif(not BINARIES or not capabilities(ANY_NGINX).stub_status, reason="this nginx has no stub_status")
def test_the_connections_of_nginx_are_counted(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests()
    names = ("accepted", "handled", "active")
    before = {name: headgate.metric(f"{NGINX}connections_{name}", **{"class": "nginx"}) for name in names}
    requests = headgate.metric(f"{NGINX}http_requests_total")
    for _ in range(5):
        headgate.get("tea.test")
    assert headgate.metric(f"{NGINX}connections_accepted") >= before["accepted"] + 5
    assert headgate.metric(f"{NGINX}connections_handled") >= before["handled"] + 5
    assert before["active"] >= 1
    assert headgate.metric(f"{NGINX}http_requests_total") >= requests + 5
    assert headgate.metric(f"{CONTROLLER}nginx_worker_processes_total", generation="current") >= 1
    assert headgate.metric(f"{CONTROLLER}workqueue_queue_duration_seconds_count", name="taskQueue") >= 1


def test_latency_is_measured_by_server_and_resource(
    serve_counting: StartHeadgate, manifests: ManifestFolder, tea: int
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_counting()
    for _ in range(3):
        assert headgate.get("tea.test").status == 200
    labels = {
        "server": f"127.0.0.1:{tea}",
        "code": "200",
        "service": "tea",
        "resource_type": "ingress",
        "resource_name": "tea",
        "resource_namespace": "default",
    }

    def count() -> float:
        return sum(
            one.value
            for one in headgate.samples()
            if one.name == f"{LATENCY}_count" and labels.items() <= one.labels.items()
        )

    wait_until(lambda: count() == 3)
    upstream = {one.labels["upstream"] for one in headgate.samples() if one.name == f"{LATENCY}_count"}
    state = headgate.prefix / "run" / "live" / "state.json"  # what a host without a file needs
    known = headgate.file("conf.d/default-tea.conf") or state.read_text()
    assert all(f"upstream {name} " in known or f'"u:{name}"' in known for name in upstream)
    new = ingress("tea", {"tea.test": [path("tea", "/new")]}, proxy_read_timeout="7s")  # the socket outlives a reload
    manifests.put(new)
    wait_until(lambda: headgate.reloads() == 2)
    assert headgate.get("tea.test", "/new").status == 200
    wait_until(lambda: count() == 4)
    manifests.put(endpoints("tea", LOOPBACK, port=free_port()))  # series do not outlive the server
    wait_until(lambda: count() == 0)


def test_latency_of_grpc_has_its_upstream_as_label(serve_counting: StartHeadgate, manifests: ManifestFolder) -> None:
    """The backend speaks no HTTP/2, so nginx counts a failed try; what matters is that it says at whom."""
    manifests.put(config_map(http2="true"), ingress("tea", "tea.test", grpc_services="tea"))
    headgate = serve_counting("-nginx-configmaps=ours/config")
    headgate.get("tea.test")

    def labels() -> list[dict[str, str]]:
        return [one.labels for one in headgate.samples() if one.name == f"{LATENCY}_count"]

    wait_until(labels)
    assert {(one["service"], one["resource_name"], one["code"]) for one in labels()} == {("tea", "tea", "502")}


def test_requests_are_counted_by_host_service_and_class_of_status(
    serve_counting: StartHeadgate, manifests: ManifestFolder
) -> None:
    empty = {"shop.test": [path("tea", "/tea"), path("empty", "/empty")]}
    manifests.put(service("empty"), ingress("shop", empty))
    headgate = serve_counting()

    def counts() -> dict[tuple[str, ...], float]:
        names = ("host", "code", "service", "resource_namespace", "resource_name")
        found = [one for one in headgate.samples() if one.name == REQUESTS]
        return {tuple(one.labels[name] for name in names): one.value for one in found}

    for host, uri, status in (
        ("shop.test", "/tea", 200),
        ("shop.test", "/tea", 200),
        ("shop.test", "/empty", 502),
        ("shop.test", "/other", 404),
        ("random-1.test", "/", 404),
        ("random-2.test", "/", 404),
    ):
        assert headgate.get(host, uri).status == status
    wait_until(lambda: sum(counts().values()) == 6)
    assert counts() == {
        ("shop.test", "2xx", "tea", "default", "shop"): 2,
        ("shop.test", "5xx", "empty", "default", "shop"): 1,
        ("shop.test", "4xx", "", "", ""): 1,
        ("_", "4xx", "", "", ""): 2,  # hosts that clients invent are no labels
    }
    manifests.put(ingress("shop", {"new.test": [path("tea")]}))
    wait_until(lambda: headgate.get("new.test").status == 200)
    wait_until(lambda: {key[0] for key in counts()} == {"_", "new.test"})


def test_sessions_of_transport_servers_are_counted_by_object_class_of_status_and_server(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, nginx_binary: str
) -> None:
    one, two, three = free_ports(3)
    with tcp_backend("app") as app, udp_backend("datagrams") as datagrams:
        manifests.put(
            global_configuration(listener("a", one), listener("b", two), listener("c", three, "UDP")),
            *backend_objects("app", app),
            *backend_objects("datagrams", datagrams, "UDP"),
            transport_server("tcp", "a", "app", serverSnippets="access_log /dev/null stream-main;"),
            transport_server("nobody", "b", "none"),
            transport_server("udp", "c", "datagrams", "UDP", upstreamParameters={"udpRequests": 1, "udpResponses": 1}),
        )
        headgate = serve_manifests("-enable-latency-metrics", "-enable-snippets", nginx=nginx_binary)
        assert [over_tcp(one), over_tcp(one), over_tcp(two)] == ["app hello", "app hello", ""]
        assert over_udp(three) == "datagrams hello"

    def found(name: str, *labels: str) -> dict[tuple[str, ...], float]:
        every = [each for each in headgate.samples() if each.name == f"headgate_stream_{name}"]
        assert all(
            (each.labels["resource_type"], each.labels["class"]) == ("transportserver", "nginx") for each in every
        )
        return {tuple(each.labels[label] for label in ("resource_name", *labels)): each.value for each in every}

    ended = {("tcp", "2xx", "app"): 2, ("nobody", "5xx", "none"): 1, ("udp", "2xx", "datagrams"): 1}
    wait_until(lambda: found("sessions_total", "code", "service") == ended)
    assert found("received_bytes_total") == {("tcp",): 10, ("nobody",): 0, ("udp",): 5}
    assert found("sent_bytes_total") == {("tcp",): 18, ("nobody",): 0, ("udp",): 15}
    assert found("session_seconds_count", "upstream")["tcp", "ts_default_tcp_app"] == 2
    connected = {("tcp", f"{LOOPBACK}:{app}"): 2, ("udp", f"{LOOPBACK}:{datagrams}"): 1}
    assert found("upstream_connect_seconds_count", "server") == connected
    assert [(key[0], value) for key, value in found("upstream_failures_total").items()] == [("nobody", 1)]
    manifests.delete(transport_server("tcp", "a", "app"))
    names = ("sessions_total", "received_bytes_total", "session_seconds_count", "upstream_connect_seconds_count")
    wait_until(lambda: not any(key[0] == "tcp" for name in names for key in found(name)))


@pytest.mark.skipif(not WHEEL, reason="needs nginx 1.25.5")
def test_sessions_over_tls_are_those_of_the_host_that_the_client_asked_for(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    port = free_port()
    with tcp_backend("app") as app:
        manifests.put(global_configuration(listener("a", port)), *backend_objects("app", app))
        for host in ("one", "two"):
            manifests.put(tls_secret(host, f"{host}.test"))
            manifests.put(transport_server(host, "a", "app", host=f"{host}.test", tls={"secret": host}))
        headgate = serve_manifests("-enable-latency-metrics", nginx=WHEEL)
        asked = ("two.test", "one.test", "two.test", "three.test")
        assert [over_tls(port, name) for name in asked] == ["app hello"] * 3 + [""]
    every = "headgate_stream_sessions_total"

    def sessions() -> dict[str, float]:
        return {each.labels["resource_name"]: each.value for each in headgate.samples() if each.name == every}

    wait_until(lambda: sessions() == {"one": 1, "two": 2})


def plus(headgate: HeadgateProcess, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The series of a metric of NGINX Plus by *labels*."""
    found = (one for one in headgate.samples() if one.name == f"nginx_ingress_nginxplus_{name}")
    return {tuple(one.labels[label] for label in labels): one.value for one in found}


def test_hosts_and_servers_have_the_series_of_nginx_plus(
    new_headgate: StartHeadgate, manifests: ManifestFolder, tea: int
) -> None:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    dead = free_port()
    manifests.put(service("both"), endpoints("both", "127.0.0.2", port=dead))
    manifests.put(ingress("shop", {"shop.test": [path("tea", "/tea"), path("both", "/both")]}, max_conns="8"))
    headgate = new_headgate(f"--manifests={manifests.path}", "-enable-latency-metrics", nginx=LUA)
    headgate.start_ready()
    for uri, status in (("/tea", 200), ("/tea", 200), ("/both", 502), ("/none", 404)):
        assert headgate.get("shop.test", uri).status == status
    headgate.get("invented.test")
    resource = ("server_zone", "resource_type", "resource_namespace", "resource_name")
    shop = ("shop.test", "ingress", "default", "shop")
    wait_until(lambda: sum(plus(headgate, "server_zone_requests", "server_zone").values()) == 5)
    assert plus(headgate, "server_zone_requests", *resource) == {shop: 4, ("_", "", "", ""): 1}
    assert plus(headgate, "server_zone_discarded", *resource) == {shop: 0, ("_", "", "", ""): 0}
    codes = plus(headgate, "server_zone_responses", "server_zone", "code")
    assert {key: value for key, value in codes.items() if value} == {
        ("shop.test", "2xx"): 2, ("shop.test", "5xx"): 1, ("shop.test", "4xx"): 1, ("_", "4xx"): 1,
    }  # fmt: skip
    assert all(value > 0 for name in ("received", "sent") for value in plus(headgate, f"server_zone_{name}").values())
    good, bad = (f"127.0.0.1:{tea}", "tea"), (f"127.0.0.2:{dead}", "both")
    for name, of_good, of_bad in (("requests", 2, 1), ("fails", 0, 1), ("active", 0, 0), ("limit", 8, 8)):
        assert plus(headgate, f"upstream_server_{name}", "server", "service") == {good: of_good, bad: of_bad}
    assert plus(headgate, "upstream_server_responses", "server", "code")[good[0], "2xx"] == 2
    assert plus(headgate, "upstream_server_responses", "server", "code")[bad[0], "5xx"] == 0
    assert plus(headgate, "upstream_server_response_time", "server").keys() == {(good[0],)}
    assert headgate.metric("headgate_http_retries_total", host="shop.test") == 0
    text = ask(headgate.metrics_port, "metrics", "/metrics").body
    series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))
    if promtool := shutil.which("promtool"):  # it also has opinions on names, which are not ours
        said = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert "error" not in said.stderr
    manifests.put(endpoints("both", LOOPBACK, port=tea), ingress("shop", {"new.test": [path("both", "/")]}))
    wait_until(lambda: headgate.get("new.test").status == 200)
    wait_until(lambda: plus(headgate, "server_zone_requests", "server_zone").keys() == {("_",), ("new.test",)})
    wait_until(lambda: plus(headgate, "upstream_server_requests", "server").keys() == {(f"127.0.0.1:{tea}",)})


def test_counts_go_on_where_the_config_map_excludes_the_live_data_plane_and_come_back(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    template = Path(__file__).parents[2] / "headgate" / "render" / "templates" / MAIN
    manifests.put(ingress("tea", "tea.test"), config_map())
    flags = ("-enable-latency-metrics", "-nginx-configmaps=ours/config", "-enable-snippets")
    headgate = new_headgate(f"--manifests={manifests.path}", *flags, nginx=LUA)
    headgate.start_ready()

    def counts() -> tuple[int, int]:
        requests = sum(one.value for one in headgate.samples() if one.name == REQUESTS)
        return int(requests), sum(int(one.value) for one in headgate.samples() if one.name == f"{LATENCY}_count")

    def lines() -> bool:
        return "log_format response_time" in headgate.file("nginx.conf")

    headgate.get("tea.test")
    wait_until(counts, lambda found: found == (1, 1))
    manifests.put(config_map(main_template=template.read_text().replace('{% include "blocks/live.j2" %}', "")))
    wait_until(lambda: headgate.reloads() == 2)
    assert lines()
    headgate.get("tea.test")
    headgate.get("tea.test")
    wait_until(counts, lambda found: found == (2, 2))
    manifests.put(config_map())
    wait_until(lambda: headgate.reloads() == 3)
    assert not lines()
    headgate.get("tea.test")
    wait_until(counts, lambda found: found[1] == 1)  # of histograms only those of one data plane are there
    assert counts()[0] >= 3


def test_the_end_of_each_certificate_in_use_is_a_metric(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    own, shared = tls_secret("own", "own.test"), tls_secret("shared", "*.test")
    manifests.put(own, shared, tls_secret("unused", "unused.test"), tls_secret("default", "any.test"))
    manifests.put(
        ingress("own", "own.test", tls={"own": ["own.test"]}),
        ingress("shared", {host: [path("tea")] for host in ("a.test", "b.test")}, tls={"shared": ["a.test", "b.test"]}),
        ingress("plain", "plain.test"),
    )
    headgate = serve_manifests("-default-server-tls-secret=default/default")

    def expiries() -> dict[tuple[str, str, str], float]:
        names = ("host", "secret_namespace", "secret_name")
        found = [one for one in headgate.samples() if one.name == "headgate_certificate_expiry_timestamp_seconds"]
        return {tuple(one.labels[name] for name in names): one.value for one in found}  # type: ignore[misc]

    served = x509.load_der_x509_certificate(headgate.certificate("own.test"))
    assert expiries()["own.test", "default", "own"] == served.not_valid_after_utc.timestamp()
    assert expiries().keys() == {
        ("_", "default", "default"),
        ("own.test", "default", "own"),
        ("a.test", "default", "shared"),
        ("b.test", "default", "shared"),
    }
    manifests.put(ingress("shared", {"a.test": [path("tea")]}, tls={"shared": ["a.test"]}))
    manifests.delete(own)
    wait_until(lambda: expiries().keys() == {("_", "default", "default"), ("a.test", "default", "shared")})


def test_a_watch_that_fails_is_a_metric_until_it_recovers(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    headgate = serve_cluster()

    def failing() -> set[str]:
        found = [one for one in headgate.samples() if one.name == "headgate_watches_failing"]
        assert {"ingresses", "secrets", "services"} <= {one.labels["resource"] for one in found}
        return {one.labels["resource"] for one in found if one.value}

    assert failing() == set()
    with cluster.down():
        wait_until(lambda: {"ingresses", "secrets"} <= failing())
    cluster.put(answering("new", "new.test", "here"))
    wait_until(lambda: headgate.get("new.test").body == "here")
    wait_until(lambda: "ingresses" not in failing())


def test_a_configuration_that_cannot_be_applied_is_behind(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    headgate = serve_manifests()
    behind = "headgate_configuration_behind_seconds"
    assert headgate.metric(behind) == 0
    blocker = headgate.prefix / "etc" / "conf.d" / "default-new.conf"
    blocker.mkdir()  # no file of this name can be written
    (blocker / "file").touch()
    manifests.put(ingress("new", "new.test"))
    wait_until(lambda: headgate.metric(behind) > 0.5)
    (blocker / "file").unlink()
    blocker.rmdir()
    wait_until(lambda: headgate.metric(behind) == 0)
    assert headgate.get("new.test").status == 200


def test_metrics_can_need_tls_and_a_password(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    login = secret("login", "ours", "kubernetes.io/basic-auth", username=b"prom", password=b"p:ss")
    manifests.put(tls_secret("metrics", "metrics.test", namespace="ours"), login)
    headgate = serve_manifests("-prometheus-tls-secret=ours/metrics", "-prometheus-basic-auth-secret=ours/login")
    port = headgate.metrics_port
    assert ask(port, "metrics.test", "/metrics").status in {0, 400}
    answer = ask(port, "metrics.test", "/metrics", tls=trusting())
    assert answer.status == http.client.UNAUTHORIZED
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    for word, status in (("p:ss", 200), ("wrong", 401)):
        header = {"Authorization": "Basic " + base64.b64encode(f"prom:{word}".encode()).decode()}
        assert ask(port, "metrics.test", "/metrics", tls=trusting(), headers=header).status == status


def test_a_missing_login_secret_ends_the_start_with_one_line(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}", "-prometheus-basic-auth-secret=ours/nobody")
    headgate.start()
    assert headgate.wait_ended() == 1
    assert headgate.last_words() == ("headgate: -prometheus-basic-auth-secret: the folder has no Secret ours/nobody")


def test_metrics_are_off_unless_asked_for(serve_manifests: StartHeadgate) -> None:
    headgate = serve_manifests("-enable-prometheus-metrics=false")
    assert ask(headgate.metrics_port, LOOPBACK, "/metrics").status == 0
    assert "nginx-status.sock" not in headgate.file("nginx.conf")


@pytest.mark.skipif(not BINARIES or not capabilities(ANY_NGINX).stub_status, reason="this nginx has no stub_status")
def test_stub_status_has_its_own_port_and_allowed_addresses(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    port = free_port()
    flags = (f"--manifests={manifests.path}", "-nginx-status=true", f"-nginx-status-port={port}")
    open_to_us = new_headgate(*flags)
    open_to_us.start_ready()
    assert "Active connections" in ask(port, "any", "/stub_status").body
    assert ask(port, "any", "/").status == 404
    open_to_us.stop()
    closed = new_headgate(*flags, "-nginx-status-allow-cidrs=192.0.2.0/24", under="closed")
    closed.start_ready()
    assert ask(port, "any", "/stub_status").status == 403
