"""The watched kinds as a table: what is listed and watched, where, and under which permission.

RBAC manifests, Informers and the dispatch of keys all follow from it.
"""

from __future__ import annotations

import enum

import msgspec

from headgate.api import ConfigMap, EndpointSlice, Ingress, IngressClass, Pod, Secret, Service, TopLevel
from headgate.api.cert_manager import Certificate
from headgate.api.external_dns import UpstreamDNSEndpoint
from headgate.api.nginx_org import (
    DNSEndpoint,
    GlobalConfiguration,
    Policy,
    TransportServer,
    VirtualServer,
    VirtualServerRoute,
)
from headgate.options import Options


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
    NAMED_BY = "watched namespaces, once an Ingress names a ConfigMap there"
    DEPENDENT = "watched namespaces, with a flag, where Headgate makes such objects"
    """Only the component that makes them reads them. Their definitions may be missing, as those of ``CUSTOM``."""


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
    Watched(ConfigMap, Extent.NAMED_BY),
)


class Dependent(msgspec.Struct, frozen=True):
    """A kind that Headgate makes for others, with the flag ``-enable-…`` that asks for it.

    Attributes:
        row: where it is watched.
        flag: the field of the Options.
        remedy: how its definition comes into a cluster.
    """

    row: Watched
    flag: str
    remedy: str

    @property
    def without(self) -> str:
        """What does without it."""
        return f"-{self.flag.replace('_', '-')}=false"

    def wanted(self, options: Options) -> bool:
        """Whether such objects are made: never outside of a cluster, and not with ``--read-only``."""
        return bool(getattr(options, self.flag)) and not options.read_only and options.manifests is None


DEPENDENTS: tuple[Dependent, ...] = (
    Dependent(Watched(Certificate, Extent.DEPENDENT), "enable_cert_manager", "an installation of cert-manager"),
    Dependent(Watched(DNSEndpoint, Extent.DEPENDENT), "enable_external_dns", "`headgate crds | kubectl apply -f -`"),
    Dependent(
        Watched(UpstreamDNSEndpoint, Extent.DEPENDENT), "enable_external_dns", "`headgate crds | kubectl apply -f -`"
    ),
)
"""Of several with the same flag one is enough."""
