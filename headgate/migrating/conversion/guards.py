"""What Ingresses ask of clients and responses becomes Policies: one row for each field of ``routes.Policies``."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.api import Secret, Service
from headgate.migrating.conversion import carried
from headgate.migrating.conversion.outcome import CLOSED_SUFFIX, Document, Loss, Note, custom
from headgate.problems import ObjectRef
from headgate.routes import Backend, Layers, Policies, VirtualHost
from headgate.routes.policies import AccessControl, BackendTls, ClientCertificates, Cors, ExternalAuth, Hsts, RateLimit
from headgate.validation.policy import is_forbidden

EVERYBODY: Final = ("0.0.0.0/0", "::/0")
NO_POLICY: Final = "has no Policy; requests are answered 403"
MAKE_IT: Final = (
    "needs a Secret of type {} called {}, which is not made here; requests are answered 403 or 500 until there is"
)
NO_FASTCGI: Final = "is FCGI, which has no equal; requests are answered 403"
AS_HTTP: Final = "is AUTO_HTTP, which has no equal; it is asked over HTTP, also for clients with HTTPS"
_SERVICE = re.compile(r"(?P<name>[a-z0-9-]+)(?:\.(?P<namespace>[a-z0-9-]+)(?P<suffix>\.svc(?:\.cluster\.local)?)?)?\.?")
CLIENTS: Final = ("access", "limits", "connections", "passwords", "external_auth")
"""Fields that keep clients out, and belong to routes."""


class Written(msgspec.Struct, frozen=True):
    """A Policy: its type with the fields, and what was not carried over; without *spec* there is none."""

    spec: tuple[str, Mapping[str, Any]] | None
    notes: tuple[Note, ...] = ()
    secrets: tuple[Document, ...] = ()


class Guards:
    """Writes the Policies of one object, each once."""

    def __init__(self, secrets: Mapping[ObjectRef, Secret], services: Container[ObjectRef], class_name: str) -> None:
        """Write for the class *class_name*; Secrets whose form differs are copied from *secrets*.

        A name of two parts is that of a Service only if this is among *services*; else it is that of a host.
        """
        self._secrets = secrets
        self._services = services
        self._class = class_name
        self.documents: dict[tuple[str, str, str], Document] = {}
        self.notes: list[Note] = []

    def of_route(self, origin: ObjectRef, found: Policies, served: Sequence[str]) -> list[dict[str, str]]:
        """Return references to the Policies of a route of *origin*; of *found*, only the fields *served*."""
        names = []
        refused = found.refused
        for field in ("access", "external_auth", "passwords", "cors", "backend_tls"):
            value = getattr(found, field)
            if value is None or field not in served:
                continue
            written = _WRITERS[field](self, origin, value)
            names += self._put(origin, field, written)
        for i, limit in enumerate(found.limits if "limits" in served else ()):
            names += self._put(origin, f"limit{limit.part.replace('_', '-') or i}", _limit(origin, limit))
        if found.connections and "connections" in served:
            self.note(origin, "limit-connections", NO_POLICY, Loss.CLOSED)
        if found.any_lets_in:
            self.note(origin, "satisfy", "any has no equal; all checks must let a client in", Loss.DIFFERS)
        if found.mirror:
            self.note(origin, "mirror-target", "has no equal; no copies are sent", Loss.LOST)
        if refused:
            self.note(origin, "its guard", f"cannot be used: {refused}; requests are answered 403", Loss.CLOSED)
        return self._closed(origin, names)

    def of_host(self, origin: ObjectRef, found: Policies, *, secure: bool) -> list[dict[str, str]]:
        """Return references to the Policies of a whole host."""
        names = []
        if found.client_certificates:
            names += self._put(origin, "client-certificates", self._certificates(origin, found.client_certificates))
        if found.hsts and secure:
            names += self._put(origin, "hsts", Written(("hsts", _hsts(found.hsts))))
        return self._closed(origin, names)

    def note_order(self, host: VirtualHost, owners: Iterable[ObjectRef]) -> None:
        """Note that regular expressions of *owners* are not tried in the order of ingress-nginx, the longest first.

        Where one of them keeps clients out, another one could answer in its place.
        """
        closes = any(_keeps_out(route.policies) for route in host.routes)
        for owner in owners:
            loss = Loss.CLOSED if closes else Loss.LOST
            why = f"of {host.name} and those of other Ingresses are tried in another order"
            self.note(owner, "regular expressions", f"{why}{'; requests are answered 403' if closes else ''}", loss)

    def note_backends(self, origin: ObjectRef, settings: Layers, backends: Iterable[Backend]) -> None:
        """Note how *backends* of a route of *origin* are asked that have no equal, before its Policies are written."""
        for backend in backends:
            if backend.fastcgi:
                self.note(origin, "backend-protocol", f"of Service {backend.service} {NO_FASTCGI}", Loss.CLOSED)
            elif backend.as_client:
                self.note(origin, "backend-protocol", f"of Service {backend.service} {AS_HTTP}", Loss.DIFFERS)
        if carried.hashes_to_subset(settings, origin):
            self.note(origin, "upstream-hash-by-subset", "has no equal; a hash leads to one endpoint", Loss.DIFFERS)

    def note_certificate(self, host: VirtualHost) -> None:
        """Note that the certificate of *host* cannot be used."""
        if host.tls and host.tls.named and (host.tls.secret is None or host.tls.secret.error):
            why = "cannot be used; HTTPS is refused, and not answered with the default certificate"
            self.note(host.origin, f"Secret {host.tls.named}", why, Loss.DIFFERS)

    def note(self, origin: ObjectRef, what: str, why: str, loss: Loss) -> None:
        """Remember what was not carried over, once."""
        note = Note(origin, what, why, loss.value)
        if note not in self.notes:
            self.notes.append(note)

    def closed(self, origin: ObjectRef) -> bool:
        """Whether *origin* has a guard that was not carried over."""
        return any(note.origin == origin and note.loss == Loss.CLOSED.value for note in self.notes)

    def _closed(self, origin: ObjectRef, names: list[str]) -> list[dict[str, str]]:
        if self.closed(origin):
            spec = ("accessControl", {"deny": list(EVERYBODY)})
            names = self._put(origin, CLOSED_SUFFIX, Written(spec))
        return [{"name": name} for name in names]

    def _put(self, origin: ObjectRef, part: str, written: Written) -> list[str]:
        for note in written.notes:
            if note not in self.notes:
                self.notes.append(note)
        if written.spec is None:
            return []
        for secret in written.secrets:
            self.documents[secret.ref] = secret
        kind, fields = written.spec
        name = f"{origin.name}-{part.replace('_', '-')}"
        spec = {"ingressClassName": self._class, kind: fields}
        document = Document(custom("Policy", origin.namespace, name, spec))
        self.documents[document.ref] = document
        return [name]

    # --- the writers --------------------------------------------------------------------------------------

    def _passwords(self, origin: ObjectRef, found: Any) -> Written:
        name, notes, made = self.password_secret(origin, found.secret.ref)
        fields = {"secret": name} | ({"realm": str(found.realm)} if found.realm else {})
        return Written(("basicAuth", fields), notes, made)

    def password_secret(self, origin: ObjectRef, ref: ObjectRef) -> tuple[str, tuple[Note, ...], tuple[Document, ...]]:
        """Return the name of a Secret with the passwords of *ref* in the other form, and it if *ref* is there."""
        name, kind = f"{ref.name}-htpasswd", "nginx.org/htpasswd"
        secret = self._secrets.get(ref)
        if secret is None:
            why = MAKE_IT.format(f"{kind} with the key htpasswd", name)
            return name, (Note(origin, "auth-secret", why, Loss.CLOSED.value),), ()
        users = (user.encode() + b":" + (secret.value(user) or b"") for user in _keys(secret))
        lines = secret.value("auth") or b"".join(line + b"\n" for line in users)
        return name, (), (_secret(ref.namespace, name, kind, {"htpasswd": lines}),)

    def add_password_secret(self, origin: ObjectRef, ref: ObjectRef) -> str:
        """Write the Secret with the passwords of *ref*, if it is there; return its name."""
        name, notes, made = self.password_secret(origin, ref)
        for note in notes:
            self.note(origin, note.what, note.why, Loss(note.loss))
        self.documents.update({document.ref: document for document in made})
        return name

    def _authority(
        self, origin: ObjectRef, ref: ObjectRef, what: str
    ) -> tuple[str, tuple[Note, ...], tuple[Document, ...]]:
        name, kind = f"{ref.name}-ca", "nginx.org/ca"
        secret = self._secrets.get(ref)
        if secret is None:
            why = MAKE_IT.format(f"{kind} with the key ca.crt", name)
            return name, (Note(origin, what, why, Loss.CLOSED.value),), ()
        data = {key: secret.value(key) or b"" for key in _keys(secret) if key in {"ca.crt", "ca.crl"}}
        return name, (), (_secret(ref.namespace, name, kind, data),)

    def _certificates(self, origin: ObjectRef, found: ClientCertificates) -> Written:
        name, notes, made = self._authority(found.policy, found.authority.ref, "auth-tls-secret")
        if found.subject:
            notes += (Note(found.policy, "auth-tls-match-cn", NO_POLICY, Loss.CLOSED.value),)
        if found.page:
            why = "has no equal; clients without a certificate are answered 400"
            notes += (Note(found.policy, "auth-tls-error-page", why, Loss.LOST.value),)
        fields = {"clientCertSecret": name, "verifyClient": found.verify, "verifyDepth": found.depth}
        if any(note.loss == Loss.CLOSED.value for note in notes) and origin != found.policy:
            notes += tuple(msgspec.structs.replace(note, origin=origin) for note in notes)
        return Written(("ingressMTLS", fields), notes, made)

    def _backend_tls(self, origin: ObjectRef, found: BackendTls) -> Written:
        fields: dict[str, Any] = {
            "verifyServer": found.verify, "verifyDepth": found.depth, "protocols": found.protocols,
            "ciphers": str(found.ciphers), "sessionReuse": found.session_reuse, "serverName": found.send_name,
        }  # fmt: skip
        notes: tuple[Note, ...] = ()
        made: tuple[Document, ...] = ()
        if found.name != "$proxy_host":
            fields["sslName"] = found.name
        if found.certificate:
            fields["tlsSecret"] = found.certificate.ref.name
            source = self._secrets.get(found.certificate.ref)
            if source is not None and source.type != "kubernetes.io/tls":
                why = f"names Secret {found.certificate.ref.name} of another type than kubernetes.io/tls; requests are"
                notes += (Note(origin, "proxy-ssl-secret", f"{why} answered 403", Loss.CLOSED.value),)
        if found.authority:
            name, more, made = self._authority(origin, found.authority.ref, "proxy-ssl-secret")
            fields["trustedCertSecret"] = name
            notes += more
        return Written(("egressMTLS", fields), notes, made)

    def _service(self, origin: ObjectRef, host: str) -> str:
        """Return the Service that *host* is the name of, as ``[namespace/]name``; empty if it is none."""
        match = _SERVICE.fullmatch(host)
        if match is None:
            return ""
        name, namespace = match["name"], match["namespace"] or origin.namespace
        known = match["suffix"] or Service.KIND.ref(namespace, name) in self._services
        return (f"{namespace}/{name}" if match["namespace"] else name) if known else ""

    def _external_auth(self, origin: ObjectRef, found: ExternalAuth) -> Written:
        service = self._service(origin, found.backend.service)
        if not service:
            why = f"names {found.backend.service}, which is no Service of the cluster; requests are answered 403"
            return Written(None, (Note(origin, "auth-url", why, Loss.CLOSED.value),))
        lost = {
            "auth-method": found.method, "auth-cache-key": found.cache_key, "auth-signin": found.signin,
            "auth-response-headers": found.passed, "auth-request-redirect": _told(found),
        }  # fmt: skip
        why = "has no equal in a Policy"
        notes = [
            Note(origin, name, f"{why}; {LOST_AUTH[name]}", Loss.LOST.value) for name, used in lost.items() if used
        ]
        notes.append(Note(origin, "auth-url", "is asked with the Host of the client", Loss.DIFFERS.value))
        fields: dict[str, Any] = {
            "authURI": found.path, "authServiceName": service, "authServicePorts": [int(found.backend.port)],
        }  # fmt: skip
        if found.backend.tls:
            fields |= {"sslEnabled": True, "sniName": found.server_name}
        if found.snippet:
            fields["authSnippets"] = found.snippet
        return Written(("externalAuth", fields), tuple(notes))


def _keeps_out(found: Policies) -> bool:
    return bool(found.keeps_out or found.guards or found.refused)


LOST_AUTH: Final = {
    "auth-method": "the service is asked with GET",
    "auth-cache-key": "the service is asked each time",
    "auth-signin": "clients without a session are answered 401",
    "auth-response-headers": "these headers are removed from requests",
    "auth-request-redirect": "the service is not sent X-Auth-Request-Redirect",
}


def _told(found: ExternalAuth) -> bool:
    return any(header.name == "X-Auth-Request-Redirect" for header in found.headers)


def _access(_: Guards, _origin: ObjectRef, found: AccessControl) -> Written:
    """Return the lists as one: a Policy has those that are allowed, or those that are denied."""
    if not found.allow:
        return Written(("accessControl", {"deny": list(found.deny)}))
    allowed = list(_without(found.allow, found.deny))
    return Written(("accessControl", {"allow": allowed} if allowed else {"deny": list(EVERYBODY)}))


def _without(allow: Sequence[str], deny: Sequence[str]) -> Iterator[str]:
    left = [ipaddress.ip_network(each, strict=False) for each in allow]
    for each in deny:
        denied = ipaddress.ip_network(each, strict=False)
        left = [part for network in left for part in _apart(network, denied)]
    yield from map(str, left)


def _apart(network: Any, denied: Any) -> Iterator[Any]:
    if network.version != denied.version or not network.overlaps(denied):
        yield network
    elif denied.prefixlen > network.prefixlen:
        yield from network.address_exclude(denied)


def _cors(_: Guards, origin: ObjectRef, found: Cors) -> Written:
    headers = [each for each in found.headers if not is_forbidden(each)]
    wild = found.credentials and "*" in found.origins
    methods = [each for each in found.methods if not _doubled(each, found)]
    fields: dict[str, Any] = {
        "allowOrigin": list(found.origins), "allowMethods": methods, "allowHeaders": headers,
        "exposeHeaders": list(found.exposed), "allowCredentials": found.credentials and not wild,
        "maxAge": found.max_age,
    }  # fmt: skip
    notes = []
    if len(headers) < len(found.headers):
        why = "is without headers that pages cannot set anyway"
        notes.append(Note(origin, "cors-allow-headers", why, Loss.DIFFERS.value))
    if wild:
        why = "is false, because browsers refuse it with the origin *"
        notes.append(Note(origin, "cors-allow-credentials", why, Loss.DIFFERS.value))
    return Written(("cors", {name: value for name, value in fields.items() if value not in ([], None)}), tuple(notes))


def _doubled(method: str, found: Cors) -> bool:
    return method == "HEAD" and "GET" in found.methods


def _limit(origin: ObjectRef, found: RateLimit) -> Written:
    notes: tuple[Note, ...] = ()
    if found.exempt:
        notes = (Note(origin, "limit-allowlist", "has no equal; these clients are limited, too", Loss.DIFFERS.value),)
    return Written(("rateLimit", limit_fields(found)), notes)


def limit_fields(found: RateLimit) -> dict[str, Any]:
    """Return the fields of a limit, in the spelling of a Policy."""
    return {
        "rate": found.rate, "key": re.sub(r"\$(\w+)", r"${\1}", found.key), "zoneSize": found.size,
        "burst": found.burst, "noDelay": found.no_delay, "rejectCode": found.status,
    }  # fmt: skip


def _hsts(found: Hsts) -> dict[str, Any]:
    return {"maxAge": found.max_age, "includeSubDomains": found.include_subdomains, "preload": found.preload}


def _secret(namespace: str, name: str, kind: str, data: Mapping[str, bytes]) -> Document:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return Document({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": encoded})


def _keys(secret: Secret) -> list[str]:
    return sorted({*(secret.data or {}), *(secret.string_data or {})})


_WRITERS: Mapping[str, Callable[[Guards, ObjectRef, Any], Written]] = {
    "access": _access,
    "external_auth": Guards._external_auth,  # noqa: SLF001 - of this module
    "passwords": Guards._passwords,  # noqa: SLF001
    "cors": _cors,
    "backend_tls": Guards._backend_tls,  # noqa: SLF001
}
