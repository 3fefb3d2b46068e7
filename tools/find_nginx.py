"""Print which nginx ``headgate run`` takes here; without one, print the command that installs one and exit with 1."""

from __future__ import annotations

import asyncio
import sys

from headgate.nginx import NoBinaryError, find_binary
from headgate.options import LogFormat, LogLevel
from headgate.reporting.logs import configure


def main() -> int:
    """Return the exit code."""
    configure(LogFormat.TEXT, LogLevel.WARN, sys.stderr)
    try:
        binary = asyncio.run(find_binary())
    except NoBinaryError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    version = ".".join(map(str, binary.capabilities.version))
    print(f"setup: {binary.path} (nginx {version}) is used", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
