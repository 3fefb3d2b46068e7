"""Write what the chart takes from code: schema, table of values, refused values; ``--check`` only compares them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from generated import write_or_compare
from monitoring.alerts import ALERTS

from headgate.community_flags import GROUP
from headgate.declined_flags import DECLINED
from headgate.flags import Declaration, EnumValue, Integer, boolean
from headgate.options import DECLARED
from headgate.own_flags import ADMISSION
from headgate.settings.config_params import REGISTRY

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "headgate"

FLAGS: Mapping[str, str] = {
    "watch-namespace": "controller.watchNamespace",
    "watch-secret-namespace": "controller.watchSecretNamespace",
    "watch-namespace-label": "controller.watchNamespaceLabel",
    "ingress-class": "controller.ingressClass.name",
    "controller-class": "controller.ingressClass.controllerClass",
    "ingress-dialect": "controller.ingressDialect",
    "canaries-across-namespaces": "controller.canariesAcrossNamespaces",
    "nginx-configmaps": "controller.customConfigMap",
    "allow-empty-ingress-host": "controller.allowEmptyIngressHost",
    "enable-snippets": "controller.enableSnippets",
    "enable-oidc": "controller.enableOIDC",
    "oidc-keys-secret": "controller.oidcKeysSecret",
    "default-http-listener-port": "controller.defaultHTTPListenerPort",
    "default-https-listener-port": "controller.defaultHTTPSListenerPort",
    "disable-ipv6": "controller.disableIPV6",
    "health-status": "controller.healthStatus",
    "health-status-uri": "controller.healthStatusURI",
    "nginx-status": "controller.nginxStatus.enable",
    "nginx-status-port": "controller.nginxStatus.port",
    "nginx-status-allow-cidrs": "controller.nginxStatus.allowCidrs",
    "nginx-debug": "controller.nginxDebug",
    "nginx-reload-timeout": "controller.nginxReloadTimeout",
    "reload-spacing": "controller.reloadSpacing",
    "data-plane": "controller.dataPlane",
    "live-routes": "controller.liveRoutes",
    "live-streams": "controller.liveStreams",
    "live-memory": "controller.liveMemory",
    "control-writes": "controller.controlWrites",
    "shutdown-grace-period": "controller.shutdownGracePeriod",
    "drain-timeout": "controller.drainTimeout",
    "enable-config-safety": "controller.enableConfigSafety",
    "enable-directive-autoadjust": "controller.directiveAutoAdjust",
    "main-template-path": "controller.mainTemplatePath",
    "ingress-template-path": "controller.ingressTemplatePath",
    "default-server-tls-secret": "controller.defaultTLS.secret",
    "wildcard-tls-secret": "controller.wildcardTLS.secret",
    "ssl-dynamic-reload": "controller.enableSSLDynamicReload",
    "external-service": "controller.reportIngressStatus.externalService",
    "report-ingress-status": "controller.reportIngressStatus.enable",
    "enable-leader-election": "controller.reportIngressStatus.enableLeaderElection",
    "leader-election-lock-name": "controller.reportIngressStatus.leaderElectionLockName",
    "enable-prometheus-metrics": "prometheus.create",
    "prometheus-metrics-listen-port": "prometheus.port",
    "prometheus-tls-secret": "prometheus.secret",
    "prometheus-basic-auth-secret": "prometheus.basicAuthSecret",
    "enable-latency-metrics": "controller.enableLatencyMetrics",
    "ready-status": "controller.readyStatus.enable",
    "ready-status-port": "controller.readyStatus.port",
    "enable-custom-resources": "controller.enableCustomResources",
    "enable-tls-passthrough": "controller.enableTLSPassthrough",
    "tls-passthrough-port": "controller.tlsPassthroughPort",
    "global-configuration": "controller.globalConfiguration.customName",
    "enable-cert-manager": "controller.enableCertManager",
    "enable-external-dns": "controller.enableExternalDNS",
    "log-format": "controller.logFormat",
    "log-level": "controller.logLevel",
}
"""The value of the chart for each flag."""

BY_EXTRA_ARGS = {
        "manifests", "prefix", "nginx", "kubeconfig", "context", "read-only", "version", "help",
        "virtualserver-template-path", "transportserver-template-path",
    } | {name for name, declared in DECLARED.items() if declared.flag.group in {GROUP, ADMISSION}}  # fmt: skip
"""Flags without a value of their own: the chart sets them, they have no use in a Pod, or are those of ingress-nginx."""


class DeclinedValue(NamedTuple):
    """A value of the incumbent's chart for a feature that Headgate does not have."""

    flag: str
    off: Any = False


DECLINED_VALUES: Mapping[str, DeclinedValue] = {
    "controller.nginxplus": DeclinedValue("nginx-plus"),
    "controller.appprotect.enable": DeclinedValue("enable-app-protect"),
    "controller.appprotectdos.enable": DeclinedValue("enable-app-protect-dos"),
    "controller.reportIngressStatus.ingressLink": DeclinedValue("ingresslink", ""),
    "nginxAgent.enable": DeclinedValue("agent"),
    "controller.enableWeightChangesDynamicReload": DeclinedValue("weight-changes-dynamic-reload"),
    "serviceInsight.create": DeclinedValue("enable-service-insight"),
}
"""Values that are refused or cause a warning, like the flag that the incumbent's chart sets from them."""

DECLINED_BY_CHART: Mapping[str, tuple[Any, bool, str]] = {
    "nginxServiceMesh.enable": (False, True, "needs NGINX Service Mesh, which is no longer made; remove the value"),
    "controller.latencyMetricsBuckets": (
        "",
        False,
        "has no effect: the buckets of the latency histogram cannot be chosen",
    ),
}
"""The same for values without a flag: the value that means off, whether others are refused, and why."""

WITHOUT_EFFECT = (
    "controller.mgmt",
    "controller.telemetryReporting",
    "controller.includeYear",
    "controller.initContainerSecurityContext",
    "controller.initContainerResources",
)
"""Values of the incumbent's chart without effect: they belong to a value above, or to what Headgate does not do."""

_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_OWN = r"(\$\(POD_NAMESPACE\)|[a-z0-9]([-a-z0-9]*[a-z0-9])?)"
_PATTERNS = {
    "NAME": f"^({_NAME})?$",
    "NAME,…": rf"^({_NAME}(\s*,\s*{_NAME})*)?$",
    "NAMESPACE/NAME": f"^({_OWN}/{_NAME})?$",
}
"""Patterns for the values of flags, by placeholder; the program checks them more strictly."""

_AMOUNT = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^([0-9]+%?)?$"}]}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_TARGET = {"anyOf": [_PORT, {"type": "string", "minLength": 1}]}
_NODE_PORT = {"anyOf": [_PORT, {"const": ""}]}

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "controller.kind": {"enum": ["deployment", "daemonset", "statefulset", "Deployment", "DaemonSet"]},
    "controller.name": {"minLength": 1},
    "controller.replicaCount": {"minimum": 0},
    "controller.image.repository": {"minLength": 1},
    "controller.image.digest": {"pattern": "^(sha256:[0-9a-f]{64})?$"},
    "controller.image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "controller.config.name": {"pattern": _PATTERNS["NAME"]},
    "controller.customConfigMap": {"type": "string", "pattern": _PATTERNS["NAME"]},
    "controller.containerPort.http": _PORT,
    "controller.containerPort.https": _PORT,
    "controller.hostPort.http": _PORT,
    "controller.hostPort.https": _PORT,
    "controller.dnsPolicy": {"enum": ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]},
    # A mapping of names to values in ingress-nginx's chart.
    "controller.extraArgs": {
        "anyOf": [{"type": "array", "items": {"type": "string", "pattern": "^-"}}, {"type": "object"}]
    },
    # The incumbent's file suggests an empty mapping.
    "controller.topologySpreadConstraints": {"anyOf": [{"type": "array"}, {"type": "object", "maxProperties": 0}]},
    "controller.startupStatus.port": _NODE_PORT,
    "controller.terminationGracePeriodSeconds": {"minimum": 0},
    "controller.drainTimeout": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 86_400}, {"const": ""}]},
    "controller.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "controller.service.externalTrafficPolicy": {"enum": ["Local", "Cluster", ""]},
    "controller.service.healthCheckNodePort": _NODE_PORT,
    "controller.service.allocateLoadBalancerNodePorts": {"enum": [True, False, ""]},
    "controller.service.ipFamilyPolicy": {"enum": ["", "SingleStack", "PreferDualStack", "RequireDualStack"]},
    "controller.service.ipFamilies": {"items": {"enum": ["IPv4", "IPv6"]}},
    "controller.service.httpPort.port": _PORT,
    "controller.service.httpsPort.port": _PORT,
    "controller.service.httpPort.nodePort": _NODE_PORT,
    "controller.service.httpsPort.nodePort": _NODE_PORT,
    "controller.service.httpPort.targetPort": _TARGET,
    "controller.service.httpsPort.targetPort": _TARGET,
    "controller.service.sessionAffinity.type": {"enum": ["ClientIP"]},
    "controller.autoscaling.minReplicas": {"minimum": 1},
    "controller.autoscaling.maxReplicas": {"minimum": 1},
    "controller.autoscaling.targetCPUUtilizationPercentage": {"minimum": 0},
    "controller.autoscaling.targetMemoryUtilizationPercentage": {"minimum": 0},
    "controller.podDisruptionBudget.minAvailable": _AMOUNT,
    "controller.podDisruptionBudget.maxUnavailable": _AMOUNT,
    "controller.statefulset.podManagementPolicy": {"enum": ["OrderedReady", "Parallel"]},
    "controller.statefulset.persistentVolumeClaimRetentionPolicy.whenDeleted": {"enum": ["Retain", "Delete"]},
    "controller.statefulset.persistentVolumeClaimRetentionPolicy.whenScaled": {"enum": ["Retain", "Delete"]},
    "controller.admissionWebhooks.name": {"minLength": 1, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
    "controller.admissionWebhooks.port": {"minimum": 1024, "maximum": 65535},
    "controller.admissionWebhooks.failurePolicy": {"enum": ["Ignore", "Fail"]},
    "controller.admissionWebhooks.timeoutSeconds": {"minimum": 1, "maximum": 30},
    "controller.admissionWebhooks.matchPolicy": {"enum": ["Equivalent", "Exact"]},
    "controller.admissionWebhooks.secret": {"pattern": _PATTERNS["NAME"]},
    "controller.admissionWebhooks.clientCASecret": {"pattern": _PATTERNS["NAME"]},
    "controller.admissionWebhooks.service.servicePort": _PORT,
    "controller.admissionWebhooks.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "prometheus.scheme": {"enum": ["http", "https"]},
    "prometheus.rules.disabled": {"items": {"enum": [alert.name for alert in ALERTS]}},
}
"""Schemas of values that Kubernetes limits, or that are not a flag by themselves."""


SPELLED_OTHERWISE = ("controller.ingressClass", "controller.service.sessionAffinity")
"""Mappings in whose place ingress-nginx's chart has a text."""

COMMUNITY: tuple[Mapping[str, Any], ...] = tuple(yaml.safe_load((CHART / "files" / "ingress-nginx.yaml").read_text()))
"""The values of ingress-nginx's chart that are spelled otherwise here, or are not there."""

# --- values ---------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """One documented key of values.yaml: its path, the comment above it, and its default."""

    path: str
    doc: str
    default: Any

    @property
    def parent(self) -> str:
        """The path of the mapping that contains it; empty at the top."""
        return self.path.rpartition(".")[0]


_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z0-9]+):")


def documented(text: str) -> dict[str, Entry]:
    """Return the keys of a values.yaml that have a comment, and the mappings above them, in their order."""
    values = yaml.safe_load(text)
    found: dict[str, Entry] = {}
    stack: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if match := _KEY.match(line):
            del stack[len(match["indent"]) // 2 :]
            stack.append(match["key"])
            if comment:
                _enter(found, stack, " ".join(comment), values)
            comment = []
        elif line.lstrip().startswith("#"):
            comment.append(line.lstrip().lstrip("#").strip())
        else:
            comment = []
    return found


def _enter(found: dict[str, Entry], keys: list[str], doc: str, values: Any) -> None:
    """Add a key and, without a description, the mappings above it that have none."""
    for depth, key in enumerate(keys, 1):
        values = values[key]
        path = ".".join(keys[:depth])
        if depth == len(keys):
            found[path] = Entry(path, doc, values)
        else:
            found.setdefault(path, Entry(path, "", values))


VALUES = documented((CHART / "values.yaml").read_text())
_PARENTS = frozenset(entry.parent for entry in VALUES.values())


# --- schema ---------------------------------------------------------------------------------------------

Schema = dict[str, Any]


def schema() -> str:
    """Return values.schema.json: keys that are not documented are refused, except below keys of any content."""
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the chart headgate",
        "$defs": {"text": {"type": ["string", "number", "boolean"]}},
        **_mapping(""),
    }
    whole["properties"]["global"] = {"description": "Values of a chart that contains this one."}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _mapping(path: str) -> Schema:
    """Return the schema of a mapping whose keys are documented."""
    children = {entry.path.rpartition(".")[2]: _schema(entry) for entry in VALUES.values() if entry.parent == path}
    for gone in (*DECLINED_VALUES, *DECLINED_BY_CHART, *WITHOUT_EFFECT):
        head, _, key = gone.rpartition(".")
        if head == path:
            children.setdefault(key, _gone(gone))
        elif head not in VALUES and head.rpartition(".")[0] == path:
            children.setdefault(head.rpartition(".")[2], {"type": "object", "description": "Not there; see README.md."})
    for row in COMMUNITY:
        head, _, key = row["value"][len(path) + 1 if path else 0 :].partition(".")
        if row["value"].startswith(f"{path}." if path else "") and head not in children:
            children[head] = {"description": f"Of ingress-nginx's chart; see {PAGE}."} | (
                {"type": "object"} if key else {}
            )
    more: Any = {"$ref": "#/$defs/text"} if path == "controller.config" else False
    return {"type": "object", "additionalProperties": more, "properties": children}


PAGE = "docs/coming-from-ingress-nginx.md"


def _gone(path: str) -> Schema:
    return {"description": "Not there; see README.md." if path in refusals() else "Without effect."}


def _schema(entry: Entry) -> Schema:
    description = {"description": entry.doc} if entry.doc else {}
    if entry.path == "controller.config.entries":
        return description | _entries()
    if entry.path in SPELLED_OTHERWISE:
        return description | {"anyOf": [_mapping(entry.path), {"type": "string"}]}
    if entry.path in _PARENTS:
        return description | _mapping(entry.path)
    shape = _plain(entry.default)
    if declaration := DECLARED.get(_FLAG_OF.get(entry.path, "")):
        shape |= _flag(declaration)
    wanted = SHAPES.get(entry.path, {})
    if not wanted.keys().isdisjoint({"anyOf", "enum", "type"}):
        shape = {}
    return description | shape | wanted | {"default": entry.default}


_FLAG_OF = {value: flag for flag, value in FLAGS.items()}
_TYPES = {bool: "boolean", int: "integer", str: "string", dict: "object", list: "array"}


def _plain(default: Any) -> Schema:
    """Return the schema of values like *default*."""
    return {"type": _TYPES[type(default)]}


def _flag(declaration: Declaration) -> Schema:
    """Return the schema for the parser of the flag."""
    parse = declaration.value.parse
    if parse is boolean:
        return {"type": "boolean"}
    if isinstance(parse, Integer):
        return {"type": "integer", "minimum": parse.least, "maximum": parse.most}
    if isinstance(parse, EnumValue):
        return {"enum": list(parse.words)}
    pattern = _PATTERNS.get(declaration.value.placeholder)
    return {"pattern": pattern} if pattern else {}


def _entries() -> Schema:
    """Return the schema of the ConfigMap; unknown keys are allowed and reported by an event, as without the chart."""
    text = {"$ref": "#/$defs/text"}
    known = {key: {"description": field.spec.doc} | text for key, field in sorted(REGISTRY.keys.items())}
    return {"type": "object", "properties": known, "additionalProperties": text, "default": {}}


# --- refused values -------------------------------------------------------------------------------------


def refusals() -> Mapping[str, Mapping[str, Any]]:
    """Return the unsupported values: which value means off, whether others stop the installation, and why."""
    found = {
        value: {
            "value": value,
            "off": declined_value.off,
            "refused": DECLINED[declined_value.flag].refused,
            "reason": _of_values(DECLINED[declined_value.flag].reason),
        }
        for value, declined_value in DECLINED_VALUES.items()
    }
    for value, (off, refused, reason) in DECLINED_BY_CHART.items():
        found[value] = {"value": value, "off": off, "refused": refused, "reason": reason}
    return found


def _of_values(reason: str) -> str:
    """Return the reason for a flag in terms of the value."""
    reason = reason.replace("remove the flag", "remove the value")
    return re.sub(r"(?<!\w)--?([a-z][-a-z]+)", lambda match: FLAGS.get(match[1], match[0]), reason)


def declined() -> str:
    """Return files/declined.yaml, which the templates read."""
    head = "# Values of the incumbent's chart that are not supported. Generated by `make generate`; do not edit.\n"
    return head + yaml.safe_dump(list(refusals().values()), sort_keys=False, width=200)


# --- README ---------------------------------------------------------------------------------------------

MARK = "<!-- Generated by `make generate` from values.yaml; do not edit below. -->\n"


def readme() -> str:
    """Return README.md: its present head, then the tables."""
    head, mark, _ = (CHART / "README.md").read_text().partition(MARK)
    return head + (mark or MARK) + "\n" + "\n".join([*_table(), "", *_gone_table(), ""])


def _table() -> Iterator[str]:
    yield from ("## Values", "", "| Value | Default | Meaning |", "|---|---|---|")
    for entry in VALUES.values():
        if entry.path not in _PARENTS:
            flag = _FLAG_OF.get(entry.path)
            flag_name = f" (`{DECLARED[flag].spelling}`)" if flag else ""
            yield f"| `{entry.path}` | {_cell(entry.default)} | {entry.doc}{flag_name} |"


def _cell(default: Any) -> str:
    return "" if default == "" else f"`{msgspec.json.encode(default).decode()}`"


def _gone_table() -> Iterator[str]:
    yield from ("## Known and not there", "", "| Value | Installation | Why |", "|---|---|---|")
    for value, row in refusals().items():
        effect = "refused" if row["refused"] else "continues, with a warning in the NOTES"
        yield f"| `{value}` | {effect} | {row['reason']} |"


# --- values of ingress-nginx's chart --------------------------------------------------------------------

BEGIN = "<!-- Generated by `make generate` from charts/headgate/files/ingress-nginx.yaml; do not edit. -->\n"
END = "<!-- End of what is generated. -->\n"


def coming() -> str:
    """Return docs/coming-from-ingress-nginx.md: its present text, with the table of values."""
    text = (ROOT / PAGE).read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "\n" + "\n".join((*_community_table(), "")) + "\n" + END + tail


def _community_table() -> Iterator[str]:
    yield from ("| Value of ingress-nginx's chart | Here |", "|---|---|")
    for row in COMMUNITY:
        yield f"| `{row['value']}` | {_became(row)} |"


def _became(row: Mapping[str, Any]) -> str:
    if "to" in row:
        return f"`{row['to']}`"
    if "flag" in row:
        return f"`--{row['flag']}`"
    return str(row["by"]) if "by" in row else f"NOTE: {row['note']}"


FILES: Mapping[str, Callable[[], str]] = {
    "values.schema.json": schema,
    "files/declined.yaml": declined,
    "README.md": readme,
    f"../../{PAGE}": coming,
}

if __name__ == "__main__":
    sys.exit(write_or_compare(__doc__ or "", CHART, FILES))
