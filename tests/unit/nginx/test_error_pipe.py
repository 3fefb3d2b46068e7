"""What comes out of the pipe that nginx has as its standard error."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from headgate.nginx import error_pipe
from headgate.nginx.error_pipe import ErrorPipe
from tests.waiting import DEADLINE_S, wait_until

LINE = "2026/11/26 22:38:29 [{}] 7#7: {}"


@pytest.fixture
def pipe() -> Iterator[ErrorPipe]:
    made = ErrorPipe()
    made.open()
    yield made
    made.close()


def logged(pipe: ErrorPipe, caplog: pytest.LogCaptureFixture, *lines: str) -> list[logging.LogRecord]:
    """Write *lines* as nginx does, and return what was logged."""
    assert pipe.writer is not None
    for line in lines:
        os.write(pipe.writer, f"{line}\n".encode())
    pipe.close()
    return [record for record in caplog.records if record.name == error_pipe.__name__]


@pytest.mark.parametrize(
    "text",
    [
        "signal 1 (SIGHUP) received from 22476, reconfiguring",
        "reconfiguring",
        'using the "epoll" event method',
        "nginx/1.22.1",
        "getrlimit(RLIMIT_NOFILE): 20000:20000",
        "start worker processes",
        "start worker process 27654",
        "gracefully shutting down",
        "exiting",
        "exit",
        "signal 17 (SIGCHLD) received from 27623",
        "worker process 27623 exited with code 0",
    ],
)
@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_notices_about_processes_are_details(
    pipe: ErrorPipe, caplog: pytest.LogCaptureFixture, text: str, level: int
) -> None:
    caplog.set_level(level)
    records = logged(pipe, caplog, LINE.format("notice", text))
    assert [record.levelno for record in records] == ([logging.DEBUG] if level == logging.DEBUG else [])


def test_all_others_are_logged_whatever_the_log_level(
    pipe: ErrorPipe, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", logging.CRITICAL)
    records = logged(
        pipe,
        caplog,
        LINE.format("error", "*5 connect() failed (111: Connection refused), client: 127.0.0.1"),
        LINE.format("alert", "worker process 27623 exited on signal 11"),
        LINE.format("notice", '"^" matches "/"'),
        LINE.format("warn", "a client request body is buffered"),
        "free(): invalid pointer \udcff".encode(errors="replace").decode(),
    )
    assert [(record.levelname, record.fields.get("pid")) for record in records] == [
        ("ERROR", 7),
        ("ERROR", 7),
        ("INFO", 7),
        ("WARNING", 7),
        ("WARNING", None),
    ]
    assert records[0].fields["message"] == "connect() failed (111: Connection refused), client: 127.0.0.1"
    assert records[1].fields["nginx_level"] == "alert"


def test_warnings_about_the_configuration_are_those_of_its_test(
    pipe: ErrorPipe, caplog: pytest.LogCaptureFixture
) -> None:
    pipe.master = 7
    lines = LINE.format("warn", 'duplicate extension "html"'), 'nginx: [warn] duplicate extension "html"'
    assert logged(pipe, caplog, *lines) == []


def test_the_attempts_to_bind_a_port_are_details(pipe: ErrorPipe, caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        LINE.format("emerg", "bind() to 0.0.0.0:80 failed (98: Address already in use)"),
        LINE.format("notice", "try again to bind() after 500ms"),
        LINE.format("emerg", "still could not bind()"),
        "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
    ]
    assert logged(pipe, caplog, *lines) == []


def test_a_writer_never_waits_for_the_log_and_what_is_left_out_is_counted(
    pipe: ErrorPipe, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_pipe, "KEPT", 100_000)
    script = """
import os
for _ in range(20_000):
    try:
        os.write(2, b"x" * 99 + b"\\n")
    except BlockingIOError:
        break
"""
    assert caplog.handler.lock
    with caplog.handler.lock:  # a log that is not written
        command = [sys.executable, "-c", script]
        assert subprocess.run(command, stderr=pipe.writer, timeout=DEADLINE_S, check=False).returncode == 0
    pipe.close()
    (said,) = [record for record in caplog.records if record.message == "lines of nginx left out"]
    assert said.fields["lines"] > 0


def test_each_line_is_logged_or_counted_also_the_last_ones(
    pipe: ErrorPipe, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_pipe, "KEPT", 100_000)
    assert pipe.writer is not None
    assert caplog.handler.lock
    os.set_blocking(pipe.writer, True)
    left_out, written = "lines of nginx left out", 0
    for _ in range(2):  # of which the second is within a minute of the first, and nothing comes after it
        with caplog.handler.lock:
            for _ in range(20_000):
                os.write(pipe.writer, b"x" * 99 + b"\n")
                written += 1
        wait_until(lambda: [record for record in caplog.records if record.message == left_out])
    pipe.close()
    counted = [record.fields["lines"] for record in caplog.records if record.message == left_out]
    assert len(counted) == 2
    assert sum(counted) + sum(record.message == "nginx" for record in caplog.records) == written
