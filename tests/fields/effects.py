"""What nginx gets, and what is reported and made, because of one field."""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml
from msgspec import structs

from headgate.api import TopLevel
from headgate.api.nginx_org import GlobalConfiguration, TransportServer, VirtualServer
from headgate.dependents.certificates import certificate
from headgate.dependents.forms import Wanted
from headgate.dependents.records import dns_endpoint
from headgate.ir import Capabilities, Layout
from headgate.ir.live import LuaModules
from headgate.offline import found
from headgate.pipeline import Generation
from headgate.problems import Problem
from headgate.reporting.status import address
from headgate.reporting.status_forms import Exposure
from headgate.routes import SecretReference
from headgate.routes.policies import Oidc
from tests.fields.tables import (
    FIRST_PORT,
    FLAGS,
    LISTENERS,
    NAME,
    Entry,
    Group,
    Json,
    after,
    before,
    beside,
    groups,
    listeners,
    made,
)
from tests.nginx_lexer import Punctuation, lexed
from tests.simulated_cluster import CURRENT, SimulatedCluster

NUMBER = re.compile(r"f[0-9]{4}x")
LIVE = structs.replace(CURRENT, lua=LuaModules((), "/lua/?.lua", "/lua/?.so"))
PUSHED = {"policy.jwt"}
"""Groups whose fields have an effect where nginx has Lua."""
HERE = Exposure((address("203.0.113.1"),))
"""The address of the controller, for DNSEndpoints."""


class Specimen(NamedTuple):
    """An object to make: of which group, with which spec, and beside which others."""

    group: Group
    spec: Json
    beside: tuple[Json, ...] = ()


def objects(specs: Mapping[str, Specimen]) -> dict[str, list[TopLevel]]:
    """Return what is made of *specs*, by the names of their objects."""
    return {name: list(made(each.group, each.spec, name, each.beside)) for name, each in specs.items()}


class World:
    """A cluster with several objects, and what is there because of each."""

    def __init__(
        self,
        items: Mapping[str, Sequence[TopLevel]],
        able: Capabilities = CURRENT,
        place: Layout | None = None,
        argv: Sequence[str] = FLAGS,
    ) -> None:
        """Generate all: *items* are by the name that they have in common."""
        self.items = items
        self.cluster = SimulatedCluster(argv, able, place)
        self.cluster.introduce(app="headgate")
        whole = [item for each in items.values() for item in each]
        if not any(isinstance(item, GlobalConfiguration) for item in whole):
            self.cluster.put(listeners([name for name, each in items.items() if isinstance(each[0], TransportServer)]))
        self.cluster.put(*beside(), *whole)
        specs = items.keys()
        generation = self.cluster.process_batch()
        self.texts: dict[str, dict[str, str]] = defaultdict(dict)
        """File → text, by the name of the object that it is about."""
        self.shared: dict[str, list[str]] = defaultdict(list)
        """Lines of files of all, by the object that they name."""
        for path, text in self.cluster.texts().items():
            owners = self._names(path, specs)
            for name in owners:
                self.texts[name][path.replace(name, NAME)] = text.decode(errors="replace")
            for line in () if owners or path.startswith("secrets") else flat(text.decode()):
                for name in self._names(line, specs):
                    self.shared[name].append(line)
        self.logins: dict[str, list[str]] = defaultdict(list)
        """What the controller knows of logins, by the object that it is about."""
        self._take_guards(generation)
        self.problems: dict[str, list[Problem]] = defaultdict(list)
        ignored = [Problem(ref, "", "", f"is ignored: {why}", "") for ref, why in generation.update.ignored.items()]
        for problem in (*found(generation), *ignored):
            for name in self._names(problem.origin.name, specs):
                self.problems[name].append(problem)

    def _take_guards(self, generation: Generation) -> None:
        for owner, line in pushed(generation):
            for name in self._names(owner, self.items.keys()):
                self.shared[name].append(line)
        for policy in asked_for(generation):
            for name in self._names(policy.policy.name, self.items.keys()):
                self.logins[name] += login_lines(policy)

    def _names(self, text: str, specs: Collection[str]) -> Iterable[str]:
        """Return the objects that something called *text* belongs to; a single one has everything."""
        if len(specs) == 1:
            return list(specs)
        return [token for token in NUMBER.findall(text)[:1] if token in specs]

    def write(self, folder: Path) -> None:
        """Write the files of nginx below *folder*."""
        for name, file in self.cluster.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)

    def lines(self, name: str) -> list[str]:
        """Return everything that is there because of the object *name*, one line each."""
        lines = [line for path, text in sorted(self.texts[name].items()) if not path.startswith("secrets")
                 for line in (f"file {path}", *flat(text))]  # fmt: skip
        lines += ["shared lines", *self.shared[name], *self.logins[name]]
        lines += [line for item in self.items[name] if isinstance(item, VirtualServer) for line in made_for(item)]
        return [normal(line, name) for line in lines]


def pushed(generation: Generation) -> Iterator[tuple[str, str]]:
    """Yield what workers receive about tokens, and which key sets are fetched, with what these are called by."""
    for guard, token in (generation.live.shown.tokens if generation.live else {}).items():
        yield guard, f"pushed {guard} {msgspec.json.encode(token).decode()}"
    for ref, source in generation.key_sources.items():
        shown = structs.replace(source, authority=b"PEM" if source.authority else b"")
        yield ref.name, f"fetched {msgspec.json.encode(shown).decode()}"


def normal(text: str, name: str) -> str:
    """Return *text* with ``cafe`` for *name*, the names of listeners for their ports, and without hashes."""
    text = re.sub(r"_[0-9a-f]{8}\b", "_hash", text.replace(NAME, name).replace(name, "cafe"))
    return re.sub(r"(?<= |:)2[0-9]{4}\b", lambda port: LISTENERS[(int(port[0]) - FIRST_PORT) % len(LISTENERS)], text)


def flat(text: str) -> Iterator[str]:
    """Yield every directive with the blocks around it."""
    around: list[str] = []
    words: list[str] = []
    for token in lexed(text):
        if not isinstance(token, Punctuation):
            words.append(token if token and not re.search(r"[\s;{}]", token) else json.dumps(token, ensure_ascii=False))
        elif token.char == "}":
            around = around[:-1]
        else:
            line = " ".join(words)
            if token.char == "{":
                around.append(line)
            yield " > ".join(around if token.char == "{" else [*around, line])
            words = []


def asked_for(generation: Generation) -> Iterator[Oidc]:
    """Yield the Policies of type oidc of every host."""
    for generated in generation.resources.values():
        for host in generated.wanted.table.hosts:
            yield from (policies.oidc for policies in host.every_policies if policies.oidc)


def login_lines(policy: Oidc) -> Iterator[str]:
    """Yield what *policy* says, one line each."""
    for field, value in structs.asdict(policy).items():
        yield f"login {field} {value.file if isinstance(value, SecretReference) else json.dumps(value, default=str)}"


def made_for(item: VirtualServer) -> Iterator[str]:
    """Yield what cert-manager and ExternalDNS are asked for."""
    for kind, answer in (("Certificate", certificate(item)), ("DNSEndpoint", dns_endpoint(item, HERE))):
        if isinstance(answer.wanted, Wanted):
            spec = yaml.safe_dump(answer.wanted.spec, default_flow_style=True, width=1000).strip()
            notes = {key: value for key, value in answer.wanted.annotations.items() if value}
            yield f"{kind} {answer.wanted.name} {spec}" + (f" {notes}" if notes else "")


def differences(one: World, other: World, name: str) -> Iterator[str]:
    """Yield the lines that the object *name* has in *other* and not in *one*, and the reverse.

    A whole file is one line, and a whole location is without the headers that every location has.
    """
    files = [{line for line in lines if line.startswith("file ")} for lines in (one.lines(name), other.lines(name))]
    lone = files[0] ^ files[1]
    lines = [_without(world.lines(name), lone) for world in (one, other)]
    changed = [line for line in difflib.unified_diff(*lines, lineterm="", n=0) if line[:2] not in {"--", "++", "@@"}]
    for line in changed:
        block, arrow, directive = line.rpartition(" > ")
        if not (arrow and directive.startswith("proxy_set_header ") and block in changed):
            yield f"{line[0]} {line[1:]}"


def _without(lines: list[str], files: set[str]) -> list[str]:
    """Return *lines* without what is inside *files*."""
    kept: list[str] = []
    inside = False
    for line in lines:
        if line.startswith("file "):
            inside = line in files
            kept += [line] if inside else []
        elif line == "shared lines":
            inside = False
        elif not inside:
            kept.append(line)
    return kept


def reported(one: World, other: World, name: str, entry: Entry) -> Iterator[str]:
    """Yield what is reported because of the field, or about it."""
    known = {normal(str(problem), name) for problem in one.problems[name]}
    concrete = entry.path.replace("[]", "[0]")
    for problem in other.problems[name]:
        field = problem.field
        about = field and (concrete.startswith(field) or field.startswith(concrete)) and problem.origin.kind
        line = normal(str(problem), name)
        if line not in known or about:
            yield f"! {problem.severity.value}: {problem.origin.kind}: {line}"


def numbered() -> list[dict[str, tuple[Group, Entry]]]:
    """Return the entries of all groups by the names of their objects, in parts that may be in one cluster."""
    whole: dict[str, tuple[Group, Entry]] = {}
    pushed: dict[str, tuple[Group, Entry]] = {}
    alone = []
    for group in groups():
        for entry in group.entries:
            name = f"f{len(whole) + len(pushed) + len(alone):04}x"
            if group.name in PUSHED:
                pushed[name] = (group, entry)
            elif group.model is GlobalConfiguration:
                alone.append({name: (group, entry)})
            else:
                whole[name] = (group, entry)
    return [whole, pushed, *alone]


@cache
def effects() -> dict[str, dict[str, list[str]]]:
    """Return what each entry changes: the lines by field and value, by the name of the group."""
    told: dict[str, dict[str, list[str]]] = {group.name: {} for group in groups()}
    for part in numbered():
        live = all(group.name in PUSHED for group, _ in part.values())
        one, other = (
            World(
                objects(
                    {name: Specimen(group, spec(group, entry), entry.beside) for name, (group, entry) in part.items()}
                ),
                LIVE if live else CURRENT,
                argv=(*FLAGS, "-data-plane=live") if live else FLAGS,
            )
            for spec in (before, after)
        )
        for name, (group, entry) in part.items():
            title = f"{entry.path}: {json.dumps(entry.value, ensure_ascii=False)}"
            told[group.name][title] = [*differences(one, other, name), *reported(one, other, name, entry)]
    return told
