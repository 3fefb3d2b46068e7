"""A Kubernetes API server in memory, for tests and benchmarks: real HTTP on loopback, faults on demand.

It keeps objects as plain JSON under real resource versions, lists by pages, fans watches out, answers 410 after a
compaction, checks tokens and roles, and knows the status subresource. ``fail`` puts one scripted answer in the way
of a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import re
import ssl
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

Json = dict[str, Any]
Identity = tuple[str, str]  # namespace, name

PATH = re.compile(
    r"(?:/api/(?P<core>v1)|/apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?"
)

PLURALS = {
    "ConfigMap": ("v1", "configmaps"),
    "EndpointSlice": ("discovery.k8s.io/v1", "endpointslices"),
    "Event": ("v1", "events"),
    "Ingress": ("networking.k8s.io/v1", "ingresses"),
    "IngressClass": ("networking.k8s.io/v1", "ingressclasses"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "Namespace": ("v1", "namespaces"),
    "Pod": ("v1", "pods"),
    "Secret": ("v1", "secrets"),
    "Service": ("v1", "services"),
    "ValidatingWebhookConfiguration": ("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"),
}
CLUSTER_SCOPED = {"IngressClass", "Namespace", "ValidatingWebhookConfiguration"}
CUSTOM = ("virtualservers", "virtualserverroutes", "transportservers", "policies", "globalconfigurations")
"""The kinds of k8s.nginx.org; absent until ``absent(plural, now=False)`` defines them."""
PLURALS |= {
    kind: ("k8s.nginx.org/v1", plural)
    for kind, plural in zip(
        ("VirtualServer", "VirtualServerRoute", "TransportServer", "Policy", "GlobalConfiguration"), CUSTOM, strict=True
    )
}
OPTIONAL = ("certificates", "dnsendpoints")
"""What controllers make for others; absent, too."""
PLURALS |= {
    "Certificate": ("cert-manager.io/v1", "certificates"),
    "DNSEndpoint": ("externaldns.nginx.org/v1", "dnsendpoints"),
}
UPSTREAM = "externaldns.k8s.io"
"""The group in which ExternalDNS has a kind of the same name; absent, too."""
PLURALS[f"DNSEndpoint.{UPSTREAM}"] = (f"{UPSTREAM}/v1alpha1", f"dnsendpoints.{UPSTREAM}")


@dataclass
class Fault:
    """One scripted answer: the next *times* requests that match get it instead of the real one."""

    method: str
    path: str
    status: int = 500
    reason: str = "InternalError"
    message: str = "scripted"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    times: int = 1
    where: Callable[[web.Request], bool] = lambda request: True
    cut: bool = False

    def matches(self, request: web.Request) -> bool:
        return (
            self.times > 0
            and request.method == self.method
            and re.search(self.path, request.path) is not None
            and self.where(request)
        )


@dataclass
class Collection:
    """The objects of one kind and the history that watches replay."""

    api_version: str
    kind: str
    objects: dict[Identity, Json] = field(default_factory=dict)
    history: list[tuple[int, str, Json, Json | None]] = field(default_factory=list)
    oldest: int = 0  # versions before this are compacted away


class Watcher:
    """One open watch: what waits to be sent."""

    def __init__(self, select: Callable[[Json], bool]) -> None:
        self.select = select
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    def tell(self, kind: str, item: Json, old: Json | None = None) -> None:
        """Send an event; an object that begins or ceases to be selected is added or deleted for this watch."""
        if kind == "MODIFIED":
            was, fits = old is not None and self.select(old), self.select(item)
            kind = "MODIFIED" if was and fits else "ADDED" if fits else "DELETED" if was else ""
        elif kind not in {"BOOKMARK", "ERROR"} and not self.select(item):
            kind = ""
        if kind:
            self.lines.put_nowait(json.dumps({"type": kind, "object": item}).encode() + b"\n")


class ApiServer:
    """The server; use as an asynchronous context manager, again and again if it has a port of its own.

    Attributes:
        requests: ``(method, path, query)`` of everything asked, in order.
        tokens: accepted bearer tokens; empty accepts anyone.
        chunk: bytes per write of a watch, 0 for whole lines.
        keep_history: whether changes are kept for resuming watches.
    """

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.tokens: set[str] = set()
        self.chunk = 0
        self.url = ""
        self.revision = 1
        self._port = port
        self._collections: dict[str, Collection] = {
            plural: Collection(api_version, kind) for kind, (api_version, plural) in PLURALS.items()
        }
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._faults: list[Fault] = []
        self._forbidden: set[tuple[str, str]] = set()
        self._absent: set[str] = {*CUSTOM, *OPTIONAL, f"dnsendpoints.{UPSTREAM}"}
        self._tls = tls
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=self._tls)
        await site.start()
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut_watches()
        await self._stack.aclose()

    # What a cluster's users do

    def put(self, item: Json) -> Json:
        """Create or replace an object as it is given; version, UID and generation are the server's."""
        upstream = str(item.get("apiVersion")).startswith(UPSTREAM)
        kind = f"{item['kind']}.{UPSTREAM}" if upstream else item["kind"]
        collection = self._collections[PLURALS[kind][1]]
        item = copy.deepcopy(item)
        metadata = item.setdefault("metadata", {})
        if kind not in CLUSTER_SCOPED:
            metadata.setdefault("namespace", "default")
        identity = metadata.get("namespace", ""), metadata["name"]
        old = collection.objects.get(identity)
        self._stamp(item, old)
        collection.objects[identity] = item
        self._record(PLURALS[kind][1], "MODIFIED" if old else "ADDED", item, old)
        return item

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object."""
        plural = PLURALS[kind][1]
        item = copy.deepcopy(self._collections[plural].objects.pop((namespace, name)))
        self.revision += 1
        item["metadata"]["resourceVersion"] = str(self.revision)
        self._record(plural, "DELETED", item)

    def get(self, kind: str, namespace: str, name: str) -> Json:
        """Return an object as it is stored."""
        return self._collections[PLURALS[kind][1]].objects[namespace, name]

    def all(self, kind: str) -> list[Json]:
        """Return every object of a kind."""
        return list(self._collections[PLURALS[kind][1]].objects.values())

    # What can go wrong

    def fail(self, method: str, path: str, **fault: Any) -> None:
        """Answer the next matching request with a fault; see ``Fault``."""
        self._faults.append(Fault(method, path, **fault))

    def mend(self) -> None:
        """Forget every scripted answer that was not given yet."""
        self._faults.clear()

    def forbid(self, verb: str, plural: str) -> None:
        """Take a rule out of the role: ``list``, ``watch``, ``get``, ``create``, ``update``, ``patch``, ``delete``."""
        self._forbidden.add((verb, plural))

    def allow(self, verb: str, plural: str) -> None:
        """Put the rule back."""
        self._forbidden.discard((verb, plural))

    def absent(self, plural: str, *, now: bool = True) -> None:
        """Remove a kind from the API, as deleting its CRD does, or bring it back."""
        (self._absent.add if now else self._absent.discard)(plural)
        if now:
            self.cut_watches(plural)

    def compact(self) -> None:
        """Forget the history: older watches and pages get 410."""
        for collection in self._collections.values():
            collection.history.clear()
            collection.oldest = self.revision

    def bookmark(self, plural: str) -> None:
        """Tell every watch of a kind how far it is, with the null timestamp that real servers send."""
        collection = self._collections[plural]
        metadata = {"resourceVersion": str(self.revision), "creationTimestamp": None}
        item = {"apiVersion": collection.api_version, "kind": collection.kind, "metadata": metadata, "spec": {}}
        for watcher in self._watchers[plural]:
            watcher.tell("BOOKMARK", item)

    def send(self, plural: str, line: bytes) -> None:
        """Send raw bytes to every watch of a kind."""
        for watcher in self._watchers[plural]:
            watcher.lines.put_nowait(line)

    def error(self, plural: str, code: int, reason: str) -> None:
        """Send an error inside every watch of a kind."""
        for watcher in self._watchers[plural]:
            watcher.tell("ERROR", _status(code, reason, "scripted"))

    def cut_watches(self, plural: str = "") -> None:
        """End the watches of a kind, or all."""
        for name, watchers in self._watchers.items():
            if plural in {"", name}:
                for watcher in watchers:
                    watcher.lines.put_nowait(None)

    # What tests look at

    def watching(self, plural: str) -> int:
        """How many watches of a kind are open."""
        return len(self._watchers[plural])

    def count(self, method: str, plural: str, **query: str) -> int:
        """How many requests of that kind came, with these query parameters."""
        return sum(
            asked == method and path.rstrip("/").endswith(plural) and query.items() <= params.items()
            for asked, path, params in self.requests
        )

    # HTTP

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        for fault in self._faults:
            if fault.matches(request):
                fault.times -= 1
                return _faulty(request, fault)
        if self.tokens and request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _refuse(401, "Unauthorized", "Unauthorized")
        found = PATH.fullmatch(request.path)
        if found is None or _plural(found) in self._absent or _plural(found) not in self._collections:
            return web.Response(status=404, text="404 page not found\n")
        return await self._dispatch(request, found)

    async def _dispatch(self, request: web.Request, found: re.Match[str]) -> web.StreamResponse:
        plural, namespace, name = _plural(found), found["namespace"] or "", found["name"] or ""
        if plural == "namespaces" and namespace:
            name, namespace = namespace, ""
        watching = request.query.get("watch") in {"1", "true"}
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(request.method)
        verb = verb or ("get" if name else "watch" if watching else "list")
        if (verb, plural) in self._forbidden:
            return _refuse(403, "Forbidden", f'{plural} is forbidden: User "tester" cannot {verb} resource "{plural}"')
        collection = self._collections[plural]
        if verb == "watch":
            return await self._watch(request, plural, namespace)
        if verb == "list":
            return self._list(request, collection, namespace)
        body = await request.json() if request.can_read_body else {}
        if verb == "create":
            return self._create(plural, namespace, body)
        return self._one(verb, plural, (namespace, name), body, found["subresource"] or "")

    def _list(self, request: web.Request, collection: Collection, namespace: str) -> web.Response:
        select = _selector(request.query, namespace)
        items = [item for identity, item in sorted(collection.objects.items()) if select(item)]
        version, start = self.revision, 0
        if token := request.query.get("continue"):
            version, start = map(int, token.split("-"))
            if version < collection.oldest:
                return _refuse(410, "Expired", "The provided continue parameter is too old")
        limit = int(request.query.get("limit", "0")) or len(items) or 1
        metadata = {"resourceVersion": str(version)}
        if start + limit < len(items):
            metadata["continue"] = f"{version}-{start + limit}"
        body = {
            "kind": f"{collection.kind}List",
            "apiVersion": collection.api_version,
            "metadata": metadata,
            "items": items[start : start + limit],
        }
        return web.json_response(body)

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        collection = self._collections[plural]
        since = int(request.query.get("resourceVersion") or "0")
        watcher = Watcher(_selector(request.query, namespace))
        if since < collection.oldest:
            watcher.tell("ERROR", _status(410, "Expired", f"too old resource version: {since}"))
            watcher.lines.put_nowait(None)
        for version, kind, item, old in collection.history:
            if version > since:
                watcher.tell(kind, item, old)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._watchers[plural].add(watcher)
        try:
            while (line := await watcher.lines.get()) is not None:
                await self._write(response, line)
        finally:
            self._watchers[plural].discard(watcher)
        return response

    async def _write(self, response: web.StreamResponse, line: bytes) -> None:
        size = self.chunk or len(line)
        for start in range(0, len(line), size):
            await response.write(line[start : start + size])

    def _create(self, plural: str, namespace: str, body: Json) -> web.Response:
        metadata = body["metadata"]
        if namespace:
            metadata["namespace"] = namespace
        if "name" not in metadata:
            metadata["name"] = f"{metadata['generateName']}{uuid.uuid4().hex[:5]}"
        if (namespace, metadata["name"]) in self._collections[plural].objects:
            return _refuse(409, "AlreadyExists", f'{plural} "{metadata["name"]}" already exists')
        body.setdefault("kind", self._collections[plural].kind)
        return web.json_response(self.put(body), status=201)

    def _one(self, verb: str, plural: str, identity: Identity, body: Json, subresource: str) -> web.Response:
        old = self._collections[plural].objects.get(identity)
        if old is None:
            return _refuse(404, "NotFound", f'{plural} "{identity[1]}" not found')
        if verb == "get":
            return web.json_response(old)
        if verb == "delete":
            conditions = body.get("preconditions") or {}
            if any(old["metadata"][key] != value for key, value in conditions.items()):
                return _refuse(409, "Conflict", f'{plural} "{identity[1]}": the preconditions do not hold')
            self.delete(self._collections[plural].kind, *identity)
            return web.json_response(_status(200, "", "deleted"))
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            return _refuse(409, "Conflict", f'{plural} "{identity[1]}": the object has been modified')
        if verb == "patch":
            body = _merged(old, body)
        if subresource == "status":
            body = {**old, "status": body.get("status")}
        elif "status" in old:
            body = {**body, "status": old["status"]}
        return web.json_response(self.put(body))

    def _stamp(self, item: Json, old: Json | None) -> None:
        self.revision += 1
        metadata = item["metadata"]
        metadata["resourceVersion"] = str(self.revision)
        before = old["metadata"] if old else {}
        metadata["uid"] = before.get("uid") or metadata.get("uid") or str(uuid.uuid4())
        given = metadata.get("creationTimestamp") or "2026-01-01T00:00:00Z"
        metadata["creationTimestamp"] = before.get("creationTimestamp") or given
        same = old is not None and old.get("spec") == item.get("spec")
        metadata["generation"] = before.get("generation", 0) + (0 if same else 1)

    def _record(self, plural: str, kind: str, item: Json, old: Json | None = None) -> None:
        self._collections[plural].history.append((self.revision, kind, item, old))
        for watcher in self._watchers[plural]:
            watcher.tell(kind, item, old)


def _plural(found: re.Match[str]) -> str:
    """Return the key of a collection: the plural, with the group of the kind that is called like another one."""
    return f"{found['plural']}.{UPSTREAM}" if found["group"] == UPSTREAM else found["plural"]


def _selector(query: Any, namespace: str) -> Callable[[Json], bool]:
    """Understand ``a=b`` and ``a!=b`` in label and field selectors, and bare labels."""
    labels = [part for part in query.get("labelSelector", "").split(",") if part]
    fields = [part for part in query.get("fieldSelector", "").split(",") if part]

    def selected(item: Json) -> bool:
        metadata = item["metadata"]
        return (
            (not namespace or metadata.get("namespace") == namespace)
            and all(_holds(part, (metadata.get("labels") or {}).get) for part in labels)
            and all(_holds(part, lambda key: _dig(item, key)) for part in fields)
        )

    return selected


def _holds(part: str, value: Callable[[str], Any]) -> bool:
    if "!=" in part:
        key, wanted = part.split("!=")
        return bool(value(key) != wanted)
    key, found, wanted = part.replace("==", "=").partition("=")
    return bool(value(key) == wanted) if found else value(key) is not None


def _dig(item: Json, path: str) -> Any:
    value: Any = item
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _merged(old: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _status(code: int, reason: str, message: str) -> Json:
    state = "Success" if code < 300 else "Failure"
    return {"kind": "Status", "apiVersion": "v1", "status": state, "reason": reason, "message": message, "code": code}


def _refuse(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(_status(code, reason, message), status=code, headers=headers)


def _faulty(request: web.Request, fault: Fault) -> web.Response:
    if fault.cut and request.transport is not None:
        request.transport.abort()
    if fault.body is None:
        return _refuse(fault.status, fault.reason, fault.message, fault.headers)
    headers = {"Content-Type": fault.content_type, **fault.headers}
    return web.Response(status=fault.status, body=fault.body, headers=headers)
