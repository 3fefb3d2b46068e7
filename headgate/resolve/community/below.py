"""What holds for the hosts of ingress-nginx below their annotations: its defaults, and its ConfigMap."""

from __future__ import annotations

from headgate.problems import ObjectRef
from headgate.routes import Layer, Layers
from headgate.routes.policies import Hsts
from headgate.settings import COMMUNITY, Header, Overrides, Snippet
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


def with_headers(community: CommunityHosts, own: Overrides, headers: tuple[Header, ...] = ()) -> Overrides:
    """Return *own* with the response headers *headers*, and those of add-headers that have other names."""
    name = "add_header"
    others: tuple[Header, ...] = community.overrides.explicit.get(name, ())
    own_names = {header.name.lower() for header in headers}
    every = (*(header for header in others if header.name.lower() not in own_names), *headers)
    if not every:
        return own
    key = f"{COMMUNITY.prefix}custom-headers" if headers else community.overrides.key(name)
    # Locations of the Ingress that holds the host have headers of their own only where they say how they inherit.
    explicit = {**own.explicit, name: every, **({"add_header_inherit": "on"} if headers else {})}
    return Overrides(explicit, {**own.keys, name: key}, own.dialect)


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
