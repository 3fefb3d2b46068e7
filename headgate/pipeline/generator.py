"""Generator: one lowered resource becomes Files, or keeps those that it has."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from headgate.deltas import Rope
from headgate.ir import File
from headgate.ir.addons import mentioned as addons_of
from headgate.ir.http import Certificate, HttpConfig, Location, Tls, Upstream
from headgate.ir.live import LiveHost
from headgate.ir.stream import PassthroughEntry, StreamConfig
from headgate.pipeline.closed import closed, keeps_out
from headgate.pipeline.owners import Owners
from headgate.pipeline.profiles import Profiles
from headgate.pipeline.stopwatch import Stopwatch
from headgate.problems import ObjectRef, Problem, Severity
from headgate.render import BadTemplate, Injection, Renderer
from headgate.resolve import Lowered
from headgate.routes import Listener, RouteTable
from headgate.translate import (
    Dedicated,
    Environment,
    Memory,
    PartFiles,
    StreamPlace,
    Translated,
    factor,
    mentioned,
    translate,
    with_pages,
)
from headgate.translate.environment import OF_SERVER
from headgate.translate.naming import profile, salt

SHUT = "requests to its hosts are answered 500, for its last good configuration lacks something that keeps clients out"
"""The effect of what cannot be served as it should be."""


_FILES, _UPSTREAMS = attrgetter("files"), attrgetter("upstreams")


class Bug(msgspec.Struct, frozen=True):
    """An exception of Headgate's own while *ref* was generated; *trace* is the traceback."""

    ref: ObjectRef
    trace: str


class Written(msgspec.Struct, frozen=True, gc=False):
    """Files, each with what it was rendered from, by name; *source* is what they are of, if that can be compared."""

    source: PartFiles | None
    rendered: Mapping[str, tuple[HttpConfig, File]]
    files: tuple[File, ...]
    upstreams: tuple[Upstream, ...]
    mentioned: frozenset[str] = frozenset()
    demands_certificates: bool = False


NOTHING = Written(None, {}, (), ())


class Rendered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a resource contributes to nginx.

    Attributes:
        table: the routes that its files say.
        own_files: its files without those of attached objects, then the Secrets that they refer to.
        own_upstreams: its upstreams without those of attached objects.
        parts: the files and upstreams of attached objects.
        certificates: its entries in the map from server names to certificates.
        hosts: the names of its servers.
        routed: its hosts without a server block; then there are no files of its own.
        profiles: what those need of the configuration, by name.
        guards: what keeps clients out of them.
        dedicated: why it has server blocks; empty if it has none, and without ``-live-routes``.
        lacking: the profiles that it would need to have none.
        mentioned: the upstreams that its snippets may send requests to, ``$`` for any.
        shares_tls: whether server blocks of it share the TLS context of the default server.
        demands_certificates: whether its files ask clients for certificates.
        names: the names that must be unique in all of nginx.
        salt: the end of its names, where its plain names belong to another resource.
        listeners: where each of its hosts is served.
        references: the Services and Secrets that its files need.
        entries: its entries of the map for TLS passthrough.
        places: the listeners of TCP on which it terminates TLS.
    """

    table: RouteTable
    own_files: tuple[File, ...] = ()
    own_upstreams: tuple[Upstream, ...] = ()
    parts: Rope[Written] = Rope()
    certificates: tuple[Certificate, ...] = ()
    hosts: tuple[str, ...] = ()
    routed: Mapping[str, LiveHost] = {}
    profiles: Mapping[str, Location] = {}
    guards: frozenset[str] = frozenset()
    dedicated: str = ""
    lacking: frozenset[str] = frozenset()
    mentioned: frozenset[str] = frozenset()
    shares_tls: bool = False
    demands_certificates: bool = False
    names: frozenset[str] = frozenset()
    salt: str = ""
    listeners: Mapping[str, frozenset[Listener]] = {}
    references: frozenset[ObjectRef] = frozenset()
    entries: tuple[PassthroughEntry, ...] = ()
    places: tuple[StreamPlace, ...] = ()

    def is_open(self, host: str) -> bool:
        """Whether *host* has a listener; one whose own listeners cannot be used has none."""
        return self.listeners.get(host) != frozenset()

    @property
    def files(self) -> tuple[File, ...]:
        """All its files."""
        return self.files_with(self.parts)

    def files_with(self, parts: Iterable[Written]) -> tuple[File, ...]:
        """Return its own files and those of *parts*, which are some of its own parts."""
        return (*self.own_files, *chain.from_iterable(map(_FILES, parts)))

    def upstreams_with(self, parts: Iterable[Written]) -> tuple[Upstream, ...]:
        """Return its own upstreams and those of *parts*."""
        return (*self.own_upstreams, *chain.from_iterable(map(_UPSTREAMS, parts)))


class Generated(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of a resource.

    Attributes:
        wanted: what its files should say now.
        served: what they do say: made from an earlier version where the wanted one cannot be generated; ``None``
            if there never was one that could.
        outdated: whether *served* was made from an earlier version.
        problems: found while *wanted* was generated.
        bug: the exception of Headgate's own that kept *wanted* from being generated.
    """

    wanted: Lowered
    served: Rendered | None
    problems: tuple[Problem, ...] = ()
    bug: Bug | None = None

    def is_open(self, host: str) -> bool:
        """Whether *host* has a listener, as far as is known."""
        return self.served is None or self.served.is_open(host)

    outdated: bool = False


class AllWritten(msgspec.Struct, frozen=True, gc=False):
    """The files of a resource: those of each of the *sources*, its attached objects, and its *own*."""

    own: Written = NOTHING
    sources: Rope[PartFiles] = Rope()
    parts: Rope[Written] = Rope()


class Routing(msgspec.Struct, frozen=True):
    """What decides which hosts have no server block.

    Attributes:
        profiles: those of all resources.
        unrouted: why every host has a server block; empty if that depends on its resource.
        mentioned: the upstreams that snippets may send requests to, ``$`` if any: these have upstream blocks.
        demanding: whether some host demands certificates of clients.
    """

    profiles: Profiles
    unrouted: str
    mentioned: Collection[str] = ()
    demanding: bool = False


class Unrouted(msgspec.Struct, frozen=True):
    """Why a resource has server blocks; *lacking* are the profiles that it cannot have."""

    reason: str
    lacking: frozenset[str] = frozenset()


UNROUTED = Routing(Profiles(), "-live-routes is off")


class Generator:
    """Generates resources under one Environment and one set of templates."""

    def __init__(
        self,
        env: Environment,
        renderer: Renderer,
        watch: Stopwatch,
        routing: Routing = UNROUTED,
        addons: set[str] | None = None,
    ) -> None:
        """Generate under *env* with the templates of *renderer*.

        *routing* decides about server blocks; *addons* gets the modules that files need.
        """
        self.env = env
        self.addons: set[str] = set() if addons is None else addons
        self.renderer = renderer
        self.routing = routing
        self._names: dict[Location, str] = {}
        """The name of each profile, empty if it cannot be one."""
        self._watch = watch
        self._memories: dict[ObjectRef, dict[str, Memory]] = {}
        """What was translated of resources with several objects, by the end of their names."""
        self._written: dict[ObjectRef, AllWritten] = {}
        """The files of resources with several objects."""

    def forget(self, ref: ObjectRef) -> None:
        """Forget what is remembered of a resource that is gone."""
        self._written.pop(ref, None)
        self._memories.pop(ref, None)

    def generate(self, ref: ObjectRef, wanted: Lowered, old: Generated | None, owners: Owners) -> Generated:
        """Generate the files of *ref*.

        A value that would inject, a template of the user's that fails for this resource, or a bug of ours becomes
        a Problem; the resource keeps the files of *old*, if they deny every request that *wanted* denies. Otherwise its
        hosts answer 500.

        Args:
            ref: the resource.
            wanted: what its files should say.
            old: what became of it before.
            owners: who has which name in nginx; names of others are not taken.
        """
        try:
            return self.generate_strictly(ref, wanted, old, owners)
        except BadTemplate as error:
            return self._kept(ref, wanted, old, owners, f"cannot be rendered by the user's template: {error}")

    def generate_strictly(self, ref: ObjectRef, wanted: Lowered, old: Generated | None, owners: Owners) -> Generated:
        """Generate the files of *ref* as ``generate`` does.

        Raises:
            BadTemplate: a template of the user's fails for this resource.
        """
        try:
            return self._rendered(ref, wanted, old, owners)
        except BadTemplate:
            raise
        except Injection as error:
            return self._kept(ref, wanted, old, owners, f"holds text that cannot be configured: {error}")
        except Exception as error:  # noqa: BLE001 - a bug is kept to the resource that meets it
            kept = self._kept(ref, wanted, old, owners, failure(error))
            return msgspec.structs.replace(kept, bug=Bug(ref, traceback.format_exc()))

    def _kept(
        self,
        ref: ObjectRef,
        wanted: Lowered,
        old: Generated | None,
        owners: Owners,
        reason: str,
    ) -> Generated:
        """Leave a resource with the files it had, unless these lack a guard of *wanted*, and say why."""
        served, guards = old.served if old else None, self._guards(wanted)
        if guards is None:
            unguarded = not keeps_out(served.table if served else None, wanted.table)
        else:
            there = {guard for file in served.files for guard in file.guards} if served else set()
            unguarded = not guards <= there | (served.guards if served else set())
        if unguarded:
            return self._shut(ref, wanted, owners, reason)
        return _staying(ref, wanted, served, reason)

    def _shut(self, ref: ObjectRef, wanted: Lowered, owners: Owners, reason: str) -> Generated:
        """Answer 500 at the hosts of a resource: no files that could be served have all the guards of *wanted*."""
        try:
            routing = Routing(Profiles(), "its requests are answered 500")
            plain = Generator(self.env, Renderer(), self._watch, routing, self.addons)
            served = plain._rendered(ref, closed(wanted, reason), None, owners).served
        except Exception:  # noqa: BLE001 - the bug that is reported already
            served = None
        effect = SHUT if served and served.hosts else "it is not served"
        problem = Problem(ref, "", "", reason, effect, Severity.ERROR)
        return Generated(wanted=wanted, served=served, problems=(problem,))

    def _guards(self, wanted: Lowered) -> frozenset[str] | None:
        """Return what keeps clients out of *wanted*; ``None`` where a bug makes that unknown."""
        try:
            configs = translate(wanted.table, self.env).configs
        except Exception:  # noqa: BLE001 - the caller reports the bug
            return None
        return frozenset(guard for config in configs for guard in config.guards)

    def _rendered(self, ref: ObjectRef, wanted: Lowered, old: Generated | None, owners: Owners) -> Generated:
        with self._watch.stage("translate"):
            translated, suffix = self._translated(ref, wanted, ""), ""
            if owners.others(ref, translated.names):
                suffix = salt(ref)
                translated = self._translated(ref, wanted, suffix)
        routed = self._routed(translated, wanted.table)
        if isinstance(routed, Rendered):
            self._written.pop(ref, None)
            upstreams = tuple(upstream for config in translated.every_config for upstream in config.upstreams)
            served = _contribution(wanted, translated, AllWritten(Written(None, {}, (), upstreams)), (), suffix)
            guards = frozenset(guard for config in translated.every_config for guard in config.guards)
            served = msgspec.structs.replace(
                served, hosts=(), routed=routed.routed, profiles=routed.profiles, guards=guards
            )
            return Generated(wanted=wanted, served=served, problems=translated.problems)
        with self._watch.stage("render"):
            before = Before(old.served if old else None)
            written = self._all_written(ref, translated, before)
            streams = tuple(self._stream_file(config, before) for config in translated.streams)
        served = msgspec.structs.replace(
            _contribution(wanted, translated, written, streams, suffix),
            dedicated=routed.reason if self.env.routing else "",
            lacking=routed.lacking,
            **(_beside_routes(translated, written) if self.env.routing else {}),
        )
        return Generated(wanted=wanted, served=served, problems=translated.problems)

    def _routed(self, translated: Translated, table: RouteTable) -> Rendered | Unrouted:
        """Return the hosts of *table* and their profiles if they need no server block, else why they do."""
        routing = self.routing
        if routing.unrouted:
            return Unrouted(routing.unrouted)
        own = (upstream.name for config in translated.every_config for upstream in config.upstreams)
        if routing.mentioned and ("$" in routing.mentioned or any(name in routing.mentioned for name in own)):
            return Unrouted("a snippet may send requests to its upstream")
        with self._watch.stage("translate"):
            found = factor(translated, table, self.env)
        if isinstance(found, Dedicated):
            return Unrouted(found.reason)
        # nginx answers 421 to a request for a host that demands a certificate, over a connection for another host, only
        # if that has a server block; browsers need this.
        if routing.demanding and any(host.tls for host in found.hosts.values()):
            return Unrouted("it has TLS, and another host demands certificates of clients")
        with self._watch.stage("render"):
            profiles: list[Location] = []
            names: list[str] = []
            for each in found.profiles:
                profiles.append(with_pages(each, names))
                names.append(self._name(profiles[-1]))
        if not all(names):
            return Unrouted("a header uses $server_name, $proxy_host or $proxy_port")
        if not routing.profiles.admit(names):
            return Unrouted(routing.profiles.why_not(names), frozenset(names))
        return Rendered(
            table=table,
            routed=found.named({str(number): name for number, name in enumerate(names)}),
            profiles=dict(zip(names, profiles, strict=True)),
        )

    def _name(self, location: Location) -> str:
        if location not in self._names:
            text = self.renderer.profile(location)
            self._names[location] = "" if OF_SERVER.search(text) else profile(text)
        return self._names[location]

    def _translated(self, ref: ObjectRef, wanted: Lowered, suffix: str) -> Translated:
        """Translate *wanted* with names that end with *suffix*; of several objects only those that changed.

        If translating fails, nothing is known the next time.
        """
        known = self._memories.pop(ref, {})
        if len(wanted.table.members) == 1:
            return translate(wanted.table, self.env, suffix)
        memory = known.pop(suffix, None) or Memory()
        translated = translate(wanted.table, self.env, suffix, memory)
        self._memories[ref] = {**known, suffix: memory}
        return translated

    def _all_written(self, ref: ObjectRef, translated: Translated, before: Before) -> AllWritten:
        """Render the files of *ref*, those of attached objects only where they changed."""
        last = self._written.pop(ref, AllWritten())
        own = self._write(None, translated.configs, last.own, before)
        splice = translated.parts.since(last.sources)
        known = {part.ref: written for part, written in zip(splice.gone, last.parts.at(splice), strict=True)}
        fresh = [
            written if (written := known.get(part.ref, NOTHING)).source is part
            else self._write(part, part.configs, written, before)
            for part in splice.come
        ]  # fmt: skip
        found = AllWritten(own, translated.parts, last.parts.replaced(splice, fresh))
        if found.parts:
            self._written[ref] = found
        return found

    def _write(
        self, source: PartFiles | None, configs: tuple[HttpConfig, ...], known: Written, before: Before
    ) -> Written:
        """Render *configs*, those that say anything and of which the file is not *known*."""
        found: dict[str, tuple[HttpConfig, File]] = {}
        for config in configs:
            last = known.rendered.get(config.file)
            if last and last[0] == config:
                found[config.file] = config, last[1]
            elif _says_anything(config):
                file = self.renderer.http(config)
                self.addons |= addons_of(file.data)
                found[config.file] = config, _same(file, last[1]) if last else before.kept(file)
        upstreams = tuple(upstream for config in configs for upstream in config.upstreams)
        files = tuple(file for _, file in found.values())
        if not self.env.routing:
            return Written(source, found, files, upstreams)
        demands = any(b"ssl_verify_client" in file.data for file in files)
        return Written(source, found, files, upstreams, mentioned(configs), demands)

    def _stream_file(self, config: StreamConfig, before: Before) -> File:
        return before.kept(self.renderer.stream(config))


def _beside_routes(translated: Translated, written: AllWritten) -> dict[str, Any]:
    """Return what the server blocks of a resource mean for hosts that have none.

    Those that refuse all requests, while a file is left out, have the certificates of the default server.
    """
    closed = [server for config in translated.configs for server in (*config.closed, *config.shell)]
    servers = (*(server for config in translated.configs for server in config.servers), *closed)
    every = [written.own, *written.parts]
    certificates = translated.certificates
    if closed:
        certificates = tuple(msgspec.structs.replace(found, own=False) for found in certificates)
    return {
        "certificates": certificates,
        "mentioned": frozenset[str]().union(*(each.mentioned for each in every)),
        "shares_tls": any(server.tls == Tls() for server in servers),
        "demands_certificates": any(each.demands_certificates for each in every),
    }


class Before:
    """The files that a resource has, each of which stays the same object where its text is the same.

    Comparing all files costs nothing then.
    """

    def __init__(self, served: Rendered | None) -> None:
        """Begin with the files of *served*, which are looked at only if one is asked for."""
        self._served = served
        self._by_name: Mapping[str, File] | None = None

    def kept(self, file: File) -> File:
        """Return the file that equals *file*, or this one if there is none."""
        if self._by_name is None:
            self._by_name = {known.name: known for known in self._served.files} if self._served else {}
        return _same(file, self._by_name.get(file.name))


def _same(file: File, known: File | None) -> File:
    """Return *known* if it is equal to *file*, so that comparing the two costs nothing later."""
    return known if known is not None and known == file else file


def _contribution(
    wanted: Lowered, translated: Translated, written: AllWritten, streams: tuple[File, ...], suffix: str
) -> Rendered:
    return Rendered(
        table=wanted.table,
        own_files=(*written.own.files, *streams, *wanted.files),
        own_upstreams=(
            *written.own.upstreams,
            *(upstream for config in translated.streams for upstream in config.upstreams),
        ),
        parts=written.parts,
        certificates=translated.certificates,
        hosts=tuple(str(server.name) for config in translated.configs for server in config.servers),
        names=translated.names,
        salt=suffix,
        listeners=translated.listeners,
        references=wanted.references,
        entries=translated.entries,
        places=translated.places,
    )


def not_lowered(ref: ObjectRef, members: tuple[ObjectRef, ...], old: Generated | None, error: Exception) -> Generated:
    """Leave a resource with the files it had, because *error*, which is being handled, kept it from being lowered.

    The Problem is among those of ``wanted``, which differs then from all that may be lowered later.
    """
    wanted = old.wanted if old else Lowered(RouteTable(origin=ref, members=members))
    kept = _staying(ref, wanted, old.served if old else None, failure(error))
    wanted = msgspec.structs.replace(wanted, problems=kept.problems)
    return msgspec.structs.replace(kept, wanted=wanted, problems=(), bug=Bug(ref, traceback.format_exc()))


def failure(error: Exception) -> str:
    """Return the reason of a Problem of an object that meets a bug."""
    return f"made Headgate fail ({type(error).__name__}: {error})"


def _staying(ref: ObjectRef, wanted: Lowered, served: Rendered | None, reason: str) -> Generated:
    """Leave a resource with what is *served*, and say why."""
    effect = "its last good configuration stays" if served else "it is not served"
    severity = Severity.WARNING if served else Severity.ERROR
    problem = Problem(ref, "", "", reason, effect, severity)
    return Generated(wanted=wanted, served=served, problems=(problem,), outdated=served is not None)


def _says_anything(config: HttpConfig) -> bool:
    blocks = config.servers or config.upstreams or config.zones or config.locations or config.splits or config.maps
    return bool(blocks or config.includes or config.members)
