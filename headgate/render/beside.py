"""A filter of templates: directives that a snippet in the same block repeats are omitted.

nginx refuses a block in which a directive stands twice, unless the directive is a list or an instruction.
"""

from __future__ import annotations

import re

from headgate.ir.snippets import read

REPEATABLE = frozenset(
    {
        "access_log", "add_header", "allow", "auth_basic", "auth_basic_user_file", "auth_request", "break", "deny",
        "error_log",
        "error_page", "grpc_hide_header", "grpc_pass_header", "grpc_set_header", "if", "include", "limit_req",
        "load_module", "log_format", "map", "proxy_hide_header", "proxy_pass_header", "proxy_redirect",
        "proxy_set_header", "proxy_ssl_verify", "return", "rewrite", "set", "set_real_ip_from", "ssl_certificate",
        "ssl_certificate_key", "ssl_client_certificate", "ssl_crl", "ssl_verify_client",
    }
)  # fmt: skip
"""Directives that may be repeated in a block, and authentication, which a snippet must not remove silently."""

_LINE = re.compile(r"^[ \t]*([a-z_0-9]+)[ \t][^\n{]*;[ \t]*\n", re.MULTILINE)


def beside(text: str, snippet: str | None) -> str:
    """Return *text* without the directives that *snippet* in the same block repeats."""
    if not snippet:
        return text
    names = read(snippet).names - REPEATABLE
    if not names:
        return text
    return _LINE.sub(lambda found: "" if found[1] in names else found[0], text)
