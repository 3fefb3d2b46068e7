"""TransportServers under an nginx that lacks a module: they are reported, and everything else is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from headgate.api import TransportServer
from headgate.ir import Capabilities
from headgate.k8s import Folder
from headgate.translate import unsupported_flags
from tests.simulated_cluster import CURRENT, SimulatedCluster

CASES = Path(__file__).parents[2] / "cases" / "transportserver"


def served(case: str, able: Capabilities, *flags: str) -> SimulatedCluster:
    cluster = SimulatedCluster((f"--manifests={CASES / case}", *flags), able)
    cluster.put(*Folder(CASES / case / "in.yaml").load())
    cluster.process_batch()
    return cluster


def told(cluster: SimulatedCluster, name: str) -> str:
    return cluster.statuses.current[TransportServer.KIND.ref("default", name)].message


def test_without_the_stream_module_no_file_of_streams_is_written_and_the_module_is_named() -> None:
    cluster = served("tcp-udp", structs.replace(CURRENT, stream=None))
    assert not [name for name in cluster.texts() if name.startswith("stream-conf.d/")]
    assert b"stream {" not in cluster.texts()["nginx.conf"]
    assert "needs ngx_stream_module, which this nginx does not have" in told(cluster, "dns-tcp")


@pytest.mark.parametrize(
    ("lack", "reason"),
    [
        ({"stream_ssl": False}, "needs ngx_stream_ssl_module"),
        ({"stream_hosts": False, "version": (1, 22, 1)}, "needs nginx 1.25.5 to serve spec.host"),
    ],
)
def test_without_tls_of_streams_objects_with_tls_are_reported(lack: dict[str, object], reason: str) -> None:
    cluster = served("tls-hosts", structs.replace(CURRENT, **lack))
    assert not [name for name in cluster.texts() if name.startswith("stream-conf.d/")]
    assert reason in told(cluster, "one")


def test_without_the_module_that_reads_server_names_https_stays_on_its_port() -> None:
    cluster = served("tls-passthrough", structs.replace(CURRENT, stream_preread=False), "-enable-tls-passthrough")
    texts = cluster.texts()
    assert "tls-passthrough-hosts.conf" not in texts
    assert b"listen 443 ssl;" in texts["conf.d/default-web.conf"]
    assert "needs ngx_stream_ssl_preread_module" in told(cluster, "secure")
    assert cluster.generation
    flags = list(unsupported_flags(cluster.generation.env))
    assert any("-enable-tls-passthrough is on" in line for line in flags)


def test_an_unusable_certificate_of_an_older_nginx_closes_the_port() -> None:
    able = structs.replace(CURRENT, stream_hosts=False, version=(1, 22, 1))
    cluster = SimulatedCluster((f"--manifests={CASES}",), able)
    objects = [item for item in Folder(CASES / "tls-of-every-connection" / "in.yaml").load() if item.ref.name != "cert"]
    cluster.put(*objects)
    cluster.process_batch()
    assert not [name for name in cluster.texts() if name.startswith("stream-conf.d/")]
    assert "has no certificate: Secret default/cert does not exist" in told(cluster, "every")
