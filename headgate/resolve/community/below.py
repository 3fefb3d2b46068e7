"""What holds for the hosts of ingress-nginx below their annotations: its defaults, and its ConfigMap."""

from __future__ import annotations

from headgate.problems import ObjectRef
from headgate.routes import Layer, Layers
from headgate.routes.policies import Hsts
from headgate.settings import Overrides, Snippet
from headgate.settings.community import DEFAULTS, CommunityHosts

_SNIPPETS = ("server_snippets", "location_snippets")


def layers_below(community: CommunityHosts, ref: ObjectRef) -> Layers:
    """Return the layers below those of annotations, for the resource *ref*."""
    defaults = Layer(ref, DEFAULTS)
    if community.origin is None or not community.overrides:
        return (defaults,)
    return defaults, Layer(community.origin, community.overrides)


def above(community: CommunityHosts, own: Overrides) -> Overrides:
    """Return *own* as it is laid over the ConfigMap, whose snippets stand before those of annotations."""
    below = community.overrides.explicit
    both = [name for name in _SNIPPETS if name in own and name in below]
    joined = {name: Snippet(f"{below[name]}\n{own.explicit[name]}") for name in both}
    return Overrides({**own.explicit, **joined}, own.keys, own.dialect) if joined else own


def lookup(community: CommunityHosts, own: Overrides) -> Overrides:
    """Return *own* with what the ConfigMap says of how Services are looked up."""
    name = "use_cluster_ip"
    if name in own or name not in community.overrides:
        return own
    explicit = {**own.explicit, name: community.overrides.explicit[name]}
    return Overrides(explicit, {**own.keys, name: community.overrides.key(name)}, own.dialect)


def strict_transport(community: CommunityHosts, ref: ObjectRef) -> Hsts | None:
    """Return the header Strict-Transport-Security of the hosts of *ref*, if they have it."""
    found = community.hsts
    return None if found is None else Hsts(ref, found.max_age, found.include_subdomains, found.preload)
