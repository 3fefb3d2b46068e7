"""A dialect: how one family of users spells settings in annotations, and what its annotations decide besides."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec


class Scope(enum.Enum):
    """What a setting means in a mergeable set of Ingresses, and where it may stand."""

    SERVER = "server"
    """Holds for the whole host: regular and master; ignored with a warning on a minion."""
    LOCATION = "location"
    """Holds for locations and their Services: regular and minion; ignored with a warning on a master."""
    INHERITED = "inherited"
    """Regular, master and minion; a minion without it takes its master's."""
    JOINED = "joined"
    """Regular, master and minion; a list, and a minion's follows its master's."""
    OWN = "own"
    """Regular, master and minion, each for itself alone."""


HANDED_DOWN = (Scope.SERVER, Scope.INHERITED, Scope.JOINED)
"""What minions take over from their master: what holds for the host, and what they inherit."""


class Role(enum.Enum):
    """The part an Ingress plays."""

    REGULAR = "regular"
    MASTER = "master"
    MINION = "minion"

    def takes(self, scope: Scope) -> bool:
        """Whether a setting of *scope* has an effect on an Ingress of this role."""
        if self is Role.MINION:
            return scope is not Scope.SERVER
        if self is Role.MASTER:
            return scope is not Scope.LOCATION
        return True


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """The annotations of one ingress controller.

    Attributes:
        name: what operators call it.
        prefix: in front of every setting.
        related: prefixes of annotations that are meant for such a controller; an unknown one gets a warning.
        role: the annotation that makes an Ingress a part of a mergeable set, and what it means; ``None`` if all
            Ingresses share hosts.
        ingress_class: the annotation that names the class of an Ingress, and what it means.
        names: by the names of fields, what follows the prefix in annotations that set them, where it is not the key of
            the setting.
    """

    name: str
    prefix: str
    related: tuple[str, ...]
    role: tuple[str, str] | None
    ingress_class: tuple[str, str]
    names: Mapping[str, str] = {}

    @property
    def structural(self) -> Mapping[str, str]:
        """The annotations that decide what an Ingress is and who serves it, each with its meaning."""
        return dict((*([self.role] if self.role else []), self.ingress_class))

    def role_of(self, annotations: Mapping[str, str]) -> Role | None:
        """Return the role that *annotations* give an Ingress, ``None`` where the annotation has another value."""
        text = annotations.get(self.role[0]) if self.role else None
        if text is None:
            return Role.REGULAR
        return {"master": Role.MASTER, "minion": Role.MINION}.get(text)

    def class_of(self, annotations: Mapping[str, str]) -> str:
        """Return the ingress class that *annotations* name, or ``""``."""
        return annotations.get(self.ingress_class[0], "")


_MERGEABLE = (
    "master or minion: a master holds a host, TLS and what holds for all of it; its minions, of any namespace, have "
    "the paths."
)
_CLASS = "Class of the Ingress; where it is set, spec.ingressClassName does not count."
INCUMBENT = Dialect(
    name="nginx.org",
    prefix="nginx.org/",
    related=("nginx.org/", "nginx.com/", "appprotect.f5.com/", "appprotectdos.f5.com/"),
    role=("nginx.org/mergeable-ingress-type", _MERGEABLE),
    ingress_class=("kubernetes.io/ingress.class", _CLASS),
)
"""The dialect of the F5 NGINX Ingress Controller."""
COMMUNITY = Dialect(
    name="ingress-nginx",
    prefix="nginx.ingress.kubernetes.io/",
    related=("nginx.ingress.kubernetes.io/",),
    role=None,
    ingress_class=("kubernetes.io/ingress.class", _CLASS),
    names={
        "client_max_body_size": "proxy-body-size",
        "grpc_services": "backend-protocol",
        "lb_method": "upstream-hash-by",
        "location_snippets": "configuration-snippet",
        "rewrite_target": "rewrite-target",
        "server_snippets": "server-snippet",
        "ssl_services": "backend-protocol",
        "sticky_cookie_services": "affinity",
        "use_cluster_ip": "service-upstream",
    },
)
"""The dialect of the community's controller ingress-nginx, which was archived in March 2026."""
