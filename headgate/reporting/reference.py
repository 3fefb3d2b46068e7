"""Tables of the reference: events of Headgate, and events and metrics of the incumbent that Headgate does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from headgate.reporting.traffic import TRAFFIC_ROWS
from headgate.reporting.verdicts import EventType
from headgate.settings.declined import Absence, Outlook


class EventRow(msgspec.Struct, frozen=True):
    """An event: kind of its object, reason, and when it is sent; ``differs`` is the difference to the incumbent."""

    kind: str
    reason: str
    type: EventType
    when: str
    differs: str = ""


_NORMAL, _WARNING = EventType.NORMAL, EventType.WARNING

EVENTS: tuple[EventRow, ...] = (
    EventRow("Ingress", "AddedOrUpdated", _NORMAL, "nginx serves it completely.",
             "It is sent when nginx serves the configuration; the incumbent sends it before the reload."),
    EventRow("Ingress", "AddedOrUpdatedWithWarning", _WARNING,
             "nginx serves it, but a part of it has no effect or may be wrong; the message lists them.",
             "An annotation on the wrong part of a mergeable set is reported here; the incumbent only logs it."),
    EventRow("Ingress", "AddedOrUpdatedWithError", _WARNING,
             "nginx refused its configuration, or a minion is not served because nginx refused its master; the "
             "message has nginx's error and what is served instead."),
    EventRow("Ingress", "Rejected", _WARNING,
             "It is not served: a value is invalid, or its hosts belong to older objects, which are named."),
    EventRow("Ingress", "NoIngressMasterFound", _WARNING, "A minion has no valid master for its host."),
    EventRow("VirtualServer", "AddedOrUpdated", _NORMAL, "nginx serves it completely."),
    EventRow("VirtualServer", "AddedOrUpdatedWithWarning", _WARNING,
             "nginx serves it, but a part of it has no effect or may be wrong; the message lists them."),
    EventRow("VirtualServer", "AddedOrUpdatedWithError", _WARNING,
             "nginx refused its configuration; the message has nginx's error and what is served instead."),
    EventRow("VirtualServer", "Rejected", _WARNING,
             "It is not served: a value is invalid, or its host belongs to an older object, which is named."),
    EventRow("VirtualServer", "CreateCertificate", _NORMAL, "A Certificate of cert-manager was made for it."),
    EventRow("VirtualServer", "UpdateCertificate", _NORMAL, "Its Certificate was changed."),
    EventRow("VirtualServer", "DeleteCertificate", _NORMAL, "Its Certificate is no longer wanted and was deleted."),
    EventRow("VirtualServer", "CreateDNSEndpoint", _NORMAL,
             "A DNSEndpoint of ExternalDNS was made for it; sent on both objects."),
    EventRow("VirtualServer", "UpdateDNSEndpoint", _NORMAL, "Its DNSEndpoint was changed; sent on both objects."),
    EventRow("VirtualServer", "DeleteDNSEndpoint", _NORMAL, "Its DNSEndpoint is no longer wanted and was deleted.",
             "The incumbent keeps a DNSEndpoint whose `externalDNS` was switched off."),
    EventRow("VirtualServer", "BadConfig", _WARNING,
             "Its Certificate or DNSEndpoint cannot be made or changed; the message says why."),
    EventRow("VirtualServerRoute", "AddedOrUpdated", _NORMAL, "nginx serves it completely."),
    EventRow("VirtualServerRoute", "AddedOrUpdatedWithWarning", _WARNING,
             "nginx serves it, but a part of it has no effect or may be wrong, or another object has one of its paths; "
             "the message lists them."),
    EventRow("VirtualServerRoute", "AddedOrUpdatedWithError", _WARNING,
             "nginx refused its configuration or that of its VirtualServer; the message has nginx's error and what is "
             "served instead."),
    EventRow("VirtualServerRoute", "Rejected", _WARNING, "It is not served: a value is invalid."),
    EventRow("VirtualServerRoute", "NoVirtualServerFound", _WARNING, "No valid VirtualServer has its host."),
    EventRow("VirtualServerRoute", "Ignored", _WARNING,
             "The VirtualServer of its host does not refer to it, or its paths do not belong to the routes that do; "
             "the message says which."),
    EventRow("TransportServer", "AddedOrUpdated", _NORMAL, "nginx serves it completely."),
    EventRow("TransportServer", "AddedOrUpdatedWithWarning", _WARNING,
             "nginx serves it, but a part of it has no effect or may be wrong; the message lists them."),
    EventRow("TransportServer", "AddedOrUpdatedWithError", _WARNING,
             "nginx refused its configuration; the message has nginx's error and what is served instead."),
    EventRow("TransportServer", "Rejected", _WARNING,
             "It is not served: a value is invalid, its listener does not exist, or an older object, which is named, "
             "has the listener or the host."),
    EventRow("Policy", "AddedOrUpdated", _NORMAL, "It can be used."),
    EventRow("Policy", "AddedOrUpdatedWithWarning", _WARNING,
             "It can be used, but a Secret of it is missing, for example; the message says what that leads to."),
    EventRow("Policy", "Rejected", _WARNING, "A value is invalid; what it guards is answered with 500."),
    EventRow("GlobalConfiguration", "Updated", _NORMAL, "Every listener can be used."),
    EventRow("GlobalConfiguration", "AddedOrUpdatedWithError", _WARNING,
             "The listeners that the message names are left out; the others can be used."),
    EventRow("ConfigMap", "Updated", _NORMAL, "Every key of it is used."),
    EventRow("ConfigMap", "UpdatedWithError", _WARNING, "It is used, except for invalid keys."),
    EventRow("ConfigMap", "InvalidValue", _WARNING, "One for each invalid key, with the reason."),
    EventRow("Pod", "SecretUpdated", _NORMAL, "A Secret of a flag was changed and is used."),
    EventRow("Pod", "SecretDeleted", _WARNING, "A Secret of a flag was deleted; its last content stays in use."),
    EventRow("Pod", "Rejected", _WARNING, "A Secret of a flag is invalid; its last content stays in use."),
    EventRow("Pod", "NginxRestarted", _WARNING, "The nginx master exited and was restarted.",
             "The incumbent's container exits and is restarted by the kubelet."),
    EventRow("Pod", "LogLevelSet", _NORMAL, "`headgate set-log-level` set the log level."),
    EventRow("Pod", "EndpointsDrained", _NORMAL, "`headgate drain` took endpoints out of service."),
    EventRow("Pod", "EndpointsUndrained", _NORMAL, "`headgate drain --undo` took them into service again."),
)  # fmt: skip


def _declined(reason: str) -> Absence:
    return Absence(Outlook.DECLINED, reason)


_PLUS = _declined("it is about NGINX Plus")
_ONE_APPLY = _declined("the removal of files is part of one apply, whose failure is reported once")
_FAILED = _declined("a failed apply is reported on the objects that it affects")
_APP_PROTECT = _declined("it is about F5 App Protect, which Headgate does not support")

ABSENT_EVENTS: Mapping[str, Absence] = {
    "Ingress/RejectedWithError": _ONE_APPLY,
    "VirtualServer/RejectedWithError": _ONE_APPLY,
    "TransportServer/RejectedWithError": _ONE_APPLY,
    "Pod/UpdatedWithError": _FAILED,
    "GlobalConfiguration/UpdatedWithError": _FAILED,
    "GlobalConfiguration/UpdatedUpdatedWithError": _FAILED,
    "GlobalConfiguration/AddedOrUpdatedWithErrorUpdatedWithError": _FAILED,
    "Pod/UpdatePodLabel": _declined("Headgate does not label its own Pod"),
    "Pod/SecretError": _declined("a Secret missing at the start does not end Headgate; it is reported as Rejected"),
    "Pod/FileError": _declined("Headgate needs no CA bundle of the operating system"),
    "Pod/ConfigMapError": _PLUS,
    "Pod/ServiceFailedToCreate": _PLUS,
    "Pod/LicenseExpiry": _PLUS,
    "Pod/UsageGraceEnding": _PLUS,
    "Pod/AppProtectAPIVersionSelected": _APP_PROTECT,
    "Pod/PLMStorageConfigured": _APP_PROTECT,
    "ConfigMap (mgmt)/*": _PLUS,
    "Policy/InvalidConfiguration": _APP_PROTECT,
    "Policy/BundleFetchFailed": _APP_PROTECT,
    "Policy/(none)": _APP_PROTECT,
    "APPolicy/*": _APP_PROTECT,
    "APLogConf/*": _APP_PROTECT,
    "APUserSig/*": _APP_PROTECT,
    "DosProtectedResource/*": _APP_PROTECT,
    "APDosPolicy/*": _APP_PROTECT,
    "APDosLogConf/*": _APP_PROTECT,
}
"""Events of the incumbent that are not sent: ``Kind/Reason``, or ``Kind/*`` for all of a kind."""

_CHECKS = "nginx_ingress_nginxplus_upstream_server_"
CHECK_METRICS = (
    f"{_CHECKS}state",
    f"{_CHECKS}health_checks_checks",
    f"{_CHECKS}health_checks_fails",
    f"{_CHECKS}health_checks_unhealthy",
)
"""Metrics of NGINX Plus that exist: of servers with health checks."""

ABSENT_METRICS: Mapping[str, Absence] = {
    "nginx_ingress_nginxplus_stream_*": _declined(
        "it comes from the API of NGINX Plus; headgate_stream_* count sessions, bytes, connections and failures"
    ),
    "nginx_ingress_nginxplus_*": _declined(
        "it comes from the API of NGINX Plus; those whose meaning is the same exist"
    ),
}
"""Metrics of the incumbent that do not exist: a name, or ``prefix*`` for a family."""


def absent_event(kind: str, reason: str) -> Absence | None:
    """Return why the incumbent's event *reason* on *kind* is not sent, ``None`` if it is unknown."""
    return ABSENT_EVENTS.get(f"{kind}/{reason}") or ABSENT_EVENTS.get(f"{kind}/*")


def absent_metric(name: str) -> Absence | None:
    """Return why the incumbent's metric *name* does not exist, ``None`` if it is unknown."""
    if name in CHECK_METRICS or name in {row.name for row in TRAFFIC_ROWS}:
        return None
    families = (why for key, why in ABSENT_METRICS.items() if key.endswith("*") and name.startswith(key[:-1]))
    return ABSENT_METRICS.get(name) or next(families, None)


_EVENTS = """# Events

Headgate reports the state of objects in core/v1 Events, with the reasons and types of the incumbent. A repeated event
increases the `count` of the existing one. The messages are explained in [problems.md](problems.md).

The leader creates the events about objects; a new leader updates those of its predecessor. Each Pod creates the events
about itself. A warning that may be temporary (endpoints that are starting) becomes an event after 15 s.
"""


def events_markdown() -> str:
    """Return the reference page of all events, those that are not sent included."""
    head = ["| On | Reason | Type | When |", "|---|---|---|---|"]
    rows = (f"| {row.kind} | `{row.reason}` | {row.type.value} | {_told(row)} |" for row in EVENTS)
    return "\n".join([_EVENTS, *head, *rows, "", *absent_table(ABSENT_EVENTS, "Event"), ""])


def absent_table(absent: Mapping[str, Absence], title: str) -> Iterator[str]:
    """Yield the lines of a section on what is absent."""
    yield from ("## Known and not there", "", f"| {title} | Outlook | Why |", "|---|---|---|")
    yield from (f"| `{key}` | {why.outlook.value} | {why.reason} |" for key, why in absent.items())


def _told(row: EventRow) -> str:
    return f"{row.when} *Differs:* {row.differs}" if row.differs else row.when
