"""The variables of ingress-nginx's log formats, which have other names here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

VARIABLES: Final[Mapping[str, str]] = {
    "best_http_host": "$http_host",
    "ingress_name": "$resource_name",
    "namespace": "$resource_namespace",
    "pass_access_scheme": "$scheme",
    "pass_port": "$server_port",
    "pass_server_port": "$server_port",
    "proxy_alternative_upstream_name": "",
    "proxy_upstream_name": "$resource_namespace-$service-$service_port",
    "req_id": "$request_id",
    "service_name": "$service",
    "the_real_ip": "$remote_addr",
}
"""What stands for each in log formats; an empty text for what a request does not have."""
IN_ANNOTATIONS: Final[Mapping[str, str]] = {**VARIABLES, "proxy_upstream_name": "$resource_namespace-$service"}
"""The same in annotations, where ports are not known."""
UNKNOWN: Final = frozenset({
    "balancer_ewma_score", "global_rate_limit_exceeding", "ingress_path", "location_path", "original_uri",
    "redirect_to_https", "validated_host",
})  # fmt: skip
"""Those that nothing stands for."""
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def replaced_variables(text: str, known: Mapping[str, str] = VARIABLES) -> tuple[str, tuple[str, ...]]:
    """Return *text* with the variables that are *known* in their place, and those for which there is none."""
    missing: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name in UNKNOWN:
            missing.append(f"${name}")
            return "-"
        return known.get(name, found[0])

    return _VARIABLE.sub(replaced, text), tuple(missing)
