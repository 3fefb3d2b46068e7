"""Command lines with arguments, repeated and required flags; the plain flags of ``run`` are in test_options."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import msgspec
import pytest

from headgate.flags import Argument, Choice, Command, Flag, Integer, Value, boolean, execute, parse


class Order(msgspec.Struct, frozen=True):
    table: Annotated[int, Value("N", Integer(1, 9)), Flag("Flags", "Which.", "3", native=True, required=True)] = 0
    size: Annotated[str, Value("SIZE", Choice(("small", "large"))), Flag("Flags", "How much.", letter="s")] = "small"
    extra: Annotated[tuple[str, ...], Value("X", str, each=True), Flag("Flags", "What else.", "milk")] = ()
    help: Annotated[bool, Value("", boolean), Flag("Flags", "This.", letter="h")] = False
    drink: Annotated[str, Value("DRINK", str), Argument("What.")] = ""
    names: Annotated[tuple[str, ...], Value("NAME", str, each=True), Argument("For whom.")] = ()


def order(*argv: str) -> Order:
    found = parse(argv, Order, "cafe order")
    assert isinstance(found, Order), [str(problem) for problem in found]
    return found


def complaints(*argv: str) -> list[str]:
    found = parse(argv, Order, "cafe order")
    assert isinstance(found, tuple), found
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    "argv",
    [
        ("--table=3", "-size=large", "tea", "ann", "bob"),
        ("tea", "ann", "bob", "-table", "3", "-s", "large"),
        ("tea", "-s=large", "ann", "--table", "3", "bob"),
        ("-s", "small", "-table=1", "--s=large", "-table=3", "--", "tea", "ann", "bob"),
    ],
)
def test_flags_and_arguments_in_any_order(argv: tuple[str, ...]) -> None:
    assert order(*argv) == Order(table=3, size="large", drink="tea", names=("ann", "bob"))


def test_every_value_of_a_repeated_flag_is_kept() -> None:
    assert order("-table=1", "-extra=milk", "-extra", "-x", "tea", "ann").extra == ("milk", "-x")


def test_a_lone_dash_and_all_after_two_dashes_are_arguments() -> None:
    assert order("-table=1", "-", "--", "-s", "--").names == ("-s", "--")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["tea", "ann"], ["--table: is missing; write --table N"]),
        (["-table=1"], ["the argument DRINK is missing: what", "the argument NAME is missing: for whom"]),
        (["-table=0", "tea", "ann"], ["--table: '0' is out of range; write a number from 1 to 9"]),
        (["-table=1", "tea", "ann", "-s=huge"], ["-size: 'huge' is not known; write one of small, large"]),
        (
            ["-table=1", "tea", "ann", "-sise=large"],
            ["-sise: 'large' is not a flag of cafe order; did you mean -size?"],
        ),
        (["-table=1", "tea", "ann", "---"], ["'---' is not a flag; flags begin with - or --"]),
    ],
)
def test_mistakes_are_explained(argv: list[str], said: list[str]) -> None:
    assert complaints(*argv) == said


def test_help_needs_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    command = Command(name="cafe order", forms=("DRINK NAME…",), about="Order.\n", kind=Order, run=lambda _: 7)
    assert execute(command, ["-h", "-table=0"], {}) == 0
    assert capsys.readouterr().out.startswith("usage: cafe order DRINK NAME…\n\nOrder.\n\nFlags:\n  --table N\n")
    assert execute(command, ["-table=1", "tea", "ann"], {}) == 7
    assert execute(command, ["-table=1", "tea"], {}) == 2
    out, errors = capsys.readouterr()
    assert (out, errors.splitlines()[0]) == ("", "headgate: the argument NAME is missing: for whom")


def test_a_command_without_the_controller_does_not_import_it() -> None:
    program = (
        "import sys; from headgate.cli import run; run(['uds', '--help'], {}); "
        "sys.exit('headgate.app' in sys.modules or 'aiohttp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0
