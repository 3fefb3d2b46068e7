"""The table of commands, from which completion and the manual pages are generated."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from headgate import commands
from headgate.cli import COMMANDS, HELP
from headgate.commands.catalogue import levels

ADDED = """
from headgate.commands.status import STATUS
import msgspec
ADDED = msgspec.structs.replace(STATUS, name="headgate added")
"""


def test_every_command_is_there_with_its_flags() -> None:
    found = {each.path: each for each in levels(COMMANDS, HELP)}
    for name in COMMANDS.keys() - {"version", "help"}:
        level = found[name,]
        assert level.flags or level.children, f"the module of {name} declares no Command at its top level"
        assert all(found[name, child].flags for child in level.children)
        assert level.summary
    assert found["routes",] == msgspec.structs.replace(found["status",], path=("routes",))


def test_a_new_module_of_commands_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "added.py").write_text(ADDED)
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    names = {**COMMANDS, "added": lambda *_: 0}
    listing = f"{HELP}  headgate added [-x]  do more\n"
    level = next(each for each in levels(names, listing) if each.path == ("added",))
    assert level.summary == "do more"
    assert "cluster" in {flag.names[0] for flag in level.flags}
