"""Handshakes for names without a certificate are refused as by server blocks, whatever chooses certificates."""

from __future__ import annotations

import ssl

import pytest

from tests.live.json_objects import ingress
from tests.routes.routed_nginx import RoutedNginx
from tests.waiting import eventually

BLOCK = {"server_snippets": "# own"}
CONTEXT = {"ssl_ciphers": "HIGH"}


@pytest.mark.parametrize("other", [{}, BLOCK, CONTEXT], ids=["routed", "server block", "context of its own"])
async def test_an_unknown_name_is_refused_with_its_alert_and_nothing_is_logged(
    routed: RoutedNginx, capfd: pytest.CaptureFixture[str], other: dict[str, str]
) -> None:
    one = ingress("one", "one.test", tls={"cert-a": ["one.test"]}, ssl_redirect="false")
    two = ingress("two", "two.test", tls={"cert-b": ["two.test"]}, ssl_redirect="false", **other)
    wild = ingress("wild", "*.wild.test", tls={"cert-b": ["*.wild.test"]}, ssl_redirect="false", **other)
    long = f"{'a' * 63}.{'b' * 63}.{'c' * 63}.test"
    longest = ingress("long", long, tls={"cert-a": [long]}, ssl_redirect="false")
    free = ingress("free", "*.free.test", tls={"cert-a": ["*.free.test"]}, ssl_redirect="false")
    await routed.apply(one, two, wild, free, longest, ingress("bare", "bare.test"))
    for _ in range(2):
        for name in ("one.test", "two.test", "a.wild.test", "a.free.test", long):
            assert (await routed.get_secure(name))[1].startswith("200 Server name: tea"), name
        for name in ("nobody.test", "bare.test", "a.b.wild.test", "wild.test", "a.b.free.test"):
            with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
                await routed.get_secure(name)
        assert not (await routed.apply(ingress("new", "new.test"))).reloaded
    said = capfd.readouterr().err
    assert not [line for line in said.splitlines() if "[error]" in line or "[crit]" in line or "[alert]" in line]
    routed.delete(two)
    await routed.apply()
    await eventually(lambda: not routed.manager.generations().leaving)
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        await routed.get_secure("two.test")


async def test_a_name_that_comes_while_files_have_the_certificates_is_accepted(routed: RoutedNginx) -> None:
    two = ingress("two", "two.test", tls={"cert-b": ["two.test"]}, **BLOCK)
    await routed.apply(two, ingress("bare", "bare.test"))
    await routed.apply(ingress("one", "one.test", tls={"cert-a": ["one.test"]}))
    assert list(routed.hosts) == ["bare.test", "one.test"]
    assert (await routed.get_secure("one.test"))[1].startswith("200 Server name: tea")
    assert (await routed.get_secure("two.test"))[1].startswith("200 Server name: tea")
