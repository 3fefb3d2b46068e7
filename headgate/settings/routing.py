"""Paths and ports."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, choice, listed, matching, number, service_name
from headgate.settings.registry import Settings, Where, setting


class Rewrite(msgspec.Struct, frozen=True):
    """Requests for *service* keep what follows the location's path and get *path* in front."""

    service: str
    path: str

    def __str__(self) -> str:
        return f"serviceName={self.service} rewrite={self.path}"


_rewrite_path = matching(r"/[^\s{};$\"'\\#\x00-\x1f\x7f]*", "a path without space { } ; $ # quotes or backslash")
_target = matching(
    r"/[^\s;{}\[\]|<>,^`~\\\"'#\x00-\x1f\x7f]*", "a path without space, quotes or ; { } [ ] | < > , ^ ` ~ # \\"
)
_url_path = matching(r"/[A-Za-z0-9\-_.!*():@&=+,/?%]*", "a path of URL characters")


def _straight(path: str) -> str:
    """Return *path* unless it climbs or reads as ``//host``."""
    if path.startswith("//") or ".." in path.split("/"):
        raise Unfit("a path that begins with // or has a .. in it")
    return path


@accepts("`serviceName=NAME rewrite=/path`")
def rewrite(text: str) -> Rewrite:
    """Parse ``serviceName=coffee-svc rewrite=/beans/``."""
    match = re.fullmatch(r"serviceName=(\S+)\s+rewrite=(\S+)", text.strip())
    if not match:
        raise Unfit("not serviceName=NAME rewrite=/path")
    return Rewrite(service_name(match[1]), _straight(_rewrite_path(match[2])))


@accepts("path, with captures such as `$1`")
def rewrite_target(text: str) -> str:
    """Parse a path that may use captures (``$1``) of the location's regular expression."""
    target = _straight(_target(text))
    if re.search(r"\$(?![1-9])", target):
        raise Unfit("a path with a $ that is not a capture such as $1")
    return target


@accepts("path below `/`")
def app_root(text: str) -> str:
    """Parse the path to which ``/`` is redirected."""
    path = _straight(_url_path(text))
    if path.endswith("/"):
        raise Unfit("not a path below /, or one with a final /")
    return path


_ports_from_one = listed(number(1, 65535), "ports")


@accepts(_ports_from_one.words)
def ports(text: str) -> tuple[int, ...]:
    """Parse ports; nginx refuses to listen on one twice."""
    numbers = _ports_from_one(text)
    if len(set(numbers)) != len(numbers):
        raise Unfit("a list with a port twice")
    return numbers


class RoutingSettings(Settings):
    """How paths match, how they are rewritten, and where servers listen."""

    path_regex: Annotated[
        str | None,
        setting(
            "path-regex",
            "Read paths as regular expressions (case_sensitive, case_insensitive) or as exact paths (exact).",
            Scope.LOCATION,
            Where.ANNOTATION,
            parse=choice("case_sensitive", "case_insensitive", "exact"),
            directive="location",
            context="server",
            narrow=True,
            differs="On a master, where it has no effect, it is ignored with a warning.",
        ),
    ] = None
    rewrites: Annotated[
        tuple[Rewrite, ...],
        setting(
            "rewrites",
            "Replace the matched path, by Service.",
            Scope.LOCATION,
            Where.ANNOTATION,
            parse=listed(rewrite, rewrite.words, ";"),
            directive="proxy_pass",
            example="serviceName=coffee-svc rewrite=/beans/",
            narrow=True,
            differs="Ignored with a warning if the path is a regular expression, which nginx cannot replace.",
        ),
    ] = ()
    rewrite_target: Annotated[
        str | None,
        setting(
            "rewrite-target",
            "Path sent to the backend.",
            Scope.OWN,
            Where.ANNOTATION,
            parse=rewrite_target,
            directive="rewrite",
            context="location",
            example="/beans/$1",
        ),
    ] = None
    app_root: Annotated[
        str | None,
        setting(
            "app-root",
            "Where / redirects to.",
            Scope.SERVER,
            Where.ANNOTATION,
            parse=app_root,
            directive="return",
            context="location",
            example="/shop",
        ),
    ] = None
    listen_ports: Annotated[
        tuple[int, ...],
        setting(
            "listen-ports",
            "Ports for plain HTTP, in place of the usual one.",
            Scope.SERVER,
            Where.ANNOTATION,
            parse=ports,
            directive="listen",
            context="server",
            example="8080,8888",
            differs="A port above 65535, a duplicate and a port that Headgate uses are refused. An unknown host "
            "is answered by the default server, as on the usual ports, not by the first Ingress of the port.",
        ),
    ] = ()
    listen_ports_ssl: Annotated[
        tuple[int, ...],
        setting(
            "listen-ports-ssl",
            "Ports for HTTPS, in place of the usual one.",
            Scope.SERVER,
            Where.ANNOTATION,
            parse=ports,
            directive="listen",
            context="server",
            example="8443",
            differs="A port above 65535, a duplicate and a port that Headgate uses are refused. An unknown host "
            "is answered by the default server, as on the usual ports, not by the first Ingress of the port.",
        ),
    ] = ()
