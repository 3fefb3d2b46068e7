"""What of an upstream works only where its servers are pushed at run time, and is reported elsewhere."""

from __future__ import annotations

from typing import Final

from headgate.ir.http import Upstream
from headgate.routes import Backend
from headgate.translate.backups import backup_fault, with_backup
from headgate.translate.draft import Draft, Place
from headgate.translate.live import RAMPED, RAMPED_WORDS, in_files, why_in_files
from headgate.translate.sticky import cookie_words

LIVE: Final = "the live data plane (-data-plane=live and an nginx with Lua)"


def warn_of_live_only(draft: Draft, place: Place, backend: Backend, upstream: Upstream) -> None:
    """Warn of what is set for the servers of *backend* and has no effect in *upstream*."""
    settings = place.params.upstream
    if backend.backup and (fault := backup_fault(backend, place.params, draft.env)):
        draft.warn(place.origin, backend.backup.field, "", (fault, "there is no backup"))
    if upstream.live is None:
        _warn_of_files(draft, place, backend)
    elif settings.slow_start and upstream.live.method not in RAMPED:
        method = " ".join(settings.lb_method or ())
        words = (f"does not apply to the method {method}; use {RAMPED_WORDS}", "there is no slow start")
        draft.warn(place.origin, place.key("slow_start"), settings.slow_start, words)


def needed(draft: Draft, place: Place, backend: Backend) -> str:
    """Say what is needed to have the servers of *backend* pushed."""
    why = draft.env.live and why_in_files(with_backup(backend, place.params, draft.env), place.params)
    return f"the live data plane, and these servers are in files: {why}" if why else LIVE


def _warn_of_files(draft: Draft, place: Place, backend: Backend) -> None:
    settings, live = place.params.upstream, needed(draft, place, backend)
    if cookie_words(backend.service, place.params) and not draft.env.capabilities.sticky:
        words = (f"needs nginx 1.29.6 with its sticky module, which this one is not, or {live}",
                 "clients go to any backend")  # fmt: skip
        draft.warn(place.origin, place.key("sticky_cookie_services"), "", words)
    used = in_files(settings.lb_method)
    if used != settings.lb_method and place.has("lb_method"):
        words = (f"needs {live}", f"{' '.join(used or ())} is used")
        draft.warn(place.origin, place.key("lb_method"), " ".join(settings.lb_method or ()), words)
    if settings.slow_start:
        words = (f"needs {live}", "there is no slow start")
        draft.warn(place.origin, place.key("slow_start"), settings.slow_start, words)
