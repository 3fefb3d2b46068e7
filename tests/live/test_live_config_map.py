"""A key of the ConfigMap that only nginx can refuse is left out and named; every other key is in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, answering, config_map, ingress
from tests.waiting import wait_until

FLAGS = ("-nginx-configmaps=ours/config", "-enable-snippets")
TOLD = "ConfigMap ours/config"
GOOD = {"proxy_read_timeout": "7s", "server_tokens": "false", "keepalive_timeout": "33s"}
ALL = ["proxy_read_timeout 7s;", "keepalive_timeout 33s;"]


def left_out(headgate: HeadgateProcess) -> list[str]:
    """Return the messages about single keys since the newest event about the whole ConfigMap but one."""
    events = headgate.events(TOLD)
    wholes = [number for number, (reason, _) in enumerate(events) if reason != "InvalidValue"]
    before = wholes[-2] if len(wholes) > 1 else -1
    return [message for reason, message in events[before + 1 :] if reason == "InvalidValue"]


def settled(headgate: HeadgateProcess, reason: str, count: int) -> None:
    """Wait for so many events about the whole ConfigMap, the newest with *reason*."""
    wait_until(lambda: sum(found != "InvalidValue" for found, _ in headgate.events(TOLD)) == count)
    assert headgate.events(TOLD)[-1][0] == reason


def in_force(headgate: HeadgateProcess) -> None:
    text = headgate.file("nginx.conf")
    assert [line for line in ALL if line not in text] == []
    assert headgate.get("neighbour.test").headers["Server"] == "nginx"


BAD = {
    "http-snippets": ("no_such_directive on;", 'unknown directive "no_such_directive"'),
    "main-snippets": ("worker_priority many;", "invalid"),
    "log-format": ("$remote_addr $no_such_variable", 'unknown "no_such_variable" variable'),
    "resolver-addresses": ("no-such-host.invalid", "host not found in resolver"),
    "server-snippets": ("listen;", 'invalid number of arguments in "listen" directive'),
    "location-snippets": ("proxy_pass;", 'invalid number of arguments in "proxy_pass" directive'),
}


@pytest.mark.parametrize("key", BAD)
def test_at_the_start(new_headgate: StartHeadgate, manifests: ManifestFolder, nginx_binary: str, key: str) -> None:
    value, words = BAD[key]
    tea, neighbour = ingress("tea", "tea.test"), answering("neighbour", "neighbour.test", "fine")
    manifests.put(tea, neighbour, config_map(**GOOD, **{key.replace("-", "_"): value}))
    headgate = new_headgate(f"--manifests={manifests.path}", *FLAGS, nginx=nginx_binary)
    headgate.start_ready()
    settled(headgate, "UpdatedWithError", 1)
    (message,) = left_out(headgate)
    assert message.startswith(f"{key}: '{value}' is refused by nginx: ")
    assert words in message
    assert message.endswith("stays in force)")
    in_force(headgate)
    assert headgate.get("tea.test").status == 200
    for name in ("tea", "neighbour"):
        assert [reason for reason, _ in headgate.events(f"Ingress default/{name}")] == ["AddedOrUpdated"]


def test_of_several_bad_keys_each_is_named_and_keeps_its_previous_value(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(answering("neighbour", "neighbour.test", "fine"), config_map(main_snippets="# a note"))
    headgate = new_headgate(f"--manifests={manifests.path}", *FLAGS)
    headgate.start_ready()
    settled(headgate, "Updated", 1)
    bad = {key.replace("-", "_"): BAD[key][0] for key in ("http-snippets", "main-snippets", "log-format")}
    manifests.put(config_map(**GOOD, **bad))
    settled(headgate, "UpdatedWithError", 2)
    first, second, third = left_out(headgate)
    assert first.startswith("http-snippets: ")
    assert first.endswith("(the default stays in force)")
    assert second.startswith("log-format: ")
    assert third.startswith("main-snippets: ")
    assert third.endswith("(the previous value stays in force)")
    in_force(headgate)
    assert "# a note" in headgate.file("nginx.conf")
    # What comes later brings none of them back, and the ConfigMap is tried again when it changes.
    batches = headgate.batches_processed()
    manifests.put(answering("late", "late.test", "late"))
    wait_until(lambda: headgate.get("late.test").body == "late")
    wait_until(lambda: headgate.batches_processed() > batches)
    in_force(headgate)
    settled(headgate, "UpdatedWithError", 2)
    manifests.put(config_map(**GOOD, http_snippets="# mended", log_format="$remote_addr"))
    settled(headgate, "Updated", 3)
    assert "# mended" in headgate.file("nginx.conf")
    in_force(headgate)


def test_keys_that_need_each_other_are_in_force_beside_a_bad_one(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(
        answering("neighbour", "neighbour.test", "fine"),
        ingress("tea", "tea.test"),
        config_map(
            **GOOD,
            http_snippets="map $host $north { default n; }\nlog_format mine $north;",
            log_format="$remote_addr $north",
            access_log="/dev/stdout mine",
            location_snippets="no_such_directive on;",
        ),
    )
    headgate = new_headgate(f"--manifests={manifests.path}", *FLAGS)
    headgate.start_ready()
    settled(headgate, "UpdatedWithError", 1)
    assert [message.partition(":")[0] for message in left_out(headgate)] == ["location-snippets"]
    in_force(headgate)
    assert "access_log /dev/stdout mine;" in headgate.file("nginx.conf")


def test_a_file_that_appears_is_taken_by_itself(
    new_headgate: StartHeadgate, manifests: ManifestFolder, directory: Path
) -> None:
    file = directory / "mine.conf"
    manifests.put(
        answering("neighbour", "neighbour.test", "fine"), config_map(**GOOD, http_snippets=f"include {file};")
    )
    headgate = new_headgate(f"--manifests={manifests.path}", *FLAGS)
    headgate.start_ready()
    settled(headgate, "UpdatedWithError", 1)
    (message,) = left_out(headgate)
    assert "No such file or directory" in message
    in_force(headgate)
    reads = headgate.batches_processed()
    wait_until(lambda: headgate.batches_processed() >= reads + 2)
    settled(headgate, "UpdatedWithError", 1)  # it is retried without new events
    file.write_text("# mine\n")
    settled(headgate, "Updated", 2)
    in_force(headgate)
    assert f"include {file};" in headgate.file("nginx.conf")
