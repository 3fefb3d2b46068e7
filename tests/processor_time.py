"""A limit of processor time: it ends what would go on for hours, however busy the machine is with other work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

LIMIT_S = 20.0
"""Seconds of a processor; what is limited needs milliseconds if it reads its input once, and hours if it does not."""


@contextmanager
def limited_processor_time() -> Iterator[None]:
    """Fail when the block has used ``LIMIT_S`` of this process's processor time; even inside ``re``, which asks."""

    def fail(*_: object) -> None:
        raise AssertionError(f"not done after {LIMIT_S:g} s of processor time")

    before = signal.signal(signal.SIGPROF, fail)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
