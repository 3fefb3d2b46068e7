"""Regular expressions: what no PCRE would take, and what would take a variable away from everybody.

Whether an expression is right, nginx alone can say: builds differ in their library (PCRE or PCRE2), its version and
how it was built (docs/decisions/0015). Here only is refused what every one of them refuses, so that its owner reads
plain words before nginx is asked.
"""

from __future__ import annotations

import re
import warnings

_TOKEN = re.compile(
    r"\\c.|\\.|(?P<end>\\\Z)|\(\?#[^)]*+(?:\)|(?P<note>\Z))|(?P<open>\()|(?P<close>\))|(?P<twice>\*\*)"
    r"|\[\^?+\]?+(?:\\c.|\\.|\[:\^?+[a-z]*+:\]|[^\]\\])*+\]|(?P<set>\[)",
    re.DOTALL,
)
"""An escaped character, a comment, a set, a parenthesis (pcre2pattern(3))."""
_UNJUDGED = re.compile(r"\\[QE]|\(\*|\(\?\[|\(\?C|\(\?[A-Za-z^-]*x")
"""Quoting, verbs, extended sets, callouts and extended mode, in which the characters above may mean nothing."""
_NAMED = re.compile(r"\(\?(?:P?<|')([A-Za-z_][A-Za-z0-9_]*)[>']")

OURS = frozenset({
    "connection_upgrade", "grpc_status", "headgate_cookies", "headgate_server_port", "headgate_session",
    "headgate_text", "headgate_token", "headgate_traced", "headgate_traced_share", "headgate_upstream",
    "headgate_uri", "hsts_header_val", "latency_upstream", "log_milliseconds", "log_seconds", "log_time",
    "request_uri_no_args", "request_uri_path", "resource_name", "resource_namespace", "resource_type",
    "secret_dir_path", "service", "service_port", "tls_certificate", "tls_passthrough_socket",
})  # fmt: skip
"""Variables that generated files set or map."""
CHANGEABLE = frozenset({"ancient_browser", "args", "invalid_referer", "limit_rate", "modern_browser", "msie"})
FAMILIES = (
    "arg_", "cookie_", "echo_", "geoip_", "http_", "jwt_", "proxy_", "sent_http_", "sent_trailer_", "ssl_",
    "uid_", "upstream_",
)  # fmt: skip
"""Variables of nginx that a group of the same name would replace (those with NGX_HTTP_VAR_CHANGEABLE, and prefixes)."""
OF_OBJECTS = (
    "apikey_", "certified_", "cors_origin_", "ext_auth_", "external_auth_", "headgate_", "ingress_", "ts_", "vs_",
    "vsr_",
)  # fmt: skip
"""How the variables begin that generated files have for one object; a limit of requests with an empty key is none."""
_CAPTURE = re.compile(r"(\$|\\)([1-9])")
_MAKES_GROUP = re.compile(r"(?!\?)|\?(?:P?<(?![=!])|')")
"""What follows the parenthesis of a group that captures, perhaps with a name (pcre2pattern(3))."""


_SIMPLE = re.compile(
    rb"""(?: [^\\\[\](){}?*+|^$]            # a character
          | \\ (?: [dDsSwW] | [^0-9A-Za-z] )  # a class, or a character that means something elsewhere
          | \[ \^? \]? (?: \\ (?: [dDsSwW] | [^0-9A-Za-z] ) | [^\\\[\]] )* \]
          | [|^$)] | \( (?: \?: | \?! | \?= )? | ^\(\?i\)
         ) (?: [*+?] \??  |  (?<!\)) \{ [0-9]{1,2} (?: , (?:[0-9]{1,2})? )? \} )?""",
    re.VERBOSE | re.DOTALL,
)
"""The pieces of expressions that every library reads alike (pcre2pattern(3), Python's re)."""
SIMPLE_LENGTH = 200


def is_simple(pattern: str) -> bool:
    """Whether every nginx takes *pattern*, so that nobody need ask one; named groups are left to nginx, too."""
    data = pattern.encode()
    end = 0
    while found := _SIMPLE.match(data, end):
        end = found.end()
    if end < len(data) or len(data) > SIMPLE_LENGTH:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # about what Python reads otherwise one day
            re.compile(data)
    except (re.error, FutureWarning, DeprecationWarning, OverflowError):
        return False
    return True


def regex_fault(pattern: str) -> str:
    """Return why *pattern* is no regular expression that may be served, or ``""``; nginx has the last word.

    A named group makes a variable of that name for all servers, which then is empty wherever this expression was not
    tried, whatever it held before: ``$args``, or the directory of certificates (``ngx_http_regex_compile``).
    """
    for name in _NAMED.findall(pattern):
        if name.lower() in OURS | CHANGEABLE or name.lower().startswith((*FAMILIES, *OF_OBJECTS)):
            return f"a regular expression with a group called {name}, which is a variable that others read; rename it"
    return "" if _UNJUDGED.search(pattern) else _unbalanced(pattern)


def _unbalanced(pattern: str) -> str:
    depth = 0
    for token in _TOKEN.finditer(pattern):
        kind = token.lastgroup
        if kind == "end":
            return "not a regular expression (it ends with a backslash)"
        if kind == "set":
            return "not a regular expression (a [ is not closed)"
        if kind == "note":
            return "not a regular expression (a comment is not closed)"
        if kind == "twice":
            return "not a regular expression (** repeats what is repeated already; write .* for any text)"
        depth += {"open": 1, "close": -1}.get(kind or "", 0)
        if depth < 0:
            return "not a regular expression (a ) closes nothing)"
    return "not a regular expression (a ( is not closed)" if depth else ""


def is_judged(pattern: str) -> bool:
    """Whether ``regex_fault`` can tell the parentheses of *pattern*: it has no mode in which they mean nothing."""
    return not _UNJUDGED.search(pattern)


def group_count(pattern: str) -> int | None:
    """Return how many groups of *pattern* capture something, ``None`` if that cannot be told."""
    if _UNJUDGED.search(pattern) or "(?|" in pattern:
        return None
    opened = (token.end() for token in _TOKEN.finditer(pattern) if token.lastgroup == "open")
    return sum(_MAKES_GROUP.match(pattern, end) is not None for end in opened)


def capture_fault(text: str, pattern: str | None) -> str:
    """Return which capture in *text* nothing makes, or ``""``; *pattern* is ``None`` for no regular expression.

    nginx knows ``$1`` to ``$9``, and puts nothing in the place of a group that there is not.
    """
    found = _CAPTURE.findall(text)
    if backslash := next((number for sign, number in found if sign == "\\"), ""):
        return f"has \\{backslash}, which nginx takes as it is; write ${backslash} for a capture"
    if not found:
        return ""
    if pattern is None:
        return f"has ${found[0][1]}, and the path is no regular expression, so that there is nothing to capture"
    groups, most = group_count(pattern), max(int(number) for _, number in found)
    if groups is None or most <= groups:
        return ""
    words = f"{groups or 'no'} group{'' if groups == 1 else 's'}"
    return f"has ${most}, and the regular expression {pattern!r} has {words}"
