"""Lines of the log that pages quote are lines of a Pod's log, where ``glog`` prints sentences and no debug line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from monitoring.alerts import ALERTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "logs.md"),  # it lists what JSON has
    *(ROOT / name for name in ("SECURITY.md", "README.md", "charts/headgate/README.md", "docs/reference/alerts.md")),
]
LEVELS = ("info", "warning", "error", "critical", "log")
QUOTED = re.compile(r"(?i:line|log for) `+([^`]+)`")
CELL = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


class Log(NamedTuple):
    """What ``glog`` prints in a Pod: messages, how sentences begin, and messages that it does not print."""

    printed: frozenset[str]
    sentences: frozenset[str]
    hidden: frozenset[str]


def functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the functions, each of which logs with sentences or without."""
    yield from (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def constants(nodes: list[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def beginnings(function: ast.AST) -> Iterator[str]:
    """Yield the words before the first value of each text that is put together."""
    for node in ast.walk(function):
        if isinstance(node, ast.JoinedStr) and (words := constants(node.values[:1])):
            yield words[0]


@cache
def log() -> Log:
    printed, sentences, hidden = set[str](), set[str](), set[str]()
    for path in (ROOT / "headgate").rglob("*.py"):
        for function in functions(ast.parse(path.read_text())):
            nodes = list(ast.walk(function))
            sentence = any(isinstance(node, ast.Constant) and node.value == "sentence" for node in nodes)
            sentences.update(beginnings(function) if sentence else ())
            for call in (node for node in nodes if isinstance(node, ast.Call)):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if name == "debug" or (name in LEVELS and sentence):
                    hidden.update(constants(call.args)[:1])
                elif name in (*LEVELS, "FailureLog"):
                    printed.update(constants(call.args))
                elif name == "Line":  # of a batch: debug without a sentence
                    hidden.update(constants(call.args[:1]))
    return Log(frozenset(printed), frozenset(sentences), frozenset(hidden - printed))


def begins(text: str, words: frozenset[str]) -> bool:
    return any(text == one or text.startswith((f"{one} ", f"{one},")) for one in words)


def test_the_log_of_a_pod_has_sentences_and_messages_without_one() -> None:
    assert {"configuration not applied", "objects left out, nginx refused them", "event", "batch"} <= log().hidden
    assert {"informer failed", "watch refused, listing instead", "event not sent"} <= log().printed
    assert {"not applied: ", "nginx -t warns: "} <= log().sentences


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_quotes_no_line_that_the_log_does_not_have(page: Path) -> None:
    long = frozenset(one for one in log().hidden if " " in one)  # a word alone means other things as well
    for row in page.read_text().splitlines():
        quoted = QUOTED.findall(row)
        wrong = [one for one in quoted if begins(one, log().hidden)]
        wrong += [one for one in re.findall(r"`([^`]+)`", row) if begins(one, long)]
        assert not wrong or "-log-level=debug" in row, f"{page.name}: {wrong}"
        for one in quoted:
            known = begins(one, log().printed) or one.startswith(tuple(log().sentences))
            assert known or "-log-level=debug" in row, f"{page.name}: {one}"


def test_each_line_of_the_table_about_permissions_is_one_of_the_log() -> None:
    _, _, table = (ROOT / "docs" / "troubleshooting.md").read_text().partition("| Line of the log |")
    rows = CELL.findall(table.partition("\n\n")[0])
    assert len(rows) >= 5
    assert [row for row in rows if not begins(row, log().printed)] == []


def test_alerts_quote_lines_of_the_log() -> None:
    quoted = [line for alert in ALERTS for line in QUOTED.findall(alert.action)]
    assert len(quoted) >= 3
