"""The watched kinds as a table: what is listed and watched, where, and under which permission.

RBAC manifests, Informers and the dispatch of keys all follow from it.
"""

from __future__ import annotations

import enum

import msgspec

from headgate.api import ConfigMap, EndpointSlice, Ingress, IngressClass, Pod, Secret, Service, TopLevel
from headgate.api.nginx_org import GlobalConfiguration, Policy, TransportServer, VirtualServer, VirtualServerRoute


class Extent(enum.Enum):
    """Which namespaces a kind is watched in."""

    CLUSTER = "cluster"
    WATCHED = "watched namespaces"
    SECRETS = "namespaces of Secrets"
    NAMED = "one object, named by a flag"
    CUSTOM = "watched namespaces, with -enable-custom-resources"
    """A cluster need not have these kinds: their definitions may be missing, and come and go."""
    OWN = "the replicas of this controller"
    BEHIND = "watched namespaces, once an upstream has a subselector"


class Watched(msgspec.Struct, frozen=True):
    """A row of the table; ``fields`` is a field selector that spares memory and traffic."""

    model: type[TopLevel]
    extent: Extent
    fields: str = ""

    @property
    def kind(self) -> str:
        """The name of the kind."""
        return self.model.KIND.name


WATCHED: tuple[Watched, ...] = (
    Watched(IngressClass, Extent.CLUSTER),
    Watched(Ingress, Extent.WATCHED),
    Watched(Service, Extent.WATCHED),
    Watched(EndpointSlice, Extent.WATCHED),
    # Helm keeps its releases in Secrets, which are large; they must not even be read.
    Watched(Secret, Extent.SECRETS, "type!=helm.sh/release.v1"),
    Watched(VirtualServer, Extent.CUSTOM),
    Watched(VirtualServerRoute, Extent.CUSTOM),
    Watched(TransportServer, Extent.CUSTOM),
    Watched(GlobalConfiguration, Extent.CUSTOM),
    Watched(Policy, Extent.CUSTOM),
    Watched(ConfigMap, Extent.NAMED),
    Watched(Pod, Extent.OWN),
    Watched(Pod, Extent.BEHIND),
)
