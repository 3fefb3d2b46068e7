"""The annotations of ingress-nginx that have no setting of the same meaning: one field each."""

from __future__ import annotations

from typing import Annotated, Any

from headgate.settings.community.references import reference
from headgate.settings.community.values import (
    Service,
    backend_protocols,
    cache_durations,
    common_name,
    error_codes,
    header_names,
    header_pattern,
    host_names,
    methods,
    mirror_host,
    mirror_url,
    networks,
    object_name,
    on_off,
    origins,
    prefix_path,
    realm,
    server_name,
    service_url,
    signin_url,
    target_path,
    web_url,
)
from headgate.settings.dialect import COMMUNITY, Scope
from headgate.settings.parsers import VARIABLE, choice, matching, number, service_name, switch
from headgate.settings.registry import Settings, SettingSpec, Where, setting
from headgate.settings.snippets import snippet
from headgate.settings.tls import ciphers, redirect_code
from headgate.settings.values import HeaderName, Quoted

COOKIE = r"[A-Za-z0-9!%&*+.^_|~\-]{1,128}"
BACKEND_PROTOCOLS = ("http", "https", "auto_http", "grpc", "grpcs", "fcgi")


def own(name: str, doc: str, **more: Any) -> SettingSpec:
    """Declare the annotation *name*."""
    return setting(name, doc, Scope.OWN, Where.ANNOTATION, annotation=f"{COMMUNITY.prefix}{name}", **more)


class CommunityAnnotations(Settings):
    """What the annotations of one Ingress say, beside its Overrides; the defaults are those of ingress-nginx."""

    # paths
    use_regex: Annotated[
        bool, own("use-regex", "Paths are regular expressions; this makes all paths of the host such.")
    ] = False
    rewrite_target: Annotated[
        str | None,
        own("rewrite-target", "What replaces the path; makes all paths of the host regular.", parse=target_path),
    ] = None
    x_forwarded_prefix: Annotated[
        str | None,
        own("x-forwarded-prefix", "Header X-Forwarded-Prefix of requests with rewrite-target.", parse=prefix_path),
    ] = None
    upstream_vhost: Annotated[
        str | None,
        own("upstream-vhost", "Header Host of requests to backends.", parse=matching(r"[A-Za-z0-9._:\-]+", "a host")),
    ] = None

    custom_headers: Annotated[
        str | None,
        own(
            "custom-headers",
            "ConfigMap with response headers that global-allowed-response-headers names, followed when it changes.",
            parse=reference,
        ),
    ] = None
    connection_proxy_header: Annotated[
        str | None,
        own(
            "connection-proxy-header", "Header Connection of requests to backends.", parse=choice("close", "keep-alive")
        ),
    ] = None
    proxy_buffers_number: Annotated[
        int | None, own("proxy-buffers-number", "Number of buffers of one response.", parse=number(2, 1024))
    ] = None

    server_alias: Annotated[
        tuple[str, ...],
        own("server-alias", "Names that are served as the first host of the Ingress.", parse=host_names),
    ] = ()

    # redirects
    from_to_www_redirect: Annotated[
        bool,
        own("from-to-www-redirect", "Redirect from www. and the host to the host, or the other way.", parse=switch),
    ] = False
    preserve_trailing_slash: Annotated[
        bool,
        own("preserve-trailing-slash", "Redirects to HTTPS keep a slash at the end of the path.", parse=switch),
    ] = False
    ssl_redirect: Annotated[
        bool, own("ssl-redirect", "Redirect from HTTP to HTTPS where the host has TLS.", parse=switch)
    ] = True
    force_ssl_redirect: Annotated[
        bool, own("force-ssl-redirect", "Redirect from HTTP to HTTPS even if the host has no TLS.", parse=switch)
    ] = False
    permanent_redirect: Annotated[
        str | None, own("permanent-redirect", "URL to which every request is redirected.", parse=web_url)
    ] = None
    permanent_redirect_code: Annotated[
        int, own("permanent-redirect-code", "Status of permanent-redirect.", parse=redirect_code)
    ] = 301
    temporal_redirect: Annotated[
        str | None, own("temporal-redirect", "URL to which every request is redirected for now.", parse=web_url)
    ] = None
    temporal_redirect_code: Annotated[
        int, own("temporal-redirect-code", "Status of temporal-redirect.", parse=redirect_code)
    ] = 302

    ssl_passthrough: Annotated[
        bool,
        own(
            "ssl-passthrough",
            "TLS connections for its hosts go to the Service of the path /, which terminates TLS.",
            parse=switch,
            gate="enable-tls-passthrough",
        ),
    ] = False

    # backends
    backend_protocol: Annotated[
        str, own("backend-protocol", "What backends speak.", parse=choice(*BACKEND_PROTOCOLS))
    ] = "http"

    fastcgi_index: Annotated[
        str,
        own(
            "fastcgi-index",
            "File that a path names that ends with a slash (backend-protocol FCGI).",
            parse=matching(r"[A-Za-z0-9._\-]+", "a file name of letters, digits and . _ -"),
        ),
    ] = ""
    fastcgi_params_configmap: Annotated[
        str | None,
        own(
            "fastcgi-params-configmap",
            "ConfigMap of the same namespace with parameters of FastCGI, followed when it changes.",
            parse=reference,
        ),
    ] = None
    custom_http_errors: Annotated[
        tuple[int, ...],
        own("custom-http-errors", "Statuses in place of which default-backend answers.", parse=error_codes),
    ] = ()
    default_backend: Annotated[
        str | None,
        own(
            "default-backend",
            "Service that answers in place of errors, and while the Service of a path has no endpoints.",
            parse=service_name,
        ),
    ] = None
    disable_proxy_intercept_errors: Annotated[
        bool,
        own(
            "disable-proxy-intercept-errors",
            "Errors of backends are passed on, and nginx's own replaced.",
            parse=switch,
        ),
    ] = False

    mirror_target: Annotated[
        Service | None,
        own(
            "mirror-target",
            "Service that gets a copy of each request; its answers do not count.",
            parse=mirror_url,
        ),
    ] = None
    mirror_host: Annotated[
        str | None,
        own(
            "mirror-host",
            "Header Host of the copies, in place of that of mirror-target.",
            parse=mirror_host,
        ),
    ] = None
    mirror_request_body: Annotated[
        bool, own("mirror-request-body", "Whether the copies have bodies.", parse=on_off)
    ] = True

    # canary
    canary: Annotated[bool, own("canary", "The Ingress adds a second backend to equal paths of another Ingress.")] = (
        False
    )
    canary_weight: Annotated[int, own("canary-weight", "Share of requests for the canary.", parse=number(0))] = 0
    canary_weight_total: Annotated[
        int, own("canary-weight-total", "What canary-weight is a share of; at least 100.", parse=number(0))
    ] = 100
    canary_by_header: Annotated[
        HeaderName | None, own("canary-by-header", "Header that chooses: always or never, or the value of the next.")
    ] = None
    canary_by_header_value: Annotated[
        str | None,
        own(
            "canary-by-header-value",
            "The value that chooses the canary, in place of always and never.",
            parse=matching(r"[/\-._~A-Za-z0-9:]+", "a value of letters, digits and / - . _ ~ :"),
        ),
    ] = None
    canary_by_header_pattern: Annotated[
        str | None,
        own(
            "canary-by-header-pattern",
            "Regular expression of values that choose the canary.",
            parse=header_pattern,
        ),
    ] = None
    canary_by_cookie: Annotated[
        str | None,
        own(
            "canary-by-cookie",
            "Cookie that chooses: always or never.",
            parse=matching("[A-Za-z0-9_]+", "the name of a cookie of letters, digits and _"),
        ),
    ] = None

    # sessions
    load_balance: Annotated[
        str | None,
        own("load-balance", "How requests are spread over endpoints.", parse=choice("round_robin", "ewma")),
    ] = None
    upstream_hash_by_subset: Annotated[
        bool,
        own(
            "upstream-hash-by-subset",
            "upstream-hash-by leads to several endpoints, one of which is drawn.",
            parse=switch,
        ),
    ] = False
    upstream_hash_by_subset_size: Annotated[
        int, own("upstream-hash-by-subset-size", "To how many; 0 is 3.", parse=number(0, 1000))
    ] = 3
    affinity_mode: Annotated[
        str, own("affinity-mode", "Clients stay at their server either way.", parse=choice("balanced", "persistent"))
    ] = "balanced"
    affinity: Annotated[
        str | None, own("affinity", "Keep clients at one server by a cookie.", parse=choice("cookie"))
    ] = None
    session_cookie_name: Annotated[
        str, own("session-cookie-name", "Name of that cookie.", parse=matching(COOKIE, "the name of a cookie"))
    ] = "INGRESSCOOKIE"
    session_cookie_expires: Annotated[
        int | None, own("session-cookie-expires", "Seconds until it expires.", parse=number(0, 10**9))
    ] = None
    session_cookie_max_age: Annotated[
        int | None, own("session-cookie-max-age", "Seconds until it expires.", parse=number(0, 10**9))
    ] = None
    session_cookie_path: Annotated[
        str | None,
        own("session-cookie-path", "Its path.", parse=matching(r"/[A-Za-z0-9/_.~%\-]*", "a path")),
    ] = None
    session_cookie_domain: Annotated[
        str | None,
        own("session-cookie-domain", "Its domain.", parse=matching(r"\.?[A-Za-z0-9][A-Za-z0-9.\-]*", "a domain")),
    ] = None
    session_cookie_samesite: Annotated[
        str | None, own("session-cookie-samesite", "Its SameSite.", parse=choice("none", "lax", "strict"))
    ] = None
    session_cookie_change_on_failure: Annotated[
        bool,
        own("session-cookie-change-on-failure", "Clients get another server if theirs fails.", parse=switch),
    ] = False
    session_cookie_secure: Annotated[bool, own("session-cookie-secure", "Whether it is sent over HTTPS only.")] = False

    # who may come in
    denylist_source_range: Annotated[
        tuple[str, ...], own("denylist-source-range", "Clients that are refused.", parse=networks)
    ] = ()
    whitelist_source_range: Annotated[
        tuple[str, ...],
        own("whitelist-source-range", "Older name of allowlist-source-range.", parse=networks),
    ] = ()
    allowlist_source_range: Annotated[
        tuple[str, ...],
        own("allowlist-source-range", "The only clients that are let in.", parse=networks),
    ] = ()
    satisfy: Annotated[
        str,
        own("satisfy", "Whether all checks of clients must let them in, or any one.", parse=choice("all", "any")),
    ] = "all"
    auth_type: Annotated[str | None, own("auth-type", "Ask for a password.", parse=choice("basic", "digest"))] = None
    auth_secret: Annotated[str | None, own("auth-secret", "Secret with the passwords.", parse=object_name)] = None
    auth_secret_type: Annotated[
        str, own("auth-secret-type", "How the Secret holds them.", parse=choice("auth-file", "auth-map"))
    ] = "auth-file"  # noqa: S105 - the form of a Secret
    auth_realm: Annotated[Quoted, own("auth-realm", "What browsers show when they ask.", parse=realm)] = Quoted("")
    enable_global_auth: Annotated[
        bool,
        own("enable-global-auth", "Whether global-auth-url of the ConfigMap decides, too.", parse=switch),
    ] = True
    auth_url: Annotated[
        Service | None, own("auth-url", "Service that decides about each request.", parse=service_url)
    ] = None
    auth_signin: Annotated[
        str | None, own("auth-signin", "Where clients are sent that it answers 401.", parse=signin_url)
    ] = None
    auth_signin_redirect_param: Annotated[
        str,
        own(
            "auth-signin-redirect-param",
            "Argument of that URL with the one that was asked for.",
            parse=matching(r"[A-Za-z0-9_.~\-]+", "the name of an argument"),
        ),
    ] = "rd"
    auth_response_headers: Annotated[
        tuple[str, ...],
        own("auth-response-headers", "Headers of its answer that backends get.", parse=header_names),
    ] = ()

    auth_method: Annotated[
        str,
        own(
            "auth-method",
            "Method of the request to auth-url.",
            parse=matching("GET|HEAD|POST|PUT|PATCH|DELETE|CONNECT|OPTIONS|TRACE", "a method in upper case"),
        ),
    ] = ""
    auth_request_redirect: Annotated[
        str | None,
        own(
            "auth-request-redirect",
            "Header X-Auth-Request-Redirect of that request, in place of the URI.",
            parse=matching(r"[\-._~a-zA-Z0-9/:,?&=]+", "a URL of letters, digits and - . _ ~ / : , ? & ="),
        ),
    ] = None
    auth_proxy_set_headers: Annotated[
        str | None,
        own(
            "auth-proxy-set-headers",
            "ConfigMap of the same namespace with headers of that request, followed when it changes.",
            parse=reference,
        ),
    ] = None
    auth_always_set_cookie: Annotated[
        bool, own("auth-always-set-cookie", "Clients get its cookies with every status.", parse=switch)
    ] = False
    auth_cache_key: Annotated[
        str | None,
        own(
            "auth-cache-key",
            "Text with variables by which its answers are remembered.",
            parse=matching(rf"(?:[A-Za-z0-9\-_]|{VARIABLE})+", "text of letters, digits, - and _ with variables"),
        ),
    ] = None
    auth_cache_duration: Annotated[
        tuple[tuple[str, ...], ...],
        own("auth-cache-duration", "For how long, by status.", parse=cache_durations),
    ] = (("200", "202", "401", "5m"),)
    auth_keepalive: Annotated[
        int, own("auth-keepalive", "Connections to it that each worker keeps.", parse=number(0, 65535))
    ] = 0
    auth_keepalive_requests: Annotated[
        int, own("auth-keepalive-requests", "Requests on one of these connections.", parse=number(0))
    ] = 1000
    auth_keepalive_timeout: Annotated[
        int, own("auth-keepalive-timeout", "Seconds for which one stays without a request.", parse=number(0))
    ] = 60
    auth_snippet: Annotated[
        str | None,
        own("auth-snippet", "Configuration beside the request to it.", parse=snippet, gate="enable-snippets"),
    ] = None
    auth_tls_secret: Annotated[
        str | None, own("auth-tls-secret", "Secret with the authorities of clients of the host.", parse=object_name)
    ] = None
    auth_tls_verify_client: Annotated[
        str,
        own(
            "auth-tls-verify-client",
            "Whether clients must show a certificate.",
            parse=choice("on", "off", "optional", "optional_no_ca"),
        ),
    ] = "on"
    auth_tls_verify_depth: Annotated[
        int, own("auth-tls-verify-depth", "Longest chain of authorities.", parse=number(0, 100))
    ] = 1
    auth_tls_match_cn: Annotated[
        str | None,
        own("auth-tls-match-cn", "Regular expression of the common name of their certificates.", parse=common_name),
    ] = None
    auth_tls_error_page: Annotated[
        str | None,
        own("auth-tls-error-page", "URL to which clients are sent without a valid certificate.", parse=web_url),
    ] = None
    auth_tls_pass_certificate_to_upstream: Annotated[
        bool,
        own("auth-tls-pass-certificate-to-upstream", "Backends get the certificate (ssl-client-cert).", parse=switch),
    ] = False
    proxy_ssl_secret: Annotated[
        str | None,
        own("proxy-ssl-secret", "Secret with the certificate for backends, and their authorities.", parse=object_name),
    ] = None
    proxy_ssl_verify: Annotated[
        bool, own("proxy-ssl-verify", "Whether certificates of backends are verified.", parse=on_off)
    ] = False
    proxy_ssl_verify_depth: Annotated[
        int, own("proxy-ssl-verify-depth", "Longest chain of their authorities.", parse=number(0, 100))
    ] = 1
    proxy_ssl_name: Annotated[
        str | None, own("proxy-ssl-name", "Name in the certificates of backends.", parse=server_name)
    ] = None
    proxy_ssl_server_name: Annotated[
        bool, own("proxy-ssl-server-name", "Whether that name is sent to them (SNI).", parse=on_off)
    ] = False
    proxy_ssl_protocols: Annotated[
        tuple[str, ...], own("proxy-ssl-protocols", "Versions of TLS.", parse=backend_protocols)
    ] = ("TLSv1.2",)
    proxy_ssl_ciphers: Annotated[
        Quoted | None, own("proxy-ssl-ciphers", "OpenSSL list of ciphers up to TLS 1.2.", parse=ciphers)
    ] = None

    # limits
    limit_rps: Annotated[int, own("limit-rps", "Requests a second of one client.", parse=number(0))] = 0
    limit_rpm: Annotated[int, own("limit-rpm", "Requests a minute of one client.", parse=number(0))] = 0
    limit_connections: Annotated[
        int, own("limit-connections", "Connections of one client at the same time.", parse=number(0, 65535))
    ] = 0
    limit_whitelist: Annotated[
        tuple[str, ...], own("limit-whitelist", "Older name of limit-allowlist.", parse=networks)
    ] = ()
    limit_allowlist: Annotated[
        tuple[str, ...], own("limit-allowlist", "Clients that are not counted.", parse=networks)
    ] = ()
    limit_burst_multiplier: Annotated[
        int, own("limit-burst-multiplier", "Burst, in multiples of the rate.", parse=number(0))
    ] = 5

    # CORS
    enable_cors: Annotated[bool, own("enable-cors", "Pages of other origins may ask.")] = False
    cors_allow_origin: Annotated[tuple[str, ...], own("cors-allow-origin", "Whose pages may ask.", parse=origins)] = (
        "*",
    )
    cors_allow_methods: Annotated[
        tuple[str, ...], own("cors-allow-methods", "Methods that they may use.", parse=methods)
    ] = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS")
    cors_allow_headers: Annotated[
        tuple[str, ...], own("cors-allow-headers", "Headers that they may send.", parse=header_names)
    ] = (
        "DNT", "Keep-Alive", "User-Agent", "X-Requested-With", "If-Modified-Since", "Cache-Control", "Content-Type",
        "Range", "Authorization",
    )  # fmt: skip
    cors_expose_headers: Annotated[
        tuple[str, ...], own("cors-expose-headers", "Headers that they may read.", parse=header_names)
    ] = ()
    cors_allow_credentials: Annotated[
        bool, own("cors-allow-credentials", "Whether cookies are sent along.", parse=switch)
    ] = True
    cors_max_age: Annotated[int, own("cors-max-age", "Seconds for which browsers remember this.", parse=number(0))] = (
        1_728_000
    )


GUARDS = frozenset((
    "auth-proxy-set-headers",
    "auth-cache-duration", "auth-method", "auth-request-redirect", "auth-response-headers", "auth-snippet",
    "allowlist-source-range", "auth-secret", "auth-secret-type", "auth-tls-match-cn", "auth-tls-secret", "auth-type",
    "auth-url", "denylist-source-range", "limit-connections", "limit-rpm", "limit-rps", "proxy-ssl-secret",
    "proxy-ssl-verify", "whitelist-source-range",
))  # fmt: skip
"""The names of annotations that keep clients out: with one of them that cannot be used the Ingress is refused."""
