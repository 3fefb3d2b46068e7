"""Start here: ``headgate`` and ``python -m headgate``."""

from __future__ import annotations

import os
import sys

from headgate.cli import run


def main() -> None:
    """Run the command line and end the process with its status."""
    sys.exit(run(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
