"""What Headgate tells a cluster, as tables: its events, and what the incumbent tells that Headgate does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from headgate.reporting.verdicts import EventType
from headgate.settings.declined import Absence, Outlook


class Occasion(msgspec.Struct, frozen=True):
    """An event: on which kind, with which reason, and when; ``differs`` says what is otherwise with the incumbent."""

    kind: str
    reason: str
    type: EventType
    when: str
    differs: str = ""


_NORMAL, _WARNING = EventType.NORMAL, EventType.WARNING

EVENTS: tuple[Occasion, ...] = (
    Occasion("Ingress", "AddedOrUpdated", _NORMAL, "nginx serves it as it stands.",
             "It is sent when nginx serves the configuration; the incumbent sends it before a batch is reloaded."),
    Occasion("Ingress", "AddedOrUpdatedWithWarning", _WARNING,
             "nginx serves it, and something in it has no effect or is doubtful; the message lists what.",
             "An annotation on the wrong part of a mergeable set is told here; the incumbent writes it into its log."),
    Occasion("Ingress", "AddedOrUpdatedWithError", _WARNING,
             "nginx refused its configuration; the message has nginx's own words, and what is served instead."),
    Occasion("Ingress", "Rejected", _WARNING, "It is not served: a value is wrong, or older resources hold its hosts."),
    Occasion("Ingress", "NoIngressMasterFound", _WARNING, "A minion has no valid master for its host."),
    Occasion("ConfigMap", "Updated", _NORMAL, "Every key of it counts."),
    Occasion("ConfigMap", "UpdatedWithError", _WARNING, "It counts, but for the keys that cannot be used."),
    Occasion("ConfigMap", "InvalidValue", _WARNING, "One for each key that cannot be used, with the reason."),
    Occasion("Pod", "SecretUpdated", _NORMAL, "A Secret that a flag names was taken up."),
    Occasion("Pod", "SecretDeleted", _WARNING, "A Secret that a flag names is gone; its last content stays in use."),
    Occasion("Pod", "Rejected", _WARNING, "A Secret that a flag names cannot be used; its last content stays in use."),
    Occasion("Pod", "NginxRestarted", _WARNING, "The nginx master died and was started again.",
             "The incumbent's container ends and is started by the kubelet."),
)  # fmt: skip


def _declined(reason: str) -> Absence:
    return Absence(Outlook.DECLINED, reason)


_PLUS = _declined("it is about NGINX Plus")
_CRD = Absence(Outlook.COMING, "it comes with the custom resources")
_APP_PROTECT = _declined("it is about F5 App Protect, which Headgate does not drive")

ABSENT_EVENTS: Mapping[str, Absence] = {
    "Ingress/RejectedWithError": _declined("removing files is part of one apply, whose failure is told once"),
    "Pod/UpdatedWithError": _declined("a failed apply is told on the objects that it keeps back"),
    "Pod/UpdatePodLabel": _declined("Headgate does not label its own Pod"),
    "Pod/SecretError": _declined("a Secret missing at the start does not end Headgate; it is told as Rejected"),
    "Pod/FileError": _declined("Headgate needs no CA bundle of the operating system"),
    "Pod/ConfigMapError": _PLUS,
    "Pod/ServiceFailedToCreate": _PLUS,
    "Pod/LicenseExpiry": _PLUS,
    "Pod/UsageGraceEnding": _PLUS,
    "Pod/AppProtectAPIVersionSelected": _APP_PROTECT,
    "Pod/PLMStorageConfigured": _APP_PROTECT,
    "ConfigMap (mgmt)/*": _PLUS,
    "VirtualServer/*": _CRD,
    "VirtualServerRoute/*": _CRD,
    "TransportServer/*": _CRD,
    "Policy/*": _CRD,
    "GlobalConfiguration/*": _CRD,
    "APPolicy/*": _APP_PROTECT,
    "APLogConf/*": _APP_PROTECT,
    "APUserSig/*": _APP_PROTECT,
    "DosProtectedResource/*": _APP_PROTECT,
    "APDosPolicy/*": _APP_PROTECT,
    "APDosLogConf/*": _APP_PROTECT,
}
"""Events of the incumbent that are not sent: ``Kind/Reason``, or ``Kind/*`` for all of a kind."""

ABSENT_METRICS: Mapping[str, Absence] = {
    "nginx_ingress_controller_virtualserver_resources_total": _CRD,
    "nginx_ingress_controller_virtualserverroute_resources_total": _CRD,
    "nginx_ingress_controller_transportserver_resources_total": _CRD,
    "nginx_ingress_nginxplus_*": _declined("it is what the API of NGINX Plus says"),
}
"""Metrics of the incumbent that are not there: a name, or ``prefix*`` for a family."""


def absent_event(kind: str, reason: str) -> Absence | None:
    """Return why the incumbent's event *reason* on *kind* is not sent, ``None`` if nothing is known of it."""
    return ABSENT_EVENTS.get(f"{kind}/{reason}") or ABSENT_EVENTS.get(f"{kind}/*")


def absent_metric(name: str) -> Absence | None:
    """Return why the incumbent's metric *name* is not there, ``None`` if nothing is known of it."""
    families = (why for key, why in ABSENT_METRICS.items() if key.endswith("*") and name.startswith(key[:-1]))
    return ABSENT_METRICS.get(name) or next(families, None)


_EVENTS = """# Events

Headgate tells the owners of objects by core/v1 Events, with the reasons and types of the incumbent. An Event that says
the same again raises the `count` of the one that is there. What the messages mean is in [problems.md](problems.md).

Of several replicas the leader writes the events about objects; a new leader sees to it that what stands was said. Each
Pod writes those about itself. A warning that may be over in a moment (endpoints that are only starting) is an event if
it lasts for 15 s.
"""


def events_markdown() -> str:
    """Return the reference page of all events, those that are not sent included."""
    head = ["| On | Reason | Type | When |", "|---|---|---|---|"]
    rows = (f"| {row.kind} | `{row.reason}` | {row.type.value} | {_told(row)} |" for row in EVENTS)
    return "\n".join([_EVENTS, *head, *rows, "", *absent_table(ABSENT_EVENTS, "Event"), ""])


def absent_table(absent: Mapping[str, Absence], title: str) -> Iterator[str]:
    """Yield the lines of a section on what is not there."""
    yield from ("## Known and not there", "", f"| {title} | Outlook | Why |", "|---|---|---|")
    yield from (f"| `{key}` | {why.outlook.value} | {why.reason} |" for key, why in absent.items())


def _told(row: Occasion) -> str:
    return f"{row.when} *Differs:* {row.differs}" if row.differs else row.when
