"""The examples with listeners of their own are served: backends, Headgate and nginx for real, on free ports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from showcase.ports import free_port, free_ports

from headgate.nginx.capabilities import embedded
from tests.live.headgate_process import ROOT, StartHeadgate, ask, trusting
from tests.live.stream_backends import over_tcp, over_tls, over_udp, tcp_backend, udp_backend


def copied(name: str, directory: Path, ports: dict[int, int]) -> Path:
    """Return a copy of the example *name* with other *ports*."""
    folder = directory / name
    folder.mkdir()
    for file in (ROOT / "examples" / name).glob("*.yaml"):
        text = re.sub(r"(?<=port: )\d+", lambda found: str(ports.get(int(found[0]), found[0])), file.read_text())
        (folder / file.name).write_text(text)
    return folder


def test_datagrams_and_connections_of_the_example_reach_the_service(
    new_headgate: StartHeadgate, directory: Path
) -> None:
    with udp_backend("udp") as datagrams, tcp_backend("tcp") as connections:
        port = free_port()
        folder = copied("tcp-udp", directory, {5353: port, 18531: datagrams, 18532: connections})
        new_headgate(f"--manifests={folder}").start_ready()
        assert over_udp(port) == "udp hello"
        assert over_tcp(port) == "tcp hello"


def test_the_example_passes_tls_on_and_serves_https_on_one_port(
    new_headgate: StartHeadgate, directory: Path, tea: int
) -> None:
    with tcp_backend("app", certificate_for="app.example.com") as app:
        folder = copied("tls-passthrough", directory, {18533: app, 18534: tea})
        headgate = new_headgate(f"--manifests={folder}", "-enable-tls-passthrough")
        headgate.flags.append(f"-tls-passthrough-port={headgate.https}")
        headgate.start_ready()
        assert over_tls(headgate.https, "app.example.com") == "app hello"
        answer = headgate.get_tls("cafe.example.com", "/tea")
        assert answer.status == 200
        assert "x-real-ip: 127.0.0.1" in answer.body.lower()


@pytest.mark.skipif(not embedded(), reason="needs nginx 1.25.5")
def test_the_example_terminates_tls_of_two_hosts_on_one_port(new_headgate: StartHeadgate, directory: Path) -> None:
    with tcp_backend("messages") as messages, tcp_backend("records") as records:
        port = free_port()
        folder = copied("tcp-tls", directory, {8883: port, 18536: messages, 18537: records})
        new_headgate(f"--manifests={folder}", nginx=embedded() or "").start_ready()
        for name in ("messages", "records"):
            assert over_tls(port, f"{name}.example.com") == f"{name} hello"
        assert over_tls(port, "other.example.com") == ""


def test_the_example_serves_a_host_on_its_listeners_alone(
    new_headgate: StartHeadgate, directory: Path, tea: int
) -> None:
    plain, secure = free_ports(2)
    folder = copied("custom-listeners", directory, {8083: plain, 8446: secure, 18535: tea})
    headgate = new_headgate(f"--manifests={folder}")
    headgate.start_ready()
    host = "cafe.example.com"
    assert ask(plain, host, "/tea").status == 200
    assert "Server name: tea" in ask(secure, host, "/tea", tls=trusting()).body
    assert headgate.get(host, "/tea").status == 404
    assert headgate.get_tls(host, "/tea").status == 0
