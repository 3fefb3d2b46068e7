"""cert-manager.io/v1: what Headgate writes and compares of it."""

from __future__ import annotations

from typing import Any, ClassVar

from headgate.api.base import Kind, TopLevel


class Certificate(TopLevel):
    """A certificate that cert-manager keeps in a Secret; the spec is left as it is, to be compared and kept."""

    KIND: ClassVar[Kind] = Kind("Certificate", "certificates", group="cert-manager.io")

    spec: dict[str, Any] | None = None
