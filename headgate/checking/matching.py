"""How hosts and paths match other requests than in the F5 controller: one table for the page and ``--from nic``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """What is different for one host or path: reads on after its value; *effect* is what to do, may be empty."""

    reason: str
    effect: str = ""


class ServedPath(msgspec.Struct, frozen=True):
    """A path of an Ingress.

    Attributes:
        text: as it is written, ``/`` if it is empty.
        type: its type.
        bare_types: the types of the path without the final slash, if the host has that too.
    """

    text: str
    type: str
    bare_types: Collection[str] = ()

    @property
    def bare(self) -> str:
        """The path without the final slash."""
        return self.text.rstrip("/")


def _nowhere(_: object) -> Finding | None:
    return None


class Matching(msgspec.Struct, frozen=True, kw_only=True):
    """A difference of what paths and hosts match.

    Attributes:
        name: what it is about, for the page.
        how: how Headgate differs, for the page.
        path: returns what is different for a path; ``None`` if nothing is. It generates ``location PATH`` in the F5
            controller.
        host: the same for a host.
    """

    name: str
    how: str
    path: Callable[[ServedPath], Finding | None] = _nowhere
    host: Callable[[str], Finding | None] = _nowhere


def _prefix(path: ServedPath) -> Finding | None:
    if path.type != "Prefix" or "%" in path.text or path.text.endswith("/"):
        return None
    bare = path.bare
    return Finding(
        f"matches whole path elements: {bare}/x, but not {bare}x, which the F5 controller's prefix matches too",
        f"pathType: ImplementationSpecific still matches {bare}x",
    )


def _final_slash(path: ServedPath) -> Finding | None:
    text, bare = path.text, path.bare
    if path.type not in {"Prefix", "Exact"} or "%" in text or not bare or not text.endswith("/"):
        return None
    if not path.bare_types:
        now = "is matched too" if path.type == "Prefix" else "is not matched"
        return Finding(f"ends with a slash: {bare} {now}, while the F5 controller's nginx redirects it to {text}")
    if path.type == "Prefix" and not {"Prefix", "Exact"} & set(path.bare_types):
        reason = f"ends with a slash: {bare} is matched too, which is the path {bare} in the F5 controller"
        return Finding(reason, f"pathType: Exact for {bare} takes precedence")
    return None


def _encoded(path: ServedPath) -> Finding | None:
    if "%" not in path.text:
        return None
    return Finding("is decoded before it is compared; in the F5 controller no request matches it")


def _wildcard(host: str) -> Finding | None:
    if not host.startswith("*."):
        return None
    return Finding("covers exactly one label here, as Kubernetes defines it; the F5 controller's covers any number")


MATCHING: Final = (
    Matching(
        name="pathType: Prefix",
        how="Matches whole path elements, as Kubernetes defines it: `/api` matches `/api` and `/api/x`, no longer "
        "`/apiv2`. With `ImplementationSpecific` it is a prefix of nginx, as in the incumbent.",
        path=_prefix,
    ),
    Matching(
        name="path with a final /",
        how="`/api` is not redirected to `/api/`: it matches Prefix `/api/`, and does not match Exact `/api/`. "
        "If the host has a path `/api` too, the incumbent does not redirect either.",
        path=_final_slash,
    ),
    Matching(
        name="path with %",
        how="The path is decoded before it is compared: `/my%20app` matches; in the incumbent no request matches it.",
        path=_encoded,
    ),
    Matching(
        name="host: *.example.com",
        how="Covers exactly one label, as Kubernetes defines it, no longer `a.b.example.com`.",
        host=_wildcard,
    ),
)
"""All of them; at most one applies to a path or a host."""


def of_path(path: ServedPath) -> Finding | None:
    """Return what is different for *path*."""
    return next((found for row in MATCHING if (found := row.path(path))), None)


def of_host(host: str) -> Finding | None:
    """Return what is different for *host*."""
    return next((found for row in MATCHING if (found := row.host(host))), None)
