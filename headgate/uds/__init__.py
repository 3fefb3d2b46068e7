"""Unix sockets: addresses, safe listening, peers, framing; below ``k8s``, ``nginx`` and ``reporting``, which use it.

``headgate uds`` (``commands``) is a thin layer over this package.
"""

from headgate.uds.address import Address, Kind, require_place, what
from headgate.uds.errors import AddressError, FramingError, InUseError, NobodyError, SilentError, UdsError
from headgate.uds.listener import Access, Listener
from headgate.uds.peers import Listening, Peer, listening

__all__ = [
    "Access",
    "Address",
    "AddressError",
    "FramingError",
    "InUseError",
    "Kind",
    "Listener",
    "Listening",
    "NobodyError",
    "Peer",
    "SilentError",
    "UdsError",
    "listening",
    "require_place",
    "what",
]
