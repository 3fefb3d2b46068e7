"""What an older nginx cannot do is left out and said; what speaks gRPC keeps gRPC's own errors."""

from typing import Any

from msgspec import structs

from headgate.api import ConfigMap, EndpointSlice, GlobalConfiguration, Ingress, Service
from headgate.ir import Capabilities
from headgate.translate import http3_in_words
from tests.nginx_lexer import directives
from tests.simulated_cluster import CURRENT, SimulatedCluster, api_object

FLAGS = ("--manifests=.", "-nginx-configmaps=nginx-ingress/nginx-config")
DEBIAN_12 = Capabilities()


def cluster_with(
    annotations: dict[str, str], capabilities: Capabilities = CURRENT, external: str = "", **data: str
) -> tuple[SimulatedCluster, list[str]]:
    """Return a cluster with one Ingress, and what was reported of it and of the ConfigMap."""
    cluster = SimulatedCluster(FLAGS, capabilities)
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": "/tea", "pathType": "Exact", "backend": backend}]}}
    spec: dict[str, Any] = {"ingressClassName": "nginx", "defaultBackend": backend, "rules": [rule]}
    service = {"type": "ExternalName", "externalName": external} if external else {"ports": [{"port": 80}]}
    labels = {"kubernetes.io/service-name": "tea"}
    endpoints = [{"addresses": [f"10.0.0.{number}"]} for number in (1, 2)]
    cluster.put(
        api_object(Ingress, metadata={"namespace": "shop", "name": "cafe", "annotations": annotations}, spec=spec),
        api_object(Service, metadata={"namespace": "shop", "name": "tea"}, spec=service),
        api_object(EndpointSlice, metadata={"namespace": "shop", "name": "tea", "labels": labels}, addressType="IPv4",
             ports=[{"port": 80}], endpoints=endpoints),
        api_object(ConfigMap, metadata={"namespace": "nginx-ingress", "name": "nginx-config"},
             data={key.replace("_", "-"): text for key, text in data.items()}),
    )  # fmt: skip
    generation = cluster.process_batch()
    return cluster, [cluster.reported()["shop/cafe"], *map(str, generation.config_map or ())]


def text(cluster: SimulatedCluster, name: str = "shop-cafe") -> str:
    return cluster.texts()[f"conf.d/{name}.conf"].decode()


def test_sticky_cookies_need_a_new_nginx() -> None:
    asked = {"nginx.org/sticky-cookie-services": "serviceName=tea srv_id"}
    able, (told, *_) = cluster_with(asked)
    assert "    sticky cookie srv_id;\n" in text(able)
    assert told.startswith("AddedOrUpdated: ")
    old, (told, *_) = cluster_with(asked, DEBIAN_12)
    assert "sticky" not in text(old)
    assert "nginx.org/sticky-cookie-services: needs nginx 1.29.6 with its sticky module" in told
    live = "the live data plane (-data-plane=live and an nginx with Lua)"
    assert f"which this one is not, or {live} (clients go to any backend)" in told


def test_names_are_resolved_at_each_reload_by_an_old_nginx() -> None:
    old, told = cluster_with({}, DEBIAN_12, external="tea.example.org", resolver_addresses="10.96.0.10")
    file = "external/shop-tea@shop-cafe-a.test-tea-80.servers"
    assert "server tea.example.org:80;\n" in old.files[file].data.decode()
    assert f"    include /etc/nginx/{file};\n" in text(old)
    reason = "resolver-addresses: needs nginx 1.27.3, and this one is 1.22.1"
    assert told[1:] == [f"{reason} (ExternalName Services are resolved at each reload)"]
    able, told = cluster_with({}, external="tea.example.org", resolver_addresses="10.96.0.10")
    assert "    server tea.example.org:80 resolve;\n" in text(able)
    assert told[1:] == []


def test_an_external_address_needs_no_resolver() -> None:
    able, _ = cluster_with({}, external="192.0.2.1", resolver_addresses="10.96.0.10")
    assert "    server 192.0.2.1:80;\n" in text(able)


def test_a_location_that_speaks_grpc_keeps_its_errors() -> None:
    asked = {"nginx.org/custom-http-errors": "503", "nginx.org/grpc-services": "tea"}
    cluster, _ = cluster_with(asked, http2="true")
    pages = [list(at.arguments) for at in directives(text(cluster)) if at.name == "error_page"]
    assert pages[0] == ["503", "@custom_default_backend"]
    assert ["503", "=", "@grpcerror503"] in pages


def test_grpc_without_tls_is_only_heard_by_a_new_nginx() -> None:
    asked = {"nginx.org/grpc-services": "tea"}
    old, (told, *_) = cluster_with(asked, DEBIAN_12, http2="true")
    reason = "needs a.test in spec.tls: gRPC needs HTTP/2, which nginx before 1.25.1 supports only over TLS"
    assert f"nginx.org/grpc-services: {reason} (gRPC clients get no answer)" in told
    assert "http2" not in text(old)
    able, (told, *_) = cluster_with(asked, http2="true")
    assert "    http2 on;\n" in text(able)
    assert told.startswith("AddedOrUpdated: ")


def test_keepalive_0_is_written_only_for_an_nginx_that_keeps_connections() -> None:
    for capabilities, said in ((CURRENT, True), (DEBIAN_12, False)):
        cluster, _ = cluster_with({"nginx.org/keepalive": "0"}, capabilities)
        assert ("    keepalive 0;\n" in text(cluster)) is said
        assert "Connection" not in text(cluster)


def test_http3_needs_a_module() -> None:
    able, told = cluster_with({}, http3="true")
    assert "    listen 443 quic reuseport default_server;\n" in text(able, "_default-server")
    assert told[1:] == []
    old, told = cluster_with({}, DEBIAN_12, http3="true")
    assert not any(b" quic" in data for data in old.texts().values())
    reason = "http3: needs ngx_http_v3_module, which this nginx (1.22.1) does not have; it is in nginx 1.25 and newer"
    assert told[1:] == [f"{reason} (no port speaks HTTP/3)"]


def test_the_ports_of_http3_follow_the_listeners_of_udp() -> None:
    flags = (*FLAGS, "-global-configuration=nginx-ingress/listeners")
    cluster = SimulatedCluster(flags)
    listeners = [{"name": "dns", "port": 5353, "protocol": "UDP"}]
    udp = api_object(GlobalConfiguration, metadata={"namespace": "nginx-ingress", "name": "listeners"},
                     spec={"listeners": listeners})  # fmt: skip
    metadata = {"namespace": "nginx-ingress", "name": "nginx-config"}
    cluster.put(udp, api_object(ConfigMap, metadata=metadata, data={"http3": "true"}))
    cluster.process_batch()
    assert "on:5353 " in text(cluster, "+http3")
    cluster.put(api_object(ConfigMap, metadata=metadata, data={}))
    cluster.process_batch()
    assert "conf.d/+http3.conf" not in cluster.texts()
    cluster.put(api_object(ConfigMap, metadata=metadata, data={"http3": "true"}))
    cluster.delete(udp.ref)
    cluster.process_batch()
    assert "on:5353 " not in text(cluster, "+http3")


def test_where_http3_is_served_is_said_in_words() -> None:
    able = structs.replace(CURRENT, http3=True)

    def words(capabilities: Capabilities = able, **data: str) -> str:
        generation = cluster_with({}, capabilities, **data)[0].generation
        assert generation
        return http3_in_words(generation.env)

    assert words() == ""
    assert words(http3="true") == "on, by UDP on port 443"
    assert words(http3="true", http3_advertised_port="8443") == "on, by UDP on port 443, and clients are told 8443"
    assert words(DEBIAN_12, http3="true").startswith("off: needs ngx_http_v3_module")
