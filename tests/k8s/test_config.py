"""Kubeconfigs as kubectl reads them, and the account of a Pod."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.k8s import ClusterConfig, ConfigError, in_cluster, load, load_kubeconfig
from headgate.k8s.config import User


def kubeconfig(path: Path, **content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **content}))
    return str(path)


def simple(path: Path, *, cluster: Any = None, user: Any = None, **context: Any) -> str:
    return kubeconfig(
        path,
        **{
            "current-context": "ctx",
            "clusters": [{"name": "c", "cluster": {"server": "https://api:6443", **(cluster or {})}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "ctx", "context": {"cluster": "c", "user": "u", **context}}],
        },
    )


def read(path: str, context: str = "") -> ClusterConfig:
    return load_kubeconfig([path], context, environment={})


def test_a_token_of_a_kubeconfig_is_used(tmp_path: Path) -> None:
    config = read(simple(tmp_path / "config", user={"token": "secret"}, namespace="shop"))
    assert (config.server, config.namespace, config.user.token) == ("https://api:6443", "shop", "secret")
    assert config.origin == f"{tmp_path}/config (context ctx)"
    assert "secret" not in repr(config)


@pytest.mark.parametrize("form", ["file", "data", "both"])
def test_authority_and_client_certificate_as_file_or_data(tmp_path: Path, form: str) -> None:
    pem = {"certificate-authority": b"CA", "client-certificate": b"CERT", "client-key": b"KEY"}
    fields: dict[str, str] = {}
    for name, data in pem.items():
        (tmp_path / name).write_bytes(b"wrong" if form == "both" else data)
        if form in {"file", "both"}:
            fields[name] = name
        if form in {"data", "both"}:
            fields[f"{name}-data"] = base64.b64encode(data).decode()
    cluster = {name: value for name, value in fields.items() if name.startswith("certificate")}
    user = {name: value for name, value in fields.items() if name.startswith("client")}
    config = read(simple(tmp_path / "config", cluster=cluster, user=user))
    assert (config.certificate_authority, config.user.certificate, config.user.key) == (b"CA", b"CERT", b"KEY")


def test_relative_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    user = {"tokenFile": "token", "exec": {"command": "./plugin", "apiVersion": "client.authentication.k8s.io/v1"}}
    config = read(simple(tmp_path / "sub" / "config", user=user))
    assert config.user.token_file == str(tmp_path / "sub" / "token")
    assert config.user.exec is not None
    assert config.user.exec.command == str(tmp_path / "sub" / "plugin")


def test_a_bare_command_is_looked_up_on_the_path(tmp_path: Path) -> None:
    user = {"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1"}}
    config = read(simple(tmp_path / "config", user=user))
    assert config.user.exec is not None
    assert config.user.exec.command == "aws"


def test_of_several_files_the_first_defines_a_name(tmp_path: Path) -> None:
    first = kubeconfig(
        tmp_path / "a" / "one",
        users=[{"name": "u", "user": {"tokenFile": "mine"}}],
        clusters=[{"name": "other", "cluster": {"server": "https://other"}}],
    )
    second = simple(tmp_path / "b" / "two", user={"token": "late"})
    third = kubeconfig(
        tmp_path / "three",
        **{"current-context": "never", "clusters": [{"name": "c", "cluster": {"server": "https://late"}}]},
    )
    missing = str(tmp_path / "missing")
    config = load_kubeconfig([first, missing, second, third], environment={})
    assert config.server == "https://api:6443"
    assert config.user == User(token_file=str(tmp_path / "a" / "mine"))


def test_another_context_may_be_named(tmp_path: Path) -> None:
    path = kubeconfig(
        tmp_path / "config",
        clusters=[{"name": "c", "cluster": {"server": "https://api/prefix/", "tls-server-name": "k8s"}}],
        contexts=[{"name": "a", "context": {"cluster": "c", "user": None}}],
        users=None,
    )
    config = read(path, "a")
    assert (config.server, config.tls_server_name, config.user) == ("https://api/prefix", "k8s", User())


def test_flags_of_the_cluster_are_kept(tmp_path: Path) -> None:
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    cluster = {
        "insecure-skip-tls-verify": True,
        "proxy-url": "http://proxy:3128",
        "extensions": [extension],
    }
    config = read(simple(tmp_path / "config", cluster=cluster))
    assert (config.insecure, config.proxy_url, config.exec_extension) == (
        True,
        "http://proxy:3128",
        {"audience": "x"},
    )


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "http://p:1", "NO_PROXY": "example.com,api"}, ""),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "*"}, ""),
        ({"HTTP_PROXY": "http://p:1"}, ""),
    ],
)
def test_the_environment_may_name_a_proxy(tmp_path: Path, environment: dict[str, str], proxy: str) -> None:
    assert load_kubeconfig([simple(tmp_path / "config")], environment=environment).proxy_url == proxy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cluster": {"server": "api:6443"}}, "server 'api:6443' is not an http or https URL"),
        ({"cluster": {"server": "https://api:99999"}}, "is not an http or https URL"),
        ({"cluster": {"server": "https://"}}, "is not an http or https URL"),
        ({"cluster": {"certificate-authority": "none.pem"}}, "none.pem cannot be read: No such file"),
        ({"cluster": {"certificate-authority-data": "%%%"}}, "certificate-authority-data is not base64"),
        (
            {"cluster": {"certificate-authority-data": "aGk=", "insecure-skip-tls-verify": True}},
            "insecure-skip-tls-verify contradicts",
        ),
        ({"cluster": {"proxy-url": "socks5://x:1"}}, "SOCKS is not supported"),
        ({"user": {"client-certificate-data": "aGk="}}, "must be given together"),
        ({"user": {"auth-provider": {"name": "gcp"}}}, "use an exec plugin"),
        ({"user": {"as": "admin"}}, "impersonation"),
        ({"user": {"token": 12}}, "Expected `str`, got `int`"),
    ],
)
def test_an_unusable_kubeconfig_is_described(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = simple(tmp_path / "config", **change)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_missing_names_list_what_there_is(tmp_path: Path) -> None:
    path = simple(tmp_path / "config")
    with pytest.raises(ConfigError, match=r"no context 'nope' \(there are: ctx\)"):
        read(path, "nope")
    empty = kubeconfig(tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"no current-context .* \(there are none\)"):
        read(empty)


def test_a_broken_file_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("clusters: [\n")
    with pytest.raises(ConfigError, match=r"config: line 2, column 1: is not YAML"):
        read(str(path))


@pytest.fixture
def account(tmp_path: Path) -> Path:
    folder = tmp_path / "account"
    folder.mkdir()
    for name, text in (("token", "t"), ("ca.crt", "CA"), ("namespace", "ingress\n")):
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_the_service_account_of_a_pod_is_used(account: Path, host: str, server: str) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
    config = in_cluster(environment=environment, service_account=account)
    assert (config.server, config.namespace, config.certificate_authority) == (server, "ingress", b"CA")
    assert config.user == User(token_file=str(account / "token"))


def test_a_pod_without_account_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="automountServiceAccountToken"):
        in_cluster(environment={"KUBERNETES_SERVICE_HOST": "x"}, service_account=tmp_path)


def test_the_sources_of_configuration_have_an_order(tmp_path: Path, account: Path) -> None:
    named = simple(tmp_path / "named", cluster={"server": "https://named"})
    listed = simple(tmp_path / "listed", cluster={"server": "https://listed"})
    simple(tmp_path / "home" / ".kube" / "config", cluster={"server": "https://home"})
    environment = {
        "KUBECONFIG": f":{listed}:",
        "KUBERNETES_SERVICE_HOST": "pod",
        "KUBERNETES_SERVICE_PORT": "1",
        "HOME": str(tmp_path / "home"),
    }

    def server(kubeconfig: str = "") -> str:
        return load(kubeconfig, environment=environment, service_account=account).server

    assert server(named) == "https://named"
    assert server() == "https://listed"
    del environment["KUBECONFIG"]
    assert server() == "https://pod:1"
    del environment["KUBERNETES_SERVICE_HOST"]
    assert server() == "https://home"
    environment["HOME"] = str(tmp_path / "nobody")
    with pytest.raises(ConfigError, match="--manifests DIR"):
        server()
    with pytest.raises(ConfigError, match=r"kubeconfig: .*gone cannot be read"):
        server(str(tmp_path / "gone"))
