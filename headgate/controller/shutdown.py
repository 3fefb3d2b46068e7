"""Graceful shutdown: when it began, and how much time is left for requests in flight."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


class Shutdown:
    """The time between SIGTERM and the end: first a grace period, in which new connections are served, then draining.

    The endpoints of Services, and with them kube-proxy and load balancers, change some time after a Pod is told to
    end (Kubernetes documentation, "Pod Lifecycle"). Connections that arrive until then would be refused if nginx
    stopped listening at once.
    """

    def __init__(self, grace_s: float, drain_s: float) -> None:
        """Nothing happens before ``begin``; the grace period is a part of *drain_s*."""
        self._grace = min(grace_s, drain_s)
        self._drain = drain_s
        self._began: float | None = None
        self._end: asyncio.TimerHandle | None = None

    @property
    def begun(self) -> bool:
        """Whether the shutdown has begun."""
        return self._began is not None

    def begin(self, end: Callable[[], object], *, serving: bool) -> None:
        """Call *end* after the grace period; at once if nothing is *serving*, or if this is the second call."""
        grace = self._grace if serving and not self.begun else 0
        self.remaining()
        if self._end:
            self._end.cancel()
        sentence = f"shutting down{f' in {grace:.0f} s' if grace else ''}"
        log.info("shutting down", extra={"fields": {"grace": grace}, "sentence": sentence})
        self._end = asyncio.get_running_loop().call_later(grace, end)

    def remaining(self) -> float:
        """Return the seconds left for requests in flight; the first call begins the count."""
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now
        return max(0.0, self._began + self._drain - now)
