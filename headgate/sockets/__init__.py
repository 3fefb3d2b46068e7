"""``headgate sockets``: finds the sockets of container runtimes and of Headgate itself, and asks who answers."""

from headgate.sockets.command import main

__all__ = ["main"]
