"""What the benchmarks share: many objects, an API server, a running Headgate, a measured nginx, tables."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for the servers and the harness of the tests
