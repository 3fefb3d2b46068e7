"""Runs folders of ``examples/``: their contents, their backends, and a client that checks the answers."""
