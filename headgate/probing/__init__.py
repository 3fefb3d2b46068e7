"""``headgate compare``: the same requests to two controllers, and what differs between their answers."""

from headgate.probing.addresses import Address, Controller, controller
from headgate.probing.answers import Difference, Reply, differences
from headgate.probing.asking import CannotAskError, Comparison, compare
from headgate.probing.probes import Probe, Reason, chosen, probes, with_headers
from headgate.probing.samples import header
from headgate.probing.text import Report, as_json, as_text

__all__ = [
    "Address", "CannotAskError", "Comparison", "Controller", "Difference", "Probe", "Reason", "Reply", "Report",
    "as_json", "as_text", "chosen", "compare", "controller", "differences", "header", "probes", "with_headers",
]  # fmt: skip
