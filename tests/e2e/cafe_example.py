"""The cafe of ``examples/``, in a namespace and a class of the test's own."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.e2e.objects import Object

FOLDER = Path(__file__).parents[2] / "examples" / "cafe"
HOST = "cafe.example.com"


def cafe(namespace: str, class_name: str) -> list[Object]:
    """Return the manifests, with these names in place of ``default`` and ``nginx``; the Ingress comes last."""
    found: list[Object] = []
    for file in ("secret.yaml", "services.yaml", "cafe.yaml"):
        found += yaml.safe_load_all((FOLDER / file).read_text())
    for item in found:
        item["metadata"]["namespace"] = namespace
        if item["kind"] == "Ingress":
            item["spec"]["ingressClassName"] = class_name
    return found
