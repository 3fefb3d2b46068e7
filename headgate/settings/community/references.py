"""ConfigMaps that annotations and keys of ingress-nginx name, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Final

from headgate.settings.community.log_variables import replaced_variables
from headgate.settings.framing import NGINX_SETS, OF_REQUESTS, OF_RESPONSES
from headgate.settings.parsers import Unfit, accepts, has_loose_dollar
from headgate.settings.values import Header, Quoted, plain_text
from headgate.settings.variables import read_by, unknown_variable

ConfigMaps = Callable[[str, str], Mapping[str, str] | None]
"""Returns what the ConfigMap of a namespace and a name holds, ``None`` if it is not there."""

ANNOTATIONS: Final = ("auth-proxy-set-headers", "custom-headers", "fastcgi-params-configmap")
"""The annotations that name a ConfigMap, by what follows the prefix."""
KEYS: Final = ("add-headers", "proxy-set-headers")
"""The keys of the ConfigMap of ingress-nginx that name another one."""
_NAME: Final = re.compile(
    r"(?:(?P<namespace>[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)/)?(?P<name>[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)"
)


def referred(text: str, namespace: str) -> tuple[str, str] | None:
    """Return namespace and name of the object that ``[NAMESPACE/]NAME`` names, ``None`` if it is of another form.

    Without a namespace it is in *namespace*.
    """
    found = _NAME.fullmatch(text.strip())
    return (found["namespace"] or namespace, found["name"]) if found else None


@accepts("name of an object, perhaps with its namespace and a slash in front", example="shop/headers")
def reference(text: str) -> str:
    """Parse ``[NAMESPACE/]NAME``."""
    if referred(text, "") is None:
        raise Unfit("not the name of an object, or NAMESPACE/NAME")
    return text.strip()


DECODED: Final = frozenset({
    "document_uri", "fastcgi_path_info", "fastcgi_script_name", "remote_user", "request_filename", "uri",
})  # fmt: skip
"""Variables with bytes that a client chose, decoded: in a header a line break would begin another one."""
ADDED: Final = OF_RESPONSES | {"date", "server"}
"""Response headers that nginx sends in any case; another one of the name would be a second one."""
_HEADER: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_PARAMETER: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PARAMETER_VALUE: Final = re.compile(r"[A-Za-z0-9_${}/.\-]*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def response_headers(data: Mapping[str, str], allowed: Collection[str] | None = None) -> tuple[Header, ...]:
    """Return the response headers that *data* has, whose values are plain text.

    Raises:
        Unfit: one cannot be sent, or is none of *allowed* (in lower case; ``None`` for any).
    """
    found: list[Header] = []
    for name, text in sorted(data.items()):
        _check_name(name, ADDED)
        if allowed is not None and name.lower() not in allowed:
            raise Unfit(f"of a ConfigMap with {name}, which global-allowed-response-headers does not name")
        try:
            found.append(Header(name, plain_text(text), always=True))
        except Unfit as unfit:
            raise Unfit(f"of a ConfigMap whose {name} is {unfit}") from None
    return tuple(found)


def request_headers(data: Mapping[str, str]) -> tuple[Header, ...]:
    """Return the request headers that *data* has, in whose values variables may stand.

    Raises:
        Unfit: one cannot be sent, or would have what a client can put line breaks into.
    """
    for name in data:
        _check_name(name)
    return tuple(Header(name, _value(name, text)) for name, text in sorted(data.items()))


def fastcgi_params(data: Mapping[str, str]) -> tuple[tuple[str, Quoted], ...]:
    """Return the parameters of FastCGI that *data* has, in whose values variables may stand (Unfit: one cannot)."""
    for name, text in data.items():
        if not _PARAMETER.fullmatch(name):
            raise Unfit(f"of a ConfigMap with {name[:60]!r}, which is no name of a parameter")
        if not _PARAMETER_VALUE.fullmatch(text.strip()):
            raise Unfit(f"of a ConfigMap whose {name} is not text of letters, digits and - _ / . with variables")
    return tuple((name, _value(name, text, decoded=True)) for name, text in sorted(data.items()))


def _check_name(name: str, others: Collection[str] = OF_REQUESTS) -> None:
    if not _HEADER.fullmatch(name):
        raise Unfit(f"of a ConfigMap with {name[:60]!r}, which is no name of a header")
    if name.lower() in others:
        raise Unfit(f"of a ConfigMap with {name}, which {NGINX_SETS}")


def _value(name: str, text: str, *, decoded: bool = False) -> Quoted:
    """Return *text* as a value with variables (Unfit: they cannot be in it, also ``DECODED`` ones unless *decoded*)."""
    found, missing = replaced_variables(text.strip())
    about = f"of a ConfigMap whose {name} has"
    if _CONTROL.search(found):
        raise Unfit(f"{about} a line break or another control character")
    if has_loose_dollar(found):
        raise Unfit(f"{about} a $ that begins no variable")
    if missing:
        raise Unfit(f"{about} the variable {missing[0]}, which is not there")
    if fault := unknown_variable(found):
        raise Unfit(f"of a ConfigMap whose {name} {fault}")
    split = sorted(DECODED.intersection(each.lower() for each in read_by(found)))
    if split and not decoded:
        raise Unfit(f"{about} ${split[0]}, in which a client can put line breaks and headers")
    return Quoted(found)
