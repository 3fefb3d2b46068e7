"""The examples are whole, and the client that judges answers can tell a good one from a bad one."""

import base64
import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from showcase import backends
from showcase.client import Doors, curl, verify
from showcase.example import EXAMPLES, Answer, Check, Endpoint, Example, Request
from showcase.ports import free_port

OTHERS = {"uds-pod"}
"""Examples that nginx alone cannot serve; what they promise is tested in tests/uds."""
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name not in OTHERS)
EVERY = pytest.mark.parametrize("name", NAMES)


@EVERY
def test_every_example_has_a_readme_and_checks(name: str) -> None:
    example = Example.named(name)
    assert example.script.checks
    assert example.script.edits
    assert all(edit.checks for edit in example.script.edits)
    assert (example.folder / "README.md").read_text().startswith("# ")


@EVERY
def test_the_backends_of_an_example_are_on_loopback_and_have_names_of_their_own(name: str) -> None:
    endpoints = Example.named(name).endpoints()
    names = [(endpoint.name, endpoint.protocol) for endpoint in endpoints]
    assert names
    assert len(set(names)) == len(names)
    assert all(endpoint.address.startswith("127.") for endpoint in endpoints)


def test_no_two_examples_share_a_backend_port() -> None:
    ports = [{endpoint.port for endpoint in Example.named(name).endpoints()} for name in NAMES]
    assert len(set().union(*ports)) == sum(map(len, ports))


TLS_SECRETS = {
    f"{name}/{item['metadata']['name']}": item
    for name in NAMES
    for item in Example.named(name).manifests()
    if item["kind"] == "Secret" and item["type"] == "kubernetes.io/tls"
}


@pytest.mark.parametrize("name", TLS_SECRETS)
def test_tls_secrets_hold_a_matching_pair_that_is_valid_for_long(name: str) -> None:
    pair = {key: base64.b64decode(text) for key, text in TLS_SECRETS[name]["data"].items()}
    certificate = x509.load_pem_x509_certificate(pair["tls.crt"])
    key = serialization.load_pem_private_key(pair["tls.key"], None)
    assert certificate.public_key() == key.public_key()
    assert certificate.not_valid_after_utc > dt.datetime(2040, 1, 1, tzinfo=dt.UTC)


@EVERY
def test_the_edits_of_an_example_can_be_made_in_a_copy_and_leave_the_original(name: str, tmp_path: Path) -> None:
    original = Example.named(name)
    before = {path: path.read_text() for path in original.folder.iterdir()}
    copy = original.copy(tmp_path / "copy")
    for edit in original.script.edits:
        edit.apply(copy.folder)
        assert edit.replacement in (copy.folder / edit.file).read_text()
    assert {path: path.read_text() for path in original.folder.iterdir()} == before


def test_an_edit_whose_text_is_not_there_is_refused(tmp_path: Path) -> None:
    copy = Example.named("cafe").copy(tmp_path / "copy")
    edit = copy.script.edits[0]
    edit.apply(copy.folder)
    with pytest.raises(ValueError, match="exactly once"):
        edit.apply(copy.folder)


def test_a_copy_has_ports_of_its_own_and_the_same_backends(tmp_path: Path) -> None:
    original = Example.named("cafe")
    copy = original.copy(tmp_path / "copy")
    assert [endpoint.name for endpoint in copy.endpoints()] == [endpoint.name for endpoint in original.endpoints()]
    assert not {endpoint.port for endpoint in copy.endpoints()} & {endpoint.port for endpoint in original.endpoints()}


def test_a_copy_has_listeners_of_its_own(tmp_path: Path) -> None:
    original = Example.named("custom-listeners")
    copy = original.copy(tmp_path / "copy")
    assert original.listener_ports() == set(copy.listeners) == {8083, 8446}
    assert copy.listener_ports() == set(copy.listeners.values())
    doors = Doors(1, 2, tmp_path / "none.pem", copy.listeners)
    assert doors.port(Request("http://cafe.example.com:8083/tea")) == copy.listeners[8083]
    assert doors.port(Request("https://cafe.example.com/tea")) == 2


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("udp://dns.test:53", "echo hello | nc -u -w 1 127.0.0.1 53"),
        ("tcp://dns.test:53", r"printf 'GET / HTTP/1.0\r\n\r\n' | nc 127.0.0.1 53"),
        (
            "tls://a.test:53",
            (
                r"printf 'GET / HTTP/1.0\r\n\r\n' | "
                "openssl s_client -quiet -connect 127.0.0.1:53 -servername a.test -CAfile x.pem"
            ),
        ),
    ],
)
def test_connections_and_datagrams_can_be_sent_by_hand(url: str, command: str) -> None:
    assert curl(Request(url), Doors(1, 2, Path("x.pem"))) == command


def test_a_closed_connection_is_a_fault(tmp_path: Path) -> None:
    port = free_port()
    outcome = verify(Check("", Request(f"tcp://dns.test:{port}"), Answer()), Doors(1, 2, tmp_path / "none.pem"))
    assert outcome.faults[0].startswith("no answer: ConnectionRefusedError")


@pytest.fixture
def doors(tmp_path: Path):
    port = free_port()
    with backends.running([Endpoint("tea-1", "127.0.0.1", port)]):
        yield Doors(port, port, tmp_path / "none.pem")


GOOD = Answer(200, body=("Server name: tea-1", "URI: /x?y=1", "Method: POST"), headers={"content-type": "text/plain"})


def test_an_expected_answer_passes(doors: Doors) -> None:
    request = Request("http://cafe.example.com/x?y=1", method="POST", body_size=100)
    outcome = verify(Check("", request, GOOD), doors)
    assert outcome.passed, outcome


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(404), "status is 200"),
        (Answer(200, body=("coffee",)), "no 'coffee' in the body"),
        (Answer(200, headers={"Location": "https"}), "Location is ''"),
        (Answer(200, without_headers=("x-powered-by",)), "x-powered-by is there"),
        (Answer(200, servers=2), "1 backends answered"),
    ],
)
def test_each_failed_check_is_named(doors: Doors, answer: Answer, fault: str) -> None:
    outcome = verify(Check("", Request("http://cafe.example.com/"), answer), doors)
    assert outcome.faults == (fault,)
    assert str(outcome).startswith("FAIL")


def test_no_answer_is_a_failed_check_and_no_exception(tmp_path: Path) -> None:
    port = free_port()
    outcome = verify(Check("", Request("http://cafe.example.com/"), Answer(200)), Doors(port, port, tmp_path / "no"))
    assert not outcome.passed
    assert "no answer: ConnectionRefusedError" in str(outcome)


def test_the_password_and_headers_reach_the_backend(doors: Doors) -> None:
    request = Request("http://cafe.example.com/", user="alice:espresso", headers={"X-Table": "7"})
    answer = Answer(200, body=("Authorization: Basic YWxpY2U6ZXNwcmVzc28=", "X-Table: 7", "Host: cafe.example.com"))
    assert verify(Check("", request, answer), doors).passed


def test_a_taken_port_is_named(doors: Doors) -> None:
    with (
        pytest.raises(OSError, match=f"127.0.0.1:{doors.http}: Address already in use"),
        backends.running([Endpoint("tea-1", "127.0.0.1", doors.http)]),
    ):
        pass


def test_curl_lines_name_the_port_and_quote_what_a_shell_would_read(tmp_path: Path) -> None:
    doors = Doors(8080, 8443, tmp_path / "trusted.pem")
    assert curl(Request("https://cafe.example.com/tea?a=1&b=2"), doors) == (
        f"curl --resolve cafe.example.com:8443:127.0.0.1 --cacert {doors.certificates} --include "
        "'https://cafe.example.com:8443/tea?a=1&b=2'"
    )
