"""The kinds whose objects hold hosts, listeners and paths: one row each, from validation to status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from headgate.api import Ingress, TopLevel
from headgate.api.nginx_org import GlobalConfiguration, Policy, TransportServer, VirtualServer, VirtualServerRoute
from headgate.configuration import Claims, Resource
from headgate.configuration.classes import spec_class
from headgate.configuration.community import claims_by_dialect
from headgate.configuration.globalconfiguration import global_configuration_claims, of_every_class
from headgate.configuration.ingress import ingress_class
from headgate.configuration.policy import policy_claims
from headgate.configuration.transportserver import transport_server_claims
from headgate.configuration.virtualserver import (
    virtual_server_claims,
    virtual_server_route_claims,
)
from headgate.problems import Problem
from headgate.reporting.status_forms import Form, exposed_status, ingress_status, referenced_status, state_status
from headgate.reporting.verdicts import (
    Refusal,
    Subject,
    Verdict,
    for_custom,
    for_global_configuration,
    for_ingress,
    for_policy,
)
from headgate.resolve import LocalSecretStore, Lowered, Snapshot
from headgate.resolve.challenges import with_challenges
from headgate.resolve.dialects import lower_by_dialect
from headgate.resolve.transportserver import lower_transport_server
from headgate.resolve.virtualserver import lower_virtual_server
from headgate.routes import RouteTable
from headgate.validation.dialects import validate_ingress_by_dialect
from headgate.validation.globalconfiguration import validate_global_configuration
from headgate.validation.policy import validate_policy
from headgate.validation.rules import Rules
from headgate.validation.transportserver import validate_transport_server
from headgate.validation.virtualserver import validate_virtual_server
from headgate.validation.virtualserverroute import validate_virtual_server_route


class Lower(Protocol):
    """Lowers a resource of one kind to routes."""

    def __call__(
        self, resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, /, *, allow_loopback: bool
    ) -> Lowered:
        """Return its routes, with everything they point at."""
        ...


class ClaimantKind(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table.

    Attributes:
        model: the kind.
        class_of: the ingress class that an object names, or ``""``.
        validate: checks an object whole; ``None`` says that a Problem refuses it.
        claims: what a valid object asks for.
        lower: a resource becomes routes.
        verdict: what is reported on an object.
        status: what is written to its status.
    """

    model: type[TopLevel]
    class_of: Callable[[Any], str | None]
    validate: Callable[[Any, Rules], tuple[Any | None, list[Problem]]]
    claims: Callable[[Any], Claims]
    lower: Lower
    verdict: Callable[[Subject, Sequence[Problem], Sequence[Problem], Refusal | None], Verdict]
    status: Form | None = None


def _without_routes(
    resource: Resource, _snapshot: Snapshot, _secrets: LocalSecretStore, *, allow_loopback: bool
) -> Lowered:
    """Lower a resource that has no routes of its own."""
    del allow_loopback
    return Lowered(RouteTable(origin=resource.ref, members=(resource.ref,)))


CLAIMANTS: tuple[ClaimantKind, ...] = (
    ClaimantKind(
        model=Ingress,
        class_of=ingress_class,
        validate=validate_ingress_by_dialect,
        claims=claims_by_dialect,
        lower=with_challenges(lower_by_dialect),
        verdict=for_ingress,
        status=ingress_status,
    ),
    ClaimantKind(
        model=VirtualServer,
        class_of=spec_class,
        validate=validate_virtual_server,
        claims=virtual_server_claims,
        lower=with_challenges(lower_virtual_server),
        verdict=for_custom,
        status=exposed_status,
    ),
    ClaimantKind(
        model=VirtualServerRoute,
        class_of=spec_class,
        validate=validate_virtual_server_route,
        claims=virtual_server_route_claims,
        lower=lower_virtual_server,  # never alone: its VirtualServer is what is lowered
        verdict=for_custom,
        status=referenced_status,
    ),
    ClaimantKind(
        model=TransportServer,
        class_of=spec_class,
        validate=validate_transport_server,
        claims=transport_server_claims,
        lower=lower_transport_server,
        verdict=for_custom,
        status=state_status,
    ),
    ClaimantKind(
        model=GlobalConfiguration,
        class_of=of_every_class,
        validate=validate_global_configuration,
        claims=global_configuration_claims,
        lower=_without_routes,
        verdict=for_global_configuration,
    ),
    ClaimantKind(
        model=Policy,
        class_of=spec_class,
        validate=validate_policy,
        claims=policy_claims,
        lower=_without_routes,
        verdict=for_policy,
        status=state_status,
    ),
)
