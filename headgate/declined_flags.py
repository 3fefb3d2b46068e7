"""The flags of the F5 NGINX Ingress Controller that Headgate knows and does not support, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from headgate.flags import Declined

_PLUS = "needs NGINX Plus, and Headgate drives open-source NGINX; remove the flag"
_WAF = "needs F5 WAF for NGINX, which runs in NGINX Plus only; remove the flag"
_DOS = "needs F5 DoS for NGINX, which runs in NGINX Plus only; remove the flag"
_PLM = "needs the policy storage of F5 WAF, which runs in NGINX Plus only; remove the flag"
_AGENT = "needs NGINX Agent, which Headgate does not start; remove the flag or run the agent separately"

_DECLINED: dict[str, Declined] = {
    "proxy": Declined("", "is the incumbent's test mode; use --kubeconfig for a cluster or --manifests for a folder"),
    "mgmt-configmap": Declined("", _PLUS, refused=False),
    "nginx-plus": Declined("false", _PLUS),
    "enable-app-protect": Declined("false", _WAF),
    "app-protect-log-level": Declined("fatal", _WAF),
    "enable-app-protect-dos": Declined("false", _DOS),
    "app-protect-dos-debug": Declined("false", _DOS),
    "app-protect-dos-max-daemons": Declined("0", _DOS),
    "app-protect-dos-max-workers": Declined("0", _DOS),
    "app-protect-dos-memory": Declined("0", _DOS),
    "app-protect-enforcer-address": Declined("127.0.0.1:50000", _WAF),
    "enable-app-protect-ip-intelligence": Declined("false", _WAF),
    "plm-storage-url": Declined("", _PLM),
    "plm-storage-credentials-secret": Declined("", _PLM),
    "plm-storage-ca-secret": Declined("", _PLM),
    "plm-storage-client-ssl-secret": Declined("", _PLM),
    "plm-storage-insecure-skip-verify": Declined("false", _PLM),
    "agent": Declined("false", _AGENT),
    "agent-instance-group": Declined("nginx-ingress-controller", _AGENT),
    "ingresslink": Declined("", "needs F5 BIG-IP's IngressLink, which is not served yet; use -external-service"),
    "enable-service-insight": Declined("false", _PLUS, refused=False),
    "service-insight-tls-secret": Declined("", _PLUS),
    "service-insight-listen-port": Declined("9114", _PLUS),
    "enable-telemetry-reporting": Declined(
        "true", "is accepted, but Headgate sends no telemetry", refused=False, accepted=("false",)
    ),
    "weight-changes-dynamic-reload": Declined(
        "false",
        "is accepted; where hosts are routed at run time (-live-routes), weights always change without a reload",
        accepted=("false", "true"),
    ),
    # The incumbent had this one up to version 3; manifests of that age still pass it.
    "include-year": Declined("false", "is accepted; every line of the log has its year", accepted=("false", "true")),
}

DECLINED: Mapping[str, Declined] = MappingProxyType(_DECLINED)
"""The incumbent's flags that are known but not supported."""
