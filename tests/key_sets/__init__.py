"""Fetching of key sets, with real servers."""
