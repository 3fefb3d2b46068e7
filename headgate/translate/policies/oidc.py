"""oidc: Lua decides by the session cookie; the controller answers where clients log in and out."""

from __future__ import annotations

import re
from typing import Final

from headgate.ir.http import Line, Location, Session
from headgate.ir.layout import LOGIN_SOCKET
from headgate.ir.snippets import read
from headgate.routes import PathType
from headgate.routes.policies import Oidc
from headgate.settings import NOTHING, Header, Quoted, Words
from headgate.translate.errors import NO_PAGE
from headgate.translate.policies.jwt import ACCESS
from headgate.translate.policies.parts import Part, Site
from headgate.validation.oidc import FRONT_CHANNEL, LOGOUT

UNREACHABLE: Final = "@headgate_login_unreachable"
SERVER_HEADER: Final = "X-Headgate-Server"
HOST_HEADER: Final = "X-Headgate-Host"
SCHEME_HEADER: Final = "X-Headgate-Scheme"
PASSED: Final = "headgate_session"
"""The variable with the Policy that let a request in, before an internal redirect."""
REFUSAL: Final[tuple[Line, ...]] = (("return", Words(("500",))),)
CLOSED = "requests that it guards are answered 500"
_SATISFY: Final = re.compile(r"\bsatisfy\s")
REWRITE: Final = "rewrite_by_lua"
BUFFER = "64k"
"""For the cookies of a large session, which are all in the header of an answer."""


def translate_oidc(site: Site) -> Part:
    """Return the session that is required, and note the locations of logins."""
    oidc = site.policies.oidc
    if oidc is None:
        return Part()
    if fault := site.draft.env.without_sessions:
        site.draft.warn(oidc.policy, "spec.oidc", "", (f"needs the live data plane, and {fault}", CLOSED))
        return Part(lines=REFUSAL)
    if fault := _passed_by(site, oidc):
        site.draft.warn(site.origin, "", "a snippet", (fault, CLOSED))
        return Part(lines=REFUSAL) if site.server else Part(refused=True)
    for path in dict.fromkeys((oidc.path, LOGOUT, FRONT_CHANNEL, oidc.left)):
        _answered(site, oidc, path)
    site.inner.setdefault(
        UNREACHABLE,
        Location(path=UNREACHABLE, origin=site.inner_origin, answer=Words(("503",)), lines=(NO_PAGE,), own=NOTHING),
    )
    return Part(session=Session(oidc.identity, oidc.path, oidc.passes, rewrites=_rewrites(site)))


def _rewrites(site: Site) -> bool:
    """Whether a snippet of the host, or that for all hosts, has a handler of Lua for the rewrite phase."""
    draft = site.draft
    snippets = (draft.env.params.snippets.http_snippets, draft.host(site.host).params.snippets.server_snippets)
    return any(REWRITE in (snippet or "") for snippet in snippets)


def _passed_by(site: Site, oidc: Oidc) -> str:
    """Return why sessions, or handlers of users, cannot keep clients out beside each other, ``""`` if they can."""
    policy = f"Policy {oidc.policy.key} of type oidc"
    satisfied = (_value(text) for text in (site.snippet, *reversed(site.around)))
    if site.policies.any_lets_in or next(filter(None, satisfied), "all") != "all":
        return f"has satisfy any, by which another check may let in clients without a session of {policy}"
    if any(map(_handles_access, (site.snippet, *site.around))):
        return f"has a handler of Lua for the access phase, as {policy} has, and nginx runs only one of them"
    return ""


def _handles_access(snippet: str) -> bool:
    """Whether *snippet* has a handler of Lua for the access phase where it stands, not in a location of its own."""
    directives = read(snippet)
    return any(map(ACCESS.match, directives.names)) or (not directives and bool(ACCESS.search(snippet)))


def _value(snippet: str) -> str:
    """Return the argument of ``satisfy`` in *snippet*, ``""`` if it has none, and ``any`` if that is not known."""
    directives = read(snippet)
    if not directives:  # of Lua, for one, which nginx reads otherwise
        return "any" if _SATISFY.search(snippet) else ""
    return next(iter(directives.subjects("satisfy")), "")


def _answered(site: Site, oidc: Oidc, path: str) -> None:
    """Note the location in which the controller answers *path*, unless a route has it."""
    for route in site.host.routes:
        match = route.match
        if match.path == path and (match.type is PathType.EXACT or match.modifier == "="):
            what = "where logins end" if path == oidc.path else "where clients log out"
            effect = "nobody can log in" if path == oidc.path else "sessions cannot be ended there"
            words = (f"is {what} with Policy {oidc.policy.key}, and the path of this route, which answers", effect)
            site.draft.warn(route.origin, f"{route.field}.path", path, words)
            return
    site.inner.setdefault(
        path,
        Location(
            path=Quoted(path),
            modifier="=",
            origin=site.inner_origin,
            request_headers=_told(site.host.name),
            variables=((PASSED, Quoted("")),),  # so that workers can set it: nginx has an index for what "set" names
            lines=_lines(f"http://unix:{site.draft.env.layout.socket(LOGIN_SOCKET)}"),
            unguarded=True,
            logins=True,
            own=NOTHING,
        ),
    )


def _told(server: str) -> tuple[Header, ...]:
    """Return what the controller is told of a request at *server*, whatever the client says of it."""
    told = {
        "Host": "$http_host",
        "Content-Length": "",
        "Authorization": "",
        "X-Forwarded-Proto": "$http_x_forwarded_proto",
        SCHEME_HEADER: "$scheme",
        HOST_HEADER: "$host",
        SERVER_HEADER: server,
    }
    return tuple(Header(name, Quoted(value)) for name, value in told.items())


def _lines(url: str) -> tuple[Line, ...]:
    """Return the lines by which a request goes to *url*: without its body, and whatever the host says of proxies."""
    return (
        ("error_page", Words(("502", "504", "=503", UNREACHABLE))),
        ("proxy_intercept_errors", Words(("off",))),
        ("proxy_pass_request_body", Words(("off",))),
        ("proxy_cache", Words(("off",))),
        ("proxy_buffer_size", Words((BUFFER,))),
        ("proxy_buffers", Words(("4", BUFFER))),
        ("proxy_busy_buffers_size", Words((BUFFER,))),
        ("proxy_redirect", Words(("off",))),
        ("proxy_pass", Words((Quoted(url),))),
    )
