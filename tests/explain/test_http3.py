"""What ``explain`` says of HTTP/3: it has the port of HTTPS, and is answered alike."""

from __future__ import annotations

from pathlib import Path

from headgate.explain import Question, explain, text
from headgate.viewing import look
from tests.simulated_cluster import CURRENT, flags

CASES = Path(__file__).parents[1] / "cases" / "tls"


def explained(case: str, url: str, *more: str) -> str:
    options = flags([f"--manifests={CASES / case}", "-nginx-configmaps=nginx-ingress/nginx-config", *more])
    return text(explain(look(options, CURRENT), Question.of(url)))


def test_the_listener_has_it() -> None:
    said = explained("http3", "https://cafe.example.com/")
    assert "Listener   443 (HTTPS and HTTP/3): the usual port of https" in said
    assert "Service default/tea, port 80, answers" in said
    assert "Listener   80 (HTTP): " in explained("http3", "http://cafe.example.com/")


def test_a_listener_does_not_have_it_while_udp_is_for_something_else() -> None:
    listeners = "-global-configuration=nginx-ingress/listeners"
    assert "8443 (HTTPS and HTTP/3)" in explained("http3-listeners", "https://own.example.com:8443/", listeners)
    assert "9443 (HTTPS): " in explained("http3-listeners", "https://beside.example.com:9443/", listeners)


def test_it_is_beside_tls_passthrough() -> None:
    flags = ("-enable-tls-passthrough", "-tls-passthrough-port=8443")
    assert "8443 (HTTPS and HTTP/3)" in explained("http3-passthrough", "https://cafe.example.com/", *flags)
