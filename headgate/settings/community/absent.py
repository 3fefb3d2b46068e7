"""The annotations of ingress-nginx that are not served, each with the reason in messages."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.settings.declined import Absence, Outlook

_LATER = Absence(Outlook.COMING, "not supported yet")
_REMOVED = Absence(Outlook.DECLINED, "an annotation that ingress-nginx itself had removed")
_PROTECTED = Absence(Outlook.COMING, "not supported yet, and keeps clients out")

COMING = (
    "affinity-canary-behavior", "auth-keepalive-share-vars",
    "session-cookie-conditional-samesite-none",
    "stream-snippet",
)  # fmt: skip
"""Without effect for now."""
CLOSING = (
    "enable-modsecurity", "enable-owasp-core-rules", "modsecurity-snippet",
)  # fmt: skip
"""Without these, clients would be let in, or backends trusted, that are not to be: the Ingress is refused."""
COMPANIONS = (
    "modsecurity-transaction-id",
)  # fmt: skip
"""What means nothing without one of CLOSING."""
REMOVED = (
    "enable-influxdb", "http2-push-preload", "influxdb-host", "influxdb-measurement", "influxdb-port",
    "influxdb-server-name", "secure-verify-ca-secret",
)  # fmt: skip

ABSENT: Mapping[str, Absence] = {
    **dict.fromkeys((*COMING, *COMPANIONS), _LATER),
    **dict.fromkeys(CLOSING, _PROTECTED),
    **dict.fromkeys(REMOVED, _REMOVED),
}
"""By the name that follows the prefix."""
