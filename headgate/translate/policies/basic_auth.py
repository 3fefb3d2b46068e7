"""basicAuth: ``auth_basic``."""

from __future__ import annotations

from headgate.ir.http import BasicAuth
from headgate.routes.policies import Passwords
from headgate.settings import Quoted
from headgate.translate.draft import Draft


def translate_passwords(draft: Draft, found: Passwords) -> BasicAuth:
    """Return the basic authentication."""
    return BasicAuth(found.realm, Quoted(f"{draft.env.layout.conf}/{found.secret.file}"))
