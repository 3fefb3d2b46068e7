"""Which version and commit this is: the commit that the build recorded, else the one of the git checkout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from headgate import __version__

UNKNOWN = "unknown"


def version() -> str:
    """Return the line that ``headgate version`` prints."""
    return f"Headgate {__version__} ({commit()})"


def commit() -> str:
    """Return the short commit, ``unknown`` where there is none; ``HEADGATE_COMMIT`` wins (images set it)."""
    if recorded := os.environ.get("HEADGATE_COMMIT"):
        return recorded
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return UNKNOWN
    try:
        found = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(root), "rev-parse", "--short", "HEAD"],  # noqa: S607 - git is where PATH says
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return found.stdout.strip() or UNKNOWN
