"""The files that belong to no resource: ``nginx.conf``, the default server, the map of certificates, parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import msgspec

from headgate.ir import File
from headgate.ir.http import Certificate, HttpConfig, Location
from headgate.ir.layout import PASSTHROUGH_HOSTS, SECRETS_FOLDER
from headgate.ir.main import Main
from headgate.ir.stream import PassthroughEntry
from headgate.render import BadTemplate, Renderer
from headgate.routes import Listener
from headgate.translate import (
    Environment,
    StreamPlace,
    names_file,
    translate_common_streams,
    translate_default_server,
    translate_exceptions,
    translate_http3,
    translate_main,
    translate_passthrough,
    translate_ports,
    translate_profiles,
)
from headgate.translate.naming import CERTIFICATES, HTTP3, PASSTHROUGH
from headgate.translate.tls import certificate_file


class Totals(msgspec.Struct, frozen=True):
    """What the common files must know of all resources.

    Attributes:
        names: how many server names there are; ``longest`` is the length of the longest.
        certificates: the entries of the map of certificates.
        listeners: where their hosts are served.
        entries: the entries of the map for TLS passthrough.
        places: the listeners of TCP on which they terminate TLS.
        covered: hosts that are served over HTTP, where some of *entries* may be wildcards that cover them.
        profiles: what hosts without a server block need, by name; ``None`` if there can be no such hosts.
        pushed: whether certificates are pushed at run time.
        named: hosts without a server block whose names a server must have; ``None`` if none must.
        streams: whether there are routes of TCP or UDP.
        addons: the modules that files of resources need.
    """

    names: int = 0
    longest: int = 1
    certificates: frozenset[Certificate] = frozenset()
    listeners: frozenset[Listener] = frozenset()
    entries: frozenset[PassthroughEntry] = frozenset()
    places: frozenset[StreamPlace] = frozenset()
    covered: frozenset[str] = frozenset()
    profiles: Mapping[str, Location] | None = None
    pushed: bool = False
    named: frozenset[str] | None = None
    streams: bool = False
    addons: frozenset[str] = frozenset()


_Inputs = tuple[int, int, bool, bool, bool, bool, frozenset[str]]
"""What the main file and the default server follow from, beside the Environment."""


class CommonFiles:
    """Renders the common files, each only when what it says changes."""

    def __init__(self, env: Environment, renderer: Renderer) -> None:
        """Render them once, without resources.

        Raises:
            BadTemplate: a template of the user's fails; nothing can be served with it.
        """
        self._last: dict[str, tuple[object, Renderer, File]] = {}
        self._translated: tuple[Environment, _Inputs, Main, HttpConfig] | None = None
        """What the main file and the default server follow from, and what these say."""
        self._ports: tuple[tuple[Environment, Renderer, frozenset[Listener]], tuple[File, ...]] | None = None
        self._ports_fault: BadTemplate | None = None
        self._of_ports: frozenset[str] = frozenset()
        self.fault: BadTemplate | None = None
        """Why a file was not changed: a template of the user's failed for its new content."""
        list(self._files(env, renderer, Totals()))

    def check(self, env: Environment, renderer: Renderer) -> BadTemplate | None:
        """Return why the templates of *renderer* cannot be used under *env*, if they fail without resources."""
        try:
            CommonFiles(env, renderer)
        except BadTemplate as error:
            return error
        return None

    def files(self, env: Environment, renderer: Renderer, totals: Totals) -> tuple[File, ...]:
        """Return the common files; one that the user's template fails for stays as it was."""
        self.fault = None
        return tuple(self._files(env, renderer, totals))

    def _files(self, env: Environment, renderer: Renderer, totals: Totals) -> Iterator[File]:
        names, longest, named = totals.names, totals.longest, totals.named is not None
        if totals.named:
            names, longest = names + len(totals.named), max(longest, *map(len, totals.named))
        inputs = names, longest, totals.profiles is not None, totals.pushed, named, totals.streams, totals.addons
        if self._translated is None or self._translated[:2] != (env, inputs):
            main = translate_main(env, names=names, longest=longest, streams=totals.streams, addons=totals.addons)
            routed = totals.profiles is not None
            default = translate_default_server(env, routed=routed, pushed=totals.pushed, named=named)
            self._translated = env, inputs, main, default
        _, _, main, default = self._translated
        yield self._file("main", main, renderer, lambda: renderer.main(main))
        yield self._file("default server", default, renderer, lambda: renderer.http(default))
        certificate = env.default_certificate and certificate_file(env.default_certificate)
        entries = totals.certificates

        def certificates() -> File:
            ordered = sorted(entries, key=lambda entry: (str(entry.name), entry.file))
            return renderer.certificates(CERTIFICATES, ordered, certificate)

        yield self._file("certificates", (entries, certificate), renderer, certificates)
        if profiles := totals.profiles:
            routes = partial(self._routes, env, renderer, profiles)
            yield self._file("routes", profiles, renderer, routes)
        if totals.named is not None:
            yield self._file("names", totals.named, renderer, partial(names_file, totals.named))
        if http3 := translate_http3(env, (entry.host for entry in totals.entries)):
            yield self._file(HTTP3, http3, renderer, partial(renderer.http3, HTTP3, http3))
        yield from self._port_files(env, renderer, totals.listeners)
        yield from self._stream_files(env, renderer, totals)
        if text := env.params.tls.ssl_dhparam:
            yield File(f"{SECRETS_FOLDER}/dhparam.pem", text.encode(), mode=0o600)

    @staticmethod
    def _routes(env: Environment, renderer: Renderer, profiles: Mapping[str, Location]) -> File:
        return renderer.http(translate_profiles(env, profiles))

    def _stream_files(self, env: Environment, renderer: Renderer, totals: Totals) -> Iterator[File]:
        """Yield the default servers of listeners with TLS, and what TLS passthrough needs."""
        for config in translate_common_streams(env, totals.places):
            yield self._file(config.file, config, renderer, partial(renderer.stream, config))
        if passthrough := translate_passthrough(env):
            entries = totals.entries.union(translate_exceptions(env, totals.entries, totals.covered))

            def hosts() -> File:
                return renderer.passthrough_entries(sorted(entries, key=lambda entry: str(entry.name)))

            yield self._file(
                PASSTHROUGH, passthrough, renderer, partial(renderer.passthrough, PASSTHROUGH, passthrough)
            )
            yield self._file(PASSTHROUGH_HOSTS, entries, renderer, hosts)

    def _port_files(self, env: Environment, renderer: Renderer, listeners: frozenset[Listener]) -> tuple[File, ...]:
        """Return the default servers of the ports that resources open."""
        inputs = env, renderer, listeners
        if self._ports is None or self._ports[0] != inputs:
            before, self.fault = self.fault, None
            self._ports = inputs, tuple(self._rendered_ports(*inputs))
            self._ports_fault, self.fault = self.fault, before
        self.fault = self.fault or self._ports_fault
        return self._ports[1]

    def _rendered_ports(self, env: Environment, renderer: Renderer, listeners: frozenset[Listener]) -> Iterator[File]:
        """Render each of them; a new one that the user's template fails for with the built-in template.

        Without its default server, a port would answer for unknown hosts by the first Ingress on it.
        """
        configs = {config.file: config for config in translate_ports(env, listeners)}
        for name in self._of_ports - configs.keys():
            self._last.pop(name, None)
        self._of_ports = frozenset(configs)
        for name, config in configs.items():
            try:
                yield self._file(name, config, renderer, partial(renderer.http, config))
            except BadTemplate as error:
                self.fault = error
                yield Renderer().http(config)

    def _file(self, name: str, inputs: object, renderer: Renderer, render: Callable[[], File]) -> File:
        """Render a file unless its input is unchanged."""
        known = self._last.get(name)
        if known and known[:2] == (inputs, renderer):
            return known[2]
        try:
            file = render()
        except BadTemplate as error:
            if known is None:
                raise
            self.fault = error
            return known[2]
        self._last[name] = inputs, renderer, file
        return file
