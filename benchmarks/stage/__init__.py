"""Parts of all benchmarks: objects, an API server, a running Headgate, measurements of nginx, tables."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]  # for the servers and the harness of the tests, and free ports
