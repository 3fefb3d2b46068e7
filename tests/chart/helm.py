"""Helm, and what it makes of the chart; no cluster is asked."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from headgate.watch.permissions import EVERYWHERE
from tests.deploy.manifests import Manifests, Object

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "headgate"
NAMESPACE = "edge"
RELEASE = "headgate"

Values = Mapping[str, Any]
Right = tuple[str, ...]
"""Namespace (empty: everywhere), group, resource, verb, and name of the object (empty: all)."""


class HelmError(Exception):
    """Helm refused; the text is what it said."""


@functools.cache
def program() -> str:
    """Return the path of Helm.

    Raises:
        HelmError: there is none; the text is one line that says why.
    """
    done = subprocess.run([ROOT / "tools" / "helm.sh"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise HelmError((done.stderr.strip().splitlines() or ["tools/helm.sh failed"])[-1])
    return done.stdout.strip()


def helm(*arguments: str, given: str = "", timeout: float = 60) -> str:
    """Run Helm with *given* on its standard input.

    Raises:
        HelmError: it ended with another code than 0.
    """
    command = [program(), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise HelmError(done.stderr + done.stdout)
    return done.stdout


class Rendered(Manifests):
    """The objects of one release in the namespace ``edge``."""

    @property
    def namespace(self) -> str:
        return NAMESPACE

    @property
    def workload(self) -> Object:
        return self.one("Deployment", "DaemonSet", "StatefulSet")

    @property
    def pod(self) -> Object:
        template: Object = self.workload["spec"]["template"]
        return template

    @property
    def container(self) -> Object:
        """Headgate's; others may run beside it."""
        first: Object = self.pod["spec"]["containers"][0]
        return first

    def rights(self) -> set[Right]:
        """Everything granted."""
        return {right for where, role in self.granted() for right in rights(where, role["rules"])}


def rights(where: str, rules: list[Object]) -> set[Right]:
    """Spread *rules* out."""
    return {
        (where, group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def without_covered(found: set[Right]) -> set[Right]:
    """Leave out what a wider right contains."""
    return {right for right in found if found.isdisjoint(wider(right))}


def wider(right: Right) -> set[Right]:
    """Everywhere, for all objects, or both."""
    where, *what, name = right
    return {(at, *what, of) for at in (where, EVERYWHERE) for of in (name, "")} - {right}


def template(values: Values | Path | None = None, *arguments: str) -> str:
    """Return what ``helm template`` prints for *values*."""
    path, given = (str(values), "") if isinstance(values, Path) else ("-", json.dumps(values or {}))
    return helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", path, *arguments, given=given)


def render(values: Values | Path | None = None, *arguments: str) -> Rendered:
    """Return the objects of a release with *values*."""
    objects = [item for item in yaml.safe_load_all(template(values, *arguments)) if item]
    return Rendered(str(values), objects)


def notes(folder: Path, values: Values) -> str:
    """Return what users read after the installation; *folder* is for a copy of the chart that prints it offline."""
    copy = shutil.copytree(CHART, folder / "headgate")
    (copy / "templates" / "told.yaml").write_text(
        'told: {{ include (print .Template.BasePath "/NOTES.txt") . | quote }}\n'
    )
    printed = helm(
        "template", RELEASE, str(copy), "--namespace", NAMESPACE, "-f", "-", "-s", "templates/told.yaml",
        given=json.dumps(values),
    )  # fmt: skip
    told: str = yaml.safe_load(printed)["told"]
    return told


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return values in which *path* is *value*."""
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value
