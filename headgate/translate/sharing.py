"""Rate limits as nginx has them: what each of several controllers accepts of a rate, and how a zone is used."""

from __future__ import annotations

from headgate.settings import Words


def share(rate: str, replicas: int) -> str:
    """Return what one of *replicas* may accept of *rate* (``10r/s``), in minutes where it does not divide."""
    count, unit = int(rate[: -len("r/s")]), rate[-1]
    if count % replicas == 0:
        return f"{count // replicas}r/{unit}"
    return f"{max(count * (60 if unit == 's' else 1) // replicas, 1)}r/m"


def limit_words(zone: str, *, burst: int, delay: int, no_delay: bool) -> Words:
    """Return the arguments of ``limit_req``."""
    words = [f"zone={zone}"]
    if burst:
        words.append(f"burst={burst}")
    if no_delay:
        words.append("nodelay")
    elif delay:
        words.append(f"delay={delay}")
    return Words(words)
