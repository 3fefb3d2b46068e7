"""Backends of TCP, UDP and TLS that tell who they are, and clients that ask them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from showcase.ports import free_port

from tests.k8s.certificates import Authority
from tests.live.headgate_process import LOOPBACK, trusting
from tests.live.json_objects import Json

CLIENT_S = 5.0
NAMESPACE = "default"


# --- backends -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def tcp_backend(name: str, certificate_for: str = "") -> Iterator[int]:
    """Yield the port of a server that answers a line with its name and that line, over TLS if it has a certificate."""
    with socket.create_server((LOOPBACK, free_port())) as listening:
        context = _server_context(certificate_for) if certificate_for else None
        thread = threading.Thread(target=_accept, args=(listening, name, context), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def udp_backend(name: str) -> Iterator[int]:
    """Yield the port of a server that answers a datagram with its name and that datagram; an empty one ends it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((LOOPBACK, free_port()))
        thread = threading.Thread(target=_echo, args=(bound, name), daemon=True)
        thread.start()
        yield bound.getsockname()[1]
        bound.sendto(b"", bound.getsockname())
        thread.join()


def _server_context(host: str) -> ssl.SSLContext:
    certificate, key = Authority().issue(host)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pair.pem")
        path.write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
    return context


def _accept(listening: socket.socket, name: str, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_answer, args=(connection, name, context), daemon=True).start()


def _answer(connection: socket.socket, name: str, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), connection:
        served = context.wrap_socket(connection, server_side=True) if context else connection
        while line := served.recv(1000):
            served.sendall(name.encode() + b" " + line)
        served.close()


def _echo(bound: socket.socket, name: str) -> None:
    while True:
        data, peer = bound.recvfrom(1000)
        if not data:
            return
        bound.sendto(name.encode() + b" " + data, peer)


# --- clients ------------------------------------------------------------------------------------------


def over_tcp(port: int, *, address: str = LOOPBACK) -> str:
    """Send ``hello`` to *port*; return the answer, empty if there is none."""
    try:
        with socket.create_connection((address, port), timeout=CLIENT_S) as connection:
            connection.sendall(b"hello")
            return connection.recv(1000).decode()
    except OSError:
        return ""


def over_udp(port: int, *, seconds: float = 0.3) -> str:
    """Send ``hello`` to *port*; return the answer, empty if there is none within *seconds*."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(seconds)
        try:
            asking.connect((LOOPBACK, port))
            asking.send(b"hello")
            return asking.recv(1000).decode()
        except OSError:
            return ""


def over_tls(port: int, name: str | None, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> str:
    """Send ``hello`` over TLS up to *newest* with the server *name*; return the answer, empty if there is none."""
    context = trusting()
    context.maximum_version = newest
    try:
        with (
            socket.create_connection((LOOPBACK, port), timeout=CLIENT_S) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(b"hello")
            return secure.recv(1000).decode()
    except OSError:
        return ""


# --- objects ------------------------------------------------------------------------------------------


def listener(name: str, port: int, protocol: str = "TCP", **more: Any) -> Json:
    return {"name": name, "port": port, "protocol": protocol, **more}


def global_configuration(*listeners: Json, name: str = "nginx-configuration") -> Json:
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "GlobalConfiguration",
        "metadata": {"name": name, "namespace": "nginx-ingress"},
        "spec": {"listeners": list(listeners)},
    }


def transport_server(name: str, on: str, service: str, protocol: str = "TCP", **spec: Any) -> Json:
    """Make a TransportServer on the listener *on* to a *service* with the port 80; see ``backend_objects``."""
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "TransportServer",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "listener": {"name": on, "protocol": protocol},
            "upstreams": [{"name": "app", "service": service, "port": 80}],
            "action": {"pass": "app"},
            **spec,
        },
    }


def backend_objects(service: str, port: int, protocol: str = "TCP") -> tuple[Json, Json]:
    """Return a Service with the port 80 and its EndpointSlice, with a backend on *port* of this machine."""
    ports = {"name": "app", "protocol": protocol}
    return (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service, "namespace": NAMESPACE},
            "spec": {"ports": [{**ports, "port": 80}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": service,
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "ports": [{**ports, "port": port}],
            "endpoints": [{"addresses": [LOOPBACK]}],
        },
    )
