"""Connections, datagrams and TLS by its server name: ``explain`` names the Service that answers a real client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from showcase.ports import free_ports

from headgate.cli import run
from tests.live.headgate_process import LOOPBACK, HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, ingress, tls_secret
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

Capture = pytest.CaptureFixture[str]
PASSTHROUGH = "TLS_PASSTHROUGH"
EMPTY = "empty"


def passing(name: str, host: str, service: str) -> Json:
    made = transport_server(name, "tls-passthrough", service, PASSTHROUGH, host=host)
    made["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return made


def test_explain_names_who_answers_a_connection(
    new_headgate: StartHeadgate, manifests: ManifestFolder, nginx_binary: str, capsys: Capture
) -> None:
    names = ("plain", "plain-tls", "secure", "broken", "none", "unused")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with (
        tcp_backend("app") as app,
        udp_backend("datagrams") as datagrams,
        tcp_backend("behind", certificate_for="pass.test") as behind,
    ):
        manifests.put(global_configuration(*(listener(name, ports[name]) for name in names[:-1]),
                                           listener("udp", ports["plain"], "UDP")))  # fmt: skip
        for name, port, protocol in (("app", app, "TCP"), ("datagrams", datagrams, "UDP"), ("behind", behind, "TCP")):
            manifests.put(*backend_objects(name, port, protocol))
        manifests.put(backend_objects(EMPTY, 1)[0], tls_secret("cert", "secure.test"), tls_secret("web", "web.test"))
        manifests.put(
            transport_server("plain", "plain", "app"),
            transport_server("udp", "udp", "datagrams", "UDP"),
            transport_server("plain-tls", "plain-tls", "behind"),
            transport_server("secure", "secure", "app", tls={"secret": "cert"}),
            transport_server("broken", "broken", "app", tls={"secret": "gone"}),
            transport_server("none", "none", EMPTY),
            passing("pass", "pass.test", "behind"),
            passing("closed", "closed.test", EMPTY),
            ingress("web", "web.test", tls={"web": ["web.test"]}),
        )
        headgate = new_headgate(f"--manifests={manifests.path}", "-enable-tls-passthrough", nginx=nginx_binary)
        headgate.flags.append(f"-tls-passthrough-port={headgate.https}")
        headgate.start_ready()
        plain, tls = ports["plain"], ports["plain-tls"]
        for url, real in {
            f"tcp://a.test:{plain}": over_tcp(plain),
            f"udp://a.test:{plain}": over_udp(plain),
            f"tls://pass.test:{tls}": over_tls(tls, "pass.test"),
            f"tls://secure.test:{ports['secure']}": over_tls(ports["secure"], "secure.test"),
            f"tls://{LOOPBACK}:{ports['secure']}": over_tls(ports["secure"], None),
            f"tcp://a.test:{ports['secure']}": "",
            f"tls://a.test:{ports['broken']}": over_tls(ports["broken"], "a.test"),
            f"tcp://a.test:{ports['none']}": over_tcp(ports["none"]),
            f"tcp://a.test:{ports['unused']}": over_tcp(ports["unused"]),
            f"tls://pass.test:{headgate.https}": over_tls(headgate.https, "pass.test"),
            f"https://pass.test:{headgate.https}/": over_tls(headgate.https, "pass.test"),
            f"https://pass.test:{tls}/": over_tls(tls, "pass.test"),
            f"http://a.test:{plain}/": over_tcp(plain),
            f"tls://closed.test:{headgate.https}": over_tls(headgate.https, "closed.test"),
        }.items():
            answer = explained(headgate, capsys, url)
            service = answer["upstream"]["service"] if answer["upstream"] else ""
            reached = answer["outcome"] == "proxied" and bool(answer["upstream"]["endpoints"])
            assert (real.partition(" ")[0] if real else "") == (service.rpartition("/")[2] if reached else ""), answer
            assert reached == ("answers (1 endpoint)" in answer["summary"]), answer


def explained(headgate: HeadgateProcess, capsys: Capture, url: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["explain", url, *headgate.flags, "-o", "json"], {}) == 0, capsys.readouterr().err
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("tcp://a.test:80", "No TransportServer is served on port 80: it serves HTTP."),
        ("tls://a.test:443", "No TransportServer is served on port 443: it serves HTTPS."),
        ("tls://a.test:80", "The TLS handshake fails: port 80 serves plain HTTP."),
        ("udp://a.test:443", "Nothing answers: no TransportServer is served on UDP port 443."),
        ("http://a.test:5353/", "Port 5353 is the listener of a TransportServer. nginx closes the connection"),
        ("udp://a.test:5353", "nginx drops the datagram: Service default/app has no endpoints."),
    ],
)
def test_ports_of_another_protocol_are_named(manifests: ManifestFolder, capsys: Capture, url: str, words: str) -> None:
    manifests.put(global_configuration(listener("tcp", 5353), listener("udp", 5353, "UDP")))
    manifests.put(transport_server("tcp", "tcp", "app"), transport_server("udp", "udp", "app", "UDP"))
    assert run(["explain", url, "-m", str(manifests.path), "-o", "json"], {}) == 0
    assert json.loads(capsys.readouterr().out)["summary"].startswith(words)
