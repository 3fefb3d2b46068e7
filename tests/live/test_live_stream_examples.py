"""The examples of TransportServers are served: backends, Headgate and nginx for real, on free ports."""

from __future__ import annotations

import re
from pathlib import Path

from showcase.ports import free_port

from tests.live.headgate_process import ROOT, StartHeadgate
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
