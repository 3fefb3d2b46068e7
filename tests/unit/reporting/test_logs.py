"""One record, one line, in each of the seven formats."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from headgate.options import LogFormat, LogLevel, Options, parse
from headgate.reporting import logs
from headgate.reporting.logs import Style

SECONDS = 1_700_000_000.123456


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, chatter = logging.getLogger(), logging.getLogger("asyncio")
    handlers, levels = root.handlers[:], (root.level, chatter.level)
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    chatter.setLevel(levels[1])


def record(message: str = "batch applied", **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("headgate.x", logging.WARNING, "/src/controller.py", 12, message, None, None)
    made.created, made.process = SECONDS, 7
    made.fields = fields
    return made


def line(form: LogFormat, made: logging.LogRecord) -> str:
    return logs.formatter(form).format(made)


def test_the_glog_format_is_that_of_klog() -> None:
    assert line(LogFormat.GLOG, record(keys=3, host="a b")) == (
        'W20231114 22:13:20.123456    7 controller.py:12] batch applied keys=3 host="a b"'
    )
    assert line(LogFormat.GLOG, record()).endswith("] batch applied")


def test_people_read_the_quotes_of_nginx_as_they_are() -> None:
    message = 'unknown directive "foo" in a.conf:9'
    assert line(LogFormat.GLOG, record(complaint=message)).endswith(f"] batch applied complaint='{message}'")
    both = line(LogFormat.GLOG, record(complaint='it\'s "so"'))
    assert both.endswith('complaint="it' + "'" + r's \"so\""')
    assert line(LogFormat.TEXT, record(complaint=message)).endswith(
        r'complaint="unknown directive \"foo\" in a.conf:9"'
    )


@pytest.mark.parametrize(
    ("form", "time"),
    [
        (LogFormat.TEXT, "2023-11-14T22:13:20.123Z"),
        (LogFormat.TEXT_UNIX, "1700000000"),
        (LogFormat.TEXT_UNIX_MS, "1700000000123"),
    ],
)
def test_text(form: LogFormat, time: str) -> None:
    assert line(form, record(keys=3)) == (f'time={time} level=WARN source=controller.py:12 msg="batch applied" keys=3')


@pytest.mark.parametrize(
    ("form", "time"),
    [
        (LogFormat.JSON, "2023-11-14T22:13:20.123Z"),
        (LogFormat.JSON_UNIX, 1700000000),
        (LogFormat.JSON_UNIX_MS, 1700000000123),
    ],
)
def test_json(form: LogFormat, time: object) -> None:
    assert json.loads(line(form, record(keys=3, ref=LogLevel.INFO))) == {
        "time": time,
        "level": "WARN",
        "source": "controller.py:12",
        "msg": "batch applied",
        "keys": 3,
        "ref": "LogLevel.INFO",
    }


@pytest.mark.parametrize("form", LogFormat)
def test_hostile_text_forges_no_line(form: LogFormat) -> None:
    made = record('x\nE20231114 "quoted"', value='a\nlevel=ERROR msg="gone"', empty="")
    written = line(form, made)
    assert "\n" not in written
    assert "\\n" in written


@pytest.mark.parametrize("form", LogFormat)
def test_an_exception_is_logged_on_the_same_line(form: LogFormat) -> None:
    made = record()
    error = OSError("disk full")
    made.exc_info = (OSError, error, None)
    written = line(form, made)
    assert "disk full" in written
    assert "\n" not in written


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        (LogLevel.FATAL, "F"),
        (LogLevel.ERROR, "FE"),
        (LogLevel.WARN, "FEW"),
        (LogLevel.INFO, "FEWI"),
        (LogLevel.DEBUG, "FEWID"),
        (LogLevel.TRACE, "FEWIDT"),
    ],
)
def test_log_levels_filter_records(stream: io.StringIO, level: LogLevel, heard: str) -> None:
    logs.configure(LogFormat.GLOG, level, stream)
    log = logging.getLogger("headgate.test")
    for number in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, logs.TRACE):
        log.log(number, "heard")
    assert "".join(written[0] for written in stream.getvalue().splitlines()) == heard


@pytest.mark.parametrize("level", LogLevel)
def test_the_first_log_line_names_product_version_and_commit(stream: io.StringIO, level: LogLevel) -> None:
    logs.configure(LogFormat.GLOG, level, stream)
    logs.announce("Headgate", "0.1.0", "abc1234")
    who = r"test_logs\.py:[1-9]\d*\] Headgate version=0\.1\.0 commit=abc1234"
    assert re.fullmatch(rf"I\d{{8}} \S+ +\d+ {who}\n", stream.getvalue())


def test_configuring_again_replaces_the_handler(stream: io.StringIO) -> None:
    logs.configure(LogFormat.TEXT, LogLevel.INFO, io.StringIO())
    logs.configure(LogFormat.JSON, LogLevel.INFO, stream)
    logging.getLogger("headgate.test").info("once", extra={"fields": {"keys": 1}})
    assert [json.loads(text)["keys"] for text in stream.getvalue().splitlines()] == [1]


TERMINAL = Style(None)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def chosen(*argv: str, stream: io.StringIO | None = None, **environ: str) -> Style:
    options = parse(argv, {})
    assert isinstance(options, Options)
    return logs.style(options, {"TERM": "xterm", **environ}, stream or Terminal())


def test_a_terminal_gets_lines_for_a_person_unless_a_format_is_given() -> None:
    assert chosen() == Style(None, colors=True)
    assert chosen("-log-format=glog") == Style(LogFormat.GLOG)
    assert chosen("-log-format=json") == Style(LogFormat.JSON)
    assert chosen(stream=io.StringIO()) == Style(LogFormat.GLOG)


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_left_out_on_request(environ: dict[str, str]) -> None:
    assert chosen(**environ) == TERMINAL
    assert chosen(NO_COLOR="") == Style(None, colors=True)


def test_a_person_reads_the_sentence_and_a_machine_the_fields() -> None:
    made = record("event", object="Ingress default/cafe", reason="AddedOrUpdated")
    made.sentence = "Ingress default/cafe: added, serves cafe.test"
    assert re.fullmatch(r"\d\d:\d\d:\d\d WARN  " + re.escape(made.sentence), TERMINAL.formatter.format(made))
    assert line(LogFormat.GLOG, made).endswith("controller.py:12] Ingress default/cafe: added, serves cafe.test")
    assert json.loads(line(LogFormat.JSON, made))["reason"] == "AddedOrUpdated"
    assert "msg=event object=" in line(LogFormat.TEXT, made)


def test_levels_and_objects_have_colours() -> None:
    made = record()
    made.sentence = "Ingress default/cafe: added"
    written = Style(None, colors=True).formatter.format(made)
    assert "\x1b[33mWARN \x1b[0m \x1b[1mIngress default/cafe\x1b[0m: added" in written


def test_hostile_text_does_not_command_the_terminal() -> None:
    made = record("\x1b[2J\x9b2J\x7f", value="\x1b]0;title\x07\n")
    assert set(TERMINAL.formatter.format(made)).isdisjoint(map(chr, (*range(32), *range(127, 160))))


@pytest.mark.parametrize("form", [LogFormat.GLOG, LogFormat.TEXT])
def test_lines_of_nginx_are_passed_on_as_they_are(stream: io.StringIO, form: LogFormat) -> None:
    logs.configure(form, LogLevel.INFO, stream)
    made = record("nginx", pid=7)
    made.verbatim = "2026/11/26 22:38:29 [error] 7#7: connect() failed"
    logging.getLogger("headgate.test").handle(made)
    assert stream.getvalue() == f"{made.verbatim}\n"


def test_an_access_log_on_stderr_that_is_json_stays_as_it_is() -> None:
    made = record("nginx")
    made.verbatim = '{"time": "2026-11-26T22:48:14+00:00", "msg": "access"}'
    assert line(LogFormat.JSON, made) == made.verbatim
