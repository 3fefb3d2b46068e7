"""Configurator: resources become Files; it remembers the Files of each resource and merges them into a whole."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import structs

from headgate.ir import File, FileSet
from headgate.ir.http import Certificate, HttpConfig, Upstream
from headgate.problems import ObjectRef, Problem, Severity
from headgate.render import BadTemplate, Injection, Renderer
from headgate.resolve.ingress import Resolved
from headgate.translate import (
    Environment,
    Translated,
    translate_default_server,
    translate_ingress,
    translate_main,
)
from headgate.translate.naming import CERTIFICATES, DEFAULT_SERVER, salt

log = logging.getLogger(__name__)


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """What a resource contributes.

    Attributes:
        resolved: what it was made from, to be translated again when the ConfigMap changes.
        files: its own files.
        certificates: its entries in the map from server names to certificates.
        hosts: its host names.
        upstreams: its upstreams by name.
        claims: the names that must be unique in all of nginx.
        problems: found while generating.
        salt: the end of its names, where its plain names belong to another resource.
    """

    resolved: Resolved
    files: tuple[File, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    hosts: tuple[str, ...] = ()
    upstreams: Mapping[str, Upstream] = {}
    claims: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    salt: str = ""


class Configurator:
    """The generated state of every resource; each method costs what changed, ``files`` a merge of all."""

    def __init__(self, env: Environment, renderer: Renderer) -> None:
        """Begin without resources."""
        self._env = env
        self._renderer = renderer
        self._rendered: dict[ObjectRef, Rendered] = {}
        self._owners: dict[str, ObjectRef] = {}
        self._special: Mapping[str, File] = {}
        self._whole: FileSet | None = None
        self.spent = {"translate": 0.0, "render": 0.0}
        """Seconds spent in each room since the start."""
        self._map: tuple[frozenset[Certificate], str | None, Renderer, File] | None = None

    @property
    def env(self) -> Environment:
        """What all translations share."""
        return self._env

    @property
    def renderer(self) -> Renderer:
        """The templates in force."""
        return self._renderer

    def problems(self, ref: ObjectRef) -> tuple[Problem, ...]:
        """Return what was found while *ref* was resolved, and while it was generated."""
        rendered = self._rendered.get(ref)
        return (*rendered.resolved.problems, *rendered.problems) if rendered else ()

    def generated(self, ref: ObjectRef) -> tuple[Problem, ...]:
        """Return what was found while *ref* was generated."""
        rendered = self._rendered.get(ref)
        return rendered.problems if rendered else ()

    def resolved(self, ref: ObjectRef) -> Resolved | None:
        """Return what *ref* was last made from."""
        rendered = self._rendered.get(ref)
        return rendered.resolved if rendered else None

    def translated(self, ref: ObjectRef) -> Translated | None:
        """Translate *ref* once more, under the names that stand in its Files; ``None`` if it has none.

        Only the Files are kept: this is for who asks about a single resource, not for a batch.
        """
        rendered = self._rendered.get(ref)
        return (
            translate_ingress(rendered.resolved.ex, self._env, rendered.salt) if rendered and rendered.files else None
        )

    def add_or_update(self, ref: ObjectRef, resolved: Resolved) -> None:
        """Generate the Files of a resource.

        A value that would inject, a template of the user's that fails for this resource, or a bug of ours becomes
        a Problem; the resource keeps the Files it had.
        """
        try:
            self._regenerate(ref, resolved)
        except BadTemplate as error:
            self._keep(ref, resolved, f"cannot be rendered by the user's template: {error}")

    def _regenerate(self, ref: ObjectRef, resolved: Resolved) -> None:
        """Generate the Files of a resource (BadTemplate: nothing is changed)."""
        self._release(ref)
        try:
            fresh = self._generate(ref, resolved)
        except BadTemplate:
            self._store(ref, self._rendered.get(ref))
            raise
        except Injection as error:
            self._keep(ref, resolved, f"holds text that cannot be configured: {error}")
        except Exception as error:
            log.exception("internal error", extra={"fields": {"object": str(ref)}})
            self._keep(ref, resolved, f"made Headgate fail ({type(error).__name__}: {error})")
        else:
            self._store(ref, fresh)

    def labels(self, name: str, server: str) -> Mapping[str, str] | None:
        """Return the labels of a *server* in the upstream *name*, ``None`` for an upstream that is not ours."""
        upstream = self._upstream(name)
        if upstream is None:
            return None
        origin = upstream.origin
        return {
            "service": upstream.service,
            "resource_type": origin.kind.lower(),
            "resource_name": origin.name,
            "resource_namespace": origin.namespace,
            "pod_name": upstream.pods.get(server, ""),
        }

    def servers(self, name: str) -> tuple[str, ...]:
        """Return the servers of the upstream *name*, none if it is not ours (any more)."""
        upstream = self._upstream(name)
        return upstream.servers if upstream else ()

    def _upstream(self, name: str) -> Upstream | None:
        owner = self._owners.get(f"upstream {name}")
        rendered = self._rendered.get(owner) if owner else None
        return rendered.upstreams.get(name) if rendered else None

    def delete(self, ref: ObjectRef) -> None:
        """Forget a resource and its Files."""
        self._release(ref)
        self._rendered.pop(ref, None)
        self._whole = None

    def share(self, replicas: int, refs: Iterable[ObjectRef]) -> None:
        """Generate *refs* again, whose rate limits are shared among *replicas* controllers."""
        self._env = structs.replace(self._env, replicas=replicas)
        for ref in refs:
            if resolved := self.resolved(ref):
                self.add_or_update(ref, resolved)

    def change(self, env: Environment, renderer: Renderer) -> None:
        """Generate every resource again, under another ConfigMap or with other templates.

        Raises:
            BadTemplate: a template fails; everything is as it was before.
        """
        before = self._env, self._renderer, dict(self._rendered), dict(self._owners)
        self._env, self._renderer, self._whole = env, renderer, None
        try:
            for ref in sorted(self._rendered):
                self._regenerate(ref, self._rendered[ref].resolved)
            self._whole = self._merged()
        except BadTemplate:
            self._env, self._renderer, self._rendered, self._owners = before
            raise

    def set_special(self, files: Iterable[File]) -> None:
        """Take the certificates that flags name."""
        self._special = {file.name: file for file in files}
        self._whole = None

    def files(self) -> FileSet:
        """Merge everything into what nginx is to have; the same object as long as nothing changed."""
        if self._whole is None:
            self._whole = self._merged()
        return self._whole

    def _merged(self) -> FileSet:
        whole: dict[str, File] = {}
        for rendered in self._rendered.values():
            for file in (*rendered.resolved.files, *rendered.files):
                whole[file.name] = file
        whole.setdefault(DEFAULT_SERVER, self._renderer.http(translate_default_server(self._env)))
        whole |= self._special
        for file in (self._main(), self._certificates(), *self._parameters()):
            whole[file.name] = file
        return FileSet(whole.values())

    def _main(self) -> File:
        hosts = [host for rendered in self._rendered.values() for host in rendered.hosts]
        longest = max(map(len, hosts), default=1)
        return self._renderer.main(translate_main(self._env, names=len(hosts), longest=longest))

    def _certificates(self) -> File:
        """Render the certificate map, unless it is the one that stands."""
        entries = frozenset(entry for rendered in self._rendered.values() for entry in rendered.certificates)
        default = self._env.default_certificate and self._env.default_certificate.removeprefix("secrets/")
        if self._map and self._map[:3] == (entries, default, self._renderer):
            return self._map[3]
        ordered = sorted(entries, key=lambda entry: (str(entry.name), entry.file))
        file = self._renderer.certificates(CERTIFICATES, ordered, default)
        self._map = entries, default, self._renderer, file
        return file

    def _parameters(self) -> Iterable[File]:
        """Yield the file of Diffie-Hellman parameters, if the ConfigMap has some."""
        if text := self._env.params.tls.ssl_dhparam:
            yield File("secrets/dhparam.pem", text.encode(), mode=0o600, protected=True)

    def _generate(self, ref: ObjectRef, resolved: Resolved) -> Rendered:
        began = time.perf_counter()
        translated, suffix = translate_ingress(resolved.ex, self._env), ""
        if any(name in self._owners for name in _claims(translated)):
            suffix = salt(ref)
            translated = translate_ingress(resolved.ex, self._env, suffix)
        servers = [server for config in translated.configs for server in config.servers]
        done = time.perf_counter()
        files = tuple(self._file(ref, config) for config in translated.configs if _says_anything(config))
        self.spent["translate"] += done - began
        self.spent["render"] += time.perf_counter() - done
        return Rendered(
            resolved=resolved,
            files=files,
            certificates=translated.certificates,
            hosts=tuple(str(server.name) for server in servers),
            upstreams={upstream.name: upstream for config in translated.configs for upstream in config.upstreams},
            claims=_claims(translated),
            problems=translated.problems,
            salt=suffix,
        )

    def _file(self, ref: ObjectRef, config: HttpConfig) -> File:
        """Render a file, keeping the old object where the text is the same, so that comparing it costs nothing."""
        file = self._renderer.http(config)
        old = self._rendered.get(ref)
        return next((kept for kept in (old.files if old else ()) if kept == file), file)

    def _keep(self, ref: ObjectRef, resolved: Resolved, reason: str) -> None:
        """Leave a resource with the Files it had, and say why."""
        old = self._rendered.get(ref)
        effect = "its last good configuration stays" if old and old.files else "it is not served"
        severity = Severity.WARNING if old and old.files else Severity.ERROR
        problem = Problem(ref, "", "", reason, effect, severity)
        self._store(ref, structs.replace(old or Rendered(resolved=resolved), problems=(problem,)))

    def _release(self, ref: ObjectRef) -> None:
        rendered = self._rendered.get(ref)
        for name in rendered.claims if rendered else ():
            if self._owners.get(name) == ref:
                del self._owners[name]

    def _store(self, ref: ObjectRef, rendered: Rendered | None) -> None:
        if rendered is None:
            return
        self._whole = None
        self._rendered[ref] = rendered
        self._owners.update(dict.fromkeys(rendered.claims, ref))


def _claims(translated: Translated) -> frozenset[str]:
    """Return the names that no other resource may have; the default server's file is arbitrated as a host."""
    names = frozenset(name for config in translated.configs for name in config.names)
    return names - {f"file {DEFAULT_SERVER}"}


def _says_anything(config: HttpConfig) -> bool:
    return bool(config.servers or config.upstreams or config.zones)
