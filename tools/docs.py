"""Write the reference pages in docs/reference/ from the code; ``--check`` only compares them."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from headgate.options import flags_markdown
from headgate.reporting.metrics import metrics_markdown
from headgate.settings.docs import annotations_markdown, configmap_markdown

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "annotations.md": annotations_markdown,
    "configmap.md": configmap_markdown,
    "flags.md": flags_markdown,
    "metrics.md": metrics_markdown,
}


def diff(page: Path, wanted: str) -> str:
    """Return how *page* differs from what is *wanted*, ``""`` if it does not; a missing page is an empty one."""
    there = page.read_text() if page.exists() else ""
    lines = difflib.unified_diff(there.splitlines(True), wanted.splitlines(True), str(page), "generated")
    return "".join(lines)


def main() -> int:
    """Write or compare every page; 1 if a page is out of date and ``--check`` was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, and print what differs")
    parser.add_argument("--into", type=Path, default=REFERENCE, help="folder of the pages (%(default)s)")
    options = parser.parse_args()
    differences = {name: diff(options.into / name, write()) for name, write in PAGES.items()}
    if options.check:
        sys.stdout.writelines(differences.values())
        stale = [name for name, text in differences.items() if text]
        if stale:
            print(f"out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    options.into.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (options.into / name).write_text(write())
    return 0


if __name__ == "__main__":
    sys.exit(main())
