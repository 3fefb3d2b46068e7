"""Files from which another tool makes manifests: kustomizations and Helm charts. Headgate runs neither tool."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from headgate.k8s.manifests import Document, ManifestError
from headgate.problems import ObjectRef, Problem, Severity

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml")
"""Names of files that kustomize reads (and ``Kustomization``, which is no file of a folder of manifests)."""
KUSTOMIZE_GROUP = "kustomize.config.k8s.io"
"""API group of the kinds in them, which they may leave out."""
CHART = "Chart.yaml"
TEMPLATES = "templates"


def kustomize(folder: str) -> str:
    """Return what to do about a kustomization in *folder*."""
    return f"is for kustomize, which Headgate does not run; build it first: kustomize build {folder} | headgate check -"


def kustomization(path: Path, origin: ObjectRef) -> Problem | None:
    """Return the Problem of the file at *path* if its name is that of a kustomization."""
    if path.name not in KUSTOMIZATIONS:
        return None
    return Problem(origin, "", "", kustomize(_shown(path.parent)), "the other files of the folder are read as they are")


def chart(path: Path, origin: ObjectRef, documents: list[Document]) -> Problem | None:
    """Return the Problem of the file at *path* if it describes a Helm chart."""
    value = documents[0].value if len(documents) == 1 else None
    if path.name != CHART or not isinstance(value, dict) or "kind" in value or "version" not in value:
        return None
    return Problem(origin, "", "", f"describes a Helm chart, {_helm(path.parent)}", "the chart is not rendered")


def template(path: Path, origin: ObjectRef, data: bytes, error: ManifestError | None = None) -> Problem | None:
    """Return the Problem of the file at *path* if it is a template.

    Args:
        path: the file.
        origin: of the Problem.
        data: what the file contains.
        error: why that is not YAML; if it is, only a file among the templates of a chart is a template.
    """
    folder = _chart_of(path) if b"{{" in data else None
    if folder is not None:
        return Problem(origin, "", "", f"is a template of a Helm chart, {_helm(folder)}", "", Severity.ERROR)
    if error is None or b"{{" not in data:
        return None
    reason = f"is not YAML but a template with {{{{ … }}}}, {_helm(None)}"
    return Problem(origin, error.where, "", reason, "", Severity.ERROR)


def _helm(folder: Path | None) -> str:
    shown = "CHART" if folder is None else _shown(folder)
    return f"and Headgate does not run Helm; render it first: helm template {shown} | headgate check -"


def _chart_of(path: Path) -> Path | None:
    """Return the folder of the chart among whose templates *path* is; of a chart in a chart, the outer one."""
    found = None
    for folder in path.absolute().parents:
        if folder.name == TEMPLATES and _is_chart(folder.parent):
            found = folder.parent
            break
    while found is not None and found.parent.name == "charts" and _is_chart(found.parent.parent):
        found = found.parent.parent
    if found is None or path.is_absolute():
        return found
    return Path(os.path.relpath(found))


def _is_chart(folder: Path) -> bool:
    return os.access(folder / CHART, os.F_OK)


def _shown(folder: Path) -> str:
    return shlex.quote(str(folder))
