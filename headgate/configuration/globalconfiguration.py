"""The claims of a GlobalConfiguration: what its ports are used for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from headgate.configuration.claims import Claim, Claims, Holder, Slot
from headgate.problems import ObjectRef
from headgate.routes import Listener, Protocol
from headgate.validation.globalconfiguration import ValidGlobalConfiguration


def of_every_class(_: object) -> None:
    """Return the class of an object that a flag names: it has none."""


def global_configuration_claims(valid: ValidGlobalConfiguration) -> Claims:
    """Return the ports, before which no port of an Ingress goes: who runs the controller writes this object.

    A port of UDP is none that others may want.
    """
    uses: defaultdict[int, set[str]] = defaultdict(set)
    for listener in valid.listeners.values():
        if listener.protocol is not Protocol.UDP:
            uses[listener.port].add(_use(listener))
    claims = (
        Claim(Slot(listener=str(port)), "spec.listeners", f"port {port}", " and ".join(sorted(used)))
        for port, used in sorted(uses.items())
    )
    return Claims(tuple(claims), _way_out, first=True)


def _use(listener: Listener) -> str:
    return "HTTPS" if listener.tls else listener.protocol.value


def _way_out(_: ObjectRef, __: Sequence[Holder]) -> str:
    return "use another port"
