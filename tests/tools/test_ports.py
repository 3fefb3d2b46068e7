"""Ports that are given out belong to one process, and nobody listens on them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from showcase import ports
from showcase.example import EXAMPLES, Example
from showcase.ports import BLOCK, END, FIRST, free_port, free_ports, is_free

ROOT = Path(__file__).parents[2]
ALL_PORTS_OF_TWO_BLOCKS = f"""
import sys
sys.path.insert(0, {str(ROOT / "tools")!r})
from showcase.ports import free_ports
print(*free_ports({2 * BLOCK}), flush=True)
sys.stdin.read()
"""


def start_process() -> subprocess.Popen[str]:
    """A process that prints the ports it was given, and keeps them until its standard input ends."""
    command = [sys.executable, "-c", ALL_PORTS_OF_TWO_BLOCKS]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def printed_ports(process: subprocess.Popen[str]) -> set[int]:
    assert process.stdout
    return set(map(int, process.stdout.readline().split()))


def test_no_port_is_given_out_twice() -> None:
    given = [free_port(), *free_ports(2 * BLOCK), free_port()]
    assert len(set(given)) == len(given)


def test_processes_that_run_at_the_same_time_get_different_ports() -> None:
    with start_process() as one, start_process() as other:
        found = [printed_ports(one), printed_ports(other), set(free_ports(BLOCK))]
        one.communicate()
        other.communicate()
    assert [len(given) for given in found] == [2 * BLOCK, 2 * BLOCK, BLOCK]
    assert len(set.union(*found)) == 5 * BLOCK


def test_a_block_is_free_again_when_its_process_has_ended() -> None:
    block = range(1_000_000 + os.getpid(), 0)  # a name that no real block has, nor another run of this test
    claim = f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); from showcase.ports import _take; "
    command = [sys.executable, "-c", claim + f"print(_take({block!r}), flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "True\n"
        assert not ports._take(block)
        other.kill()
        other.communicate()
    assert ports._take(block)


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")]
)
def test_a_port_on_which_somebody_listens_is_not_free(family: socket.AddressFamily, address: str) -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server((address, port), family=family):
        assert not is_free(port)
    assert is_free(port)


@pytest.mark.parametrize(
    ("local_range", "end"),
    [("32768\t60999\n", 30_000), ("25000\t60999\n", 25_000), ("1024\t65535\n", 30_000), (None, 30_000)],
)
def test_ports_that_the_kernel_chooses_itself_are_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_range: str | None, end: int
) -> None:
    monkeypatch.setattr(ports, "LOCAL_RANGE", tmp_path / "ip_local_port_range")
    if local_range:
        (tmp_path / "ip_local_port_range").write_text(local_range)
    assert ports._end() == end


def test_ports_that_an_example_names_are_not_given_out() -> None:
    examples = [Example.load(checks.parent) for checks in EXAMPLES.glob("*/checks.toml")]
    assert examples
    assert not {endpoint.port for example in examples for endpoint in example.endpoints()} & set(range(FIRST, END))


def test_an_exhausted_range_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_ports", iter([FIRST]))
    with pytest.raises(RuntimeError, match=f"no free port is left from {FIRST} to"):
        free_ports(2)
