"""Which requests follow from routes, and what of two answers is compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate.ir import Capabilities
from headgate.probing import Difference, Probe, Reason, Reply, chosen, controller, differences, probes
from headgate.probing.addresses import Address
from headgate.probing.answers import portless
from headgate.probing.samples import beginning, fitting_value, header_for, in_bytes
from headgate.viewing import look
from tests.simulated_cluster import flags

EXAMPLES = Path(__file__).parents[2] / "examples"

OK = Reply("200", (("content-type", "text/plain"),), "sha256:1", "sha256:a")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("/api(/|$)(.*)", "/api"),
        ("^/v[12]/x", "/v"),
        (r"/a\.b/.*", "/a.b/"),
        (r"/a\d", "/a"),
        ("/ab?c", "/a"),
        ("/ab*", "/a"),
        ("/ab+", "/ab"),
        ("/a{0,1}", "/"),
        ("/a|/b", ""),
        ("(a|b)", ""),
        (".*", ""),
        ("\\", ""),
    ],
)
def test_the_literal_beginning_of_a_regular_expression(pattern: str, text: str) -> None:
    assert beginning(pattern) == text


@pytest.mark.parametrize(
    ("condition", "value"),
    [("always", "always"), ("~^a\\-b$", "a-b"), ("~*^v", "v"), ("~.*", ""), ("a\r\nB: c", ""), ("ä", ""), ("", "")],
)
def test_values_that_meet_a_condition(condition: str, value: str) -> None:
    assert fitting_value(condition) == value


@pytest.mark.parametrize(
    ("variable", "header"),
    [
        ("$http_x_canary", ("x-canary", "always")),
        ("$cookie_kind", ("Cookie", "kind=always")),
        ("$http_host", None),
        ("$http_a:b", None),
        ("$arg_kind", None),
        ("$request_method", None),
    ],
)
def test_headers_that_meet_a_condition(variable: str, header: tuple[str, str] | None) -> None:
    assert header_for(variable, "always") == header


def of_example(name: str) -> set[tuple[str, str, str]]:
    """Return method, URL and headers of the requests that follow from an example."""
    found = look(flags([f"--manifests={EXAMPLES / name}"]), Capabilities())
    hosts = [host for resource in found.resources for host in resource.table.hosts]
    derived = probes(hosts, (), ("http", "https"), found.env.params)
    return {(probe.method, probe.url, "; ".join(map(": ".join, probe.headers))) for probe in derived}


def test_requests_that_meet_conditions_of_a_virtual_server() -> None:
    asked = of_example("virtualserver-matches")
    assert ("GET", "http://cafe.example.com/tea", "x-tester: yes") in asked
    assert ("GET", "http://cafe.example.com/tea?version=next", "") in asked
    assert not any("guest" in headers for *_, headers in asked)


def test_requests_that_follow_from_a_policy() -> None:
    origin = "Origin: https://headgate-compare.example.com"
    asked = of_example("policies")
    assert ("GET", "http://cafe.example.com/tea", origin) in asked
    assert ("OPTIONS", "http://cafe.example.com/tea", f"{origin}; Access-Control-Request-Method: GET") in asked


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_requests_of_every_example_are_what_a_client_can_send(name: str) -> None:
    for method, url, headers in of_example(name):
        assert method in {"GET", "OPTIONS"}
        assert re.fullmatch(r"https?://[a-z0-9.-]+/[!-~]*", url)
        assert re.fullmatch(r"[ -~]*", headers)


def test_sizes() -> None:
    assert [in_bytes(text) for text in ("0", "512", "8k", "1M", "1g")] == [0, 512, 8192, 1 << 20, 1 << 30]


def test_the_most_important_requests_stay_in_their_order() -> None:
    reasons = [Reason.UPPER, Reason.PATH, Reason.BESIDE, Reason.GUARDED]
    probes = [Probe("http", "a.test", f"/{number}", reason) for number, reason in enumerate(reasons)]
    assert [probe.path for probe in chosen(probes, 3)] == ["/1", "/2", "/3"]
    assert chosen(probes, 9) == tuple(probes)


def test_addresses() -> None:
    assert controller("10.0.0.1").addresses == {"http": Address("10.0.0.1", 80), "https": Address("10.0.0.1", 443)}
    assert controller("https://[::1]:8443/").addresses == {"https": Address("::1", 8443)}
    assert str(Address("::1", 8443)) == "[::1]:8443"


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (OK, ()),
        (Reply("200", (("content-type", "text/plain"), ("server", "b"), ("date", "2")), "sha256:1"), ()),
        (Reply("200", OK.headers, "sha256:2"), (Difference("body", "sha256:1", "sha256:2"),)),
        (Reply("200", OK.headers, ""), ()),
        (Reply("404", (("content-type", "text/html"),), "sha256:2"), (Difference("status", "200", "404"),)),
        (
            Reply("302", (("location", "/x"),)),
            (Difference("status", "200", "302"), Difference("location", "", "/x")),
        ),
        (
            Reply("200", (*OK.headers, ("set-cookie", "b=1; Path=/"), ("set-cookie", "a=2")), "sha256:1"),
            (Difference("set-cookie", "", "a, b"),),
        ),
    ],
)
def test_what_is_compared(other: Reply, found: tuple[Difference, ...]) -> None:
    assert differences(OK, other) == found


def test_certificates_are_compared_on_demand() -> None:
    other = Reply("200", OK.headers, OK.body, "sha256:b")
    assert differences(OK, other, certificate=True) == (Difference("certificate", "sha256:a", "sha256:b"),)


def test_spaces_in_lists_mean_nothing() -> None:
    one, two = (Reply("200", (("access-control-allow-methods", text),)) for text in ("GET,PUT", "GET, PUT"))
    assert differences(one, two) == ()


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("http://a.test:8080/x", "http://a.test/x"),
        ("http://a.test:8081/x", "http://a.test:8081/x"),
        ("http://[::1]:8080", "http://[::1]"),
        ("/x?http://b.test:8080/", "/x?http://b.test/"),
    ],
)
def test_ports_of_the_addresses_are_not_those_of_clients(location: str, text: str) -> None:
    assert portless(Reply("301", (("location", location),)), {8080}).headers == (("location", text),)
