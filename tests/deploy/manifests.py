"""A built kustomization, and what its parts refer to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from headgate.options import Options, parse
from tests.waiting import DEADLINE_S

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
VARIANTS = (".", "daemonset", "node-port", "namespaced")
WORKLOADS = ("Deployment", "DaemonSet")

Object = dict[str, Any]


class Manifests:
    """The objects of one variant."""

    def __init__(self, name: str, objects: list[Object]) -> None:
        self.name = name
        self.objects = objects

    def all(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] in kinds]

    def one(self, *kinds: str) -> Object:
        (found,) = self.all(*kinds)
        return found

    @property
    def pod(self) -> Object:
        """The template of the Pod."""
        template: Object = self.one(*WORKLOADS)["spec"]["template"]
        return template

    @property
    def container(self) -> Object:
        (found,) = self.pod["spec"]["containers"]
        assert isinstance(found, dict)
        return found

    @property
    def namespace(self) -> str:
        name: str = self.one("Namespace")["metadata"]["name"]
        return name

    @property
    def options(self) -> Options:
        """What Headgate makes of the arguments."""
        arguments = [text.replace("$(POD_NAMESPACE)", self.namespace) for text in self.container["args"]]
        found = parse(arguments, {"POD_NAMESPACE": self.namespace, "POD_NAME": "headgate-0"})
        assert isinstance(found, Options), [str(problem) for problem in found]
        return found

    def port(self, name: str) -> int:
        """The number of a port that is referred to by name."""
        (number,) = (port["containerPort"] for port in self.container["ports"] if port["name"] == name)
        assert isinstance(number, int)
        return number

    def granted(self) -> Iterator[tuple[str, Object]]:
        """Yield the namespace (empty: everywhere) and role of everything that is bound to the Pod's account."""
        roles = {
            (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]): item
            for item in self.all("Role", "ClusterRole")
        }
        us = {"kind": "ServiceAccount", "namespace": self.namespace, "name": self.pod["spec"]["serviceAccountName"]}
        for binding in self.all("RoleBinding", "ClusterRoleBinding"):
            assert us in binding["subjects"]
            where = binding["metadata"].get("namespace", "")
            ref = binding["roleRef"]
            yield where, roles[ref["kind"], where if ref["kind"] == "Role" else "", ref["name"]]


def build(variant: str | Path) -> Manifests:
    """Build a folder of deploy/, or any other."""
    command = ["kubectl", "kustomize", str(DEPLOY / variant)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr
    return Manifests(str(variant), list(yaml.safe_load_all(done.stdout)))


def overlay(folder: Path, **content: object) -> Manifests:
    """Build a kustomization in *folder*; its resources and components are named as seen from deploy/."""
    way = os.path.relpath(DEPLOY, folder)
    for field in ("resources", "components"):
        if field in content:
            names = content[field]
            assert isinstance(names, list)
            content[field] = [f"{way}/{name}" for name in names]
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kind | content))
    return build(folder)
