"""The API server takes what the chart makes of each values file (server-side dry run; nothing is installed)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.chart.helm import HelmError, program, render
from tests.e2e.cluster import Cluster
from tests.e2e.environment import Environment

FILES = sorted((Path(__file__).parents[1] / "chart" / "values").glob("*.yaml"))
UNKNOWN = {"PrometheusRule", "ServiceMonitor"}
"""Kinds of operators that a plain cluster has not."""
UNRESTRICTED = {"daemonset", "everything", "ingress-nginx"}
"""Files that ask for host ports, or run containers of somebody else's."""


@pytest.mark.parametrize("values", FILES, ids=lambda path: path.stem)
async def test_the_api_server_accepts_every_manifest(cluster: Cluster, env: Environment, values: Path) -> None:
    if not cluster.kubectl_path:
        pytest.skip("kubectl is not there")
    try:
        program()
    except HelmError as why:
        pytest.skip(str(why))
    await env.add_namespace(f"{env.name}-chart", {"pod-security.kubernetes.io/warn": "restricted"})
    objects = [item for item in (await asyncio.to_thread(render, values)).objects if item["kind"] not in UNKNOWN]
    for item in objects:
        if "namespace" in item["metadata"]:
            item["metadata"]["namespace"] = f"{env.name}-chart"
        # Names of one cluster are shared with whoever else uses it.
        item["metadata"]["name"] = f"{env.name}-{item['metadata']['name']}"
    everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    strict = () if values.stem in UNRESTRICTED else ("--warnings-as-errors",)
    told = await cluster.kubectl("apply", "--dry-run=server", "--validate=strict", *strict, "-f", "-", text=everything)
    assert told.count("created (server dry run)") == len(objects)
