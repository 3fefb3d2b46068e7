"""The reference page of ingress-nginx's ConfigMap, written from the declarations of its keys."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.settings.community.absent_keys import ABSENT_KEYS, CLOSING_KEYS
from headgate.settings.community.config_map import STREAMS
from headgate.settings.community.keys import AS_ANNOTATIONS, GLOBAL_AUTH, KEYS, Key
from headgate.settings.community.reading import FIELDS
from headgate.settings.community.shared import SHARED
from headgate.settings.docs import cell, code, table

_PAGE = """# The ConfigMap of ingress-nginx

The keys of the ConfigMap of `--configmap` ([ingress-nginx.md](../ingress-nginx.md)).

A key that cannot be used keeps its default, and a warning is reported. If it keeps clients out (*guards*), its last
good value stays; without one, Ingresses of this dialect are refused. *For* says whether a key is for all of nginx or
for the hosts of Ingresses of this dialect. With `-nginx-configmaps`, the ConfigMap of that flag decides about all of
nginx.
"""


def community_keys_markdown() -> str:
    """Return the reference page of all keys of ingress-nginx's ConfigMap, those without effect included."""
    served = table(("Key", "Meaning", "Value", "For", "Guards"), sorted(_rows()))
    return "\n".join([_PAGE, "## With an effect", "", *served, "", "## Without effect", "", *_absent(), ""])


def _rows() -> Iterator[tuple[str, ...]]:
    for name, key in KEYS.items():
        if name not in GLOBAL_AUTH:
            guards = "yes" if key.guards else ""
            yield code(name), cell(key.doc), cell(key.parse.words), _reach(key), guards
    for name in AS_ANNOTATIONS:
        if known := SHARED.get(name) or FIELDS.get(name):
            yield code(name), f"Default of the annotation `{name}`.", cell(known.parse.words), "hosts", ""
    for name, annotation in GLOBAL_AUTH.items():
        if field := FIELDS.get(annotation):
            meaning = f"Default of the annotation `{annotation}`, of Ingresses without `auth-url`."
            yield code(name), meaning, cell(field.parse.words), "hosts", "yes" if annotation == "auth-url" else ""


_OF_HOSTS = frozenset({
    "add-headers", "allow-backend-server-header", "allow-snippet-annotations", "annotation-value-word-blocklist",
    "annotations-risk-level", "block-cidrs", "block-referers", "block-user-agents", "compute-full-forwarded-for",
    "generate-request-id", "global-allowed-response-headers", "hsts", "hsts-include-subdomains", "hsts-max-age",
    "hsts-preload", "http-redirect-code", "limit-conn-zone-variable", "limit-req-status-code",
    "no-tls-redirect-locations", "proxy-add-original-uri-header", "proxy-set-headers", "proxy-ssl-location-only",
    "retry-non-idempotent",
})  # fmt: skip


def _reach(key: Key) -> str:
    name = next(name for name, each in KEYS.items() if each is key)
    if key.both or name == "use-forwarded-headers":
        return "both"
    if name in STREAMS:
        return "ports"
    return "hosts" if key.host or name in _OF_HOSTS else "all of nginx"


def _absent() -> list[str]:
    later = [name for name in AS_ANNOTATIONS if name not in SHARED and name not in FIELDS]
    later += [name for name, annotation in GLOBAL_AUTH.items() if annotation not in FIELDS]
    rows = dict.fromkeys(later, ("not supported yet, as is the annotation", ""))
    rows |= {name: (found.reason, "") for name, found in ABSENT_KEYS.items()}
    rows |= {name: (reason, "Ingresses of this dialect are refused") for name, reason in CLOSING_KEYS.items()}
    return table(("Key", "Reason", "What happens"), ((code(n), cell(r), e) for n, (r, e) in sorted(rows.items())))
