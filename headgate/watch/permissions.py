"""What Headgate asks of the API server, as RBAC rules: no verb more than its requests use.

The reads follow from the table of watched kinds; the few writes stand here. Manifests and the chart are generated from
``PARTS``; ``needed`` says what one set of flags amounts to, namespace by namespace.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from headgate.api import (
    ConfigMap,
    Event,
    GlobalConfiguration,
    Ingress,
    Kind,
    Lease,
    Namespace,
    Pod,
    Secret,
    Service,
    ValidatingWebhookConfiguration,
)
from headgate.api.nginx_org.crds import has_status
from headgate.options import NamespacedName, Options
from headgate.watch.kinds import DEPENDENTS, WATCHED, Dependent, Extent

EVERYWHERE = ""
"""In place of a namespace: the rules belong into a ClusterRole that is bound in the whole cluster."""

READS = frozenset({"get", "list", "watch"})
"""The verbs that change nothing."""
FOLLOW = ("list", "watch")
"""What an Informer does; with a field selector for one name, RBAC can be limited to that name."""


class Reach(enum.Enum):
    """Where a part's rules are granted."""

    CLUSTER = "the whole cluster"
    WATCHED = "each watched namespace"
    SECRETS = "each namespace whose Secrets are read"
    OWN = "the controller's own namespace"
    OBJECT = "the namespace of one object that a flag names, the whole cluster if it is in none"


class Rule(msgspec.Struct, frozen=True, order=True):
    """One rule of RBAC (rbac.authorization.k8s.io/v1, PolicyRule).

    Attributes:
        groups: API groups; the core group is empty.
        resources: plurals, with subresource.
        verbs: what may be done.
        names: the only objects, empty for all.
    """

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def manifest(self) -> dict[str, Any]:
        """Return the rule as it stands in a Role."""
        rule: dict[str, Any] = {"apiGroups": list(self.groups), "resources": list(self.resources)}
        if self.names:
            rule["resourceNames"] = list(self.names)
        return rule | {"verbs": list(self.verbs)}


class Permission(msgspec.Struct, frozen=True):
    """Verbs on one resource; *named* limits them to one object, where RBAC can."""

    kind: Kind
    verbs: tuple[str, ...]
    subresource: str = ""
    named: bool = False

    def rule(self, name: str = "") -> Rule:
        """Return the rule, for the object *name* if it is limited to one."""
        resource = f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural
        return Rule((self.kind.group,), (resource,), self.verbs, (name,) if self.named else ())


class Part(msgspec.Struct, frozen=True):
    """Permissions that are needed together, in the same place and for the same reason.

    Attributes:
        name: one word for it.
        reach: where they are granted.
        why: what would not work without them.
        permissions: what is asked.
        objects: for ``OBJECT`` and for named permissions: which objects the flags name; nothing means that the part
            is not needed.
        wanted: whether the flags need the part at all.
    """

    name: str
    reach: Reach
    why: str
    permissions: tuple[Permission, ...]
    objects: Callable[[Options], Iterable[NamespacedName]] = lambda _: ()
    wanted: Callable[[Options], bool] = lambda _: True

    def rules(self, name: str = "") -> tuple[Rule, ...]:
        """Return the rules, few as possible; named ones are for the object *name*."""
        return merged(permission.rule(name) for permission in self.permissions)


def _follow(extent: Extent) -> tuple[Permission, ...]:
    """The Informers' permissions for the kinds of one extent."""
    return tuple(Permission(row.model.KIND, FOLLOW) for row in WATCHED if row.extent is extent)


def _statuses() -> Iterator[Permission]:
    """Yield what is asked of custom resources whose statuses are written: read, changed and put back."""
    for row in WATCHED:
        if row.extent is Extent.CUSTOM and has_status(row.model):
            yield Permission(row.model.KIND, ("get",))
            yield Permission(row.model.KIND, ("update",), "status")


def _dependents(name: str, why: str, *dependents: Dependent) -> Part:
    """Return the part for objects that Headgate makes: followed, read, changed and put back, deleted."""
    verbs = (*FOLLOW, "get", "create", "update", "delete")
    permissions = tuple(Permission(each.row.model.KIND, verbs) for each in dependents)
    return Part(name, Reach.WATCHED, why, permissions, wanted=dependents[0].wanted)


def _config_map(options: Options) -> Iterator[NamespacedName]:
    yield from options.config_maps


def _global_configuration(options: Options) -> Iterator[NamespacedName]:
    named = options.global_configuration if options.enable_custom_resources else None
    if named and not _sees(watched_namespaces(options), named.namespace):
        yield named


def _lease(options: Options) -> Iterator[NamespacedName]:
    yield NamespacedName(options.pod_namespace, options.leader_election_lock_name)


def _session_keys(options: Options) -> Iterator[NamespacedName]:
    yield NamespacedName(options.pod_namespace, options.oidc_keys_secret)


def _external_service(options: Options) -> Iterator[NamespacedName]:
    service = options.published_service
    if service and not _sees(watched_namespaces(options), service.namespace):
        yield service


def _certificates(options: Options) -> Iterator[NamespacedName]:
    for named in dict.fromkeys((options.default_server_tls_secret, options.wildcard_tls_secret)):
        if named and not _sees(secret_namespaces(options), named.namespace):
            yield named


def _listener_secrets(options: Options) -> Iterator[NamespacedName]:
    if options.enable_prometheus_metrics:
        yield from filter(None, (options.prometheus_tls_secret, options.prometheus_basic_auth_secret))
    if options.serves_webhook and options.validating_webhook_secret:
        yield options.validating_webhook_secret


def _own_certificate(options: Options) -> Iterator[NamespacedName]:
    if options.serves_webhook and options.validating_webhook_service and options.validating_webhook_secret:
        yield options.validating_webhook_secret


def _registration(options: Options) -> Iterator[NamespacedName]:
    if options.validating_webhook_configuration:
        yield NamespacedName("", options.validating_webhook_configuration)


def _sees(namespaces: tuple[str, ...], namespace: str) -> bool:
    return EVERYWHERE in namespaces or namespace in namespaces


_CERTIFICATES, *_RECORDS = DEPENDENTS
_EVENTS = Permission(Event.KIND, ("create", "patch"))

PARTS: tuple[Part, ...] = (
    Part("classes", Reach.CLUSTER, "which Ingresses are served here", _follow(Extent.CLUSTER)),
    Part(
        "labels",
        Reach.CLUSTER,
        "namespaces that come and go with -watch-namespace-label",
        (Permission(Namespace.KIND, FOLLOW),),
        wanted=lambda options: bool(options.watch_namespace_label),
    ),
    Part(
        "watched", Reach.WATCHED, "Ingresses, what they lead to, and their events", (*_follow(Extent.WATCHED), _EVENTS)
    ),
    Part(
        "status",
        Reach.WATCHED,
        "-report-ingress-status: an Ingress is read, changed and put back",
        (Permission(Ingress.KIND, ("get",)), Permission(Ingress.KIND, ("update",), "status")),
        wanted=lambda options: options.report_ingress_status,
    ),
    Part(
        "custom",
        Reach.WATCHED,
        "-enable-custom-resources: VirtualServers and the other kinds of k8s.nginx.org, and Pods for a subselector",
        (*_follow(Extent.CUSTOM), *_follow(Extent.BEHIND)),
        wanted=lambda options: options.enable_custom_resources,
    ),
    Part(
        "customstatus",
        Reach.WATCHED,
        "the statuses of custom resources, which are read, changed and put back",
        tuple(_statuses()),
        wanted=lambda options: options.enable_custom_resources and not options.read_only,
    ),
    Part(
        "named",
        Reach.WATCHED,
        "ConfigMaps that annotations of ingress-nginx name: custom-headers and others",
        _follow(Extent.NAMED_BY),
        wanted=lambda options: options.reads_community,
    ),
    _dependents("certmanager", "-enable-cert-manager: the Certificates of VirtualServers", _CERTIFICATES),
    _dependents("externaldns", "-enable-external-dns: the DNSEndpoints of VirtualServers", *_RECORDS),
    Part("secrets", Reach.SECRETS, "certificates and passwords that Ingresses name", _follow(Extent.SECRETS)),
    Part(
        "own",
        Reach.OWN,
        "events on the controller's own Pod, and how many replicas share a rate limit",
        (Permission(Pod.KIND, ("get",)), *_follow(Extent.OWN), _EVENTS),
    ),
    Part(
        "lease",
        Reach.OWN,
        "-enable-leader-election; RBAC cannot limit create to a name",
        (Permission(Lease.KIND, ("create",)), Permission(Lease.KIND, ("get", "update"), named=True)),
        objects=_lease,
        wanted=lambda options: options.enable_leader_election,
    ),
    Part(
        "oidc",
        Reach.OWN,
        "-enable-oidc: the keys of sessions, made and renewed; RBAC cannot limit create to a name",
        (Permission(Secret.KIND, ("create",)), Permission(Secret.KIND, ("get", "update"), named=True)),
        objects=_session_keys,
        wanted=lambda options: options.enable_oidc,
    ),
    Part(
        "configmap",
        Reach.OBJECT,
        "-nginx-configmaps, --configmap and those of ports",
        (Permission(ConfigMap.KIND, FOLLOW, named=True), _EVENTS),
        objects=_config_map,
    ),
    Part(
        "listeners",
        Reach.OBJECT,
        "-global-configuration, if its namespace is not watched",
        (Permission(GlobalConfiguration.KIND, FOLLOW, named=True), _EVENTS),
        objects=_global_configuration,
    ),
    Part(
        "service",
        Reach.OBJECT,
        "-external-service, where no watched namespace covers it",
        (Permission(Service.KIND, FOLLOW, named=True),),
        objects=_external_service,
    ),
    Part(
        "certificate",
        Reach.OBJECT,
        "-default-server-tls-secret and -wildcard-tls-secret, where no namespace of Secrets covers them",
        (Permission(Secret.KIND, FOLLOW, named=True),),
        objects=_certificates,
    ),
    Part(
        "listener",
        Reach.OBJECT,
        "-prometheus-tls-secret, -prometheus-basic-auth-secret and --validating-webhook-secret, read again and again",
        (Permission(Secret.KIND, ("get",), named=True),),
        objects=_listener_secrets,
    ),
    Part(
        "admission",
        Reach.OBJECT,
        "--validating-webhook-service: the certificate that Headgate makes, in a Secret that is there",
        (Permission(Secret.KIND, ("get", "update"), named=True),),
        objects=_own_certificate,
    ),
    Part(
        "registration",
        Reach.OBJECT,
        "--validating-webhook-configuration: its caBundle",
        (Permission(ValidatingWebhookConfiguration.KIND, ("get", "update"), named=True),),
        objects=_registration,
        wanted=lambda options: bool(options.serves_webhook and options.validating_webhook_secret),
    ),
)
"""Everything that Headgate ever asks, in the order in which manifests show it."""


def watched_namespaces(options: Options) -> tuple[str, ...]:
    """Where Ingresses are read; with a label it may be any namespace."""
    return options.watch_namespace or (EVERYWHERE,)


def secret_namespaces(options: Options) -> tuple[str, ...]:
    """Where all Secrets are read."""
    return options.secret_namespaces or (EVERYWHERE,)


def needed(options: Options) -> Mapping[str, tuple[Rule, ...]]:
    """Return the rules that *options* need by namespace, ``EVERYWHERE`` first; nothing is granted twice.

    With ``--read-only`` they are without what writes.
    """
    found: dict[str, list[Rule]] = {EVERYWHERE: []}
    for part in PARTS:
        if part.wanted(options):
            for namespace, name in _places(part, options):
                rules = part.rules(name)
                found.setdefault(namespace, []).extend(_reading(rules) if options.read_only else rules)
    everywhere = merged(found.pop(EVERYWHERE))
    rest = {namespace: _without(merged(rules), everywhere) for namespace, rules in found.items()}
    return {EVERYWHERE: everywhere, **{namespace: rules for namespace, rules in rest.items() if rules}}


def _places(part: Part, options: Options) -> Iterator[tuple[str, str]]:
    """Yield namespace and name of each grant of *part*."""
    match part.reach:
        case Reach.CLUSTER:
            yield EVERYWHERE, ""
        case Reach.WATCHED:
            yield from ((namespace, "") for namespace in watched_namespaces(options))
        case Reach.SECRETS:
            yield from ((namespace, "") for namespace in secret_namespaces(options))
        case Reach.OWN:
            names = [named.name for named in part.objects(options)] or [""]
            yield from ((options.pod_namespace, name) for name in names)
        case Reach.OBJECT:
            yield from ((named.namespace, named.name) for named in part.objects(options))


def merged(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return as few rules that grant the same: verbs of one resource together, then resources with equal verbs."""
    verbs: dict[tuple[Any, ...], dict[str, None]] = {}
    for rule in rules:
        for resource in rule.resources:
            verbs.setdefault((rule.groups, rule.names, resource), {}).update(dict.fromkeys(rule.verbs))
    resources: dict[tuple[Any, ...], list[str]] = {}
    for (groups, names, resource), found in verbs.items():
        resources.setdefault((groups, names, tuple(sorted(found))), []).append(resource)
    return tuple(Rule(groups, tuple(found), allowed, names) for (groups, names, allowed), found in resources.items())


def _reading(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return what *rules* grant without the verbs that change something."""
    kept = (msgspec.structs.replace(rule, verbs=tuple(verb for verb in rule.verbs if verb in READS)) for rule in rules)
    return tuple(rule for rule in kept if rule.verbs)


def _without(rules: tuple[Rule, ...], granted: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return *rules* less those that *granted* covers for all objects."""
    return tuple(rule for rule in rules if not any(_covers(wide, rule) for wide in granted))


def _covers(wide: Rule, rule: Rule) -> bool:
    return (
        not wide.names
        and set(rule.groups) <= set(wide.groups)
        and set(rule.resources) <= set(wide.resources)
        and set(rule.verbs) <= set(wide.verbs)
    )
