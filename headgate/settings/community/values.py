"""The values of the community's annotations, as ingress-nginx reads them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from headgate.networks import as_compared
from headgate.settings import auth
from headgate.settings.parsers import VARIABLE, Unfit, accepts, matching, number, word
from headgate.settings.regex import is_judged, is_simple, regex_fault
from headgate.settings.values import Duration, HeaderName, Offset, Quoted, Size, Words
from headgate.settings.variables import read_by, unknown_variable

_BYTES = re.compile(r"[0-9]{1,12}[bkmg]?", re.IGNORECASE)
_MOST_SECONDS = 10**9
_count = number(0, _MOST_SECONDS)


@accepts("whole seconds", unit="seconds", example="30")
def seconds(text: str) -> Duration:
    """Parse a number of seconds; ingress-nginx takes no unit."""
    return Duration(f"{_count(text)}s")


def _bytes(text: str) -> str:
    word = text.strip().lower()
    if not _BYTES.fullmatch(word):
        raise Unfit("not a size; write a number, alone or with k, m or g, for example 8k")
    return word.removesuffix("b")


@accepts("size, also with g", unit="bytes", example="8m")
def offset(text: str) -> Offset:
    """Parse the size of a body; ``0`` is any size."""
    return Offset.parse(_bytes(text))


@accepts("size", unit="bytes", example="8k")
def size(text: str) -> Size:
    """Parse the size of a buffer."""
    return Size.parse(_bytes(text))


@accepts("on or off", example="on")
def on_off(text: str) -> bool:
    """Parse nginx's spelling of a truth value."""
    if text.strip() not in {"on", "off"}:
        raise Unfit("neither on nor off")
    return text.strip() == "on"


@accepts("addresses and networks, separated by `,`", example="10.0.0.0/8,192.0.2.7")
def networks(text: str) -> tuple[str, ...]:
    """Parse a list of clients; each must be an address or a network."""
    found: list[str] = []
    for entry in filter(None, (each.strip() for each in text.split(","))):
        try:
            found.append(as_compared(entry))
        except ValueError:
            raise Unfit(f"a list with {entry[:40]!r}, which is neither an address nor a network") from None
    if not found:
        raise Unfit("a list without an entry")
    return tuple(dict.fromkeys(found))


@accepts("header names, separated by `,`", example="X-User,X-Groups")
def header_names(text: str) -> tuple[str, ...]:
    """Parse a list of header names."""
    return tuple(HeaderName.parse(each) for each in (part.strip() for part in text.split(",")) if each)


@accepts("origins, separated by `,`; a first label may be `*`", example="https://*.example.com,https://shop.test")
def origins(text: str) -> tuple[str, ...]:
    """Parse the origins of CORS (``*``, ``null``, or a scheme with a host and perhaps a port).

    One that is wrong is left out, and never makes all origins of the rest.
    """
    return tuple(each for each in _entries(text) if _ORIGIN.fullmatch(each))


def wrong_origins(text: str) -> tuple[str, ...]:
    """Return the entries of *text* that are no origins, which pages of no site have."""
    return tuple(each for each in _entries(text) if not _ORIGIN.fullmatch(each))


_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.\-]*://(?:\*\.)?[A-Za-z0-9.\-]+(?::[0-9]{1,5})?")


def _entries(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


@accepts("methods, separated by `,`", example="GET, POST")
def methods(text: str) -> tuple[str, ...]:
    """Parse a list of HTTP methods."""
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    if not all(re.fullmatch("[A-Za-z]+", each) for each in found):
        raise Unfit("not a list of methods such as GET, POST")
    return found


_URL_TEXT = re.compile(r"[^\s;{}`\"'\\#<>\x00-\x1f\x7f]+")


@accepts("URL with http or https", example="https://www.example.com/new")
def web_url(text: str) -> str:
    """Parse the URL of a redirect: absolute, without variables."""
    url = text.strip()
    if not _URL_TEXT.fullmatch(url) or "$" in url:
        raise Unfit("not a URL without spaces, quotes, braces, ; \\ and $")
    parts = _split(url)
    if parts[0] not in {"http", "https"} or not parts[1]:
        raise Unfit("not a URL that begins with http:// or https:// and a host")
    return url


def _split(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Unfit("not a URL") from None
    return parts.scheme, parts.netloc


_SENT_DECODED = frozenset({"remote_user"})
"""Variables with bytes that a client chose, as they are: in a request a line break would begin a header."""
_DECODED = _SENT_DECODED | {"document_uri", "fastcgi_path_info", "fastcgi_script_name", "request_filename", "uri"}
"""Those, and the ones with a decoded path: in the header Location a line break would begin another header."""


def _without(variables: frozenset[str], url: str) -> str:
    """Return *url* (Unfit: it has one of *variables*)."""
    if found := sorted(variables.intersection(name.lower() for name in read_by(url))):
        raise Unfit(f"a URL with ${found[0]}, in which a client can put line breaks and headers; use $request_uri")
    return url


def _known(text: str) -> str:
    """Return *text* (Unfit: it has a variable that nginx does not know, for which it would refuse the whole host)."""
    if fault := unknown_variable(text):
        raise Unfit(f"a text that {fault}")
    return text


SAME = "$host"
"""The host of a URL that is the one of the request."""


class Service(msgspec.Struct, frozen=True):
    """Where a URL leads: *host* and *port*, over TLS if *tls*; *path* with the query.

    The host may be ``SAME``, that of the request.
    """

    host: str
    port: int
    tls: bool
    path: str


@accepts(
    "URL with http or https, in whose path variables may stand", example="http://auth.default.svc.cluster.local/check"
)
def service_url(text: str) -> Service:
    """Parse the URL of a service that nginx asks."""
    return _service(text, "[/?]", "/", r"|\$host")


@accepts("URL with http or https, in whose path variables may stand", example="https://copy.test/$request_uri")
def mirror_url(text: str) -> Service:
    """Parse the URL to which copies of requests are sent; without a path they keep theirs."""
    found = _service(text, r"[/?]|\$request_uri", "$request_uri")
    _known(found.path)
    return found


def _service(text: str, begin: str, usual: str, hosts: str = "") -> Service:
    """Parse a URL whose path begins with *begin*, and is *usual* if there is none; *hosts* are further hosts."""
    url = text.strip()
    pattern = rf"(https?)://([A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?{hosts})(?::([0-9]{{1,5}}))?((?:(?:{begin})(?:[^\s;{{}}`\"'\\#<>$\x00-\x1f\x7f]|{VARIABLE})*)?)"
    match = re.fullmatch(pattern, url)
    if not match:
        raise Unfit("not http:// or https:// with a host, perhaps a port, and a path")
    tls = match[1] == "https"
    port = int(match[3] or (443 if tls else 80))
    if not 0 < port < 1 << 16:
        raise Unfit("a URL whose port is not from 1 to 65535")
    path = _without(_SENT_DECODED, match[4] or usual)
    return Service(match[2], port, tls, path if path.startswith(("/", "$")) else f"/{path}")


@accepts("URL in which variables may stand", example="https://$host/oauth2/start")
def signin_url(text: str) -> str:
    """Parse the URL that clients are sent to who are not known yet."""
    url = text.strip()
    if not re.fullmatch(rf"(?:[^\s;{{}}`\"'\\#<>$\x00-\x1f\x7f]|{VARIABLE})+", url):
        raise Unfit("not a URL without spaces, quotes, braces, ; and \\, in which $ begins a variable")
    return _without(_DECODED, url)


@accepts("a variable, or text with variables", example="$request_uri")
def hash_key(text: str) -> Words:
    """Parse the key of consistent hashing."""
    key = text.strip()
    if not re.fullmatch(rf"(?:[A-Za-z0-9_\-]|{VARIABLE})+", key) or "$" not in key:
        raise Unfit("not text with a variable such as $request_uri")
    return Words(("hash", key, "consistent"))


@accepts("path, with captures such as `$1`", example="/$2")
def target_path(text: str) -> str:
    """Parse the path that replaces the one of a request."""
    target = text.strip()
    if not re.fullmatch(r"/?(?:[\-._~a-zA-Z0-9:/]|\$[1-9])*", target) or not target:
        raise Unfit("not a path of letters, digits and - . _ ~ : / with captures such as $1")
    return target if target.startswith(("/", "$")) else f"/{target}"


@accepts("path without captures", example="/shop")
def prefix_path(text: str) -> str:
    """Parse a path that is sent to backends; captures are of decoded paths, in which clients can put line breaks."""
    if "$" in text:
        raise Unfit("a path with a capture, in which a client can put line breaks and headers; write the path out")
    return target_path(text)


@accepts("name of an object, perhaps with its namespace and a slash in front", example="shop/passwords")
def object_name(text: str) -> str:
    """Parse ``[namespace/]name``."""
    name = text.strip()
    if not re.fullmatch(r"(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?/)?[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?", name):
        raise Unfit("not the name of an object, or NAMESPACE/NAME")
    return name


@accepts("statuses from 400 to 599, separated by `,`", example="404,503")
def error_codes(text: str) -> tuple[int, ...]:
    """Parse the statuses of errors; 499 is of clients that are gone, and 598 is Headgate's own."""
    found = [each for each in "".join(text.split()).split(",") if each]
    if not found or not all(re.fullmatch("[45][0-9]{2}", each) for each in found):
        raise Unfit("not a list of statuses from 400 to 599, for example 404,503")
    return tuple(dict.fromkeys(int(each) for each in found if each not in {"499", "598"}))


_COMMON_NAME = "CN="


@accepts("regular expression")
def header_pattern(text: str) -> str:
    """Parse the expression of a header's values; nginx reads it in the file of another Ingress, so it must be sure."""
    pattern = text.strip()
    if not re.fullmatch(r"[/\-._~A-Za-z0-9:^$\[\](){}*+?|&=\\]+", pattern):
        raise Unfit("not a regular expression of letters, digits and / - . _ ~ : ^ $ [ ] ( ) { } * + ? | & = \\")
    if fault := regex_fault(pattern):
        raise Unfit(fault)
    if not is_simple(pattern):
        raise Unfit("a regular expression that not every nginx takes; write it with groups, sets and repetitions alone")
    return pattern


@accepts(word.words)
def redirect_to(text: str) -> str:
    """Parse what replaces a part of the header Location."""
    return _without(_DECODED, word(text))


@accepts("`CN=` and a regular expression", example="CN=(ann|bob)")
def common_name(text: str) -> str:
    """Parse the regular expression of a common name; it returns what follows ``CN=``."""
    pattern = text.strip()
    if not pattern.startswith(_COMMON_NAME) or pattern == _COMMON_NAME or re.search(r"[\x00-\x1f\x7f]", pattern):
        raise Unfit("not CN= and a regular expression")
    if fault := regex_fault(pattern.removeprefix(_COMMON_NAME)):
        raise Unfit(fault)
    if not is_judged(pattern):
        raise Unfit("a regular expression with (?x), \\Q or a verb, which could end in the middle of another one")
    return pattern.removeprefix(_COMMON_NAME)


@accepts("name in which variables may stand", example="backend.internal")
def server_name(text: str) -> str:
    """Parse the name of a backend in TLS."""
    name = text.strip()
    if not re.fullmatch(rf"(?:[A-Za-z0-9._\-]|{VARIABLE})+", name):
        raise Unfit("not a name of letters, digits and . _ -, in which $ begins a variable")
    return _known(name)


@accepts(auth.realm.words)
def realm(text: str) -> Quoted:
    """Parse a realm; ``off`` would turn the authentication off."""
    if text.strip() == "off":
        raise Unfit("a realm that would turn the authentication off; remove auth-type if that is meant")
    return auth.realm(text)


_mirror_host = matching(rf"(?:[A-Za-z0-9._:\-]|{VARIABLE})+", "a host, in which $ begins a variable")


@accepts(_mirror_host.words, example="copy.test")
def mirror_host(text: str) -> str:
    """Parse the header Host of copies."""
    return _known(_mirror_host(text))


@accepts("TLSv1.2, TLSv1.3 or both", example="TLSv1.2 TLSv1.3")
def backend_protocols(text: str) -> tuple[str, ...]:
    """Parse the versions of TLS towards backends."""
    found = tuple(sorted(set(text.split())))
    if not found or not set(found) <= {"TLSv1.2", "TLSv1.3"}:
        raise Unfit("neither TLSv1.2 nor TLSv1.3 nor both")
    return found


@accepts("statuses and a time, several separated by `,`", example="200 202 10m,401 1m")
def cache_durations(text: str) -> tuple[tuple[str, ...], ...]:
    """Parse the arguments of each ``proxy_cache_valid``."""
    found: list[tuple[str, ...]] = []
    for entry in text.split(","):
        *codes, time = entry.split() or [""]
        if not all(re.fullmatch("[1-5][0-9]{2}|any", code) for code in codes):
            raise Unfit(f"a list with {entry.strip()[:40]!r}, which is not statuses and a time such as 200 202 10m")
        found.append((*codes, str(Duration.parse(time))))
    return tuple(found)


_LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"


@accepts("host names, separated by `,`; a first label may be `*`", example="shop.example.org")
def host_names(text: str) -> tuple[str, ...]:
    """Parse further names of a host; ingress-nginx takes regular expressions, too."""
    found = tuple(dict.fromkeys(each.strip().lower() for each in text.split(",") if each.strip()))
    for name in found:
        if len(name) > 253 or not re.fullmatch(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", name):  # noqa: PLR2004 - RFC 1035
            raise Unfit(f"a list with {name[:60]!r}, which is no host name such as shop.example.org")
    if not found:
        raise Unfit("a list without an entry")
    return found
