"""What the command says about sockets that are not a runtime's, and about what it was asked."""

import asyncio
import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.ir import Layout
from headgate.sockets.endpoints import choice, known, parse
from headgate.sockets.inspection import SocketState, inspect
from headgate.sockets.report import NONE, SILENT, report
from headgate.uds import Address, AddressError, SocketType
from tests.sockets.container_runtimes import bound_socket, headgate_sockets


def test_without_a_runtime_the_output_says_what_to_do(directory: Path) -> None:
    result = headgate_sockets("--root", str(directory), "--prefix", str(directory))

    assert result.code == 1
    assert result.text.splitlines()[:6] == [
        "Container runtimes",
        f"  {directory}/run/containerd/containerd.sock: absent",
        f"  {directory}/run/crio/crio.sock: absent",
        f"  {directory}/run/cri-dockerd.sock: absent",
        "",
        NONE,
    ]


def test_other_files_are_listed_with_their_kind(directory: Path) -> None:
    (directory / "file").touch()
    bound_socket(directory / "stale").close()
    with bound_socket(directory / "dgram", socket.SOCK_DGRAM):
        named = [f"--endpoint={directory / name}" for name in ("file", "stale", "dgram", "nothing")]
        result = headgate_sockets(*named, "-o", "json")

    found = [(row["state"], row["remark"].partition(";")[0]) for row in result.json["runtimes"]]
    assert result.code == 1
    assert found == [
        ("not a socket", "a regular file has this name"),
        ("stale", "no process listens"),
        ("listens", "not a stream socket, so not a container runtime's"),
        ("absent", ""),
    ]
    assert result.json["advice"] == SILENT


def test_without_grpcio_a_listener_is_named_and_the_extra_too(directory: Path) -> None:
    before = "import sys; sys.modules['grpc'] = None"
    with bound_socket(directory / "run/containerd/containerd.sock"):
        result = headgate_sockets("--root", str(directory), before=before)

    assert result.code == 1
    assert "containerd.sock: listens\n" in result.text
    assert f"(pid {os.getpid()}, user " in result.text
    assert "kubeadm would take unix:///var/run/containerd/containerd.sock" in result.text
    assert "pip install 'headgate[sockets]'" in result.text


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--endpoint", "tcp://127.0.0.1:1"], "only Unix sockets are asked"),
        (["--endpoint", "/" + 107 * "x"], "107"),
        (["--endpoint", ""], "is not a socket address"),
        (["--root", "/" + 107 * "x"], "107"),
        (["-o", "yaml"], "is not known; write one of text, json"),
        (["--endpoints", "/x"], "is not a flag of headgate sockets; did you mean -endpoint?"),
    ],
)
def test_unusable_endpoints_are_refused(argv: list[str], complaint: str) -> None:
    result = headgate_sockets(*argv)
    assert (result.code, result.text) == (2, "")
    assert complaint in result.errors


def test_help_shows_examples() -> None:
    result = headgate_sockets("--help")
    assert result.code == 0
    assert "headgate sockets --endpoint /run/k3s/containerd/containerd.sock -o json" in result.text


def test_an_endpoint_named_twice_is_asked_once(directory: Path) -> None:
    result = headgate_sockets("--endpoint", f"{directory}/x", f"--endpoint=unix://{directory}/x", "-o", "json")
    assert len(result.json["runtimes"]) == 1


# --- looking -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Give up root's rights for a while, if there are any."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_socket_without_write_permission_is_reported(directory: Path) -> None:
    with bound_socket(directory / "s"):
        (directory / "s").chmod(0o000)
        with ordinary_user():
            seen = inspect(Address(f"{directory}/s"))

    assert seen.state is SocketState.DENIED
    assert seen.file is not None
    assert seen.file.mode == "0000"
    assert "run as root" in seen.remark


def test_a_directory_without_search_permission_is_reported(directory: Path) -> None:
    with bound_socket(directory / "private/s"):
        (directory / "private").chmod(0o000)
        with ordinary_user():
            seen = inspect(Address(f"{directory}/private/s"))
        (directory / "private").chmod(0o755)

    assert seen.state is SocketState.DENIED
    assert "run as root" in seen.remark


@pytest.mark.parametrize("kind", list(SocketType))
def test_each_kind_of_listener_is_known_by_its_process(directory: Path, kind: SocketType) -> None:
    with bound_socket(directory / "s", kind.number):
        seen = inspect(Address(f"{directory}/s"))

    assert seen.state is SocketState.LISTENS
    assert seen.listener is not None
    assert (seen.listener.pid, seen.listener.kind) == (os.getpid(), kind)
    assert seen.listener.command == Path("/proc/self/comm").read_text().strip()


def test_a_link_to_a_socket_is_followed(directory: Path) -> None:
    (directory / "link").symlink_to("s")
    with bound_socket(directory / "s"):
        (directory / "s").chmod(0o640)
        seen = inspect(Address(f"{directory}/link"))

    assert seen.state is SocketState.LISTENS
    assert seen.file is not None
    assert seen.file.mode == "0640"


def test_a_link_may_lead_to_a_name_too_long_to_connect_to(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = directory / (100 * "d")
    deep.mkdir()
    (directory / "link").symlink_to(deep / "s.sock")
    monkeypatch.chdir(deep)
    with bound_socket(Path("s.sock")):
        seen = inspect(Address(f"{directory}/link"))

    assert seen.state is SocketState.LISTENS


def test_where_no_socket_can_be_there_is_none(directory: Path) -> None:
    result = headgate_sockets("--root", str(directory), "--prefix", f"{directory}/{107 * 'x'}", "-o", "json")
    assert {row["state"] for row in result.json["headgate"]} == {"absent"}


# --- kubeadm -------------------------------------------------------------------------------------------


def test_kubeadm_chooses_a_single_runtime_and_refuses_several() -> None:
    containerd, crio, docker = known(Path("/"))
    assert choice([]) is None
    assert choice([parse("/run/k3s/containerd/containerd.sock")]) is None
    assert str(choice([crio])) == "kubeadm would take unix:///var/run/crio/crio.sock"
    refused = choice([containerd, parse("/x"), docker])
    assert refused is not None
    assert refused.between == ("unix:///var/run/containerd/containerd.sock", "unix:///var/run/cri-dockerd.sock")


def test_only_root_reports_what_kubeadm_would_choose(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "headgate.sockets.cri", None)  # a bare socket answers nothing
    open_to_all, closed = directory / "run/containerd/containerd.sock", directory / "run/crio/crio.sock"
    with bound_socket(open_to_all), bound_socket(closed):
        open_to_all.chmod(0o666)
        everything = asyncio.run(report(known(directory), [Layout.under(str(directory))]))
        closed.chmod(0o000)
        with ordinary_user():
            seen = asyncio.run(report(known(directory), [Layout.under(str(directory))]))

    assert everything.choice is not None
    assert len(everything.choice.between) == 2
    assert seen.choice is None
    assert [item.found.state for item in seen.runtimes] == [SocketState.LISTENS, SocketState.DENIED, SocketState.ABSENT]


def test_default_endpoints_are_those_of_the_runtimes() -> None:
    assert [str(endpoint.address) for endpoint in known(Path("/"))] == [
        "/run/containerd/containerd.sock",
        "/var/run/crio/crio.sock",
        "/var/run/cri-dockerd.sock",
    ]


def test_only_unix_sockets_are_endpoints() -> None:
    assert parse("unix:///run/a.sock") == parse("/run/a.sock")
    with pytest.raises(AddressError, match=re.escape("'npipe:////./pipe/x'")):
        parse("npipe:////./pipe/x")
