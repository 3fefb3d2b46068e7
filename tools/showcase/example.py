"""One folder of ``examples/``: its manifests, the backends they point at, and what it must answer.

``checks.toml`` says the last; it is TOML, because Headgate and ``kubectl apply -f`` read every YAML file of the folder
as manifests.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import yaml

from showcase.ports import free_ports

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent.

    Attributes:
        url: ``http`` or ``https`` with a host name, whose port is the demo's unless it is that of a listener of the
            GlobalConfiguration; or ``tcp``, ``udp`` or ``tls`` with a host name and such a port.
        user: ``name:password`` for basic authentication (RFC 7617).
        body_size: bytes of the request body.
        times: how often it is sent, each time over a new connection.
        login: the user who logs in (OpenID Connect) before the page is there, by redirects; empty for nobody.
    """

    url: str
    method: str = "GET"
    user: str = ""
    headers: dict[str, str] = {}
    body_size: int = 0
    times: int = 1
    login: str = ""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every answer must be like; of several answers, all bodies together must contain the texts.

    Attributes:
        status: of HTTP; 0 for an answer over TCP, UDP or TLS alone.
        body: texts that the body contains.
        headers: name → text that its value contains.
        servers: number of different backends that answered.
    """

    status: int = 0
    body: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    without_headers: tuple[str, ...] = ()
    servers: int | None = None

    def __str__(self) -> str:
        """In words, on one line."""
        parts = [*([str(self.status)] if self.status else []), *(f"body has {text!r}" for text in self.body)]
        parts += [f"{name} has {text!r}" for name, text in self.headers.items()]
        parts += [f"no {name}" for name in self.without_headers]
        parts += [] if self.servers is None else [f"from {self.servers} backend(s)"]
        return ", ".join(parts)


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One promise of the example."""

    says: str
    request: Request
    answer: Answer


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of one file while Headgate runs, and what is true afterwards."""

    says: str
    file: str
    replace: str
    replacement: str = msgspec.field(name="with")
    checks: tuple[Check, ...] = ()

    def apply(self, folder: Path) -> None:
        """Make the change in *folder*; a text that is not there exactly once is a mistake in ``checks.toml``."""
        path = folder / self.file
        text = path.read_text()
        if text.count(self.replace) != 1:
            raise ValueError(f"{path}: {self.replace!r} must be there exactly once")
        path.write_text(text.replace(self.replace, self.replacement))


class Client(msgspec.Struct, frozen=True):
    """Who may send users to the provider; *secret* is empty for a public client.

    Without redirect URIs, or URIs for after a logout, any is taken.
    """

    id: str
    secret: str = ""
    redirects: tuple[str, ...] = ()
    after_logout: tuple[str, ...] = ()


class ProviderScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider of OpenID Connect on this machine, at ``127.0.0.1`` and a *port*."""

    port: int
    clients: tuple[Client, ...]


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of ``checks.toml``; ``tls`` names the backends that speak TLS, each with the name it is asked for."""

    checks: tuple[Check, ...]
    edits: tuple[Edit, ...] = msgspec.field(name="edit", default=())
    flags: tuple[str, ...] = ()
    tls: dict[str, str] = {}
    provider: ProviderScript | None = None


class Endpoint(msgspec.Struct, frozen=True):
    """Where the manifests expect a backend."""

    name: str
    address: str
    port: int
    protocol: str = "TCP"


class Example(msgspec.Struct, frozen=True):
    """A folder of manifests with its Script; *listeners* are the ports of a copy, by those of the original."""

    folder: Path
    script: Script
    listeners: dict[int, int] = {}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read *folder*; raises OSError or msgspec.ValidationError if there is no usable ``checks.toml``."""
        return cls(folder, msgspec.toml.decode((folder / "checks.toml").read_bytes(), type=Script))

    @classmethod
    def named(cls, name: str) -> Self:
        """Read one of ours."""
        return cls.load(EXAMPLES / name)

    def manifests(self) -> Iterator[dict[str, Any]]:
        """Yield every Kubernetes object of the folder."""
        for path in sorted(self.folder.glob("*.yaml")):
            yield from yaml.safe_load_all(path.read_text())

    def endpoints(self) -> list[Endpoint]:
        """Return the backends that the EndpointSlices name; an endpoint's ``hostname`` is its name."""
        return [
            Endpoint(endpoint["hostname"], address, port["port"], port.get("protocol", "TCP"))
            for manifest in self.manifests()
            if manifest["kind"] == "EndpointSlice"
            for port in manifest["ports"]
            for endpoint in manifest["endpoints"]
            for address in endpoint["addresses"]
        ]

    def listener_ports(self) -> set[int]:
        """Return the ports that a GlobalConfiguration opens."""
        found = (item["spec"]["listeners"] for item in self.manifests() if item["kind"] == "GlobalConfiguration")
        return {listener["port"] for listeners in found for listener in listeners}

    def certificates(self) -> str:
        """Return the certificates of the folder's TLS Secrets (PEM), which sign themselves: what a client trusts."""
        return "".join(
            base64.b64decode(manifest["data"]["tls.crt"]).decode()
            for manifest in self.manifests()
            if manifest["kind"] == "Secret" and manifest["type"] == "kubernetes.io/tls"
        )

    def copy(self, folder: Path) -> Self:
        """Copy everything into the new *folder* with ports of its own, so that runs do not meet."""
        shutil.copytree(self.folder, folder)
        listeners, provider = self.listener_ports(), self.script.provider
        own = {provider.port} if provider else set()
        ports = sorted({endpoint.port for endpoint in self.endpoints()} | listeners | own)
        moved = dict(zip(ports, free_ports(len(ports)), strict=True))
        for path in folder.glob("*.yaml"):
            path.write_text(_PORT.sub(lambda found: _moved(found, moved), path.read_text()))
        script = self.script
        if provider:
            script = msgspec.structs.replace(
                script, provider=msgspec.structs.replace(provider, port=moved[provider.port])
            )
        return type(self)(folder, script, {port: moved[port] for port in listeners})


_PORT = re.compile(r"(?P<before>\bport: |http://127\.0\.0\.1:)(?P<port>\d+)\b")


def _moved(found: re.Match[str], moved: dict[int, int]) -> str:
    port = int(found["port"])
    return f"{found['before']}{moved.get(port, port)}"
