"""Requests by host and Service: labels come from the configuration, and end with it."""

from __future__ import annotations

from headgate.api import GlobalConfiguration, Ingress, Service, TopLevel, TransportServer
from headgate.controller.traffic import StreamTraffic, Traffic
from headgate.nginx.latency import Request, Session, Try
from headgate.reporting.measured import Pool, UpstreamServer
from headgate.reporting.metrics import Origin, Requests, Sessions
from tests.simulated_cluster import SimulatedCluster, api_object

TEA = Origin("tea", "ingress", "cafe", "shop")


def cluster_of(*services: str) -> SimulatedCluster:
    cluster = SimulatedCluster()
    for name in services:
        ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
        cluster.put(api_object(Service, metadata={"namespace": "shop", "name": name}, spec={"ports": ports}))
    return cluster


def cafe(host: str, *services: str) -> TopLevel:
    named = [service.split(":") for service in services]
    backends = [{"service": {"name": name, "port": {"number": int(port)}}} for name, port in named]
    paths = [{"path": f"/{number}", "pathType": "Prefix", "backend": one} for number, one in enumerate(backends)]
    meta = {"namespace": "shop", "name": "cafe"}
    return api_object(
        Ingress, metadata=meta, spec={"ingressClassName": "nginx", "rules": [{"host": host, "http": {"paths": paths}}]}
    )


def test_ports_of_one_service_are_one_series_and_nginx_answers_without_a_service() -> None:
    cluster, traffic = cluster_of("tea", "coffee"), Traffic()
    cluster.put(cafe("cafe.test", "tea:80", "tea:81"))
    generation = cluster.process_batch()
    first, second = sorted(generation.upstreams)
    for upstream, code in ((first, "200"), (second, "204"), (second, "502"), ("-", "404"), ("", "401")):
        traffic.count(Request("cafe.test", upstream, code), generation)
    assert traffic.requests(generation) == {
        Requests("cafe.test", "2xx", TEA): 2,
        Requests("cafe.test", "5xx", TEA): 1,
        Requests("cafe.test", "4xx"): 2,
    }


def test_servers_and_upstreams_of_snippets_are_no_labels() -> None:
    cluster, traffic = cluster_of("tea", "coffee"), Traffic()
    cluster.put(cafe("cafe.test", "tea:80"))
    generation = cluster.process_batch()
    for host in ("of-a-snippet.test", "", "_"):
        traffic.count(Request(host, "elsewhere.example", "200"), generation)
    assert traffic.requests(generation) == {Requests("_", "2xx"): 3}


def test_counts_end_with_their_host_and_with_their_service_and_do_not_move_elsewhere() -> None:
    cluster, traffic = cluster_of("tea", "coffee"), Traffic()
    cluster.put(cafe("cafe.test", "tea:80", "coffee:80"))
    generation = cluster.process_batch()
    for upstream in generation.upstreams:
        traffic.count(Request("cafe.test", upstream, "200"), generation)
    assert len(traffic.requests(generation)) == 2
    cluster.put(cafe("cafe.test", "tea:80"))
    assert traffic.requests(cluster.process_batch()) == {Requests("cafe.test", "2xx", TEA): 1}
    cluster.put(cafe("new.test", "tea:80"))
    assert traffic.requests(cluster.process_batch()) == {}


# --- sessions ----------------------------------------------------------------------------------------


def streams(*names: str) -> SimulatedCluster:
    """A cluster in which each TransportServer of *names* has a listener, and none an endpoint."""
    cluster = SimulatedCluster(["-global-configuration=shop/listeners"])
    ports = [{"name": name, "port": 5000 + number, "protocol": "TCP"} for number, name in enumerate(names)]
    cluster.put(
        api_object(GlobalConfiguration, metadata={"namespace": "shop", "name": "listeners"}, spec={"listeners": ports})
    )
    for name in names:
        upstream = {"name": "app", "service": "tea", "port": 80}
        spec = {"listener": {"name": name, "protocol": "TCP"}, "upstreams": [upstream], "action": {"pass": "app"}}
        cluster.put(api_object(TransportServer, metadata={"namespace": "shop", "name": name}, spec=spec))
    return cluster


def test_sessions_are_counted_with_their_bytes_and_failed_tries_and_end_with_their_object() -> None:
    cluster, traffic = streams("one", "two"), StreamTraffic()
    generation = cluster.process_batch()
    (server,) = generation.upstreams["ts_shop_one_app"].servers
    for name in ("one", "two"):
        for code, tries in (("200", (Try(server, 0.1),)), ("502", (Try(server, None), Try("10.0.0.1:1", None)))):
            traffic.count(Session(f"ts_shop_{name}_app", code, 10, 200, 1.5, tries))
    pool = Pool("ts_shop_two_app", "tea", "transportserver", "two", "shop")
    assert pool in traffic.sessions(generation).received
    cluster.delete(TransportServer.KIND.ref("shop", "one"))
    assert traffic.sessions(cluster.process_batch()) == Sessions(
        ended={("2xx", pool): 1, ("5xx", pool): 1},
        received={pool: 20},
        sent={pool: 400},
        failures={UpstreamServer("ts_shop_two_app", server, "tea", "transportserver", "two", "shop"): 1},
    )


def test_a_wildcard_host_has_its_name_as_label_and_not_the_expression_of_nginx() -> None:
    cluster, traffic = cluster_of("tea"), Traffic()
    cluster.put(cafe("*.cafe.test", "tea:80"))
    generation = cluster.process_batch()
    for host in (r"~^[^.]+\.cafe\.test$", "*.cafe.test", r"~^[^.]+\.other\.test$"):
        traffic.count(Request(host, "-", "200"), generation)
    assert traffic.requests(generation) == {Requests("*.cafe.test", "2xx"): 2, Requests("_", "2xx"): 1}
