from pathlib import Path

import pytest

from headgate.nginx.latency import QUEUE, Request, Sample, Session, Try, parse_line, raise_queue
from headgate.nginx.stats import StubStatus, parse_status

HEAD = b"<190>Nov 21 14:00:00 nginx: "
STREAM = b"<190>Nov 21 14:00:00 stream: "


@pytest.mark.parametrize(
    ("line", "samples"),
    [
        (b"teas\t10.0.0.1:80\t200\t0.012", [Sample("teas", "10.0.0.1:80", "200", 12.0)]),
        (
            b"teas\t10.0.0.1:80, [fd00::1]:80\t502, 200\t0.001, 1.500",
            [Sample("teas", "10.0.0.1:80", "502", 1.0), Sample("teas", "[fd00::1]:80", "200", 1500.0)],
        ),
        (
            b"teas\t10.0.0.1:80 : 10.0.0.2:80\t404 : 200\t0.001 : 0.002",
            [Sample("teas", "10.0.0.1:80", "404", 1.0), Sample("teas", "10.0.0.2:80", "200", 2.0)],
        ),
        (b"teas\tunix:/run/x.sock, 10.0.0.2:80\t-, 200\t-, 0.002", [Sample("teas", "10.0.0.2:80", "200", 2.0)]),
        (b"-\t-\t-\t-", []),
    ],
)
def test_each_try_that_was_answered_is_a_sample(line: bytes, samples: list[Sample]) -> None:
    found = parse_line(HEAD + line + b"\ttea.test\t200")
    assert isinstance(found, Request)
    assert list(found.samples) == samples


def test_a_line_names_the_host_and_the_status_of_the_client() -> None:
    """The status of the last try is that of the upstream; nginx may answer something else (an error page)."""
    found = parse_line(HEAD + b"teas\t10.0.0.1:80\t502\t0.012\ttea.test\t404\n")
    assert found == Request("tea.test", "teas", "404", (Sample("teas", "10.0.0.1:80", "502", 12.0),))
    assert parse_line(HEAD + b"-\t-\t-\t-\t_\t404") == Request("_", "-", "404")


def test_a_session_has_its_bytes_its_time_and_its_tries() -> None:
    line = b"ts_a_b_c\t200\t12\t3456\t1.500\t10.0.0.1:5000, [fd00::1]:5000\t-, 0.002\n"
    tries = (Try("10.0.0.1:5000", None), Try("[fd00::1]:5000", 0.002))
    assert parse_line(STREAM + line) == Session("ts_a_b_c", "200", 12, 3456, 1.5, tries)
    assert parse_line(STREAM + b"ts_a_b_c\t403\t0\t0\t0.000\t-\t-") == Session("ts_a_b_c", "403", 0, 0, 0.0)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        STREAM + b"teas\t10.0.0.1:80\t502\t0.012\ttea.test\t404",
        STREAM + b"ts_a_b_c\t200\tmany\t0\t0.000\t-\t-",
        STREAM + b"ts_a_b_c\t200\t1\t0\t0.000\ta, b\t-",
        b"ts_a_b_c\t200\t1\t0\t0.000\t-\t-",
        b"hello",
        HEAD,
        HEAD + b"a\tb",
        HEAD + b"a\tb\t200\t1",
        HEAD + b"a\tb, c\t200\t1\th\t200",
        HEAD + b"a\tb\t200\tsoon\th\t200",
    ],
)
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 which of them it is does not matter
        parse_line(line)


def test_the_queue_is_raised_where_that_is_allowed_and_never_lowered(tmp_path: Path) -> None:
    setting = tmp_path / "max_dgram_qlen"
    setting.write_text("10\n")
    assert raise_queue(setting) == QUEUE
    assert setting.read_text() == "512"
    setting.write_text("4096\n")
    assert raise_queue(setting) == 4096
    assert raise_queue(tmp_path / "none") == 0


def test_a_queue_that_may_not_be_raised_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError

    setting = tmp_path / "max_dgram_qlen"
    setting.write_text("10\n")
    monkeypatch.setattr(Path, "write_text", denied)
    assert raise_queue(setting) == 10
    assert ["net.unix.max_dgram_qlen" in record.message for record in caplog.records] == [True]


def test_the_status_page_is_read() -> None:
    page = "Active connections: 2 \nserver accepts handled requests\n 7 6 9 \nReading: 0 Writing: 1 Waiting: 1 \n"
    assert parse_status(page) == StubStatus(2, 7, 6, 9, 0, 1, 1)


def test_another_page_is_refused() -> None:
    with pytest.raises(ValueError, match="not a stub_status page: '<html>'"):
        parse_status("<html>")
