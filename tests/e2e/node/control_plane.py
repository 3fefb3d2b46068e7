"""The cluster's own parts, stopped and started by commands that the environment names: no two clusters do it alike."""

from __future__ import annotations

import asyncio
import os

import aiohttp
import pytest

STOP_API_SERVER = "E2E_STOP_API_SERVER"
"""Shell command that kills the API server."""
START_API_SERVER = "E2E_START_API_SERVER"
"""Shell command that starts it again and returns when it is ready."""
RESTART_KUBELET = "E2E_RESTART_KUBELET"
RESTART_CONTAINERD = "E2E_RESTART_CONTAINERD"
"""Shell commands that kill a part and start it again."""
ETCD = "E2E_ETCD"
"""URL at which etcd answers in JSON (its gRPC gateway); left out where it cannot be reached."""


def require_commands(*names: str) -> None:
    """Skip the test if the environment does not have these commands."""
    if missing := [name for name in names if not os.environ.get(name)]:
        pytest.skip(f"not set: {', '.join(missing)}")


async def run_command(name: str) -> None:
    """Run the command that the environment has under *name*."""
    process = await asyncio.create_subprocess_shell(os.environ[name], stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0, f"{name} failed"


async def compact_etcd() -> bool:
    """Have etcd forget all but the present state; return whether it could be asked."""
    if not (url := os.environ.get(ETCD)):
        return False
    async with aiohttp.ClientSession(url, raise_for_status=True) as etcd:
        async with etcd.post("/v3/kv/range", json={"key": "Lw=="}) as answer:
            revision = (await answer.json())["header"]["revision"]
        async with etcd.post("/v3/kv/compaction", json={"revision": revision, "physical": True}) as answer:
            await answer.read()
    return True
