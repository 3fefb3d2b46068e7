"""accessControl: ``allow`` and ``deny``."""

from __future__ import annotations

from headgate.settings import Words
from headgate.translate.policies.parts import Part, Site


def translate_access_control(site: Site) -> Part:
    """Return the rules; where some clients are allowed, all others are denied."""
    access = site.policies.access
    if access is None:
        return Part()
    verb, clients, others = ("allow", access.allow, "deny") if access.allow else ("deny", access.deny, "allow")
    return Part(lines=(*((verb, Words((client,))) for client in clients), (others, Words(("all",)))))
