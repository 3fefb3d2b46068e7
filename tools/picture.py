"""Draw docs/observability.png: the panels of the dashboard, asked of a Prometheus that scrapes a run with traffic."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from demo import Headgate, state_folder
from monitoring.drawing import Period, draw
from monitoring.prometheus import Prometheus, installed
from monitoring.scene import Scene, play
from showcase import backends
from showcase.client import LOOPBACK
from showcase.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "charts" / "headgate" / "files" / "dashboard.json"
RULES = ROOT / "deploy" / "components" / "alerts" / "headgate.rules.yaml"
WINDOW = 30
"""Seconds of a rate; the scrapes are a second apart."""


def record(seconds: float, file: Path) -> None:
    """Run everything for *seconds* and draw what Prometheus has then."""
    http, https, ready, metrics, port = free_ports(5)
    with state_folder() as state:
        (state / "manifests").mkdir()
        scene = Scene(state / "manifests")
        scene.write()
        arguments = [
            f"--manifests={state / 'manifests'}", f"--prefix={state / 'prefix'}", "--drain-timeout=2", "-disable-ipv6",
            f"-default-http-listener-port={http}", f"-default-https-listener-port={https}",
            f"-ready-status-port={ready}", "-nginx-status=false", "-enable-latency-metrics",
            "-enable-prometheus-metrics", f"-prometheus-metrics-listen-port={metrics}",
        ]  # fmt: skip
        target = f"{LOOPBACK}:{metrics}"
        with backends.running(scene.endpoints()):
            headgate = Headgate(arguments, quiet=True)
            try:
                headgate.wait_ready(ready)
                with Prometheus(state, port, [target], interval="1s", rules=RULES) as prometheus:
                    play(scene, http, seconds)
                    now = time.time()
                    period = Period(now - seconds + WINDOW, now, max(1.0, seconds / 200), f"{WINDOW}s")
                    draw(json.loads(DASHBOARD.read_text()), prometheus, period, file)
            finally:
                headgate.stop()


def main() -> int:
    """Read the command line and run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240, help="how long it is recorded (%(default)s)")
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "observability.png", help="the file (%(default)s)")
    given = parser.parse_args()
    if not installed():
        print("picture: prometheus is not installed (apt-get install prometheus)", file=sys.stderr)
        return 1
    record(given.seconds, given.into)
    print(f"picture: {given.into} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
