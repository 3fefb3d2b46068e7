"""How the path of a request changes on its way to a backend: ``rewrites``, ``rewrite-target`` and ``rewritePath``."""

from __future__ import annotations

import re

from headgate.ir.http import Rewrite
from headgate.routes import Backend as Target
from headgate.routes import Forward, PathType
from headgate.settings import Quoted
from headgate.settings.regex import capture_fault
from headgate.translate.draft import Draft, Place
from headgate.translate.paths import LocationPath


def replaced_path(path: LocationPath, place: Place, target: Target) -> str:
    """Return the path that replaces what the location matched (the setting ``rewrites``), or ``""``.

    A Prefix is two locations, ``/foo`` and ``/foo/``; the second keeps the slash between old and new.
    """
    route = path.route
    changes = route.action.changes if route and isinstance(route.action, Forward) else None
    if changes and changes.path:
        return "" if changes.pattern else changes.path
    if route and route.match.type is PathType.INTERNAL:
        return "$request_uri"
    rewrites = place.params.routing.rewrites
    new = next((rewrite.path for rewrite in rewrites if rewrite.service == target.service), "")
    if not new or path.modifier.startswith("~"):
        return ""
    if not path.path:
        return new.rstrip("/")
    return new if path.modifier or not path.path.endswith("/") or new.endswith("/") else f"{new}/"


def translate_rewrite(draft: Draft, path: LocationPath, place: Place, target: Target, *, grpc: bool) -> Rewrite | None:
    """Return the rewrite of the setting ``rewrite-target``; ``rewrites`` takes precedence over it."""
    routing, service = place.params.routing, target.service
    if rewrite := _changed_path(path, grpc=grpc):
        return rewrite
    if any(rewrite.service == service for rewrite in routing.rewrites):
        _warn_of_rewrites(draft, path, place, service)
        return None
    if not routing.rewrite_target:
        return None
    _warn_of_captures(draft, path, place)
    pattern = path.path if path.modifier.startswith("~") else f"^{re.escape(path.path)}"
    if path.modifier == "~*":
        pattern = f"(?i){pattern}"
    return Rewrite(Quoted(pattern), Quoted(routing.rewrite_target))


def _changed_path(path: LocationPath, *, grpc: bool) -> Rewrite | None:
    """Return the rewrite by which an action replaces a path, where the directive that passes the request cannot."""
    changes = path.route.action.changes if path.route and isinstance(path.route.action, Forward) else None
    if not changes or not changes.path or not (changes.pattern or grpc):
        return None
    if changes.pattern:
        return Rewrite(Quoted(changes.pattern), Quoted(changes.path))
    whole = path.modifier == "="
    pattern = f"^{re.escape(path.path)}{'$' if whole else '(.*)$'}"
    return Rewrite(Quoted(pattern), Quoted(changes.path if whole else f"{changes.path}$1"))


def _warn_of_rewrites(draft: Draft, path: LocationPath, place: Place, service: str) -> None:
    """Warn of what ``rewrites`` cannot do, and of what it overrides."""
    rewrites, target = place.key("rewrites"), place.key("rewrite_target")
    if path.modifier.startswith("~"):
        words = (f"cannot replace a path that is a regular expression; use {target}", "it is left out")
        draft.warn(place.origin, rewrites, service, words)
    new = next(rewrite.path for rewrite in place.params.routing.rewrites if rewrite.service == service)
    if "?" in new:
        words = (
            f"has a query, to which nginx appends the rest of the path and the client's query; use {target}",
            "requests may reach the backend with a malformed query",
        )
        draft.warn(place.origin, rewrites, new, words)
    if place.params.routing.rewrite_target:
        words = (f"is overridden by {rewrites} for this Service", "it is left out")
        draft.warn(place.origin, target, place.params.routing.rewrite_target, words)


def _warn_of_captures(draft: Draft, path: LocationPath, place: Place) -> None:
    """Warn of captures of ``rewrite-target`` that the path does not make."""
    target = place.params.routing.rewrite_target or ""
    expression = path.path if path.modifier.startswith("~") else None
    if path.route and (fault := capture_fault(target, expression)):
        reason = f"{fault}: {path.route.match.path}" if expression is None else fault
        draft.warn(
            place.origin, place.key("rewrite_target"), target, (reason, "it is empty in the path of the backend")
        )
