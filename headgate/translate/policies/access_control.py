"""accessControl: ``allow`` and ``deny``."""

from __future__ import annotations

from itertools import takewhile

from headgate.settings import Words
from headgate.translate.policies.parts import Part, Site

ALL = Words(("all",))
WITHOUT = "from its first allow on, the rules of the snippet have no effect"


def translate_access_control(site: Site) -> Part:
    """Return the rules; where some clients are allowed, all others are denied.

    The first rule that fits a client counts (ngx_http_access_module). Whom a snippet denies stays out, too: its rules
    follow those who are denied here, and of those that precede any ``allow`` in it a copy precedes those allowed here.
    """
    access = site.policies.access
    if access is None:
        return Part()
    if not access.allow:
        own = (("deny", Words((client,))) for client in access.deny)
        rest = () if site.policies.any_lets_in else (("allow", ALL),)  # it would let in all others without a password
        return Part(lines=(*own, *(site.rules or rest)))
    denied = tuple(takewhile(lambda rule: rule[0] == "deny", site.rules))
    if denied != site.rules:
        words = ("has allow, and Policies of type accessControl allow other clients; use one of the two", WITHOUT)
        site.draft.warn(site.origin, "", "a snippet", words)
    if access.denies_first:
        denied = (*denied, *(("deny", Words((client,))) for client in access.deny))
    return Part(lines=(*denied, *(("allow", Words((client,))) for client in access.allow), ("deny", ALL)))


def translate_satisfaction(site: Site) -> Part:
    """Return that one check is enough to let a client in, if so."""
    return Part(lines=(("satisfy", Words(("any",))),)) if site.policies.any_lets_in else Part()
