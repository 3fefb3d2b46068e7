"""admissionregistration.k8s.io/v1: ValidatingWebhookConfiguration."""

from __future__ import annotations

from typing import ClassVar

from headgate.api.base import Kind, TopLevel


class ValidatingWebhookConfiguration(TopLevel):
    """Which objects the API server asks webhooks about; its content is read and written as it is on the wire."""

    KIND: ClassVar[Kind] = Kind(
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        group="admissionregistration.k8s.io",
        namespaced=False,
    )
