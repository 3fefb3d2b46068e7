"""Which commit this is: what the build wrote down, else what git says of the checkout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

UNKNOWN = "unknown"


def commit() -> str:
    """Return a short commit, ``unknown`` where nobody knows it; ``HEADGATE_COMMIT`` wins (images set it)."""
    if named := os.environ.get("HEADGATE_COMMIT"):
        return named
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
