"""The surroundings in which one Policy is lowered: what it may look up, and what is reported of it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from headgate.api.networking import ServiceBackendPort
from headgate.problems import ObjectRef, Problem
from headgate.resolve.contents import SecretKind
from headgate.resolve.search import Search
from headgate.routes import Endpoints, SecretReference
from headgate.validation.policy import REFUSED

USUAL_DEPTH: Final = 1
"""The certificates between that of a server or client and its authority, where a Policy does not say."""


class Unusable(Exception):  # noqa: N818 - a verdict about a Policy, which never leaves this package
    """Why a valid Policy cannot be used now; the text completes a sentence that begins with its name."""


class Lowering(msgspec.Struct, frozen=True):
    """A Policy that is lowered.

    Attributes:
        search: looks up what it names.
        policy: its identity.
        path: the field of its type (``spec.basicAuth``).
        tls: whether the host that it is for speaks TLS.
    """

    search: Search
    policy: ObjectRef
    path: str
    tls: bool = False

    def secret(self, field: str, name: str, kind: SecretKind) -> SecretReference:
        """Return the Secret *name* in the namespace of the Policy.

        Raises:
            Unusable: it is missing or invalid, which is reported on the Policy, too.
        """
        namespace, _, own = name.rpartition("/")
        found = self.search.secret(
            self.policy, f"{self.path}.{field}", (namespace or self.policy.namespace, own), kind, REFUSED
        )
        if found.error:
            raise Unusable(f"needs Secret {found.ref.key}, which {found.error}")
        return found

    def content(self, field: str, name: str, kind: SecretKind) -> bytes:
        """Return what the first file of the Secret *name* would hold; it is not written (Unusable: see ``secret``)."""
        found, data = self.search.secret_content(
            self.policy, f"{self.path}.{field}", (self.policy.namespace, name), kind, REFUSED
        )
        if found.error:
            raise Unusable(f"needs Secret {found.ref.key}, which {found.error}")
        return data

    def optional_secret(self, field: str, name: str | None, kind: SecretKind) -> SecretReference | None:
        """Return the Secret *name*, ``None`` if there is no name; see ``secret``."""
        return self.secret(field, name, kind) if name else None

    def url(self, field: str, text: str) -> str:
        """Return *text*, the URL of a server that Headgate asks (Unusable: its host is not asked, as with backends)."""
        host = urlsplit(text).hostname or ""
        if fault := self.search.host_fault(host):
            reason = f"cannot be used: its host {host} {fault}"
            self.search.report(Problem(self.policy, f"{self.path}.{field}", text, reason, REFUSED))
            raise Unusable(f"has {field} {text!r}, whose host {fault}")
        return text

    def endpoints(self, field: str, name: tuple[str, str], port: int) -> Endpoints:
        """Return the addresses behind a port of the Service called *name* (namespace and name)."""
        return self.search.service(self.policy, f"{self.path}.{field}", name, ServiceBackendPort(number=port))

    def warn(self, field: str, reason: str, effect: str) -> None:
        """Report a warning on the Policy."""
        self.search.report(Problem(self.policy, f"{self.path}.{field}", "", reason, effect))
