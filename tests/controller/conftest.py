"""A scripted API server and a client of it, per test."""

from tests.k8s.fixtures import client, server

__all__ = ["client", "server"]
