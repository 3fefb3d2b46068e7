"""Write the version of ``headgate/__init__.py`` wherever else it is needed; ``--check`` only compares.

It is in the chart, in the image of ``deploy/`` and in the commands of the documentation, of which none can ask Python.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from generated import write_or_compare

from headgate import __version__

ROOT = Path(__file__).resolve().parent.parent
NUMBER = r"\d+\.\d+\.\d+"
CHART = re.compile(rf"(?m)^((?:version|appVersion): ){NUMBER}$")
TEXT = re.compile(rf"(\bheadgate:|\bnewTag: |\*\*Version ){NUMBER}\b")
"""An image with its tag, also in a kustomization; the version at the beginning of README.md."""


def text(path: Path, pattern: re.Pattern[str]) -> str:
    """Return the text of *path* with the present version in each place that *pattern* matches."""
    return pattern.sub(rf"\g<1>{__version__}", path.read_text())


def places() -> Mapping[str, Callable[[], str]]:
    """Return the files that name the version, relative to the repository, and how each is written."""
    documents = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *_names("docs/*.md"), *_names("examples/*/README.md")]
    images = dict.fromkeys(["deploy/base/deployment.yaml", *documents], TEXT)
    patterns = {"charts/headgate/Chart.yaml": CHART, **images}
    return {name: partial(text, ROOT / name, pattern) for name, pattern in patterns.items()}


def _names(pattern: str) -> Iterable[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


if __name__ == "__main__":
    sys.exit(write_or_compare(__doc__ or "", ROOT, places()))
