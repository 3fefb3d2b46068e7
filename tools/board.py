"""Write the dashboard and the alert rules from their declarations and the table of metrics; ``--check`` compares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from generated import write_or_compare
from monitoring import alerts
from monitoring.grafana import dashboard

ROOT = Path(__file__).resolve().parent.parent
FILES: Mapping[str, Callable[[], str]] = {
    "charts/headgate/files/dashboard.json": dashboard,
    "charts/headgate/files/alerts.yaml": alerts.rules,
    "deploy/components/dashboard/headgate.json": dashboard,
    "deploy/components/alerts/headgate.rules.yaml": alerts.rules,
    "deploy/components/alerts/prometheus-rule.yaml": alerts.prometheus_rule,
    "docs/reference/alerts.md": alerts.markdown,
}

if __name__ == "__main__":
    sys.exit(write_or_compare(__doc__ or "", ROOT, FILES))
