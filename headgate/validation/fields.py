"""The fields of custom resources against their declarations (``api/nginx_org/fields.py``)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from headgate.api.base import Model, TopLevel
from headgate.api.nginx_org.fields import Codes, Field, Form, Listed, OneOf, Range, Shape, declared
from headgate.networks import as_compared
from headgate.problems import meant, some
from headgate.settings.parsers import VARIABLE, Unfit
from headgate.settings.regex import regex_fault
from headgate.settings.tls import ciphers
from headgate.settings.upstream import lb_method
from headgate.settings.values import Duration, HeaderName, Offset, Seconds, Size, plain_text, zone_size
from headgate.validation.text import (
    domain_fault,
    host_fault,
    length_fault,
    name_fault,
    namespace_fault,
    service_fault,
    shortened,
)

Fault = tuple[str, str, str]
"""Field, what was there, why not."""

_NESTED: Final = (Model, tuple)
_ESCAPED = re.compile(r'(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*')
_ONE_LINE = re.compile(r'(?:[^"\\\x00-\x1f\x7f]|\\[^nr\x00-\x1f\x7f])*')
_LINES = re.compile(r'(?:[^"\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\\[^\x00-\x1f\x7f])*')
_LABEL = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_COOKIE = re.compile(r"[_A-Za-z0-9]+")
_PATH = re.compile(r"/[^\s{};\\\x00-\x1f\x7f]*")
_MEDIA_TYPE = re.compile(r'(?:[^;{}"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*')
_RATE = re.compile(r"[1-9][0-9]{0,8}r/[sSmM]")
_BRACED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_BARE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_STREAM_HASH = re.compile(rf"hash (?:[A-Za-z0-9_.:\-]|{VARIABLE})+( consistent)?")
STREAM_METHODS: Final = ("round_robin", "least_conn", "random", "random two", "random two least_conn")


class _Checked(NamedTuple):
    """A declared field, and why one of its values breaks its rule, or ``""``; ``None`` for values without a rule."""

    attribute: str
    name: str
    field: Field
    fault: Callable[[Any], str] | None


def field_faults(value: Model, path: str) -> Iterator[Fault]:
    """Yield what is wrong with the fields of *value*, which is at *path*, and of everything inside it."""
    for each in _checked(type(value)):
        found = getattr(value, each.attribute)
        if found is None or found == "":  # "" is as good as absent: it is how Go's clients write that
            if each.field.required:
                yield f"{path}.{each.name}", "", "is missing"
        elif isinstance(found, _NESTED):
            yield from _faults(found, each, f"{path}.{each.name}")
        elif each.fault and not isinstance(found, Mapping) and (fault := each.fault(found)):
            yield f"{path}.{each.name}", shortened(str(found)), _in_two_fields(value, each.attribute) or fault


def _in_two_fields(value: Model, attribute: str) -> str:
    """Return what to write for ``namespace/name`` in *attribute* of *value*, or ``""`` if it is something else."""
    namespace, slash, name = str(getattr(value, attribute)).rpartition("/")
    if attribute != "name" or not slash or not hasattr(value, "namespace"):
        return ""
    return f"has a namespace in it; write name: {name} and namespace: {namespace}"


def name_faults(item: TopLevel) -> Iterator[Fault]:
    """Yield what is wrong with the name and the namespace of *item*."""
    if fault := name_fault(item.metadata.name):
        yield "metadata.name", item.metadata.name, fault
    if fault := namespace_fault(item.metadata.namespace):
        yield "metadata.namespace", item.metadata.namespace, fault


def not_an_upstream(upstreams: Collection[str], name: str) -> str:
    """Return that *name* is none of *upstreams*, and which there are."""
    known = f"which has {some(sorted(set(upstreams)))}" if upstreams else "which has none (spec.upstreams)"
    return f"is not the name of an upstream of this object, {known}{meant(name, upstreams)}"


@cache
def _checked(model: type[Model]) -> tuple[_Checked, ...]:
    return tuple(_Checked(each.attribute, each.name, each.field, _check(each.field)) for each in declared(model))


def _check(field: Field) -> Callable[[Any], str] | None:
    """Return the check of a value of *field*, made once: there are many values."""
    rule = field.rule
    if rule is None:
        return None
    if not isinstance(rule, Form):
        return lambda value: _fault(value, rule)
    form = _FORMS[rule]
    if field.variables and rule in {Form.TEXT, Form.BODY, Form.URL}:
        return lambda value: length_fault(str(value)) or form(str(value)) or _variables(str(value), field.variables)
    if rule is Form.FREE:
        return lambda value: form(str(value))
    return lambda value: length_fault(str(value)) or form(str(value))


def _faults(value: Any, checked: _Checked, path: str) -> Iterator[Fault]:
    if isinstance(value, Model):
        yield from field_faults(value, path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            if item == "" and checked.field.rule is not Form.FREE:
                yield f"{path}[{index}]", "", "is empty"
            else:
                yield from _faults(item, checked, f"{path}[{index}]")
    elif checked.fault and not isinstance(value, Mapping) and (fault := checked.fault(value)):
        yield path, shortened(str(value)), fault


def _fault(value: Any, rule: Range | OneOf | Codes | Listed | Shape) -> str:
    """Return why *value* breaks *rule*, or ``""``."""
    match rule:
        case Range(least, most):
            return _out_of_range(value, least, most)
        case OneOf(words, folds, prefixes):
            known = value.lower() in words if folds and isinstance(value, str) else value in words
            known |= any(re.fullmatch(rf"{re.escape(prefix)}\w+", str(value), re.ASCII) for prefix in prefixes)
            words = (*words, *(f"{prefix}*" for prefix in prefixes))
            near = meant(str(value), [word for word in words if isinstance(word, str)])
            return "" if known else f"is not one of {', '.join(map(str, words))}{near}"
        case Codes(classes):
            allowed = isinstance(value, int) and value // 100 in classes
            redirect = "; a redirect has a field of its own (redirect)" if value in range(300, 400) else ""
            return "" if allowed else f"is not a status code that begins with {', '.join(map(str, classes))}{redirect}"
        case Listed(words):
            return _listed(str(value), words)
        case Shape(pattern, words):
            return "" if re.fullmatch(pattern, str(value)) else f"is not {words}"


def _out_of_range(value: Any, least: int, most: int | None) -> str:
    if isinstance(value, str):
        return "" if value == "any" else "is neither a number nor any"
    if least <= value and (most is None or value <= most):
        return ""
    return f"is out of range; use {least} to {most}" if most is not None else f"is too small; use {least} or more"


def _listed(text: str, words: tuple[str, ...]) -> str:
    found = text.split()
    if unknown := next((word for word in found if word not in words), ""):
        return f"has the word {unknown}, which is not one of {', '.join(words)}"
    return "has a word twice" if len(set(found)) != len(found) else ""


def _variables(text: str, variables: Sequence[str]) -> str:
    """Return which variable may not stand in *text*, or why a ``$`` begins none."""
    if "$" not in text:
        return ""
    for name in _BRACED.findall(text):
        if not _is_among(name, variables):
            return f"has the variable ${{{name}}}, which is not among ${{{'}, ${'.join(variables)}}}"
    rest = _BRACED.sub("", text)
    bare = _BARE.search(rest)
    if bare and _is_among(bare[1], variables):
        return f"has a variable without braces; write ${{{bare[1]}}} for ${bare[1]}"
    return "has a $ that does not begin a ${variable}" if "$" in rest else ""


def _is_among(name: str, variables: Sequence[str]) -> bool:
    """Whether *name* is one of *variables*, of which those with a final ``*`` need something in its place."""
    return any(
        name.startswith(known[:-1]) and name != known[:-1] if known.endswith("*") else name == known
        for known in variables
    )


def _parsed(parse: Callable[[str], object]) -> Callable[[str], str]:
    """Return a check by the parser of a setting."""

    def check(text: str) -> str:
        try:
            parse(text)
        except Unfit as unfit:
            return f"is {unfit.about(text)}"
        return ""

    return check


def _matched(pattern: re.Pattern[str], words: str) -> Callable[[str], str]:
    return lambda text: "" if pattern.fullmatch(text) else f"is not {words}"


def _qualified(name: Callable[[str], str]) -> Callable[[str], str]:
    """Return a check of a name, perhaps with a namespace and a slash in front."""

    def check(text: str) -> str:
        namespace, slash, rest = text.rpartition("/")
        return (namespace_fault(namespace) if slash else "") or name(rest)

    return check


def path_fault(text: str) -> str:
    """Return why *text* cannot be a path, or ``""``."""
    if text.startswith("//"):
        return "begins with //"
    if not _PATH.fullmatch(text):
        return r"is not a path; it begins with / and has no space, ; { } or \ in it"
    return "has a .. in it" if ".." in re.split(r"[/\\]", text) else ""


def _cookie_path(text: str) -> str:
    return path_fault(text) or ("has one of \" ' # $ in it" if re.search("[\"'#$]", text) else "")


def text_fault(text: str) -> str:
    """Return why *text* cannot stand between double quotes, or ``""``."""
    return (
        ""
        if _ESCAPED.fullmatch(text)
        else 'has a double quote or final backslash that is not escaped (\\"), or a line break'
    )


def _one_line(text: str) -> str:
    r"""Return why *text* cannot be a part of a header: ``\n`` and ``\r``, line breaks for nginx, would end it."""
    return text_fault(text) or (
        "" if _ONE_LINE.fullmatch(text) else "has a line break (\\n or \\r), which ends a header"
    )


def _header(text: str) -> str:
    return _parsed(HeaderName.parse)(text) or ("" if text == text.strip() else "begins or ends with a space")


def _url(text: str) -> str:
    return _one_line(text) or (
        "" if "://" in text else "is not a URL; write it with its scheme, such as https://cafe.example.com/tea"
    )


def _domain(text: str) -> str:
    return domain_fault(text.removeprefix("."))


def _network(text: str) -> str:
    try:
        as_compared(text)
    except ValueError:
        return "is neither an IP address nor a CIDR block; write for example 192.0.2.7 or 192.0.2.0/24"
    if "." in text.partition("/")[2]:
        return "has a netmask; write the length of its prefix, as in 10.0.0.0/8"
    return _zone(text)


def _version(number: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            right = ipaddress.ip_address(text).version == number
        except ValueError:
            right = False
        return _zone(text) if right else f"is not an IPv{number} address"

    return check


def _zone(text: str) -> str:
    """Return why an address with a zone (``fe80::1%eth0``) cannot be used, or ``""``; a zone may hold any text."""
    return "is an address with a zone, which nginx cannot use" if "%" in text else ""


def _stream_method(text: str) -> str:
    method = " ".join(text.split())
    if method in STREAM_METHODS:
        return ""
    if _STREAM_HASH.fullmatch(method):
        names = re.findall(VARIABLE, method)
        return "" if names == ["${remote_addr}"] else "is a hash of something other than ${remote_addr}"
    if "least_time" in method:
        return "is not possible on open-source NGINX ('least_time' belongs to NGINX Plus); use least_conn"
    return f"is not a method; use {', '.join(STREAM_METHODS)} or hash ${{remote_addr}} [consistent]"


def _condition(text: str) -> str:
    """Return why *text* cannot be compared with a property of a request, or ``""``; ``!`` in front negates it."""
    value = text.removeprefix("!")
    if (fault := _one_line(text)) or not value.startswith("~"):
        return fault
    unfit = regex_fault(value[1:].removeprefix("*"))
    return f"is {unfit}" if unfit else ""


def _anything(_: str) -> str:
    return ""


_FORMS: Final[Mapping[Form, Callable[[str], str]]] = MappingProxyType(
    {
        Form.TIME: _parsed(Duration.parse),
        Form.SECONDS: _parsed(Seconds.parse),
        Form.SIZE: _parsed(Size.parse),
        Form.OFFSET: _parsed(Offset.parse),
        Form.ZONE: _parsed(zone_size),
        Form.NAME: name_fault,
        Form.QUALIFIED: _qualified(name_fault),
        Form.NAMESPACE: namespace_fault,
        Form.LABEL: _matched(_LABEL, "a name of lower-case letters, digits and - that begins with a letter"),
        Form.SERVICE: _qualified(service_fault),
        Form.OWN_SERVICE: service_fault,
        Form.HOST: host_fault,
        Form.DOMAIN: _domain,
        Form.HEADER: _header,
        Form.COOKIE: _matched(_COOKIE, "a name of letters, digits and _"),
        Form.PATH: path_fault,
        Form.COOKIE_PATH: _cookie_path,
        Form.ROUTE: _anything,
        Form.REWRITE: _anything,
        Form.TEXT: _one_line,
        Form.CONDITION: _condition,
        Form.BODY: _matched(_LINES, 'text in which every double quote and a final backslash are escaped (\\")'),
        Form.PLAIN: _parsed(plain_text),
        Form.CIPHERS: _parsed(ciphers),
        Form.MEDIA_TYPE: _matched(_MEDIA_TYPE, "a media type; it has no ; { } and no double quote or \\ unescaped"),
        Form.URL: _url,
        Form.ADDRESS: _network,
        Form.IPV4: _version(4),
        Form.IPV6: _version(6),
        Form.RATE: _matched(_RATE, "a rate; write a number with r/s or r/m, such as 10r/s"),
        Form.BALANCING: _parsed(lb_method),
        Form.STREAM_BALANCING: _stream_method,
        Form.FREE: _anything,
    }
)
"""The check of each form; those of routes and rewrites depend on other fields, and are with the kinds."""
