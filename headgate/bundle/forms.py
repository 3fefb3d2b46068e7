"""The forms of what is confidential in any text: keys, hashes, headers, and values after certain words."""

from __future__ import annotations

import re
from typing import Any, Final

from headgate.settings import REGISTRY

REMOVED: Final = "[removed]"
SECRET_KEYS: Final = frozenset(key for key, each in REGISTRY.keys.items() if each.spec.secret)
"""The keys of the ConfigMap whose values are confidential."""

# Messages and JSON write a tab and a line break as escapes, whose letter is no part of the next word.
ESCAPED_START: Final = r"(?<=\\[tnr])"
_START: Final = rf"(?:\b|{ESCAPED_START})"
_SPACE: Final = r"(?:\s|\\+[tnr])"
_BLANK: Final = r"(?:[ \t]|\\+t)"

_WORDS: Final = (
    rf"(?:{_START}|_)"
    r"(?:passw(?:or)?d|passphrase|pwd|token|api[-_]?key|secret[-_]?(?:access[-_]?)?key|client[-_]secret"
    rf"|{'|'.join(map(re.escape, sorted(SECRET_KEYS)))})"
)
# Elsewhere "secret" is a part of an annotation, a flag or a message, and the value is the name of an object.
_OTHER_WORDS: Final = rf"(?:{_START}x-(?:\w+-)*|[$_])secret"
_COOKIE: Final = rf"(?:{_START}|_)(?:set-)?cookie2?"
# A quote may be escaped, where the text is a part of another one; one with more backslashes is a part of the value.
_QUOTED: Final = r"(?P<{0}>\\*[\"'])[^\n]*?(?<!\\)(?P={0})|\\*[\"'][^\n]+"
_ASSIGNED: Final = rf"\\*[\"']?{_BLANK}*[:=]{_BLANK}*"
# nginx separates by spaces; parameters of directives that read a variable are no values.
_SPACED: Final = rf"{_SPACE}+(?=\\*[\"'])|{_SPACE}+(?!consistent\s*;|zone=)(?=[^\s;\"'{{}}]+\s*;)"
# What has been removed, and a variable of nginx as the whole value
_HARMLESS: Final = r"(?!\\*[\"']?(?:\[removed\]|\$\{?\w+\}?\\*[\"']?(?:[\s;,]|\Z)))"
_BARE: Final = r"[^\s\"';&{}\[\]][^\s\"';&]*"


def _values(words: str, separators: str, name: str, bare: str = _BARE) -> re.Pattern[str]:
    """Return a pattern for the values after *words*, whose first group is kept."""
    quoted = _QUOTED.format(name)
    return re.compile(rf"({words}(?:{separators})){_HARMLESS}(?:{quoted}|{bare})", re.IGNORECASE)


_FORMS: Final = (
    # A private key, also with escaped newlines
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REMOVED),
    # User and password in a URL
    (re.compile(r"(?<=://)[^\s/@'\"]+@"), f"{REMOVED}@"),
    # Credentials in a header
    (
        re.compile(
            rf"{_START}(authorization(?:\\+[tnr]|[ \t:=\"'\\]){{1,40}}(?:\w+{_BLANK}+)?)(?!\[removed\])[^\s\"';$\\]+",
            re.IGNORECASE,
        ),
        rf"\1{REMOVED}",
    ),
    (re.compile(rf"{_START}((?:bearer|basic){_BLANK}+)[\w~+/.-]{{16,}}=*", re.IGNORECASE), rf"\1{REMOVED}"),
    # JSON Web Tokens
    (re.compile(rf"{_START}eyJ[\w-]+\.[\w-]+\.[\w-]*"), REMOVED),
    # Hashes of passwords (crypt(5))
    (re.compile(r"\$(?:apr1|1|2[abxy]|5|6|y)\$[^\s:'\"]+|\{(?:SHA|SSHA|PLAIN)\}[^\s'\"]+"), REMOVED),
    # Cookie: a=...; b=..., which contains semicolons
    (_values(_COOKIE, r"\\*[\"']?[ \t]*:[ \t]*", "q", r"[^\s\"';=]+=[^\n\"']*"), rf"\1{REMOVED}"),
    # password=..., token: ..., X-Api-Key "...", $token ...;
    (_values(rf"(?:{_WORDS}|{_OTHER_WORDS})", f"{_ASSIGNED}|{_SPACED}", "q"), rf"\1{REMOVED}"),
    (_values(_COOKIE, rf"[ \t]*=[ \t]*|{_SPACED}", "q"), rf"\1{REMOVED}"),
    (_values(r"(?<![\w-])secret", r"\\*[\"']?[ \t]*=[ \t]*", "q"), rf"\1{REMOVED}"),
    # The header of the directive otel_exporter
    (
        re.compile(
            r"^([ \t]*header[ \t]+[\w-]+[ \t]+)(?!\[removed\])(?:\"(?:\\.|[^\"\n])*\"|[^\s;]+)(?=\s*;)", re.MULTILINE
        ),
        rf"\1{REMOVED}",
    ),
)
_KEY: Final = re.compile(rf"(?:{_WORDS}|{_OTHER_WORDS})\Z", re.IGNORECASE)


def without_forms(text: str) -> str:
    """Return *text* without what has one of the forms."""
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text


def names_a_password(key: Any, value: Any) -> bool:
    """Whether *value*, of a document, is to be removed because of its *key*; a variable of nginx is not."""
    scalar = isinstance(value, str | int) and not isinstance(value, bool)
    return scalar and bool(_KEY.search(str(key))) and not str(value).startswith((REMOVED, "$"))
