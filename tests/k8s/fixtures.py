"""Fixtures: a scripted API server and a client of it, per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headgate.k8s import Client, ClusterConfig
from tests.k8s.apiserver import ApiServer


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as running:
        yield running


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[Client]:
    async with Client(ClusterConfig(server=server.url)) as open_client:
        yield open_client
