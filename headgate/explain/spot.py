"""Spot: how far a request came, and what stands there."""

from __future__ import annotations

from functools import cached_property

import msgspec

from headgate.explain.picture import Picture, Placed
from headgate.explain.question import Question
from headgate.ir.http import Location
from headgate.translate.draft import Draft, Member
from headgate.translate.locations import Target, translate_places
from headgate.translate.paths import Place


class Spot(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A request that reached a server, and perhaps a location of it.

    Attributes:
        name: the host as nginx reads it.
        path: the path as nginx reads it.
        port: the port of the listener.
    """

    picture: Picture
    question: Question
    name: str
    path: str
    port: int
    placed: Placed
    location: Location | None = None

    @cached_property
    def draft(self) -> Draft | None:
        """The resource once more on its way to ``ir``, for what ``ir`` does not keep: whose value is whose."""
        site = self.placed.site
        return Draft(site.resource, self.picture.env, "") if site else None

    @cached_property
    def place(self) -> Place[Target] | None:
        """The path of an Ingress that the location was made from, ``None`` for one of Headgate's own."""
        if self.draft is None or self.location is None:
            return None
        wanted = self.location.modifier, str(self.location.path)
        places = translate_places(self.draft, self.placed.host)
        return next((place for place in places if place.route and (place.modifier, place.path) == wanted), None)

    @property
    def member(self) -> Member | None:
        """The Ingress whose settings hold here, ``None`` on a server that belongs to nobody."""
        if self.place and self.place.route:
            return self.place.route.target.member
        return self.draft.master if self.draft else None

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
        for variable, value in values.items():
            text = text.replace(variable, value)
        return text
