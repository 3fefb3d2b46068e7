"""``headgate uds bench`` measures what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.uds.bench import Figure, size_text, table
from headgate.uds.commands import main
from headgate.uds.transports import TRANSPORTS
from tests.uds.uds_processes import UDS_ALONE
from tests.waiting import DEADLINE_S

BRIEF = ["bench", "--seconds", "0.02", "--rounds", "2", "--sizes", "64,100000"]


def bench(shared: Path, *more: str) -> str:
    done = subprocess.run(
        [*UDS_ALONE, *BRIEF, "--directory", str(shared), *more],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_transport_is_measured_with_every_size_and_leaves_nothing(shared: Path) -> None:
    figures = json.loads(bench(shared, "-o", "json"))["figures"]
    assert [(figure["transport"], figure["size"]) for figure in figures] == [
        (transport, size) for size in (64, 100_000) for transport in TRANSPORTS
    ]
    for figure in figures:
        assert figure["requests"] > 0
        assert 0 < figure["p50_us"] <= figure["p99_us"]
        most = figure["requests"] / 0.02  # they took as long as was asked, or the last ones a little longer
        assert 0 < figure["requests_per_s"] <= most * 1.01
    assert list(shared.iterdir()) == []


def test_a_diagram_is_written_as_png(shared: Path) -> None:
    pytest.importorskip("matplotlib")
    out = bench(shared, "--transports", "uds,tcp", "--plot", f"{shared}/uds.png")
    assert "| 64 B | uds |" in out
    assert (shared / "uds.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_without_matplotlib_it_fails_before_measuring(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["bench", "--plot", "x.png"]) == 1
    assert "pip install 'headgate[plot]'" in capsys.readouterr().err


def test_a_missing_directory_cannot_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BRIEF, "--directory", "/no/such/place"]) == 1
    assert "cannot be measured in /no/such/place" in capsys.readouterr().err


def test_the_table_compares_with_tcp_of_the_same_size() -> None:
    rows = [Figure("uds", 1024, 3000, 20.0, 30.0, 9), Figure("tcp", 1024, 2000, 40.0, 50.0, 6)]
    assert table(rows).splitlines()[2:] == [
        "| 1 KiB | uds | 3,000 | 20.0 | 30.0 | 150% |",
        "| 1 KiB | tcp | 2,000 | 40.0 | 50.0 | 100% |",
    ]
    assert table([rows[0]]).endswith("| - |")


def test_sizes_are_spelled_with_their_largest_unit() -> None:
    assert [size_text(size) for size in (64, 1000, 1024, 1536, 1 << 20)] == [
        "64 B",
        "1000 B",
        "1 KiB",
        "1536 B",
        "1 MiB",
    ]
