"""The log as it is read: by a person at a terminal, by `kubectl logs`, and by a machine."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from headgate.reporting.events import USUAL
from tests.live.headgate_process import ROOT, HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, config_map, endpoints, ingress, path, service
from tests.waiting import wait_until

BROKEN = {"broken.test": (path("nobody"),)}
"""An Ingress whose backend refuses connections, of which nginx writes an error."""


def with_dead_backend(manifests: ManifestFolder) -> None:
    manifests.put(service("nobody"), endpoints("nobody", "127.0.0.1", port=9), ingress("broken", BROKEN))


@pytest.mark.parametrize(("form", "kind"), [("json", str), ("json-unix", int), ("json-unix-ms", int)])
def test_with_json_every_line_is_json_those_of_nginx_too(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, form: str, kind: type
) -> None:
    with_dead_backend(manifests)
    headgate = serve_manifests(f"-log-format={form}", "-log-level=debug")
    assert headgate.get("broken.test", '/"\\').status == 502
    manifests.put(ingress("tea", "tea.test"))
    wait_until(lambda: headgate.get("tea.test").status == 200)
    headgate.terminate()
    assert headgate.wait_ended() == 0
    records = [json.loads(line) for line in headgate.log_text().splitlines()]
    assert {type(record["time"]) for record in records} == {kind}
    assert all({"level", "source", "msg"} <= record.keys() for record in records)
    (error,) = [record for record in records if "connect() failed" in record.get("message", "")]
    assert (error["level"], error["msg"], error["nginx_level"]) == ("ERROR", "nginx", "error")
    assert isinstance(error["pid"], int)
    answers = [(one["host"], one["status"], one["request"]) for one in records if one["msg"] == "access"]
    assert ("broken.test", "502", 'GET /"\\ HTTP/1.1') in answers
    assert "reconfiguring" in [record.get("message") for record in records if record["level"] == "DEBUG"]


def test_lines_of_headgate_and_nginx_in_one_file_do_not_overwrite_each_other(
    new_headgate: StartHeadgate, manifests: ManifestFolder, tmp_path: Path
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = new_headgate(f"--manifests={manifests.path}", "-log-format=text")
    log = tmp_path / "redirected"
    headgate.wrapper = ("sh", "-c", 'log="$1"; shift; exec "$@" >"$log" 2>&1', "sh", str(log))
    headgate.start_ready()
    for number in range(3):
        assert headgate.get("tea.test", f"/{'x' * 200}/{number}").status == 200
        manifests.put(ingress(f"more-{number}", f"{number}.test"))
        wait_until(lambda host=f"{number}.test": headgate.get(host).status == 200)
    headgate.terminate()
    assert headgate.wait_ended() == 0
    requests = re.findall(r'^[\d.]+ - - \[.*"GET /x{200}/(\d) HTTP/1.1" 200 ', log.read_text(), re.MULTILINE)
    assert requests == ["0", "1", "2"]


def test_the_log_format_of_the_config_map_precedes_json(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(config_map(log_format="$host answered $status"), ingress("tea", "tea.test"))
    headgate = serve_manifests("-nginx-configmaps=ours/config")
    assert headgate.get("tea.test").status == 200
    wait_until(lambda: "tea.test answered 200" in headgate.log_text().splitlines())


def test_a_change_is_one_line_about_the_object_and_one_about_the_reload(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    with_dead_backend(manifests)
    headgate = serve_manifests("-log-format=glog")
    ready = wait_until(lambda: lines_from_readiness(headgate))[0]
    tea, bad = ingress("tea", "tea.test"), ingress("tea", "tea..test")
    name = "Ingress default/tea"
    expected = [ready]
    for change, item, outcome, status in (
        (manifests.put, tea, "added, serves tea.test", 200),
        (manifests.put, bad, "changed, refused: spec.rules[0].host: 'tea..test' is not a host name", 404),
        (manifests.put, tea, "changed, serves tea.test", 200),
        (manifests.delete, tea, "removed", 404),
    ):
        change(item)
        expected += [f"{name}: {outcome}", f"nginx reloaded in N ms for {name}"]
        # Until the line of the reload, old workers accept connections: an answer of theirs would look like that of the
        # next step, and the file would change again before it was read.
        wait_until(partial(lines_from_readiness, headgate), partial(at_least, len(expected)))
        assert headgate.get("tea.test").status == status
    assert lines_from_readiness(headgate) == expected
    assert re.fullmatch(
        rf"ready: http {headgate.http}, https {headgate.https}, 1 host; nginx [\d.]+, [\d.]+ s after the start",
        ready,
    )
    assert "[notice]" not in headgate.log_text()
    assert headgate.get("broken.test").status == 502
    wait_until(lambda: re.search(r"^\d{4}/\d\d/\d\d \S+ \[error\] \d+#\d+: ", headgate.log_text(), re.MULTILINE))


def at_least(count: int, lines: list[str]) -> bool:
    return len(lines) >= count


def lines_from_readiness(headgate: HeadgateProcess) -> list[str]:
    """Return Headgate's own lines from that of its readiness on, without durations and effects."""
    lines = [re.sub(r"in \d+ ms", "in N ms", line) for line in glog(headgate)]
    start = next((number for number, line in enumerate(lines) if line.startswith("ready: ")), len(lines))
    return [line.partition(" (")[0] for line in lines[start:]]


def glog(headgate: HeadgateProcess) -> list[str]:
    """Return what Headgate's own lines say."""
    return re.findall(r"^[IWEFD]\d{8} .*?\] (.*)$", headgate.log_text(), re.MULTILINE)


def test_an_ingress_without_its_service_is_one_line(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(ingress("lost", {"lost.test": (path("nowhere"),)}))
    headgate = serve_manifests("-log-format=glog")
    wait_until(lambda: "Ingress default/lost: " in headgate.log_text())
    ready, lost = (
        logged(headgate, words) for words in ("ready: ", "Ingress default/lost: .*no Service default/nowhere")
    )
    assert (lost - ready).total_seconds() < USUAL.moment  # which a cluster gets to bring the Service


def logged(headgate: HeadgateProcess, words: str) -> datetime:
    """Return when the line that begins with *words* was logged."""
    found = re.search(rf"^[IWE](\d{{8}} [\d:.]+) .*?\] {words}", headgate.log_text(), re.MULTILINE)
    assert found, headgate.log_text()
    return datetime.strptime(found[1], "%Y%m%d %H:%M:%S.%f").replace(tzinfo=UTC)


def test_a_file_that_is_mended_is_readable_again(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    headgate = serve_manifests("-log-format=glog")
    file = manifests.path / "late.yaml"
    file.write_text("a: [\n")
    wait_until(lambda: [line for line in glog(headgate) if line.startswith("late.yaml: line 2")])
    file.write_text("# nothing\n")
    wait_until(lambda: "late.yaml: decodes again" in glog(headgate))
    assert len([line for line in glog(headgate) if line.startswith("late.yaml")]) == 2


def test_debug_shows_the_notices_and_the_times_of_each_batch(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(ingress("bad", "bad..test"))
    headgate = serve_manifests("-log-level=debug", "-log-format=glog")
    assert "[notice]" in headgate.log_text()
    (line,) = wait_until(lambda: [line for line in glog(headgate) if line.startswith("batch keys=")][:1])
    assert " problems=1 " in line, "as many as were reported"


def test_a_warning_of_nginx_is_reported_on_the_object_whose_file_it_names(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    twice = "types { text/html html; text/plain html; }"
    manifests.put(ingress("tea", "tea.test"), ingress("odd", "odd.test", server_snippets=twice))
    headgate = serve_manifests("-enable-snippets")
    (reason, message) = headgate.events("Ingress default/odd")[-1]
    assert reason == "AddedOrUpdatedWithWarning"
    assert 'nginx warns: duplicate extension "html"' in message
    assert "/etc/conf.d" not in message
    assert headgate.events("Ingress default/tea")[-1][0] == "AddedOrUpdated"
    assert [line for line in headgate.log_records("nginx") if line["level"] != "DEBUG"] == []
    before = len(headgate.log_records("event"))
    manifests.put(ingress("tea", "other.test"))
    wait_until(lambda: headgate.get("other.test").status == 200)
    wait_until(lambda: len(headgate.log_records("event")) > before)
    assert len(headgate.log_records("event")) == before + 1, "the warning is no news"


def test_an_nginx_that_outlives_its_controller_goes_on_serving(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    with_dead_backend(manifests)
    headgate = serve_manifests()
    master = headgate.master
    headgate.kill()
    assert [headgate.get("broken.test").status for _ in range(3)] == [502] * 3, "its errors have no reader"
    assert Path(f"/proc/{master}").exists()
    headgate.start_ready()


@contextlib.contextmanager
def at_terminal(headgate: HeadgateProcess, *flags: str, columns: int = 0, **environ: str) -> Iterator[list[str]]:
    """Run *headgate* at a terminal, until it is ready; yield what it has printed."""
    reader, writer = pty.openpty()
    if columns:
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = [flag for flag in headgate.flags if not flag.startswith("-log-format")]
    command = [sys.executable, "-m", "headgate", "run", *given, *flags]
    surroundings = {"PATH": os.environ["PATH"], "TERM": "xterm", **environ}
    with subprocess.Popen(command, cwd=ROOT, stdout=writer, stderr=writer, env=surroundings) as process:
        os.close(writer)
        printed = b""
        try:
            while not re.search(rb"after\s+the\s+start", printed):
                printed += os.read(reader, 65536)
            yield printed.decode().splitlines()
        finally:
            process.terminate()
            with contextlib.suppress(OSError):  # the terminal is gone
                while os.read(reader, 65536):
                    pass
            os.close(reader)


def test_a_terminal_gets_short_lines_with_colours(new_headgate: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = new_headgate(f"--manifests={manifests.path}")
    with at_terminal(headgate) as lines:
        assert any("\x1b[1mIngress default/tea\x1b[0m: added, serves tea.test" in line for line in lines)
        assert "[notice]" not in "".join(lines)
    with at_terminal(headgate, NO_COLOR="1") as lines:
        assert re.fullmatch(r"\d\d:\d\d:\d\d INFO  ready: .*", lines[-1])
    with at_terminal(headgate, "-log-format=glog") as lines:
        assert re.match(r"I\d{8} ", lines[-1])


def test_many_ingresses_that_are_ignored_for_one_reason_are_one_line(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(*(ingress(f"i{number:02}", f"{number}.test", class_name="other") for number in range(20)))
    headgate = new_headgate(f"--manifests={manifests.path}")
    headgate.start_ready()
    (line,) = headgate.log_records("ignored")
    assert line["objects"] == ["Ingress default/i00", "Ingress default/i01", "Ingress default/i02"]
    assert (line["count"], line["level"]) == (20, "INFO")


def test_watch_keeps_the_header_of_the_status_on_the_screen(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(*(ingress(f"i{number:02}", f"{number}.test") for number in range(40)))
    headgate = serve_manifests()
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    command = [sys.executable, "-m", "headgate", "status", "--watch", f"--prefix={headgate.prefix}"]
    with subprocess.Popen(command, cwd=ROOT, stdin=writer, stdout=writer, stderr=writer) as process:
        os.close(writer)
        try:
            printed = b""
            while b"all are printed\r\n" not in printed:
                printed += os.read(reader, 65536)
        finally:
            process.terminate()
            os.close(reader)
    lines = printed.decode().splitlines()
    assert len(lines) < 24
    assert "Controller  " in lines[0]
    assert any(line.startswith("HOST ") for line in lines)
    assert re.match(r"\.\.\. \d+ more lines; without --watch", lines[-1])


def test_a_narrow_terminal_gets_lines_that_are_broken_between_words(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = new_headgate(f"--manifests={manifests.path}")
    with at_terminal(headgate, columns=40, NO_COLOR="1") as lines:
        start = next(index for index, line in enumerate(lines) if " ready: " in line)
    ready = lines[start:]
    assert len(ready) > 1
    assert all(len(line) <= 40 for line in ready)
    assert all(line.startswith(" " * 15) for line in ready[1:])
    assert " ".join(line.strip() for line in ready).endswith(" s after the start")
