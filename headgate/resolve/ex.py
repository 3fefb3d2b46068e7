"""Resources with everything they point at: what ``translate`` needs and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.api import Ingress
from headgate.problems import ObjectRef
from headgate.settings import Said

ServicePort = tuple[str, str]
"""A Service name and one of its ports, by number or name, as the Ingress writes it."""


class Endpoints(msgspec.Struct, frozen=True, gc=False):
    """The addresses behind a Service port, as ``upstream`` blocks write them, sorted and without doubles.

    ``10.0.0.7:8080``, ``[fd00::7]:8080`` or, for an ExternalName, ``host.example.com:80``; ``pods`` names the Pod
    of each address that has one, for the labels of metrics; ``named`` says that they are names to be resolved.
    """

    servers: tuple[str, ...] = ()
    pods: Mapping[str, str] = {}
    named: bool = False


class SecretReference(msgspec.Struct, frozen=True, gc=False):
    """A Secret as the configuration refers to it.

    Attributes:
        ref: the Secret.
        file: its file's name relative to the configuration directory (``secrets/default-cafe``).
        error: why it cannot be used, empty if it can.
    """

    ref: ObjectRef
    file: str
    error: str = ""


class IngressEx(msgspec.Struct, frozen=True, kw_only=True):
    """An Ingress and what it points at.

    Attributes:
        ingress: the object.
        said: what its annotations say.
        hosts: the hosts that it holds; ``""`` is the default server.
        paths: for a minion, the indexes of the paths it holds; ``None`` means all.
        endpoints: the addresses behind each Service port that it names.
        secrets: the Secrets that it names, by name.
        wildcard: the certificate for TLS hosts without a Secret, if one is configured.
    """

    ingress: Ingress
    said: Said
    hosts: tuple[str, ...]
    paths: frozenset[int] | None = None
    endpoints: Mapping[ServicePort, Endpoints] = {}
    secrets: Mapping[str, SecretReference] = {}
    wildcard: SecretReference | None = None


class MergeableIngresses(msgspec.Struct, frozen=True):
    """A master and the minions that hold paths under its host, in order of their keys."""

    master: IngressEx
    minions: tuple[IngressEx, ...]
