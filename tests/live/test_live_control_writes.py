"""``headgate drain`` and ``headgate set-log-level``: what an operator changes in a running controller."""

from __future__ import annotations

import stat

import pytest

from headgate.cli import run
from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, endpoints, ingress, service
from tests.live.test_live_status_command import control_socket, of
from tests.waiting import wait_until

Capture = pytest.CaptureFixture[str]
WRITES = "-control-writes"


def asked(capsys: Capture, headgate: HeadgateProcess, *words: str) -> tuple[int, str]:
    """Return the exit status of a command and all that it printed."""
    capsys.readouterr()
    code = run([*words, f"--prefix={headgate.prefix}"], {})
    printed = capsys.readouterr()
    return code, (printed.out + printed.err).strip()


def test_a_drained_endpoint_gets_no_new_requests_until_that_is_undone(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int, capsys: Capture
) -> None:
    manifests.put(ingress("tea", "tea.test"), service("tea"), endpoints("tea", "127.0.0.1", "127.0.0.2", port=tea))
    headgate = serve_manifests(WRITES)
    both = {f"127.0.0.1:{tea}", f"127.0.0.2:{tea}"}
    wait_until(lambda: used(headgate, capsys) == both)
    assert asked(capsys, headgate, "drain", "127.0.0.2") == (0, "1 endpoint drained")
    wait_until(lambda: used(headgate, capsys) == {f"127.0.0.1:{tea}"})
    assert headgate.get("tea.test").status == 200
    assert of(headgate, capsys)["controller"]["drained"] == ["127.0.0.2"]
    manifests.put(endpoints("tea", "127.0.0.1", "127.0.0.2", "127.0.0.3", port=tea))  # stays drained
    wait_until(lambda: used(headgate, capsys) == {f"127.0.0.1:{tea}", f"127.0.0.3:{tea}"})
    assert asked(capsys, headgate, "drain", "--undo", "127.0.0.2") == (0, "1 endpoint no longer drained")
    wait_until(lambda: used(headgate, capsys) == {*both, f"127.0.0.3:{tea}"})
    assert of(headgate, capsys)["controller"]["drained"] == []
    events = [
        (record["reason"], record["message"])
        for record in headgate.log_records("event")
        if "drain" in record["message"]
    ]
    asked_for = "as asked over the control socket: 127.0.0.2"
    assert events == [
        ("EndpointsDrained", f"1 endpoint is drained, {asked_for}"),
        ("EndpointsUndrained", f"1 endpoint is no longer drained, {asked_for}"),
    ]


def used(headgate: HeadgateProcess, capsys: Capture) -> set[str]:
    (host,) = of(headgate, capsys)["hosts"]
    return {each["address"] for each in host["routes"][0]["backends"][0]["endpoints"] if each["used"]}


def test_drained_endpoints_serve_while_no_other_is_ready(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int, capsys: Capture
) -> None:
    manifests.put(ingress("tea", "tea.test"), service("tea"), endpoints("tea", "127.0.0.1", port=tea))
    headgate = serve_manifests(WRITES)
    batches = headgate.batches_processed()
    assert asked(capsys, headgate, "drain", "127.0.0.1")[0] == 0
    wait_until(lambda: headgate.batches_processed() > batches)
    assert used(headgate, capsys) == {f"127.0.0.1:{tea}"}
    assert headgate.get("tea.test").status == 200


def test_a_name_that_no_endpoint_has_any_more_is_not_drained_when_another_one_gets_it(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int, capsys: Capture
) -> None:
    manifests.put(ingress("tea", "tea.test"), service("tea"), endpoints("tea", "127.0.0.1", "127.0.0.2", port=tea))
    headgate = serve_manifests(WRITES)
    assert asked(capsys, headgate, "drain", "127.0.0.2")[0] == 0
    manifests.put(endpoints("tea", "127.0.0.1", port=tea))
    wait_until(lambda: of(headgate, capsys)["controller"]["drained"] == [])
    manifests.put(endpoints("tea", "127.0.0.1", "127.0.0.2", port=tea))
    wait_until(lambda: used(headgate, capsys) == {f"127.0.0.1:{tea}", f"127.0.0.2:{tea}"})


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("drain", "10.9.9.9"), "headgate: 10.9.9.9: no endpoint has this address, Pod or node"),
        (("drain", "--undo", "127.0.0.1"), "headgate: 127.0.0.1: not drained; nothing was changed"),
        (("drain", "127.0.0.1:8080"), "is not an address (10.0.0.7, without a port), a Pod (default/tea-1) or a node"),
        (("set-log-level", "loud"), "is not a log level; use fatal, error, warn, info, debug, trace"),
    ],
)
def test_what_cannot_be_changed_is_refused_with_the_reason(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, capsys: Capture, words: tuple[str, ...], answer: str
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    code, text = asked(capsys, serve_manifests(WRITES), *words)
    assert code != 0
    assert answer in text


def test_the_log_level_is_set_while_it_runs(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, capsys: Capture
) -> None:
    headgate = serve_manifests(WRITES, "-log-level=error")
    assert asked(capsys, headgate, "set-log-level", "debug") == (0, "log level debug, error before")
    manifests.put(ingress("tea", "tea.test"))
    wait_until(lambda: any(record["level"] == "DEBUG" for record in headgate.log_records()))


def test_the_control_socket_is_read_only_by_default(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, capsys: Capture
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests()
    for words in (("drain", "127.0.0.1"), ("set-log-level", "debug")):
        code, text = asked(capsys, headgate, *words)
        assert (code, text) == (
            1,
            "headgate: changes over the control socket are not allowed; start headgate run with --control-writes",
        )
    assert stat.S_IMODE(control_socket(headgate).stat().st_mode) == 0o600
