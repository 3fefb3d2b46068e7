"""The risk of each annotation, by which annotations-risk-level of ingress-nginx's ConfigMap refuses Ingresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LEVELS: Final = ("Low", "Medium", "High", "Critical")
_MEDIUM = (
    "affinity-mode", "allowlist-source-range", "app-root", "auth-cache-duration", "auth-cache-key",
    "auth-proxy-set-headers", "auth-realm", "auth-request-redirect", "auth-response-headers", "auth-secret",
    "auth-signin-redirect-param", "auth-tls-secret", "auth-tls-verify-client", "canary-by-cookie", "canary-by-header",
    "canary-by-header-pattern", "canary-by-header-value", "cors-allow-headers", "cors-allow-methods",
    "cors-allow-origin", "cors-expose-headers", "custom-headers", "denylist-source-range", "fastcgi-index",
    "fastcgi-params-configmap", "force-ssl-redirect", "opentelemetry-operation-name", "permanent-redirect",
    "preserve-trailing-slash", "proxy-body-size", "proxy-cookie-domain", "proxy-cookie-path", "proxy-next-upstream",
    "proxy-redirect-from", "proxy-redirect-to", "proxy-ssl-ciphers", "proxy-ssl-secret", "rewrite-target",
    "session-cookie-domain", "session-cookie-expires", "session-cookie-max-age", "session-cookie-name",
    "session-cookie-path", "temporal-redirect", "whitelist-source-range", "x-forwarded-prefix",
)  # fmt: skip
_HIGH = (
    "auth-signin", "auth-tls-error-page", "auth-tls-match-cn", "auth-url", "mirror-host", "mirror-target",
    "modsecurity-transaction-id", "proxy-ssl-name", "server-alias", "upstream-hash-by",
)  # fmt: skip
_CRITICAL = (
    "auth-snippet", "configuration-snippet", "modsecurity-snippet", "server-snippet", "stream-snippet",
)  # fmt: skip
RISKS: Final[Mapping[str, str]] = {
    **dict.fromkeys(_MEDIUM, "Medium"),
    **dict.fromkeys(_HIGH, "High"),
    **dict.fromkeys(_CRITICAL, "Critical"),
}
"""By the name that follows the prefix; all others are Low."""


def is_above(name: str, level: str) -> bool:
    """Whether the annotation *name* is of a higher risk than *level*."""
    return LEVELS.index(RISKS.get(name, "Low")) > LEVELS.index(level)
