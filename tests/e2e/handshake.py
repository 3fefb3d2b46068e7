"""What a server shows of itself before the first request."""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple

from cryptography import x509


class Handshake(NamedTuple):
    """The serial number of the certificate, and the protocol that both sides agreed on."""

    serial: int
    protocol: str | None


async def handshake(address: tuple[str, int], host: str) -> Handshake | None:
    """Ask *address* for *host* and believe whatever it shows; None if the handshake fails."""
    context = unverified()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        _, writer = await asyncio.open_connection(*address, ssl=context, server_hostname=host)
    except OSError:
        return None
    found = writer.get_extra_info("ssl_object")
    serial = x509.load_der_x509_certificate(found.getpeercert(binary_form=True)).serial_number
    writer.transport.abort()
    return Handshake(serial, found.selected_alpn_protocol())


def unverified() -> ssl.SSLContext:
    """TLS that believes everybody."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def serial_number(issued: tuple[bytes, bytes]) -> int:
    """Return the serial number of a certificate that comes with its key, both PEM."""
    return x509.load_pem_x509_certificate(issued[0]).serial_number
