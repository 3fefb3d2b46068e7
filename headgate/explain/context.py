"""RequestContext: the server and location of a request, and the settings there."""

from __future__ import annotations

from functools import cached_property

import msgspec

from headgate.explain.question import Question
from headgate.explain.view import ClusterView, ServerView
from headgate.ir.http import Location
from headgate.routes import Route, VirtualHost
from headgate.settings import ConfigParams
from headgate.translate.draft import Draft, Place
from headgate.translate.locations import translate_paths
from headgate.translate.tls import WITHOUT_SLASH


class RequestContext(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A request that reached a server, and perhaps a location of it.

    Attributes:
        name: the host as nginx reads it.
        path: the path as nginx reads it.
        port: the port of the listener.
    """

    view: ClusterView
    question: Question
    name: str
    path: str
    port: int
    server: ServerView
    location: Location | None = None

    @cached_property
    def draft(self) -> Draft:
        """A translation once more, for what ``ir`` does not keep: whose value is whose."""
        return Draft(self.view.env, "")

    @property
    def host(self) -> VirtualHost | None:
        """The virtual host, ``None`` on Headgate's own server."""
        return self.server.virtual_host

    @cached_property
    def route(self) -> Route | None:
        """The route that the location was made from, ``None`` for one of Headgate's own."""
        if self.host is None or self.location is None:
            return None
        wanted = self.location.modifier, str(self.location.path)
        paths = translate_paths(self.draft, self.host)
        return next((found.route for found in paths if found.route and (found.modifier, found.path) == wanted), None)

    @property
    def challenged(self) -> bool:
        """Whether the request is an ACME challenge that another object than that of the host answers."""
        return self.host is not None and self.path in self.host.challenges

    @property
    def place(self) -> Place | None:
        """The object whose settings hold here, with all of them; ``None`` on Headgate's own server."""
        if self.route:
            return self.draft.route(self.route)
        return self.draft.host(self.host) if self.host else None

    @property
    def params(self) -> ConfigParams:
        """The value of every setting here."""
        return self.place.params if self.place else self.view.env.params

    @property
    def target(self) -> str:
        """The path and query as they were sent (``$request_uri``)."""
        query = self.question.query
        return self.question.path if query is None else f"{self.question.path}?{query}"

    def filled(self, text: str) -> str:
        """Fill in the variables that Headgate's own redirects use."""
        values = {
            "$request_uri": self.target,
            "$http_host": self.question.host,
            "$scheme": self.question.scheme,
            "$host": self.name,
        }
        if asking := self.route or self.host:
            own = f"${self.draft.variable(asking.origin, WITHOUT_SLASH)}"
            values = {own: self.target.removesuffix("/"), **values}
        for variable, value in values.items():
            text = text.replace(variable, value)
        return text
