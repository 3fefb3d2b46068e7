"""What Policies ask of requests and responses, once it is known to be valid and everything that it needs is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from headgate.problems import ObjectRef
from headgate.routes.backends import Backend, SecretReference
from headgate.settings import Header, Quoted

FEATURES = (
    "access", "limits", "connections", "passwords", "api_keys", "jwt", "external_auth", "client_certificates",
    "backend_tls", "cors", "cache", "hsts", "mirror", "oidc",
)  # fmt: skip
"""The fields of ``Policies`` that follow from Policies; one of an object goes before that of the host."""


class AccessControl(msgspec.Struct, frozen=True, gc=False):
    """Clients by address: those in *allow* only, or if that is empty all but those in *deny*.

    With *denies_first*, those in *deny* are kept out even if they are in *allow*.
    """

    policies: tuple[ObjectRef, ...]
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    denies_first: bool = False


class LimitCondition(msgspec.Struct, frozen=True, gc=False):
    """That *variable* matches *value*, as nginx's ``map`` compares; *default* is for what matches no other limit.

    With a *claim*, the names of a claim of the token and of what is within it, *variable* stands for that.
    """

    variable: str
    value: str
    default: bool = False
    claim: tuple[str, ...] = ()


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many requests with the same *key* are accepted; see ``limit_req`` of nginx.

    Attributes:
        scale: whether the rate is divided among the replicas.
        part: tells several limits of one object apart.
        condition: which requests are counted; ``None`` counts all.
        exempt: clients, by address, whose requests are not counted.
    """

    policy: ObjectRef
    key: str
    rate: str
    size: str
    burst: int = 0
    delay: int = 0
    no_delay: bool = False
    dry_run: bool = False
    log_level: str = "error"
    status: int = 503
    scale: bool = False
    part: str = ""
    condition: LimitCondition | None = None
    exempt: tuple[str, ...] = ()


class ConnectionLimit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many connections with the same *key* there may be; see ``limit_conn`` of nginx.

    Connections of *exempt* clients, by address, are not counted.
    """

    policy: ObjectRef
    key: str
    most: int
    size: str
    exempt: tuple[str, ...] = ()
    status: int = 503


class Passwords(msgspec.Struct, frozen=True, gc=False):
    """Clients give a name and a password (RFC 7617) that *secret* holds."""

    policy: ObjectRef
    realm: Quoted
    secret: SecretReference


class ApiKeys(msgspec.Struct, frozen=True, gc=False):
    """Clients send a key of *secret* in one of *headers*, or in an argument of *query*."""

    policy: ObjectRef
    secret: SecretReference
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


class Jwt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Clients send a JSON Web Token (RFC 7519); workers receive the keys that verify it at run time.

    Attributes:
        policy: the Policy, or the Ingress whose annotations ask for it.
        realm: the realm in the response to clients without one.
        token: the variable that holds it (``$cookie_session``), empty for the header Authorization.
        issuer: what ``iss`` must be, empty for anything; *audience* what ``aud`` must have one of.
        leeway: seconds by which clocks may differ.
        login_url: where clients are sent instead of 401, empty for nowhere.
        keys: where the keys come from, in words.
    """

    policy: ObjectRef
    realm: str
    token: str = ""
    issuer: str = ""
    audience: tuple[str, ...] = ()
    leeway: float = 0.0
    login_url: str = ""
    keys: str = ""

    @property
    def name(self) -> str:
        """The name under which workers know it."""
        return f"{self.policy.kind}/{self.policy.namespace}/{self.policy.name}"


ASKED_URL = "$external_auth_asked_url"
"""The URL that a client asked for, in the text of ``ExternalAuth.signin``; escaped where nginx has Lua."""


ASKED_URI = "$external_auth_asked_uri"
"""The same of its path and query alone."""


class ExternalAuth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A service decides about each request.

    Attributes:
        backend: the service; its ``tls`` says whether TLS is used.
        path: the path that it is asked for.
        signin: where clients are sent that it does not know, empty for nowhere.
        signin_base: the path below which requests go to the service without a decision, empty for none.
        verify: whether its certificate is verified, up to *depth*; ``authority`` is the Secret that it is held against,
            ``None`` for the authorities of the system.
        server_name: the server name of TLS.
        snippet: configuration beside the request to it.
        host: the Host that it is asked for.
        passed: headers of its answer that backends get; the variable of each is that of ``answered``.
        headers: headers that it gets, in place of others of the same name.
        method: the method of the request to it, empty for GET.
        cookies: whether clients get its cookies: ``""`` for not, ``some`` with successes and redirects, ``always``.
        cache_key: text by which its answers are remembered, empty if they are not; *cache_valid* says for how long.
        keepalive: connections to it that each worker keeps, ``None`` for the usual.
        keepalive_requests: requests on one of these, and *keepalive_timeout* seconds without one; ``None`` as usual.
    """

    policy: ObjectRef
    backend: Backend
    path: str
    signin: str = ""
    signin_base: str = ""
    verify: bool = False
    depth: int = 1
    authority: SecretReference | None = None
    server_name: str = ""
    snippet: str = ""
    host: str = "$host"
    passed: tuple[str, ...] = ()
    headers: tuple[Header, ...] = ()
    method: str = ""
    cookies: str = ""
    cache_key: str = ""
    cache_valid: tuple[tuple[str, ...], ...] = ()
    keepalive: int | None = None
    keepalive_requests: int | None = None
    keepalive_timeout: int | None = None

    def __hash__(self) -> int:
        return hash(self.policy)

    @staticmethod
    def answered(header: str) -> str:
        """Return the variable that holds *header* of the answer of the service."""
        return f"$external_auth_{header.lower().replace('-', '_')}"


class ClientCertificates(msgspec.Struct, frozen=True, gc=False):
    """Clients show a certificate.

    Attributes:
        authority: the Secret with the authorities that sign them.
        verify: ``on``, ``off``, ``optional`` or ``optional_no_ca``.
        depth: the longest chain.
        revocations: the file with revocation lists, relative to the configuration directory; empty for none.
        subject: the regular expression that the subject of the certificate must match, empty for any.
        page: the URL to which clients are sent without a valid certificate, empty for none.
    """

    policy: ObjectRef
    authority: SecretReference
    verify: str = "on"
    depth: int = 1
    revocations: str = ""
    subject: str = ""
    page: str = ""


class BackendTls(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How TLS to backends is spoken: with which *certificate*, held against which *authority*."""

    policy: ObjectRef
    certificate: SecretReference | None = None
    authority: SecretReference | None = None
    verify: bool = False
    depth: int = 1
    protocols: str = "TLSv1 TLSv1.1 TLSv1.2"
    ciphers: str = "DEFAULT"
    session_reuse: bool = True
    send_name: bool = False
    name: str = "$proxy_host"


class Oidc(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Clients log in with OpenID Connect (authorization code flow with PKCE).

    Attributes:
        issuer: as ID tokens name it, empty if it is not known; endpoints that are empty are read from its
            configuration.
        client: the client ID; *secret* the Secret with what it proves itself by, ``None`` for a public client.
        scopes: what is asked for.
        arguments: the query that is added to the authorization request.
        path: where logins begin and end (``redirectURI``); *left* where clients come after a logout.
        passes: whether endpoints get the access token.
        verify: whether the certificate of the provider is verified; ``authority`` is the Secret that it is held
            against, ``None`` for the authorities of the system.
    """

    policy: ObjectRef
    issuer: str = ""
    authorization: str = ""
    token: str = ""
    keys: str = ""
    end_session: str = ""
    client: str
    secret: SecretReference | None = None
    scopes: tuple[str, ...] = ("openid",)
    arguments: str = ""
    path: str = "/_codexch"
    left: str = "/_logout"
    passes: bool = False
    verify: bool = False
    authority: SecretReference | None = None

    def __hash__(self) -> int:
        return hash(self.policy)

    @property
    def identity(self) -> str:
        """Name whose sessions are sealed: those of another client, provider or Policy are others."""
        told = (self.policy.namespace, self.policy.name, self.issuer, self.authorization, self.token, self.keys,
                self.client, *self.scopes)  # fmt: skip
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


class Cors(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Pages of other origins may ask (Fetch standard).

    *matched*: the origin is named to requests of it alone, also where there is only one; else to all.
    """

    policy: ObjectRef
    origins: tuple[str, ...]
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int | None = None
    matched: bool = False


class Cache(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Responses are stored; the fields are those of the Policy, in nginx's spelling."""

    policy: ObjectRef
    zone: str
    size: str
    path_parameters: tuple[str, ...] = ()
    key: str = ""
    valid: tuple[tuple[str, ...], ...] = ()
    methods: tuple[str, ...] = ()
    min_uses: int = 0
    use_stale: tuple[str, ...] = ()
    background_update: bool = False
    revalidate: bool = False
    override: bool = False
    lock: bool = False
    lock_timeout: str = ""
    lock_age: str = ""
    no_cache: tuple[str, ...] = ()
    bypass: tuple[str, ...] = ()


class Hsts(msgspec.Struct, frozen=True, gc=False):
    """Browsers use HTTPS only (RFC 6797)."""

    policy: ObjectRef
    max_age: int
    include_subdomains: bool = False
    preload: bool = False
    behind_proxy: bool = False


class Mirror(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Requests are sent to another service, too, whose answers count for nothing.

    Attributes:
        backend: the service.
        path: what it is asked for, in which variables may stand.
        host: the Host that it is asked for.
        body: whether it gets bodies.
    """

    policy: ObjectRef
    backend: Backend
    path: str
    host: str
    body: bool = True

    def __hash__(self) -> int:
        return hash(self.policy)


class Policies(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Access control, authentication, rate limits, caching and headers.

    Attributes:
        basic_auth: the Secret with the passwords that an annotation names, ``None`` where none is asked for.
        any_lets_in: whether one of access, passwords and external_auth is enough; else all must let a client in.
        refused: why every request is answered 500: a Policy cannot be used; empty if all can.
    """

    basic_auth: SecretReference | None = None
    refused: str = ""
    access: AccessControl | None = None
    any_lets_in: bool = False
    limits: tuple[RateLimit, ...] = ()
    connections: ConnectionLimit | None = None
    passwords: Passwords | None = None
    api_keys: ApiKeys | None = None
    jwt: Jwt | None = None
    external_auth: ExternalAuth | None = None
    client_certificates: ClientCertificates | None = None
    backend_tls: BackendTls | None = None
    cors: Cors | None = None
    cache: Cache | None = None
    hsts: Hsts | None = None
    mirror: Mirror | None = None
    oidc: Oidc | None = None

    def over(self, below: Policies) -> Policies:
        """Return these over those of the host: each that is not here is that of *below*."""
        inherited = {name: getattr(below, name) for name in FEATURES if not getattr(self, name)}
        return msgspec.structs.replace(self, **inherited, refused=self.refused or below.refused)

    @property
    def texts(self) -> Iterator[str]:
        """The texts of users that may read variables."""
        for limit in self.limits:
            yield limit.key
            yield limit.condition.variable if limit.condition and not limit.condition.claim else ""
        if self.cache:
            yield from (self.cache.key, *self.cache.no_cache, *self.cache.bypass)
        if self.external_auth:
            yield self.external_auth.signin
        if self.mirror:
            yield from (self.mirror.path, self.mirror.host)

    @property
    def keeps_out(self) -> bool:
        """Whether some clients are kept out, however seldom they ask."""
        return bool(
            self.access
            or self.passwords
            or self.api_keys
            or self.jwt
            or self.external_auth
            or self.oidc
            or self.client_certificates
            or self.basic_auth
        )

    @property
    def guards(self) -> bool:
        """Whether requests may be turned away after their location was found."""
        counted = self.limits or self.connections
        own = self.passwords or self.api_keys or self.jwt or self.external_auth or self.oidc
        return bool(self.access or counted or own)
