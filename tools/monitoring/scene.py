"""What the picture of the dashboard shows: a few hosts with traffic, changes, and an incident, on loopback."""

from __future__ import annotations

import base64
import datetime as dt
import http.client
import json
import math
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from showcase.client import LOOPBACK
from showcase.example import Endpoint
from showcase.ports import free_ports

Json = dict[str, Any]

HOSTS = {"shop.example.com": ("catalog", "cart"), "api.example.com": ("orders",), "blog.example.com": ("blog",)}
PODS = {"catalog": 2, "cart": 1, "orders": 2, "blog": 1}
DAYS = {"shop.example.com": 41, "api.example.com": 5, "blog.example.com": 78}
"""Days for which each certificate is valid from now."""
INCIDENT = (0.5, 0.68)
"""When ``orders`` has no Pod, as shares of the whole time."""


class Target(NamedTuple):
    """A URI, how many requests of 100 go to it, and how long its backend takes, in seconds."""

    host: str
    uri: str
    weight: int
    seconds: float


TARGETS = (
    Target("shop.example.com", "/catalog", 38, 0.012),
    Target("shop.example.com", "/cart", 17, 0.03),
    Target("api.example.com", "/orders", 22, 0.06),
    Target("blog.example.com", "/blog", 14, 0.004),
    Target("shop.example.com", "/old", 3, 0),
    Target("blog.example.com", "/feed", 3, 0),
    Target("unknown.example.com", "/", 3, 0),
)


class Scene:
    """The manifests in *folder*, and the backends that they name."""

    def __init__(self, folder: Path) -> None:
        """Choose ports; nothing is written yet."""
        self._folder = folder
        self._ports = {name: free_ports(count) for name, count in PODS.items()}

    def endpoints(self) -> list[Endpoint]:
        """Return every backend."""
        return [
            Endpoint(f"{name}-{number}", LOOPBACK, port)
            for name, ports in self._ports.items()
            for number, port in enumerate(ports)
        ]

    def write(self) -> None:
        """Write everything, one refused Ingress included."""
        self._put(_object("networking.k8s.io/v1", "IngressClass", "nginx", "",
                          spec={"controller": "nginx.org/ingress-controller"}))  # fmt: skip
        for host, services in HOSTS.items():
            name = host.partition(".")[0]
            self._put(_certificate(f"{name}-tls", host, DAYS[host]))
            self._put(_ingress(name, host, services))
            for service in services:
                ports = [{"name": "http", "port": 80, "targetPort": 8080}]
                self._put(_object("v1", "Service", service, spec={"ports": ports}))
                self.scale(service, PODS[service])
        self._put(_ingress("broken", "broken.example.com", ("catalog",), path="no/slash"))

    def scale(self, service: str, pods: int) -> None:
        """Let *service* have its first *pods* Pods."""
        for number, port in enumerate(self._ports[service]):
            pod = {"addresses": [LOOPBACK], "conditions": {"ready": number < pods},
                   "targetRef": {"kind": "Pod", "name": f"{service}-{number}"}}  # fmt: skip
            self._put(_object("discovery.k8s.io/v1", "EndpointSlice", f"{service}-{number}",
                              labels={"kubernetes.io/service-name": service}, addressType="IPv4",
                              ports=[{"name": "http", "port": port}], endpoints=[pod]))  # fmt: skip

    def deploy(self, number: int) -> None:
        """Add or change an Ingress, as somebody does now and then."""
        self._put(_ingress("preview", f"preview-{number}.example.com", ("blog",)))

    def _put(self, item: Json) -> None:
        fresh = self._folder / ".fresh"
        fresh.write_text(json.dumps(item))
        fresh.rename(self._folder / f"{item['kind']}-{item['metadata']['name']}.json".lower())


def _object(version: str, kind: str, name: str, namespace: str = "shop", **more: Any) -> Json:
    meta = {"name": name, "namespace": namespace, "labels": more.pop("labels", {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **more}


def _ingress(name: str, host: str, services: tuple[str, ...], path: str = "") -> Json:
    paths = [
        {"path": path or f"/{service}", "pathType": "Prefix",
         "backend": {"service": {"name": service, "port": {"number": 80}}}}
        for service in services
    ]  # fmt: skip
    tls = [{"hosts": [host], "secretName": f"{name}-tls"}] if host in HOSTS else []
    spec = {"ingressClassName": "nginx", "rules": [{"host": host, "http": {"paths": paths}}], "tls": tls}
    found = _object("networking.k8s.io/v1", "Ingress", name, spec=spec)
    found["metadata"]["annotations"] = {"ingress.kubernetes.io/ssl-redirect": "false"}
    return found


def _certificate(name: str, host: str, days: int) -> Json:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    builder = x509.CertificateBuilder().subject_name(own).issuer_name(own).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=20))
    builder = builder.not_valid_after(now + dt.timedelta(days=days, hours=3))
    signed = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    data = {"tls.crt": base64.b64encode(signed).decode(), "tls.key": base64.b64encode(private).decode()}
    return _object("v1", "Secret", name, type="kubernetes.io/tls", data=data)


def play(scene: Scene, port: int, seconds: float) -> None:
    """Send requests to nginx on *port* for *seconds*, with changes and the incident in between."""
    began, over = time.monotonic(), threading.Event()
    clients = [threading.Thread(target=_client, args=(port, began, seconds, over), daemon=True) for _ in range(4)]
    for client in clients:
        client.start()
    changes = _changes(scene)
    while (share := (time.monotonic() - began) / seconds) < 1:
        while changes and changes[0][0] <= share:
            changes.pop(0)[1]()
        time.sleep(0.2)
    over.set()
    for client in clients:
        client.join(5)


def _changes(scene: Scene) -> list[tuple[float, Callable[[], None]]]:
    """Return what happens when, as shares of the whole time."""
    found: list[tuple[float, Callable[[], None]]] = [
        (number / 14 + 0.03, lambda number=number: scene.deploy(number)) for number in range(13)
    ]
    found += [(INCIDENT[0], lambda: scene.scale("orders", 0)), (INCIDENT[1], lambda: scene.scale("orders", 2))]
    found += [(0.3, lambda: scene.scale("catalog", 1)), (0.4, lambda: scene.scale("catalog", 2))]
    return sorted(found, key=lambda change: change[0])


def _client(port: int, began: float, seconds: float, over: threading.Event) -> None:
    """Send requests over one connection at a time, more in the middle than at the ends."""
    chance = random.Random()  # noqa: S311 - traffic, no secret
    weights = [target.weight for target in TARGETS]
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    while not over.is_set():
        (target,) = chance.choices(TARGETS, weights)
        share = (time.monotonic() - began) / seconds
        delay = target.seconds * chance.lognormvariate(0, 0.7)
        try:
            connection.request("GET", f"{target.uri}?delay={delay:.4f}", headers={"Host": target.host})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection.close()
        over.wait(0.06 - 0.035 * math.sin(math.pi * min(share, 1)))
