"""Response headers that something else decides: HSTS and CORS are sent once, as the Policy or the setting has them.

nginx sends every ``add_header`` of a list. Of two HSTS headers browsers heed the first one (RFC 6797, section 8.1), and
two values of ``Access-Control-Allow-Origin`` fail the check (Fetch standard). What snippets add goes before (0014).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headgate.problems import ObjectRef
from headgate.routes import Policies
from headgate.settings import Header
from headgate.translate.context import ServerContext
from headgate.translate.draft import Draft, Place
from headgate.translate.headers import HSTS, HSTS_VARIABLE
from headgate.translate.policies import cors as policy

LEFT_OUT = "it is left out"
_SHARED = frozenset({"vary"})
"""Headers of CORS that may be sent several times."""


def without_doubled(
    draft: Draft, place: Place, headers: tuple[Header, ...], cors: tuple[Header, ...]
) -> tuple[Header, ...]:
    """Return *headers* without those of the setting add-header that HSTS or *cors*, which are among them, decide."""
    decided = {header.name.lower() for header in headers if _is_hsts(header) or header in cors} - _SHARED
    kept = tuple(
        header for header in headers if header.name.lower() not in decided or _is_hsts(header) or header in cors
    )
    if len(kept) < len(headers) and place.sets("add_header"):
        names = ", ".join(header.name for header in headers if header not in kept)
        reason = f"has {names}, which HSTS or CORS of this host sends"
        draft.warn(place.origin, place.key("add_header"), "", (reason, LEFT_OUT))
    return kept


def deciders(headers: Iterable[Header], policies: Policies, host: Policies) -> Mapping[str, str]:
    """Return what decides which of *headers*, by name in lower case; *policies* apply there, on the host *host*."""
    found: dict[str, str] = {}
    for header in headers:
        if _is_hsts(header):
            found[HSTS.lower()] = f"Policy {host.hsts.policy.key}" if host.hsts else "the setting hsts"
        elif policies.cors and header.name in policy.HEADERS:
            found[header.name.lower()] = f"Policy {policies.cors.policy.key}"
    return found


def undecided(
    server: ServerContext, origin: ObjectRef, field: str, headers: tuple[Header, ...], known: Mapping[str, str]
) -> tuple[Header, ...]:
    """Return those of *headers*, which *origin* has in *field*, that nothing *known* decides; warn of the others."""
    names = undecided_names(server, origin, field, [header.name for header in headers], known)
    return tuple(header for header in headers if header.name in names)


def undecided_names(
    server: ServerContext, origin: ObjectRef, field: str, names: Iterable[str], known: Mapping[str, str]
) -> tuple[str, ...]:
    """Return those of *names* that nothing *known* decides, and warn of the others, as ``undecided`` does."""
    kept = []
    for name in names:
        if who := known.get(name.lower()):
            words = (f"is a header that {who} sends; remove it here, or there", LEFT_OUT)
            server.site.draft.warn(origin, field, name, words)
        else:
            kept.append(name)
    return tuple(kept)


def _is_hsts(header: Header) -> bool:
    return header.name == HSTS and header.value == HSTS_VARIABLE
