"""Paths and ports."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from headgate.settings.registry import Scope, Settings, Where, knob
from headgate.settings.values import Unfit, choice, dns_name, listed, matching, number


class Rewrite(msgspec.Struct, frozen=True):
    """Requests for *service* keep what follows the location's path and get *path* in front."""

    service: str
    path: str

    def __str__(self) -> str:
        return f"serviceName={self.service} rewrite={self.path}"


_rewrite_path = matching(r"/[^\s{};$\"'\\#]*", "a path without space { } ; $ # quotes or backslash")


def rewrite(text: str) -> Rewrite:
    """Parse ``serviceName=coffee-svc rewrite=/beans/``."""
    match = re.fullmatch(r"serviceName=(\S+)\s+rewrite=(\S+)", text.strip())
    if not match:
        raise Unfit("not serviceName=NAME rewrite=/path")
    return Rewrite(dns_name(match[1]), _rewrite_path(match[2]))


def rewrite_target(text: str) -> str:
    """Parse a path that may use captures (``$1``) of the location's regular expression."""
    target = matching(
        r"/[^\s;{}\[\]|<>,^`~\\\"'#\x00-\x1f\x7f]*", "a path without space, quotes or ; { } [ ] | < > , ^ ` ~ # \\"
    )(text)
    if target.startswith("//") or ".." in target.split("/"):
        raise Unfit("a path that begins with // or has a .. in it")
    if re.search(r"\$(?!\d)", target):
        raise Unfit("a path with a $ that is not a capture such as $1")
    return target


def app_root(text: str) -> str:
    """Parse the path to which ``/`` is redirected."""
    path = matching(r"/[A-Za-z0-9\-_.!*'():@&=+,/?%]*", "a path of URL characters")(text)
    if path == "/" or path.startswith("//") or path.endswith("/") or ".." in path.split("/"):
        raise Unfit("not a path below / without // or .. or a final /")
    return path


_ports = listed(number(1, 65535))


class RoutingSettings(Settings):
    """How paths match, how they are rewritten, and where servers listen."""

    path_regex: Annotated[
        str | None,
        knob(
            "path-regex",
            "Read paths as regular expressions (case_sensitive, case_insensitive) or as exact paths (exact).",
            Scope.OWN,
            Where.ANNOTATION,
            parse=choice("case_sensitive", "case_insensitive", "exact"),
        ),
    ] = None
    rewrites: Annotated[
        tuple[Rewrite, ...],
        knob(
            "rewrites",
            "Replace the matched path, by Service: serviceName=S rewrite=/p, separated by ;",
            Scope.LOCATION,
            Where.ANNOTATION,
            parse=listed(rewrite, ";"),
        ),
    ] = ()
    rewrite_target: Annotated[
        str | None,
        knob("rewrite-target", "Path sent to the backend.", Scope.OWN, Where.ANNOTATION, parse=rewrite_target),
    ] = None
    app_root: Annotated[
        str | None, knob("app-root", "Where / redirects to.", Scope.SERVER, Where.ANNOTATION, parse=app_root)
    ] = None
    listen_ports: Annotated[
        tuple[int, ...], knob("listen-ports", "Ports for plain HTTP.", Scope.SERVER, Where.ANNOTATION, parse=_ports)
    ] = ()
    listen_ports_ssl: Annotated[
        tuple[int, ...], knob("listen-ports-ssl", "Ports for HTTPS.", Scope.SERVER, Where.ANNOTATION, parse=_ports)
    ] = ()
