"""What ``headgate explain`` prints: each folder of cases asks (``ask.txt``, one command a line) and shows the answers.

``{case}`` is the folder. After a change run ``make update`` and read the diff. The list of defaults, which grows with
every setting, is left out of the transcripts, but not out of docs/explain.md.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import msgspec
import pytest

from headgate.cli import run
from headgate.explain import Answer

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/ask.txt"))
PAGE = ROOT / "docs" / "explain.md"
DEFAULTS = re.compile(r"^Default\n(?:  .*\n)+", re.MULTILINE)
SHOWN = re.compile(r"```\n\$ headgate (explain .*)\n(?P<text>[^`]*)```\n")


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(shlex.split(command), {}) == 0, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask from the folder that the README's commands are for."""
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_transcript(case: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
    asked = (case / "ask.txt").read_text().format(case=case.relative_to(ROOT)).splitlines()
    found = ""
    for words in asked:
        answer = DEFAULTS.sub("Default\n  …\n", printed(f"explain {words}", capsys))
        found += f"$ headgate explain {words}\n{answer}\n\n"
    check(case / "answers.txt", found, update=pytestconfig.getoption("--update"))


def check(path: Path, text: str, *, update: bool) -> None:
    if update:
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} differs; run `make update` and read the diff"


def test_the_page_shows_what_is_printed(pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text()
    found = SHOWN.sub(lambda shown: f"```\n$ headgate {shown[1]}\n{printed(shown[1], capsys)}```\n", page)
    assert len(SHOWN.findall(page)) >= 3
    check(PAGE, found, update=pytestconfig.getoption("--update"))


def test_the_page_names_every_field_of_the_answer() -> None:
    page = PAGE.read_text()
    known = msgspec.json.schema_components([Answer])[1].values()
    fields = {field for schema in known for field in schema.get("properties", {})}
    assert not [field for field in fields if f"`{field}`" not in page]


def test_json_output_decodes_to_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(printed("explain https://cafe.example.com/tea -m examples/cafe -o json", capsys))
    answer = msgspec.convert(said, Answer)
    assert answer.outcome.value == said["outcome"] == "proxied"
    assert said["upstream"]["endpoints"] == [
        {"address": "127.0.0.1:18081", "pod": "", "backup": False},
        {"address": "127.0.0.2:18081", "pod": "", "backup": False},
    ]
    nobody = {"kind": "default", "object": "", "key": "", "object_kind": ""}
    assert {"name": "proxy-read-timeout", "value": "60s", "annotation": "nginx.org/proxy-read-timeout",
            "origins": [nobody]} in said["settings"]  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["cafe.example.com/tea"], "is not a URL"),
        (["https://"], "is not a URL"),
        (["https://cafe.example.com:70000/"], "is not a port"),
        (["https://cafe.example.com/", "-H", "no header", "-m", "examples/cafe"], "is not a header"),
        (["https://cafe.example.com/", "-X", "post", "-m", "examples/cafe"], "in capitals only"),
        (["https://cafe.example.com/", "-X", "A B", "-m", "examples/cafe"], "'A B' is not a method;"),
        (["https://bücher.example/", "-m", "examples/cafe"], "xn--"),
        (["annotation", "nginx.org/lb-methd"], "did you mean nginx.org/lb-method"),
        (["configmap", "nothing-like-it"], "there is no ConfigMap key"),
        (["flag", "-ingress-clas"], "did you mean ingress-class"),
        (["annotation"], "takes one name"),
        (["https://cafe.example.com/", "-m", "examples/cafe", "-no-such-flag"], "no-such-flag"),
        (["https://cafe.example.com/", "-o", "xml"], "headgate explain URL"),
        ([], "headgate explain URL"),
    ],
)
def test_a_question_that_makes_no_sense_exits_with_2_and_a_reason(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", *argv], {}) == 2
    assert says in capsys.readouterr().err


def test_a_missing_folder_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "https://cafe.example.com/", "-m", "/no/such/folder"], {}) == 1
    assert "/no/such/folder" in capsys.readouterr().err
