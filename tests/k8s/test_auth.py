"""Credentials that rotate, programs that hand them out, and TLS in all its spellings."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headgate.api import Ingress
from headgate.k8s import AuthError, Client, ClusterConfig, ConfigError, Unreachable
from headgate.k8s import plugins as plugins_module
from headgate.k8s.auth import authenticator
from headgate.k8s.config import User
from headgate.k8s.kubeconfig import ExecConfig, ExecVariable
from tests.k8s.apiserver import ApiServer
from tests.k8s.certificates import Authority
from tests.k8s.json_objects import ingress
from tests.waiting import eventually

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def ask(config: ClusterConfig) -> None:
    async with Client(config) as client:
        await client.get(Ingress.KIND, "default", "cafe")


@pytest.fixture
def cafe(server: ApiServer) -> ApiServer:
    server.put(ingress("cafe"))
    return server


# Fixed and file


async def test_each_request_carries_the_token(cafe: ApiServer) -> None:
    cafe.tokens = {"right"}
    await ask(ClusterConfig(server=cafe.url, user=User(token="right")))
    with pytest.raises(AuthError, match="does not accept the credentials: 401 Unauthorized"):
        await ask(ClusterConfig(server=cafe.url, user=User(token="wrong")))


async def test_name_and_password_are_basic_authentication(cafe: ApiServer) -> None:
    cafe.tokens = {f"Basic {base64.b64encode(b'me:pa:ss').decode()}"}
    await ask(ClusterConfig(server=cafe.url, user=User(username="me", password="pa:ss")))


async def test_a_token_file_is_read_each_minute(tmp_path: Path) -> None:
    token, clock = tmp_path / "token", Clock()
    token.write_text("one\n")
    auth = authenticator(ClusterConfig(server="https://x", user=User(token_file=str(token))), clock=clock)
    assert (await auth.credentials()).authorization == "Bearer one"
    token.write_text("two\n")
    clock.now += 59
    assert (await auth.credentials()).authorization == "Bearer one"
    clock.now += 1
    assert (await auth.credentials()).authorization == "Bearer two"


async def test_a_refused_token_file_is_read_at_once(cafe: ApiServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    cafe.tokens = {"one"}
    async with Client(ClusterConfig(server=cafe.url, user=User(token_file=str(token)))) as client:
        await client.get(Ingress.KIND, "default", "cafe")
        token.write_text("two")
        cafe.tokens = {"two"}
        await client.get(Ingress.KIND, "default", "cafe")
    assert cafe.count("GET", "cafe") == 3


async def test_a_token_file_that_vanishes_leaves_the_last_token(tmp_path: Path) -> None:
    token, clock = tmp_path / "token", Clock()
    token.write_text("one")
    auth = authenticator(ClusterConfig(server="https://x", user=User(token_file=str(token))), clock=clock)
    await auth.credentials()
    token.unlink()
    clock.now += 61
    assert (await auth.credentials()).authorization == "Bearer one"


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"two\nlines"])
async def test_a_token_file_without_token_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    auth = authenticator(ClusterConfig(server="https://x", user=User(token_file=str(token))))
    with pytest.raises(AuthError, match=f"token file {token}"):
        await auth.credentials()


# Exec plugins

PLUGIN = """\
import json, os, sys, pathlib
folder = pathlib.Path(sys.argv[1])
calls = folder / "calls"
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
with calls.open("a") as file:
    print(json.dumps({"info": info, "env": os.environ.get("EXTRA"), "args": sys.argv[2:]}), file=file)
print((folder / "answer").read_text())
complaint = folder / "complaint"
if complaint.exists():
    sys.exit(complaint.read_text())
"""


class Plugin:
    """A real program, and what it was told."""

    def __init__(self, folder: Path, version: str = V1) -> None:
        self.folder = folder
        self.version = version
        (folder / "plugin.py").write_text(PLUGIN)

    def answer(self, *, version: str = "", **status: Any) -> None:
        body = {"kind": "ExecCredential", "apiVersion": version or self.version, "status": status}
        (self.folder / "answer").write_text(json.dumps(body))

    @property
    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def config(self, server: str = "https://x", **options: Any) -> ClusterConfig:
        plugin = ExecConfig(
            command=sys.executable,
            args=("-I", "-S", str(self.folder / "plugin.py"), str(self.folder), "more"),
            env=(ExecVariable(name="EXTRA", value="spice"),),
            api_version=self.version,
            provide_cluster_info=options.pop("cluster_info", False),
            interactive_mode="Never",
        )
        return ClusterConfig(server=server, user=User(exec=plugin), **options)


@pytest.mark.parametrize("version", [V1, V1BETA1])
async def test_a_plugin_provides_a_token(cafe: ApiServer, tmp_path: Path, version: str) -> None:
    plugin = Plugin(tmp_path, version)
    plugin.answer(token="fresh")
    cafe.tokens = {"fresh"}
    async with Client(plugin.config(cafe.url)) as client:
        await asyncio.gather(*(client.get(Ingress.KIND, "default", "cafe") for _ in range(5)))
    (call,) = plugin.calls
    assert call["info"] == {"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": False}}
    assert (call["env"], call["args"]) == ("spice", ["more"])


async def test_a_plugin_receives_the_cluster_info_if_it_asks(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path)
    plugin.answer(token="t")
    config = plugin.config("https://api:6443", cluster_info=True, certificate_authority=b"CA", exec_extension={"a": 1})
    await authenticator(config).credentials()
    assert plugin.calls[0]["info"]["spec"]["cluster"] == {
        "server": "https://api:6443",
        "tls-server-name": "api",
        "certificate-authority-data": base64.b64encode(b"CA").decode(),
        "config": {"a": 1},
    }


async def test_a_plugin_runs_again_when_its_answer_expires(tmp_path: Path) -> None:
    plugin, clock = Plugin(tmp_path), Clock()
    clock.now = 1_767_225_600.0  # 2026-01-01T00:00:00Z
    plugin.answer(token="one", expirationTimestamp="2026-01-01T01:00:00Z")
    auth = authenticator(plugin.config(), clock=clock)
    assert (await auth.credentials()).authorization == "Bearer one"
    plugin.answer(token="two")
    clock.now += 3580
    assert (await auth.credentials()).authorization == "Bearer one"
    clock.now += 15
    assert (await auth.credentials()).authorization == "Bearer two"
    clock.now += 10**9
    await auth.credentials()
    assert len(plugin.calls) == 2


async def test_a_plugin_runs_again_after_a_401(cafe: ApiServer, tmp_path: Path) -> None:
    plugin = Plugin(tmp_path)
    plugin.answer(token="one")
    cafe.tokens = {"one"}
    async with Client(plugin.config(cafe.url)) as client:
        await client.get(Ingress.KIND, "default", "cafe")
        plugin.answer(token="two")
        cafe.tokens = {"two"}
        await client.get(Ingress.KIND, "default", "cafe")
    assert len(plugin.calls) == 2


@pytest.mark.parametrize(
    ("answer", "complaint", "message"),
    [
        ({"token": "t"}, "no\nlogin  today", "ended with 1: no login today"),
        ({}, "", "gave neither a token nor a certificate"),
        ({"clientKeyData": "k"}, "", "a key alone"),
        ({"token": "a\nb"}, "", "is not one printable word"),
        ({"token": "t", "version": V1BETA1}, "", f"printed {V1BETA1} ExecCredential, not {V1}"),
        ({"token": 7}, "", "did not print an ExecCredential"),
        ({"token": "t", "expirationTimestamp": "soon"}, "", "did not print an ExecCredential"),
    ],
)
async def test_the_failure_of_a_plugin_is_described(
    tmp_path: Path, answer: dict[str, Any], complaint: str, message: str
) -> None:
    plugin = Plugin(tmp_path)
    plugin.answer(**answer)
    if complaint:
        (tmp_path / "complaint").write_text(complaint)
    with pytest.raises(AuthError) as caught:
        await authenticator(plugin.config()).credentials()
    assert message in str(caught.value)
    assert sys.executable in str(caught.value)


async def test_a_missing_plugin_repeats_its_install_hint(tmp_path: Path) -> None:
    plugin = ExecConfig(command=str(tmp_path / "none"), api_version=V1, install_hint="get it at the bar\n")
    config = ClusterConfig(server="https://x", user=User(exec=plugin))
    with pytest.raises(ConfigError, match="none: there is no such program; get it at the bar"):
        authenticator(config)
    (tmp_path / "none").touch(0o755)
    auth = authenticator(config)
    (tmp_path / "none").unlink()
    with pytest.raises(AuthError, match="cannot be run: No such file or directory; get it at the bar"):
        await auth.credentials()


async def test_a_plugin_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins_module, "TIMEOUT", 0.05)
    plugin = ExecConfig(command="sleep", args=("1000",), api_version=V1)
    with pytest.raises(AuthError, match="took more than"):
        await authenticator(ClusterConfig(server="https://x", user=User(exec=plugin))).credentials()


async def test_cancelling_kills_the_plugin(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 1000"
    plugin = ExecConfig(command="sh", args=("-c", script), api_version=V1)
    auth = authenticator(ClusterConfig(server="https://x", user=User(exec=plugin)))
    asking = asyncio.ensure_future(auth.credentials())
    await eventually((tmp_path / "pid").exists)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"api_version": "client.authentication.k8s.io/v1alpha1"}, "use client.authentication.k8s.io/v1"),
        ({"api_version": V1, "interactive_mode": "Always"}, "insists on a terminal"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_refused_at_once(options: dict[str, str], message: str) -> None:
    config = ClusterConfig(server="https://x", user=User(exec=ExecConfig(command="p", **options)), origin="here")
    with pytest.raises(ConfigError) as caught:
        authenticator(config)
    assert str(caught.value).startswith("here: exec plugin p")
    assert message in str(caught.value)


# TLS


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@contextlib.asynccontextmanager
async def tls_server(
    authority: Authority, folder: Path, *names: str, clients: bool = False
) -> AsyncIterator[ApiServer]:
    async with ApiServer(tls=authority.server_context(folder, *names, clients=clients)) as server:
        server.put(ingress("cafe"))
        yield server


async def test_the_authority_of_the_config_is_trusted_and_no_other(authority: Authority, tmp_path: Path) -> None:
    async with tls_server(authority, tmp_path, "127.0.0.1") as server:
        await ask(ClusterConfig(server=server.url, certificate_authority=authority.pem))
        with pytest.raises(Unreachable, match=r"certificate of https://127.0.0.1:\d+ is not trusted"):
            await ask(ClusterConfig(server=server.url, certificate_authority=Authority().pem))
        await ask(ClusterConfig(server=server.url, insecure=True))


async def test_the_expected_server_name_can_be_chosen(authority: Authority, tmp_path: Path) -> None:
    async with tls_server(authority, tmp_path, "kubernetes.default") as server:
        config = {"server": server.url, "certificate_authority": authority.pem}
        with pytest.raises(Unreachable, match="is not trusted"):
            await ask(ClusterConfig(**config))
        await ask(ClusterConfig(**config, tls_server_name="kubernetes.default"))


async def test_a_client_certificate_is_presented_and_leaves_no_file(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "tmp"
    empty.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(empty))
    certificate, key = authority.issue("me")
    async with tls_server(authority, tmp_path, "127.0.0.1", clients=True) as server:
        config = {"server": server.url, "certificate_authority": authority.pem}
        await ask(ClusterConfig(**config, user=User(certificate=certificate, key=key)))
        with pytest.raises(Unreachable):
            await ask(ClusterConfig(**config))
    assert list(empty.iterdir()) == []


async def test_a_plugin_may_provide_a_client_certificate(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("me")
    plugin = Plugin(tmp_path)
    plugin.answer(clientCertificateData=certificate.decode(), clientKeyData=key.decode())
    async with tls_server(authority, tmp_path, "127.0.0.1", clients=True) as server:
        await ask(plugin.config(server.url, certificate_authority=authority.pem))


async def test_an_unusable_certificate_is_reported(authority: Authority) -> None:
    certificate, _ = authority.issue("one")
    _, key = authority.issue("two")
    with pytest.raises(AuthError, match="client certificate and its key cannot be used"):
        await ask(ClusterConfig(server="https://127.0.0.1:1", user=User(certificate=certificate, key=key)))
    with pytest.raises(ConfigError, match="certificate authority is not PEM"):
        await ask(ClusterConfig(server="https://127.0.0.1:1", certificate_authority=b"junk"))


@contextlib.asynccontextmanager
async def proxy(target: str, asked: list[str]) -> AsyncIterator[str]:
    """Run an HTTP proxy that knows CONNECT and leads everything to *target* (host:port)."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0].decode())
        host, port = target.split(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(pump(reader, back), pump(there, writer))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def test_requests_go_through_the_proxy(authority: Authority, tmp_path: Path) -> None:
    asked: list[str] = []
    async with (
        tls_server(authority, tmp_path, "kubernetes.default") as server,
        proxy(server.url.removeprefix("https://"), asked) as url,
    ):
        config = ClusterConfig(
            server="https://api.invalid:6443",
            certificate_authority=authority.pem,
            tls_server_name="kubernetes.default",
            proxy_url=url,
        )
        await ask(config)
    assert asked == ["CONNECT api.invalid:6443 HTTP/1.1"]
