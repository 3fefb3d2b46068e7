"""Fetches the key sets (JWKS) that Policies name by URL: the edge towards their servers."""

from headgate.key_sets.fetcher import Fetcher

__all__ = ["Fetcher"]
