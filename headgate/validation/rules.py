"""What the flags permit, for the validation of every kind."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.settings import INCUMBENT, Dialect
from headgate.settings.community import CommunityRules


class Rules(msgspec.Struct, frozen=True):
    """What the flags permit.

    Attributes:
        allow_empty_host: ``-allow-empty-ingress-host``.
        gates: flags that settings and fields ask for (``enable-snippets``, ``enable-tls-passthrough``).
        ports: port → the flag by which Headgate itself listens there.
        dialect: that of the annotations of an Ingress.
        community: what the ConfigMap of ingress-nginx says of its annotations.
    """

    allow_empty_host: bool = False
    gates: frozenset[str] = frozenset()
    ports: Mapping[int, str] = {}
    dialect: Dialect = INCUMBENT
    community: CommunityRules = CommunityRules()
