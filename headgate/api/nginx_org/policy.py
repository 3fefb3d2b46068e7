"""k8s.nginx.org/v1: Policy."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from headgate.api.base import Kind, Model, TopLevel
from headgate.api.nginx_org.fields import Field, Form, OneOf, Range, Shape
from headgate.api.nginx_org.upstreams import COUNT, PORT
from headgate.api.nginx_org.virtualserver import GROUP, Conditions

MORE: Final = Range(1)
IN_RATE_KEY: Final = (
    "binary_remote_addr", "request_uri", "uri", "args", "request_method", "arg_*", "http_*", "cookie_*", "jwt_claim_*",
    "apikey_auth_token", "apikey_client_name",
)  # fmt: skip
WORD: Final = Shape(r"[^\s\"']*", "a word without spaces and quotes")
SHORT_TIME: Final = Shape(r"[0-9]+[smhd]", "a number with s, m, h or d")
MANAGER_TIME: Final = Shape(r"[0-9]+[mu]?s", "a number with s, ms or us")
SNI: Final = Shape(
    r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*", "the name of a server"
)
ZONE_SIZE: Final = Shape(r"[0-9]+[kmgKMG]", "a number with k, m or g")
USE_STALE: Final = OneOf(
    ("error", "timeout", "invalid_header", "updating", "http_500", "http_502", "http_503", "http_504", "http_403",
     "http_404", "http_429")
)  # fmt: skip


def _rules(*rules: str) -> tuple[tuple[str, object], ...]:
    """Return CEL rules for a schema."""
    return (("x-kubernetes-validations", tuple({"rule": rule} for rule in rules)),)


class AccessControl(Model):
    """Clients by address: exactly one of the two."""

    allow: Annotated[tuple[str, ...] | None, Field(Form.ADDRESS, "Clients that are allowed; all others get 403.")] = (
        None
    )
    deny: Annotated[tuple[str, ...] | None, Field(Form.ADDRESS, "Clients that get 403; all others are allowed.")] = None


class JWTCondition(Model):
    """A claim of a token."""

    claim: Annotated[
        str,
        Field(Shape(r"[^$\s\"']*", "a claim"), "The claim; a dot separates the names of nested claims.", required=True),
    ] = ""
    match: Annotated[str, Field(Shape(r"[^$\s.\"']*", "a value"), "Its value.", required=True)] = ""


class VariableCondition(Model):
    """A variable and its value."""

    name: Annotated[str, Field(WORD, "The variable.", required=True)] = ""
    match: Annotated[str, Field(WORD, "Its value.", required=True)] = ""


class RateLimitCondition(Model):
    """Which requests a limit is for: exactly one of jwt and variables."""

    jwt: Annotated[JWTCondition | None, Field(None, "A claim of the token.")] = None
    variables: Annotated[
        tuple[VariableCondition, ...] | None, Field(None, "A variable.", schema=(("maxItems", 1),))
    ] = None
    default: Annotated[
        bool, Field(None, "Whether the limit applies to requests that match no other condition of the group.")
    ] = False


class RateLimit(Model):
    """Limits the rate of requests."""

    rate: Annotated[str, Field(Form.RATE, "The rate.", required=True)] = ""
    key: Annotated[
        str,
        Field(
            Form.TEXT,
            "Key by which requests are counted, such as ${binary_remote_addr}.",
            required=True,
            variables=IN_RATE_KEY,
        ),
    ] = ""
    zone_size: Annotated[str, Field(Form.ZONE, "Memory for the counters.", required=True)] = ""
    burst: Annotated[int | None, Field(MORE, "Number of requests above the rate that are accepted.")] = None
    delay: Annotated[int | None, Field(MORE, "Number of requests above the rate that are not delayed.")] = None
    no_delay: Annotated[bool | None, Field(None, "Whether requests above the rate are not delayed.")] = None
    dry_run: Annotated[bool | None, Field(None, "Whether requests are counted without being limited.")] = None
    log_level: Annotated[
        str | None,
        Field(OneOf(("info", "notice", "warn", "error")), "Log level of rejected requests.", default="error"),
    ] = None
    reject_code: Annotated[int | None, Field(Range(400, 599), "Status code of rejected requests.", default="503")] = (
        None
    )
    scale: Annotated[bool, Field(None, "Whether the rate is divided by the number of ready replicas.")] = False
    condition: Annotated[RateLimitCondition | None, Field(None, "Requests to which the limit applies.")] = None


class BasicAuth(Model):
    """Clients authenticate with a user name and a password (HTTP Basic)."""

    realm: Annotated[str | None, Field(Form.PLAIN, "Realm of the authentication.")] = None
    secret: Annotated[str, Field(Form.NAME, "Secret of type nginx.org/htpasswd.", required=True)] = ""


class IngressMTLS(Model):
    """Clients authenticate with a certificate."""

    client_cert_secret: Annotated[
        str,
        Field(
            Form.NAME, "Secret of type nginx.org/ca with the authorities that sign client certificates.", required=True
        ),
    ] = ""
    crl_file_name: Annotated[
        str | None, Field(Shape(r"[A-Za-z0-9_.-]+", "a file name"), "File with a revocation list, in secrets/.")
    ] = None
    verify_client: Annotated[
        str | None,
        Field(
            OneOf(("on", "off", "optional", "optional_no_ca")), "How the client certificate is verified.", default="on"
        ),
    ] = None
    verify_depth: Annotated[int | None, Field(COUNT, "Maximum length of the certificate chain.", default="1")] = None


class EgressMTLS(Model):
    """TLS to endpoints, with a certificate of the controller."""

    tls_secret: Annotated[
        str | None, Field(Form.NAME, "Secret of type kubernetes.io/tls with the client certificate.")
    ] = None
    verify_server: Annotated[bool, Field(None, "Whether certificates of endpoints are verified.")] = False
    verify_depth: Annotated[int | None, Field(COUNT, "Maximum length of the certificate chain.", default="1")] = None
    trusted_cert_secret: Annotated[
        str | None,
        Field(Form.NAME, "Secret of type nginx.org/ca with the authorities that sign certificates of endpoints."),
    ] = None
    protocols: Annotated[str | None, Field(Form.PLAIN, "TLS protocols.", default="TLSv1 TLSv1.1 TLSv1.2")] = None
    ciphers: Annotated[str | None, Field(Form.CIPHERS, "TLS ciphers.", default="DEFAULT")] = None
    session_reuse: Annotated[bool | None, Field(None, "Whether TLS sessions are reused.", default="true")] = None
    server_name: Annotated[bool, Field(None, "Whether the server name (SNI) is sent.")] = False
    ssl_name: Annotated[str | None, Field(Form.NAME, "The server name.", default="$proxy_host")] = None


class SuppliedIn(Model):
    """Where a client sends its key."""

    header: Annotated[tuple[str, ...] | None, Field(Form.HEADER, "Headers.")] = None
    query: Annotated[tuple[str, ...] | None, Field(Form.COOKIE, "Query parameters.")] = None


class APIKey(Model):
    """Clients authenticate with an API key."""

    supplied_in: Annotated[SuppliedIn | None, Field(None, "Where the key is read from.", required=True)] = None
    client_secret: Annotated[str, Field(Form.NAME, "Secret of type nginx.org/apikey.", required=True)] = ""


class CacheManager(Model):
    """How nginx removes what does not fit any more."""

    files: Annotated[int | None, Field(MORE, "Maximum number of files that are removed in one iteration.")] = None
    sleep: Annotated[str | None, Field(MANAGER_TIME, "Pause between iterations.")] = None
    threshold: Annotated[str | None, Field(MANAGER_TIME, "Maximum duration of an iteration.")] = None


class CacheLock(Model):
    """Only one request at a time populates an entry."""

    enable: Annotated[bool, Field(None, "Whether it is enabled.", schema=(("default", False),))] = False
    timeout: Annotated[str | None, Field(SHORT_TIME, "How long other requests wait for the entry.")] = None
    age: Annotated[str | None, Field(SHORT_TIME, "Time after which another request is passed to the endpoint.")] = None


class CacheConditions(Model):
    """When the cache is not used."""

    no_cache: Annotated[
        tuple[str, ...] | None, Field(Form.TEXT, "The response is not cached if one of these is neither empty nor 0.")
    ] = None
    bypass: Annotated[
        tuple[str, ...] | None,
        Field(Form.TEXT, "The response is not taken from the cache if one of these is neither empty nor 0."),
    ] = None


class Cache(Model):
    """Responses are cached."""

    cache_zone_name: Annotated[
        str,
        Field(Shape(r"[a-z][a-zA-Z0-9_]*[a-zA-Z0-9]|[a-z]", "the name of a zone"), "Name of the zone.", required=True),
    ] = ""
    cache_zone_size: Annotated[str, Field(ZONE_SIZE, "Memory for the keys.", required=True)] = ""
    allowed_codes: Annotated[
        tuple[int | str, ...] | None,
        Field(Range(100, 599), "Status codes of the responses that are cached, or only any."),
    ] = None
    allowed_methods: Annotated[
        tuple[str, ...] | None,
        Field(
            OneOf(("GET", "HEAD", "POST")),
            "Methods of the requests whose responses are cached.",
            schema=(("maxItems", 3),),
        ),
    ] = None
    time: Annotated[str | None, Field(SHORT_TIME, "How long responses are cached if they have no header about it.")] = (
        None
    )
    inactive: Annotated[str | None, Field(SHORT_TIME, "Time after which an entry that was not read is removed.")] = None
    max_size: Annotated[str | None, Field(ZONE_SIZE, "Maximum size of the cache.")] = None
    min_free: Annotated[str | None, Field(ZONE_SIZE, "Minimum free space on the file system.")] = None
    levels: Annotated[
        str | None, Field(Shape(r"[12](?::[12]){0,2}", "levels, such as 1:2"), "Levels of the directory hierarchy.")
    ] = None
    cache_key: Annotated[
        str | None,
        Field(
            Form.TEXT,
            "Key of an entry.",
            default="$scheme$proxy_host$request_uri",
            schema=(("maxLength", 1024),),
        ),
    ] = None
    cache_min_uses: Annotated[int | None, Field(MORE, "Number of requests after which a response is cached.")] = None
    cache_use_stale: Annotated[
        tuple[str, ...] | None, Field(USE_STALE, "When a stale entry is used.", schema=(("maxItems", 11),))
    ] = None
    cache_background_update: Annotated[
        bool, Field(None, "Whether stale entries are updated by background subrequests.")
    ] = False
    cache_revalidate: Annotated[
        bool, Field(None, "Whether expired entries are revalidated by conditional requests.")
    ] = False
    cache_purge_allow: Annotated[
        tuple[str, ...] | None, Field(Form.ADDRESS, "Clients that may purge entries; requires NGINX Plus.")
    ] = None
    override_upstream_cache: Annotated[bool, Field(None, "Whether caching headers of responses are ignored.")] = False
    use_temp_path: Annotated[
        bool, Field(None, "Whether temporary files are written to a separate directory first.")
    ] = False
    manager: Annotated[CacheManager | None, Field(None, "How entries are removed.")] = None
    lock: Annotated[
        CacheLock | None,
        Field(
            None,
            "Only one request at a time populates an entry.",
            schema=_rules("(!has(self.timeout) && !has(self.age)) || self.enable"),
        ),
    ] = None
    conditions: Annotated[CacheConditions | None, Field(None, "When the cache is not used.")] = None


class CORS(Model):
    """Cross-origin requests are allowed (CORS)."""

    allow_origin: Annotated[
        tuple[str, ...] | None,
        Field(
            Shape(r"\*|[a-z][a-z0-9+.-]*://(\*\.)?[A-Za-z0-9._-]+(:[0-9]{1,5})?", "an origin"),
            "Origins: *, scheme://host[:port] or scheme://*.domain.",
            required=True,
            schema=(("minItems", 1),),
        ),
    ] = None
    allow_methods: Annotated[
        tuple[str, ...] | None,
        Field(OneOf(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")), "Methods."),
    ] = None
    allow_headers: Annotated[
        tuple[str, ...] | None, Field(Shape(r"\*|[A-Za-z0-9_-]+", "a header name"), "Headers of requests.")
    ] = None
    expose_headers: Annotated[
        tuple[str, ...] | None,
        Field(Shape(r"\*|[A-Za-z0-9_-]+", "a header name"), "Response headers that scripts can read."),
    ] = None
    allow_credentials: Annotated[bool | None, Field(None, "Whether credentials, such as cookies, are allowed.")] = None
    max_age: Annotated[int | None, Field(COUNT, "Seconds for which browsers cache it.", default="86400")] = None


class HSTS(Model):
    """Browsers use HTTPS only (RFC 6797)."""

    max_age: Annotated[int | None, Field(COUNT, "Seconds for which browsers cache it.", required=True)] = None
    include_sub_domains: Annotated[bool, Field(None, "Whether subdomains are included.")] = False
    preload: Annotated[bool, Field(None, "Whether the host may be in the preload lists of browsers.")] = False
    behind_proxy: Annotated[bool, Field(None, "Whether X-Forwarded-Proto shows that the client uses HTTPS.")] = False


class ExternalAuth(Model, rename="camel"):
    """A service authorizes each request."""

    auth_uri: Annotated[str, Field(Form.PATH, "Path of the authorization request.", required=True)] = msgspec.field(
        default="", name="authURI"
    )
    auth_service_name: Annotated[str, Field(Form.SERVICE, "The Service.", required=True)] = ""
    auth_service_ports: Annotated[
        tuple[int, ...] | None, Field(PORT, "Its port; the first is used.", default="443 with sslEnabled, else 80")
    ] = None
    auth_signin_uri: Annotated[
        str | None, Field(Form.PATH, "URL to which clients that are not authenticated are redirected.")
    ] = msgspec.field(default=None, name="authSigninURI")
    auth_signin_redirect_base_path: Annotated[
        str | None, Field(Form.PATH, "Path that is passed to the service without authorization.", default="/oauth2")
    ] = None
    auth_snippets: Annotated[
        str | None, Field(Form.FREE, "Configuration inside its location; needs -enable-snippets.")
    ] = None
    ssl_enabled: Annotated[bool, Field(None, "Whether connections to the service use TLS.")] = False
    ssl_verify: Annotated[bool, Field(None, "Whether its certificate is verified.")] = False
    ssl_verify_depth: Annotated[int | None, Field(COUNT, "Maximum length of the certificate chain.", default="1")] = (
        None
    )
    sni_name: Annotated[str | None, Field(SNI, "The server name (SNI).", default="service.namespace.svc")] = None
    trusted_cert_secret: Annotated[
        str | None, Field(Form.QUALIFIED, "Secret of type nginx.org/ca.", default="those of the system")
    ] = None


class JWT(Model):
    """Clients authenticate with a JSON Web Token."""

    realm: Annotated[str, Field(Form.PLAIN, "Realm of the authentication.", required=True)] = ""
    secret: Annotated[str | None, Field(Form.NAME, "Secret of type nginx.org/jwk.")] = None
    token: Annotated[
        str | None,
        Field(
            Shape(r"\$(http_|arg_|cookie_)[A-Za-z0-9_]+", "$http_..., $arg_... or $cookie_..."),
            "Variable that contains the token.",
        ),
    ] = None
    jwks_uri: Annotated[str | None, Field(Form.URL, "URL of the key set (JWKS).")] = msgspec.field(
        default=None, name="jwksURI"
    )
    key_cache: Annotated[str | None, Field(Form.TIME, "How long keys are cached.")] = None
    sni_enabled: Annotated[bool, Field(None, "Whether the server name (SNI) is sent to the server of the key set.")] = (
        False
    )
    sni_name: Annotated[str | None, Field(Form.URL, "The server name.")] = None
    ssl_verify: Annotated[bool, Field(None, "Whether its certificate is verified.")] = False
    ssl_verify_depth: Annotated[int | None, Field(COUNT, "Maximum length of the certificate chain.", default="1")] = (
        None
    )
    trusted_cert_secret: Annotated[str | None, Field(Form.NAME, "Secret of type nginx.org/ca.")] = None
    issuer: Annotated[
        str | None, Field(Form.PLAIN, "What the claim iss must be (an addition of Headgate).", default="anything")
    ] = None
    audience: Annotated[
        tuple[str, ...] | None,
        Field(
            Form.PLAIN, "What the claim aud must have one of (an addition of Headgate).", default="anything",
            schema=(("minItems", 1),),
        ),
    ] = None  # fmt: skip
    leeway: Annotated[
        str | None,
        Field(Form.TIME, "Time by which clocks may differ, for exp and nbf (an addition of Headgate).", default="0s"),
    ] = None


class OIDC(Model):
    """Clients authenticate with OpenID Connect."""

    issuer: Annotated[
        str | None,
        Field(
            Form.URL,
            "The provider, as its ID tokens name it (iss). Endpoints that are not given are read from its "
            "configuration (OpenID Connect Discovery).",
        ),
    ] = None
    auth_endpoint: Annotated[
        str | None, Field(Form.URL, "URL of the authorization endpoint.", default="that of the issuer")
    ] = None
    token_endpoint: Annotated[
        str | None, Field(Form.URL, "URL of the token endpoint.", default="that of the issuer")
    ] = None
    jwks_uri: Annotated[str | None, Field(Form.URL, "URL of the key set (JWKS).", default="that of the issuer")] = (
        msgspec.field(default=None, name="jwksURI")
    )
    client_id: Annotated[str, Field(Form.PLAIN, "Client ID at the provider.", required=True)] = msgspec.field(
        default="", name="clientID"
    )
    client_secret: Annotated[str | None, Field(Form.NAME, "Secret of type nginx.org/oidc.")] = None
    scope: Annotated[
        str | None, Field(Shape(r"[!#-\[\]-~]+", "scopes, separated by +"), "The scopes to request.", default="openid")
    ] = None
    redirect_uri: Annotated[
        str | None, Field(Form.PATH, "Path to which the provider redirects clients.", default="/_codexch")
    ] = msgspec.field(default=None, name="redirectURI")
    end_session_endpoint: Annotated[str | None, Field(Form.URL, "URL of the logout endpoint.")] = None
    post_logout_redirect_uri: Annotated[
        str | None, Field(Form.PATH, "URI to which clients are redirected after the logout.", default="/_logout")
    ] = msgspec.field(default=None, name="postLogoutRedirectURI")
    zone_sync_leeway: Annotated[
        int | None,
        Field(
            COUNT,
            "Milliseconds that replicas of NGINX Plus need to share a session; has no effect, because here every "
            "replica can open it at once.",
            default="200",
        ),
    ] = None
    auth_extra_args: Annotated[
        tuple[str, ...] | None, Field(Form.FREE, "Query parameters that are added to the authorization request.")
    ] = None
    access_token_enable: Annotated[bool, Field(None, "Whether the access token is passed to endpoints.")] = False
    pkce_enable: Annotated[bool, Field(None, "Whether PKCE is used (RFC 7636).")] = False
    ssl_verify: Annotated[bool, Field(None, "Whether the certificate of the provider is verified.")] = False
    ssl_verify_depth: Annotated[int | None, Field(COUNT, "Maximum length of the certificate chain.", default="1")] = (
        None
    )
    trusted_cert_secret: Annotated[str | None, Field(Form.NAME, "Secret of type nginx.org/ca.")] = None


class BundleSource(Model):
    """Where F5 WAF for NGINX gets a bundle."""

    type: Annotated[str | None, Field(OneOf(("HTTPS", "NIM", "N1C")), "Protocol.", default="HTTPS")] = None
    url: Annotated[str, Field(Form.FREE, "Address.", required=True)] = ""
    name: Annotated[str | None, Field(Form.FREE, "Name of the policy or profile there.")] = None
    namespace: Annotated[str | None, Field(Form.FREE, "Namespace there.")] = None
    secret: Annotated[str | None, Field(Form.NAME, "Secret with the credentials.")] = None
    trusted_cert_secret: Annotated[str | None, Field(Form.NAME, "Secret of type nginx.org/ca.")] = None
    insecure_skip_verify: Annotated[bool, Field(None, "Whether its certificate is not verified.")] = False
    verify_checksum: Annotated[bool, Field(None, "Whether the checksum is verified.")] = False
    enable_polling: Annotated[bool, Field(None, "Whether the bundle is polled for changes.")] = False
    poll_interval: Annotated[str | None, Field(Form.FREE, "Interval between two requests.", default="5m")] = None
    timeout: Annotated[str | None, Field(Form.FREE, "Timeout of a request.", default="60s")] = None
    retry_attempts: Annotated[int | None, Field(Range(1, 10), "Maximum number of attempts.", default="3")] = None


class SecurityLog(Model):
    """A log of F5 WAF for NGINX."""

    enable: Annotated[bool, Field(None, "Whether the log is enabled.")] = False
    ap_log_conf: Annotated[str | None, Field(Form.QUALIFIED, "APLogConf.")] = None
    ap_log_bundle: Annotated[str | None, Field(Form.FREE, "Name of the bundle file.")] = None
    ap_log_bundle_source: Annotated[BundleSource | None, Field(None, "Location of the bundle.")] = None
    log_dest: Annotated[str | None, Field(Form.FREE, "Destination of the log.")] = None


class WAF(Model):
    """F5 WAF for NGINX, which runs in NGINX Plus only."""

    enable: Annotated[bool, Field(None, "Whether it is enabled.")] = False
    ap_policy: Annotated[str | None, Field(Form.QUALIFIED, "APPolicy.")] = None
    ap_bundle: Annotated[str | None, Field(Form.FREE, "Name of the bundle file.")] = None
    ap_bundle_source: Annotated[BundleSource | None, Field(None, "Location of the bundle.")] = None
    security_log: Annotated[SecurityLog | None, Field(None, "A log.")] = None
    security_logs: Annotated[tuple[SecurityLog, ...] | None, Field(None, "Logs.")] = None


class PolicySpec(Model):
    """Exactly one type of policy."""

    ingress_class_name: Annotated[str | None, Field(Form.FREE, "Class of the controller that uses it.")] = None
    access_control: Annotated[AccessControl | None, Field(None, "Allows or denies clients by address.")] = None
    rate_limit: Annotated[RateLimit | None, Field(None, "Limits the rate of requests.")] = None
    basic_auth: Annotated[
        BasicAuth | None, Field(None, "Clients authenticate with a user name and a password (HTTP Basic).")
    ] = None
    jwt: Annotated[JWT | None, Field(None, "Clients authenticate with a JSON Web Token.")] = None
    ingress_mtls: Annotated[IngressMTLS | None, Field(None, "Clients authenticate with a certificate.")] = (
        msgspec.field(default=None, name="ingressMTLS")
    )
    egress_mtls: Annotated[EgressMTLS | None, Field(None, "TLS to endpoints.")] = msgspec.field(
        default=None, name="egressMTLS"
    )
    oidc: Annotated[OIDC | None, Field(None, "Clients authenticate with OpenID Connect.")] = None
    api_key: Annotated[APIKey | None, Field(None, "Clients authenticate with an API key.")] = None
    external_auth: Annotated[ExternalAuth | None, Field(None, "A service authorizes each request.")] = None
    cache: Annotated[
        Cache | None,
        Field(None, "Responses are cached.", schema=_rules("!has(self.allowedCodes) || has(self.time)")),
    ] = None
    cors: Annotated[
        CORS | None,
        Field(
            None,
            "Cross-origin requests are allowed (CORS).",
            schema=_rules(
                "!(self.allowOrigin.exists(o, o == '*') && has(self.allowCredentials) && self.allowCredentials)"
            ),
        ),
    ] = None
    hsts: Annotated[
        HSTS | None,
        Field(
            None,
            "Browsers use HTTPS only.",
            schema=_rules(
                "!has(self.preload) || !self.preload || (has(self.includeSubDomains) && self.includeSubDomains)",
                "!has(self.preload) || !self.preload || self.maxAge >= 31536000",
            ),
        ),
    ] = None
    waf: Annotated[WAF | None, Field(None, "F5 WAF for NGINX.")] = None


class Policy(TopLevel):
    """Access control, authentication, rate limits, caching or headers, for the objects that refer to it."""

    KIND: ClassVar[Kind] = Kind("Policy", "policies", group=GROUP)

    spec: PolicySpec | None = None
    status: Conditions | None = None
