"""One batch through the pipeline over a folder: what ``headgate render`` and ``headgate check`` show."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from headgate.api import TopLevel, Undecodable
from headgate.controller.environment import environment, layout, templates
from headgate.controller.fake_certificate import fallback
from headgate.controller.kinds import CLAIMANTS
from headgate.ir import Capabilities, File, FileSet, Layout
from headgate.ir.layout import SECRETS_FOLDER
from headgate.k8s import FILE, Folder, Manifests
from headgate.nginx import expressions
from headgate.nginx.capabilities import Binary, find_binary
from headgate.nginx.errors import NoBinaryError
from headgate.nginx.live import snapshot
from headgate.options import DataPlane, Options
from headgate.pipeline import Generation, Pipeline
from headgate.problems import ObjectRef, Problem, Severity
from headgate.routes import Choice, PathType, Route
from headgate.watch import WATCHED
from headgate.watch.kinds import Extent

LIVE_STATE = "live-state.json"
"""The file that shows what is pushed to workers, next to those of nginx's configuration."""


class Row(msgspec.Struct, frozen=True):
    """One Problem, with the file that its object stands in.

    Attributes:
        severity: ``error``, ``warning`` or ``note``.
        line: where the field is in the file, from 1; 0 is unknown.
        column: likewise.
        rule: what kind of Problem it is; ``""`` where it is not needed.
    """

    file: str
    object: str
    field: str
    value: str
    reason: str
    effect: str
    severity: str
    line: int = 0
    column: int = 0
    rule: str = ""

    @property
    def place(self) -> str:
        """The file, with the line as far as it is known."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file

    @property
    def message(self) -> str:
        """All but file and severity."""
        where = ": ".join(printable(part) for part in (self.object, self.field) if part)
        value = f" {self.value!r}" if self.value else ""
        effect = f" ({self.effect})" if self.effect else ""
        return f"{where}{':' if where else ''}{value} {self.reason}{effect}".lstrip()

    def __str__(self) -> str:
        return ": ".join(part for part in (self.severity, printable(self.place), self.message) if part)


class FolderReport(msgspec.Struct, frozen=True):
    """The files that nginx would have, and everything that is wrong.

    Attributes:
        live: what would be pushed to workers at run time, as a file; ``None`` if files contain everything.
    """

    files: FileSet
    problems: tuple[tuple[str, Problem], ...]
    ignored: Mapping[ObjectRef, str]
    where: Mapping[ObjectRef, str]
    assumed: Mapping[ObjectRef, str] = {}
    live: File | None = None

    @property
    def refused(self) -> bool:
        """Whether an object was refused or a file could not be read."""
        return any(problem.refuses for _, problem in self.problems)

    def rows(self) -> list[Row]:
        """Return every Problem, then the objects of other controllers, and those that name none."""
        rows = [_row(file, problem) for file, problem in self.problems]
        for ref, reason in sorted(self.ignored.items()):
            rows.append(Row(self.where.get(ref, ""), str(ref), "", "", f"is ignored: {reason}", "", "note"))
        for ref, reason in sorted(self.assumed.items()):
            rows.append(Row(self.where.get(ref, ""), str(ref), "", "", reason, "", "note"))
        return rows

    def lines(self) -> Iterator[str]:
        """Yield each row as a line."""
        yield from map(str, self.rows())

    def printable(self) -> Iterator[File]:
        """Yield the files that may be shown: keys and passwords may not."""
        yield from (file for name, file in self.files.items() if not name.startswith(f"{SECRETS_FOLDER}/"))
        if self.live:
            yield self.live

    def write(self, out: Path) -> None:
        """Write every file below *out*, with its mode (OSError if that fails)."""
        for file in (*self.files.values(), *((self.live,) if self.live else ())):
            path = out / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(file.mode)
            path.write_bytes(file.data)


def generate_folder(
    options: Options, place: Layout | None = None, capabilities: Capabilities | None = None
) -> FolderReport:
    """Take the folder of ``--manifests`` through the pipeline once, without a running nginx or network.

    Args:
        options: the flags; ``manifests`` names the folder.
        place: where nginx is to live; ``--prefix`` or the image's directories if not given.
        capabilities: of the nginx that is to serve; if not given, the one that ``run`` would take is asked, and also
            what it says of regular expressions.

    Raises:
        ConfigError: the folder cannot be read.
        NginxError: ``--nginx`` names a binary that cannot be asked what it can.
    """
    assert options.manifests is not None  # noqa: S101 - the caller names the folder
    return generate_manifests(options, Folder(options.manifests), place, capabilities)


def generate_manifests(
    options: Options,
    manifests: Folder | Manifests,
    place: Layout | None = None,
    capabilities: Capabilities | None = None,
) -> FolderReport:
    """Take *manifests* through the pipeline once; see ``generate_folder`` for the rest, and for what is raised."""
    objects = manifests.load()
    generation, wrong = examine(options, objects, place, capabilities, manifests.refused.values())
    where = {item.ref: manifests.where(item.ref) for item in objects}
    of_files = manifests.problems()
    problems = [(_file(manifests, problem), problem) for problem in of_files]
    problems += [(where.get(problem.origin, ""), problem) for problem in wrong if problem not in of_files]
    update = generation.update
    live = (
        None
        if generation.live is None
        else File(LIVE_STATE, msgspec.json.format(snapshot(generation.live.shown)) + b"\n")
    )
    return FolderReport(generation.files, tuple(problems), update.ignored, where, update.assumed, live)


def examine(
    options: Options,
    objects: Iterable[TopLevel],
    place: Layout | None = None,
    capabilities: Capabilities | None = None,
    broken: Iterable[Undecodable[Any]] = (),
) -> tuple[Generation, tuple[Problem, ...]]:
    """Take *objects* through the pipeline once, and ask nginx about the regular expressions in them.

    Returns:
        what became of the objects, and everything that is wrong with them; see ``generate_folder`` for the rest.
    """
    binary = None if capabilities else _binary(options)
    capabilities = binary.capabilities if binary else capabilities or Capabilities()
    everything = tuple(objects)
    generation = generate(options, everything, place, capabilities, broken)
    faults = (*found(generation), *_unread(options, everything))
    return generation, (*faults, *(_refused(binary, generation) if binary else ()))


def generate(
    options: Options,
    objects: Iterable[TopLevel],
    place: Layout | None = None,
    capabilities: Capabilities | None = None,
    broken: Iterable[Undecodable[Any]] = (),
) -> Generation:
    """Take *objects*, and those that do not decode, through the pipeline once; for the rest see ``generate_folder``."""
    if capabilities is None:
        binary = _binary(options)
        capabilities = binary.capabilities if binary else Capabilities()
    env = environment(
        options, capabilities,
        place or (layout(options) if options.prefix else Layout.container()),
        user=None, ipv6=True, stdout=True,
    )  # fmt: skip
    if options.data_plane is not DataPlane.LIVE:
        # For people to read, on every machine the same.
        reading = options.data_plane is DataPlane.AUTO
        env = structs.replace(env, data_plane="files", routing=False, for_reading=reading)
    pipeline = Pipeline(CLAIMANTS, options, env, templates(options), time.perf_counter, fallback(options))
    custom = options.enable_custom_resources
    watched = tuple(row.model for row in WATCHED if custom or row.extent is not Extent.CUSTOM)
    reported = tuple(kind.model for kind in CLAIMANTS if kind.model in watched)
    changes: dict[ObjectRef, TopLevel | Undecodable[Any] | None] = {
        each.problem.origin: each for each in broken if isinstance(each.remains, reported)
    }
    changes |= {item.ref: item for item in objects if isinstance(item, watched)}
    return pipeline.advance(changes, datetime.now(UTC))


def _unread(options: Options, objects: Iterable[TopLevel]) -> Iterator[Problem]:
    """Yield a Problem for each custom resource if these are not read."""
    models = tuple(row.model for row in WATCHED if row.extent is Extent.CUSTOM)
    for item in () if options.enable_custom_resources else objects:
        if isinstance(item, models):
            reason = "is not read: custom resources are off (-enable-custom-resources=false)"
            yield Problem(item.ref, "", "", reason, "it has no effect", Severity.WARNING)


def printable(text: str) -> str:
    """Escape what would break the line; a folder may hold any name."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _file(manifests: Folder | Manifests, problem: Problem) -> str:
    """Return the file that a Problem of the files' is about: it names a file, or an object in one."""
    return problem.origin.name if problem.origin.kind == FILE else manifests.where(problem.origin)


def found(generation: Generation) -> Iterator[Problem]:
    """Yield every Problem of the first *generation*, sorted by object as far as Ingresses go."""
    for _, standing in sorted(generation.update.standings.items()):
        yield from standing.problems
    of_resources = (
        problem
        for _, generated in sorted(generation.resources.items())
        for problem in (*generated.wanted.problems, *generated.problems)
    )
    # Several resources may use one Policy, and ports are those of ConfigMaps.
    yield from dict.fromkeys((*of_resources, *(generation.config_map or ())))
    for problems in generation.special.values():
        yield from problems


def _binary(options: Options) -> Binary | None:
    """Find the binary that would serve; where there is none, files are rendered for the oldest that is supported."""
    try:
        return asyncio.run(find_binary(str(options.nginx) if options.nginx else None))
    except NoBinaryError:
        if options.nginx:
            raise
        return None


def _refused(binary: Binary, generation: Generation) -> Iterator[Problem]:
    """Ask nginx about every regular expression, and yield a Problem for each that it does not take."""
    asked = tuple(dict.fromkeys(_expressions(generation)))
    errors = asyncio.run(expressions.refused(binary.path, [pattern for *_, pattern in asked])) if asked else {}
    for origin, field, value, pattern in asked:
        if reason := errors.get(pattern):
            effect = f"nginx would refuse the {origin.kind}"
            yield Problem(origin, field, value, f"is refused by nginx: {reason}", effect, Severity.ERROR)


def _expressions(generation: Generation) -> Iterator[tuple[ObjectRef, str, str, str]]:
    """Yield origin, field, value and pattern of the expressions in every object that is served."""
    for _, generated in sorted(generation.resources.items()):
        for host in generated.wanted.table.hosts:
            for layer in (*host.settings, *(route.settings[-1] for route in host.routes)):
                source = layer.overrides.values.proxy.proxy_redirect_from or ""
                if source.startswith("~"):
                    key = layer.overrides.key("proxy_redirect_from")
                    yield layer.origin, key, source, source[1:].removeprefix("*")
            for route in host.routes:
                if route.match.pattern:
                    begin = "" if route.match.type is PathType.NGINX else "^"
                    yield route.origin, f"{route.field}.path", route.match.path, f"{begin}{route.match.path}"
                if isinstance(route.action, Choice):
                    yield from _expressions_of(route, route.action)


def _expressions_of(route: Route, choice: Choice) -> Iterator[tuple[ObjectRef, str, str, str]]:
    """Yield the same of the conditions of *choice*."""
    for index, case in enumerate(choice.cases):
        for number, condition in enumerate(case.conditions):
            if condition.value.startswith("~"):
                field = f"{route.field}.matches[{index}].conditions[{number}].value"
                yield route.origin, field, condition.value, condition.value[1:].removeprefix("*")


def _row(file: str, problem: Problem) -> Row:
    origin = "" if problem.origin.kind == FILE else str(problem.origin)
    severity = problem.severity.value
    return Row(file, origin, problem.field, problem.value, problem.reason, problem.effect, severity)
