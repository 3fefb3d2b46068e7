"""Who holds which host, path and listener. A pure state machine."""

from headgate.configuration.arbiter import Arbiter, Claimant
from headgate.configuration.claims import Attachment, AttachmentRule, Candidate, Claim, Claims, Slot
from headgate.configuration.classes import ClassRule, WantedClasses, class_rule, wanted_classes
from headgate.configuration.configuration import Admission, Configuration
from headgate.configuration.foresight import Examined
from headgate.configuration.resource import Attached, Operation, Resource, ResourceChange, Standing, Update

__all__ = [
    "Admission", "Arbiter", "Attached", "Attachment", "AttachmentRule", "Candidate", "Claim", "Claimant", "Claims",
    "ClassRule", "Configuration", "Examined", "Operation", "Resource", "ResourceChange", "Slot", "Standing", "Update",
    "WantedClasses", "class_rule", "wanted_classes",
]  # fmt: skip
