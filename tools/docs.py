"""Write the generated pages of docs/ from the code; ``--check`` only compares them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from customresources import custom_resources_markdown
from decisions import decisions_markdown
from differences import coming_from_nic
from generated import write_or_compare
from problems import problems_markdown

from headgate.options import flags_markdown
from headgate.reporting.community import community_metrics_markdown
from headgate.reporting.reference import events_markdown
from headgate.reporting.table import metrics_markdown
from headgate.settings.community.docs import community_annotations_markdown
from headgate.settings.community.docs_keys import community_keys_markdown
from headgate.settings.docs import annotations_markdown, configmap_markdown

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES: Mapping[str, Callable[[], str]] = {
    "reference/annotations.md": annotations_markdown,
    "reference/annotations-ingress-nginx.md": community_annotations_markdown,
    "reference/configmap-ingress-nginx.md": community_keys_markdown,
    "reference/custom-resources.md": custom_resources_markdown,
    "reference/configmap.md": configmap_markdown,
    "reference/flags.md": flags_markdown,
    "reference/metrics.md": metrics_markdown,
    "reference/metrics-ingress-nginx.md": community_metrics_markdown,
    "reference/events.md": events_markdown,
    "reference/problems.md": problems_markdown,
    "coming-from-nic.md": coming_from_nic,
    "decisions/README.md": decisions_markdown,
}


if __name__ == "__main__":
    sys.exit(write_or_compare(__doc__ or "", DOCS, PAGES))
