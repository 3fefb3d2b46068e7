"""``headgate sockets``: finds the sockets of container runtimes and of Headgate itself, and what answers there."""

from headgate.sockets.command import main

__all__ = ["main"]
