"""Runs folders of ``examples/``: what they hold, the backends they point at, and a client that judges answers."""
