"""The tables of ``tests/fields/tables``: for each field of a custom resource a good value, and objects to try it in.

An entry of a table is a mapping. Its first key is the field, with the value to try; the other ones are fields that are
set without it, too. ``also`` are fields that change with it (``null`` removes one), and ``beside`` are other objects. A
path has ``[]`` after a list for its first item, ``[1]`` for the second one. ``NAME`` is the name of the object that is
made of an entry.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from headgate.api import ALL, TopLevel
from headgate.api.nginx_org import GlobalConfiguration, Policy, TransportServer, VirtualServer, VirtualServerRoute
from headgate.k8s import Folder

FOLDER = Path(__file__).with_name("tables")
FLAGS = (
    "-enable-snippets", "-enable-oidc", "-enable-cert-manager", "-enable-external-dns", "-enable-tls-passthrough",
    "-global-configuration=default/listeners", "-nginx-configmaps=default/config", "-default-http-listener-port=18080",
    "-default-https-listener-port=18443", "-nginx-status-port=18082", "-tls-passthrough-port=18444",
)  # fmt: skip
NAME = "NAME"
MODELS = {model.KIND.name: model for model in ALL}
FIRST_PORT = 20000
LISTENERS = ("tcp", "udp", "other")
"""The listeners of each TransportServer."""

Json = dict[str, Any]
UPSTREAMS = [{"name": "tea", "service": "tea", "port": 80}, {"name": "coffee", "service": "coffee", "port": 80}]
ROUTE: Json = {"path": "/tea", "action": {"pass": "tea"}}
HALVES = [{"weight": 50, "action": {"pass": "tea"}}, {"weight": 50, "action": {"pass": "coffee"}}]
CONDITIONS = [{"header": "x-version", "value": "v2"}]
ROUTES: Mapping[str, Json] = {
    "": ROUTE,
    ".splits[]": {"path": "/tea", "splits": HALVES},
    ".matches[]": {**ROUTE, "matches": [{"conditions": CONDITIONS, "action": {"pass": "tea"}}]},
    ".matches[].splits[]": {**ROUTE, "matches": [{"conditions": CONDITIONS, "splits": HALVES}]},
}
"""Where a route has an action, and a route that has it there."""


class Entry(msgspec.Struct, frozen=True):
    """A field and a good value for it; see the module."""

    path: str
    value: Any
    given: Mapping[str, Any]
    also: Mapping[str, Any]
    beside: tuple[Json, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """The entries of a part of a kind.

    Attributes:
        name: of the file with what they change.
        model: the kind.
        spec: the spec without any of them.
        entries: their paths begin with ``spec``.
    """

    name: str
    model: type[TopLevel]
    spec: Json
    entries: tuple[Entry, ...]

    @property
    def kind(self) -> str:
        """The name of the kind."""
        return self.model.KIND.name


@cache
def groups() -> tuple[Group, ...]:
    """Return all tables, with those that several kinds share once for each place."""
    return tuple(_groups())


def _groups() -> Iterator[Group]:
    for model, routes in ((VirtualServer, "routes"), (VirtualServerRoute, "subroutes")):
        name = model.KIND.name.lower()
        spec: Json = {"host": f"{NAME}.example.com", "upstreams": UPSTREAMS, routes: [ROUTE]}
        if model is VirtualServer:
            spec["tls"] = {"secret": "cafe"}
        yield Group(name, model, spec, _read(name, "spec"))
        yield Group(f"{name}.upstreams", model, spec, _read("upstream", "spec.upstreams[]"))
        yield Group(f"{name}.{routes}", model, spec, _read("route", f"spec.{routes}[]"))
        for place, route in ROUTES.items():
            entries = _read("action", f"spec.{routes}[]{place}.action")
            yield Group(f"{name}.{routes}{place}.action", model, {**spec, routes: [route]}, entries)
    listener = {"name": f"{NAME}-tcp", "protocol": "TCP"}
    stream = {"listener": listener, "upstreams": UPSTREAMS, "action": {"pass": "tea"}}
    yield Group("transportserver", TransportServer, stream, _read("transportserver", "spec"))
    web = {"listeners": [{"name": "web", "port": 8080, "protocol": "HTTP"}]}
    yield Group("globalconfiguration", GlobalConfiguration, web, _read("globalconfiguration", "spec"))
    for kind, table in yaml.safe_load((FOLDER / "policy.yaml").read_text()).items():
        yield Group(f"policy.{kind}", Policy, table["spec"], tuple(_entry(each, "spec") for each in table["fields"]))


def _read(table: str, prefix: str) -> tuple[Entry, ...]:
    rows = yaml.safe_load((FOLDER / f"{table}.yaml").read_text())
    return tuple(_entry(row, prefix) for row in rows)


def _entry(row: Json, prefix: str) -> Entry:
    rest = {key: value for key, value in row.items() if key not in {"also", "beside"}}
    (path, value), *given = rest.items()
    also = {f"{prefix}.{key}": each for key, each in row.get("also", {}).items()}
    before = {f"{prefix}.{key}": each for key, each in given}
    if prefix.endswith("subroutes[]"):  # what a route of a VirtualServer names is there already
        return Entry(f"{prefix}.{path}", value, before, also)
    return Entry(f"{prefix}.{path}", value, before, also, tuple(row.get("beside", ())))


def with_fields(spec: Json, fields: Mapping[str, Any]) -> Json:
    """Return *spec* with other values at some paths."""
    whole: Json = {"spec": copy.deepcopy(spec)}
    for path, value in fields.items():
        *steps, last = path.split(".")
        at = whole
        for step in steps:
            key, brackets, index = step.partition("[")
            if at.get(key) is None:
                at[key] = [{}] if brackets else {}
            at = at[key][int(index.strip("]") or 0)] if brackets else at[key]
        at[last] = copy.deepcopy(value)
    found: Json = whole["spec"]
    return found


def before(group: Group, entry: Entry) -> Json:
    """Return the spec without the field of *entry*."""
    return with_fields(group.spec, _top_down(entry.given))


def after(group: Group, entry: Entry) -> Json:
    """Return the spec with it."""
    return with_fields(before(group, entry), {**entry.also, entry.path: entry.value})


def _top_down(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(sorted(fields.items(), key=lambda found: found[0].count(".")))


def named(value: Any, name: str) -> Any:
    """Return *value* with *name* for ``NAME`` in every text."""
    if isinstance(value, str):
        return value.replace(NAME, name)
    if isinstance(value, Mapping):
        return {named(key, name): named(each, name) for key, each in value.items()}
    return [named(each, name) for each in value] if isinstance(value, list | tuple) else value


def made(group: Group, spec: Json, name: str, beside: tuple[Json, ...] = ()) -> Iterator[TopLevel]:
    """Yield an object called *name* with *spec*, and those by which it is served."""
    meta = {"name": name, "namespace": "default", "uid": name}
    if group.model is GlobalConfiguration:
        meta["name"] = "listeners"
    yield group.model.convert({"metadata": meta, "spec": named(spec, name)})
    for item in beside:
        yield MODELS[item["kind"]].convert(named(item, name))
    if group.model is VirtualServerRoute:
        host: Json = {"host": f"{name}.example.com", "tls": {"secret": "cafe"}}
        route = {"path": "/tea", "route": name}
        yield VirtualServer.convert({"metadata": meta, "spec": {**host, "routes": [route]}})
    if group.model is Policy:
        yield VirtualServer.convert({"metadata": meta, "spec": _guarded(name)})
    if group.model is GlobalConfiguration:
        answer = {"path": "/", "action": {"return": {"body": "hello"}}}
        spec = {"host": "web.example.com", "listener": {"http": "web"}, "routes": [answer]}
        yield VirtualServer.convert({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def _guarded(name: str) -> Json:
    upstream = {"name": "tea", "service": "tea", "port": 443, "tls": {"enable": True}}
    return {
        "host": f"{name}.example.com",
        "tls": {"secret": "cafe"},
        "policies": [{"name": name}],
        "upstreams": [upstream],
        "routes": [ROUTE],
    }


def listeners(names: list[str]) -> TopLevel:
    """Return the GlobalConfiguration of tables of other kinds: three listeners for each of *names*, and two of HTTP."""
    found: list[Json] = [
        {"name": "web", "port": 8080, "protocol": "HTTP"},
        {"name": "web-tls", "port": 8443, "protocol": "HTTP", "ssl": True},
    ]
    for number, name in enumerate(names):
        for place, kind in enumerate(LISTENERS):
            port = FIRST_PORT + number * len(LISTENERS) + place
            found.append({"name": f"{name}-{kind}", "port": port, "protocol": "UDP" if kind == "udp" else "TCP"})
    return GlobalConfiguration.convert(
        {"metadata": {"name": "listeners", "namespace": "default"}, "spec": {"listeners": found}}
    )


@cache
def beside() -> tuple[TopLevel, ...]:
    """Return what the objects of all tables refer to."""
    folder = Folder(FOLDER / "beside.yaml")
    items = folder.load()
    assert not folder.problems()
    return items
