"""One request over one connection; redirects are not followed, and certificates are not verified but compared."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import io
import os
import socket
import ssl
from typing import Final

from headgate.probing.addresses import Address
from headgate.probing.answers import Reply
from headgate.probing.probes import Probe

MOST_BODY: Final = 256 << 10
"""The largest body that is compared, in bytes; with MOST_HEAD also the most that is read."""
MOST_HEAD: Final = 64 << 10
PIECE: Final = 64 << 10
AGENT: Final = "headgate-compare"
CLOSED, REFUSED, SILENT = "closes the connection", "refuses the TLS handshake", "no answer in time"
UNREADABLE: Final = "an answer that is not HTTP"


class CannotAskError(Exception):
    """An address does not accept connections; the text says which, and why."""


async def send(address: Address, probe: Probe, timeout_s: float) -> Reply:
    """Send *probe* to *address* (CannotAskError: it accepts no connection).

    What a controller does instead of an answer is a Reply, too: controllers may close connections by intention.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await _connected(address, probe)
    except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError):
        return Reply(REFUSED if probe.scheme == "https" else CLOSED)
    except (TimeoutError, OSError) as error:
        raise CannotAskError(f"cannot ask {probe.scheme}://{address}: {_why(error, timeout_s)}") from None
    sending = asyncio.create_task(_write(writer, probe))
    try:
        data, whole, late = await _received(reader, timeout_s)
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        writer.transport.abort()
    return _reply(probe, data, whole=whole, late=late, certificate=_certificate(writer))


def _why(error: OSError, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {timeout_s:g} s"
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


async def _connected(address: Address, probe: Probe) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if probe.scheme == "http":
        return await asyncio.open_connection(address.host, address.port)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection(address.host, address.port, ssl=context, server_hostname=probe.host)


async def _write(writer: asyncio.StreamWriter, probe: Probe) -> None:
    """Send the whole request; a controller that does not want it may close the connection before the end."""
    headers = [("Host", probe.host), ("User-Agent", AGENT), ("Accept", "*/*"), *probe.headers]
    if probe.upload >= 0:
        headers.append(("Content-Type", "application/octet-stream"))
    replaced = {name.lower() for name, _ in probe.further}
    headers = [*(each for each in headers if each[0].lower() not in replaced), *probe.further, ("Connection", "close")]
    if probe.upload >= 0:
        headers.append(("Content-Length", str(probe.upload)))
    lines = (f"{probe.method} {probe.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", "")
    with contextlib.suppress(OSError):
        writer.write("\r\n".join(lines).encode("ascii"))
        for at in range(0, probe.upload, PIECE):
            writer.write(bytes(min(PIECE, probe.upload - at)))
            await writer.drain()
        await writer.drain()


async def _received(reader: asyncio.StreamReader, timeout_s: float) -> tuple[bytes, bool, bool]:
    """Return what arrived, whether that is everything, and whether the time was over."""
    data = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            while len(data) <= MOST_HEAD + MOST_BODY:
                piece = await reader.read(PIECE)
                if not piece:
                    return bytes(data), True, False
                data += piece
    except TimeoutError:
        return bytes(data), False, True
    except OSError:
        return bytes(data), False, False
    return bytes(data), False, False


def _certificate(writer: asyncio.StreamWriter) -> str:
    """Return the SHA-256 of the certificate, empty in plain HTTP."""
    found = writer.get_extra_info("ssl_object")
    shown = found.getpeercert(binary_form=True) if found else None
    return f"sha256:{hashlib.sha256(shown).hexdigest()}" if shown else ""


class _Received:
    """What ``http.client`` reads from in place of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _reply(probe: Probe, data: bytes, *, whole: bool, late: bool, certificate: str) -> Reply:
    if b"\r\n\r\n" not in data:
        return Reply(UNREADABLE if data and not late else SILENT if late else CLOSED, certificate=certificate)
    response = http.client.HTTPResponse(_Received(data), method=probe.method)  # type: ignore[arg-type]
    body: bytes | None = None
    try:
        response.begin()
        with contextlib.suppress(http.client.IncompleteRead):
            body = response.read()
    except (http.client.HTTPException, ValueError):
        return Reply(UNREADABLE, certificate=certificate)
    headers = tuple((name.lower(), value.strip()) for name, value in response.getheaders())
    read = whole and body is not None and len(body) <= MOST_BODY and probe.method == "GET"
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}" if read and body is not None else ""
    return Reply(str(response.status), headers, digest, certificate)
