"""ConfigParams: every group together, the effective value of every setting at one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import msgspec

from headgate.settings.addons import AddonSettings
from headgate.settings.auth import AuthSettings
from headgate.settings.buffers import BufferSettings
from headgate.settings.client import ClientSettings
from headgate.settings.errors import ErrorSettings
from headgate.settings.headers import HeaderSettings
from headgate.settings.limits import LimitSettings
from headgate.settings.logging import LogSettings
from headgate.settings.main import MainSettings
from headgate.settings.passing import PassingSettings
from headgate.settings.proxy import ProxySettings
from headgate.settings.registry import Delta, Registry, Settings
from headgate.settings.resolver import ResolverSettings
from headgate.settings.routing import RoutingSettings
from headgate.settings.sessions import SessionSettings
from headgate.settings.snippets import SnippetSettings
from headgate.settings.telemetry import TelemetrySettings
from headgate.settings.tls import TlsSettings
from headgate.settings.upstream import ServiceSettings, UpstreamSettings


class ConfigParams(Settings):
    """The effective value of every setting at one place: the whole, a host or a location."""

    proxy: ProxySettings = ProxySettings()
    buffers: BufferSettings = BufferSettings()
    passing: PassingSettings = PassingSettings()
    tls: TlsSettings = TlsSettings()
    headers: HeaderSettings = HeaderSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    services: ServiceSettings = ServiceSettings()
    routing: RoutingSettings = RoutingSettings()
    errors: ErrorSettings = ErrorSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    logging: LogSettings = LogSettings()
    client: ClientSettings = ClientSettings()
    resolver: ResolverSettings = ResolverSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    addons: AddonSettings = AddonSettings()
    sessions: SessionSettings = SessionSettings()
    main: MainSettings = MainSettings()
    snippets: SnippetSettings = SnippetSettings()

    def replaced(self, explicit: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return a copy with *explicit* (group → field → value); ``self`` when it is empty."""
        if not explicit:
            return self
        groups = {name: msgspec.structs.replace(getattr(self, name), **values) for name, values in explicit.items()}
        return msgspec.structs.replace(self, **groups)

    def delta(self, *around: ConfigParams) -> Delta:
        """Return the values that differ from those *around* this place; of several places, from any."""
        differing = {
            field: getattr(own, field)
            for place in around
            if place is not self
            for name in GROUPS
            if (own := getattr(self, name)) is not (outer := getattr(place, name))
            for field in own.__struct_fields__
            if getattr(own, field) != getattr(outer, field)
        }
        return Delta(differing, REGISTRY.names) if differing else NOTHING

    def everything(self) -> Delta:
        """Return every value, for the outermost block."""
        return self.only(REGISTRY.names)

    def only(self, names: Iterable[str]) -> Delta:
        """Return the values of the fields *names*."""
        found = {name: getattr(getattr(self, REGISTRY.groups[name]), name) for name in names}
        return Delta(found, REGISTRY.names) if found else NOTHING


GROUPS: Mapping[str, type[Settings]] = {
    field.name: type(field.default) for field in msgspec.structs.fields(ConfigParams)
}
REGISTRY = Registry(GROUPS)
NOTHING = Delta({}, REGISTRY.names)
