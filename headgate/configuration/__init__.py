"""Who owns which host, path and listener. A pure state machine."""

from headgate.configuration.classes import ClassRule, class_rule
from headgate.configuration.configuration import Configuration
from headgate.configuration.resource import (
    IngressConfiguration,
    MinionConfiguration,
    Operation,
    Resource,
    ResourceChange,
    Update,
)

__all__ = [
    "ClassRule", "Configuration", "IngressConfiguration", "MinionConfiguration", "Operation", "Resource",
    "ResourceChange", "Update", "class_rule",
]  # fmt: skip
