"""What may stand in names and paths that reach nginx.

A folder of manifests has no API server in front that would refuse a hostile name, so every name is
held against the rule that the API server applies.
"""

from __future__ import annotations

import re

from headgate.settings.regex import regex_fault

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_LABEL_ALONE = re.compile(_LABEL)
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
LONGEST = 4080
"""Bytes: nginx reads an argument into a buffer of 4096 (NGX_CONF_BUFFER), with the quotes and what is put around it."""
SHOWN = 60
"""Characters that messages show of a text that is too long."""
_PART = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
"""A label of an object's name: unlike one of DNS, it may have any length."""
_SUBDOMAIN = re.compile(rf"{_PART}(?:\.{_PART})*")
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_NUMBERS = re.compile(r"[\d.]+")
_NAME_OF_LABEL = re.compile(r"[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*")
_PATH = re.compile(r"/[^\s;\x00-\x1f\x7f]*")
_RESERVED = re.compile(r"/etc/|/root(?:/|$)|/var(?:/|$)")
_DECIDING = {"/_external_auth_": "Policies of type externalAuth", "/_validate_apikey_": "Policies of type apiKey"}
"""How the paths of locations begin that decide for others, and what these are for."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BRACES = re.compile(r"\{(.*?)\}")
LONGEST_NAME = 253
LONGEST_LABEL = 63
LONGEST_PORT_NAME = 15


def name_fault(name: str) -> str:
    """Return why *name* cannot name an object (a DNS-1123 subdomain as the API server checks it), or ``""``."""
    if len(name) > LONGEST_NAME or not _SUBDOMAIN.fullmatch(name):
        return "is not a DNS name (lower-case letters, digits, - and ., at most 253 characters)"
    return ""


def service_fault(name: str) -> str:
    """Return why *name* cannot name a Service, or ``""``.

    A first digit is let through, which Kubernetes allows since 1.34 (RelaxedServiceNameValidation).
    """
    return namespace_fault(name).replace("a DNS label", "the name of a Service")


def domain_fault(name: str) -> str:
    """Return why *name* cannot be asked of a resolver (RFC 1123 §2.1), or ``""``."""
    if len(name) > LONGEST_NAME or not _DOMAIN.fullmatch(name):
        return "is not a DNS name (labels of at most 63 lower-case letters, digits and -, with dots in between)"
    return ""


def namespace_fault(name: str) -> str:
    """Return why *name* cannot name a namespace (DNS-1123 label), or ``""``."""
    if len(name) > LONGEST_LABEL or not _LABEL_ALONE.fullmatch(name):
        return "is not a DNS label (lower-case letters, digits and -, at most 63 characters)"
    return ""


def label_fault(key: str) -> str:
    """Return why *key* cannot be the key of a label, or ``""``."""
    prefix, slash, name = key.rpartition("/")
    if (slash and name_fault(prefix)) or not _NAME_OF_LABEL.fullmatch(name):
        return "is not the key of a label (letters, digits, -, _ and ., at most 63, perhaps a DNS name and / in front)"
    return ""


def label_value_fault(value: str) -> str:
    """Return why *value* cannot be the value of a label, or ``""``."""
    if value and not _NAME_OF_LABEL.fullmatch(value):
        return "is not the value of a label (letters, digits, -, _ and ., at most 63 characters)"
    return ""


def host_fault(host: str) -> str:
    """Return why *host* cannot be a host of an Ingress, or ``""``; one leading ``*.`` is a wildcard."""
    if len(host) > LONGEST_NAME or not _HOST.fullmatch(host):
        return "is not a host name (lower-case letters, digits, - and ., perhaps *. in front)"
    if _NUMBERS.fullmatch(host):
        return "is an IP address, and hosts are names"
    return ""


def port_name_fault(name: str) -> str:
    """Return why *name* cannot name a port (IANA service name, RFC 6335), or ``""``."""
    if len(name) > LONGEST_PORT_NAME or not _PORT_NAME.fullmatch(name):
        return "is not a port name (lower-case letters, digits and -, at most 15 characters)"
    return ""


def length_fault(text: str) -> str:
    """Return why *text* is too long for an argument of nginx, or ``""``."""
    size = len(text.encode(errors="surrogatepass"))
    return f"is too long: it has {size} bytes, and nginx takes {LONGEST}" if size > LONGEST else ""


def shortened(text: str) -> str:
    """Return the beginning of *text*, as far as it is shown of one that is too long."""
    return f"{text[:SHOWN]}…" if length_fault(text) else text


def path_fault(path: str, *, regex: bool) -> str:
    """Return why *path* cannot be served, or ``""``; *regex* says that it is a regular expression."""
    if fault := length_fault(path):
        return fault
    if not path.startswith("/"):
        return "does not begin with /"
    if path.startswith("//"):
        return "begins with //"
    if regex:
        return _expression_fault(path)
    if not _PATH.fullmatch(path):
        return "contains a space, a control character or a semicolon; write %20 or %3B"
    if ".." in re.split(r"[/\\]", path):
        return "has a .. in it"
    if re.search(r'["\\]', path):
        return "contains a double quote or a backslash, as only a regular expression may; write %22 or %5C"
    if any(re.search("[A-Za-z]", group) for group in _BRACES.findall(path)):
        return "has letters between { and }; write %7B for { and %7D for }"
    return "is reserved (/etc/, /root, /var)" if _RESERVED.match(path) else ""


def decision_fault(path: str) -> str:
    """Return why *path*, as nginx compares it, cannot be that of a location of a user, or ``""``."""
    uses = (use for begin, use in _DECIDING.items() if path.startswith(begin))
    return next((f"is reserved for the locations of {use}; use another path" for use in uses), "")


def _expression_fault(path: str) -> str:
    """Return why *path* cannot be served as a regular expression; it is printed in quotes, so it may hold any sign."""
    if _CONTROL.search(path):
        return "contains a control character"
    if _RESERVED.match(path):
        return "is reserved (/etc/, /root, /var)"
    fault = regex_fault(path)
    return f"is {fault}" if fault else ""
