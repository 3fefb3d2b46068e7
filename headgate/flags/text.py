"""What people read about flags: ``--help``, and the page of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headgate.flags.declare import Declaration, Declined
from headgate.flags.values import printed


def groups(declared: Iterable[Declaration]) -> dict[str, list[Declaration]]:
    """Sort flags under their headings, both in the order of declaration."""
    found: dict[str, list[Declaration]] = {}
    for declaration in declared:
        found.setdefault(declaration.flag.group, []).append(declaration)
    return found


def help_text(declared: Iterable[Declaration]) -> str:
    """Write the flags for a terminal: under headings, each with its sentence, default and example."""
    lines = []
    for heading, members in groups(declared).items():
        lines += [f"{heading}:", *(line for member in members for line in _help_lines(member)), ""]
    return "\n".join(lines)


def _help_lines(declaration: Declaration) -> tuple[str, str]:
    default = f"default {printed(declaration.default)}; " if printed(declaration.default) else ""
    return f"  {declaration.usage}", f"      {declaration.flag.doc} ({default}example: {declaration.example})"


def markdown(declared: Iterable[Declaration], declined: Mapping[str, Mapping[str, Declined]]) -> str:
    """Write the reference page: a table per heading, then the flags that are not supported and why, by heading."""
    parts = ["# Flags", "", _FORMS, ""]
    for heading, members in groups(declared).items():
        parts += [f"## {heading}", "", "| Flag | Default | Meaning | Example |", "|---|---|---|---|"]
        parts += [_row(member) for member in members]
        parts += [""]
    for heading, known in declined.items():
        parts += [f"## {heading}", "", _REFUSED, "", "| Flag | Outlook | Why |", "|---|---|---|"]
        parts += [f"| `{flag.dashes}{name}` | {flag.outlook} | {_cell(flag.reason)} |" for name, flag in known.items()]
        parts += [""]
    return "\n".join(parts)


_FORMS = (
    "One dash or two; `-name=value` or `-name value`; a boolean alone means true and takes `=true` or `=false`. "
    "Of a repeated flag the last one counts. Flags printed with two dashes are Headgate's own."
)


_REFUSED = "Each is accepted with its default. A value that needs what is not supported stops the start or is logged."


def _row(declaration: Declaration) -> str:
    default = f"`{printed(declaration.default)}`" if printed(declaration.default) else ""
    return f"| `{declaration.usage}` | {default} | {_cell(declaration.flag.doc)} | `{declaration.example}` |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
