"""Unix sockets: addresses, safe binding, peers, framing; imported by ``k8s``, ``nginx`` and ``reporting``.

``headgate uds`` (``commands``) is a thin layer over this package.
"""

from headgate.uds.address import Address, SocketType, file_type, require_bindable
from headgate.uds.errors import AddressError, FramingError, InUseError, NoAnswerError, NotListeningError, UdsError
from headgate.uds.peers import Listening, Peer, listening
from headgate.uds.server_socket import Access, ServerSocket

__all__ = [
    "Access",
    "Address",
    "AddressError",
    "FramingError",
    "InUseError",
    "Listening",
    "NoAnswerError",
    "NotListeningError",
    "Peer",
    "ServerSocket",
    "SocketType",
    "UdsError",
    "file_type",
    "listening",
    "require_bindable",
]
