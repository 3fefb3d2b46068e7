"""The list of the decision records, ``docs/decisions/README.md``."""

from __future__ import annotations

import re
from pathlib import Path

DECISIONS = Path(__file__).resolve().parent.parent / "docs" / "decisions"
TEMPLATE = "0000-template.md"
RECORD = re.compile(r"# \d{4}: (?P<title>.+)\n\nStatus: (?P<status>.+?)\. Date: (?P<date>\d{4}-\d\d-\d\d)\.")
INTRODUCTION = f"""# Decisions

Why Headgate is built as it is: a record for each choice that is likely to be questioned, with the facts and the
alternatives. The decision of a record is not changed afterwards; a later record replaces it. Use
[the template]({TEMPLATE}) for a new one; `make generate` adds it to this list.

| | Decision | Date |
|---|---|---|
"""


def decisions_markdown() -> str:
    """Return the page; raises ValueError with the name of a record that does not have the form of the template."""
    return INTRODUCTION + "".join(row(path) for path in sorted(DECISIONS.glob("[0-9]*.md")) if path.name != TEMPLATE)


def row(path: Path) -> str:
    """Return the row of one record."""
    match = RECORD.match(path.read_text())
    if match is None:
        raise ValueError(f"{path.name}: begin it as {TEMPLATE} does, with the title, the status and the date")
    title = match["title"]
    if not title.startswith(("nginx", "`")):
        title = title[0].upper() + title[1:]
    status = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", match["status"])
    note = "" if status == "accepted" else f" ({status})"
    return f"| {path.name[:4]} | [{title}]({path.name}){note} | {match['date']} |\n"
