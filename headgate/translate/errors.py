"""Pages for errors, from the default backend (``nginx.org/custom-http-errors``)."""

from __future__ import annotations

from headgate.settings import Header, Quoted, Words
from headgate.translate.draft import Draft, Member

PAGE = "@custom_default_backend"
"""The named location that answers in place of an error."""
TOLD = (Header("X-Code", Quoted("$status")), Header("X-Original-URI", Quoted("$request_uri")))
"""What the default backend is told, beside the usual headers."""


def error_page(draft: Draft, member: Member) -> Words | None:
    """Return the arguments of ``error_page`` that *member* asks for; say so where nobody could answer."""
    codes = member.params.errors.custom_http_errors
    if not codes:
        return None
    spec = draft.master.ex.ingress.spec
    if spec is None or spec.default_backend is None:
        whose = "its master has" if member is not draft.master else "this Ingress has"
        words = (f"needs a spec.defaultBackend, and {whose} none", "clients get the errors as they are")
        draft.warn(member.ref, "nginx.org/custom-http-errors", "", words)
        return None
    return Words((*map(str, codes), PAGE))
