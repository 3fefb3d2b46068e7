"""What is refused, and how it is said."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from headgate.ir.layout import SOCKET_PATH_LIMIT
from headgate.uds import Access, Address, AddressError, InUseError, Peer, ServerSocket, SocketType, listening
from headgate.uds.commands import main, shown

OTHER = 65534
"""A user, and a group, that is not us."""


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail with status 1, and return its complaint."""
    assert main(words) == 1
    out, complaint = capsys.readouterr()
    assert out == ""
    assert complaint.startswith("headgate: ")
    return complaint


@pytest.mark.parametrize("command", [["serve"], ["send", "hello"]])
def test_an_address_that_is_too_long_is_reported_with_its_size(
    shared: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"{shared}/{'x' * SOCKET_PATH_LIMIT}"
    assert f"{len(path)} bytes are too many, a socket's path has at most 107" in said(
        capsys, *command, "--socket", path
    )


def test_the_longest_path_works_and_one_byte_more_does_not(shared: Path) -> None:
    longest = f"{shared}/".ljust(SOCKET_PATH_LIMIT, "x")
    with ServerSocket.open(Address.parse(longest)):
        assert Path(longest).is_socket()
    with pytest.raises(AddressError):
        Address.parse(f"{longest}x")
    with pytest.raises(AddressError, match="108 bytes"):
        Address.parse("é" * 54)


def test_a_missing_directory_is_reported(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    complaint = said(capsys, "serve", "--socket", f"{shared}/none/s")
    assert f"there is no directory {shared}/none" in complaint


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("precious"), "a regular file"),
        (lambda path: path.mkdir(), "a directory"),
        (lambda path: path.symlink_to("elsewhere"), "a symbolic link"),
        (os.mkfifo, "a named pipe"),
    ],
    ids=["file", "directory", "link", "pipe"],
)
def test_a_file_of_another_kind_is_left_alone(
    shared: Path, make, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shared / "s"
    make(path)
    before = path.lstat()
    assert f"{words} is in the way and is left alone" in said(capsys, "serve", "--socket", str(path))
    assert path.lstat() == before


def test_sending_to_a_missing_or_wrong_file_is_an_error(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared / "s"
    assert "there is no such file; start the server first" in said(capsys, "send", "--socket", str(path), "x")
    path.write_text("")
    assert "a regular file is there, not a socket" in said(capsys, "send", "--socket", str(path), "x")
    assert "no process listens on it" in said(capsys, "send", "--socket", f"@{shared}", "x")


def test_the_wrong_type_is_named(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ServerSocket.open(Address(f"{shared}/s"), SocketType.SEQPACKET):
        complaint = said(capsys, "send", "--socket", f"{shared}/s", "x")
    assert "the socket there is not of type stream; use another --type" in complaint


def test_an_abstract_address_has_no_mode_and_belongs_to_one(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "an abstract address has no file" in said(capsys, "serve", "--socket", "@x", "--mode", "0600")
    with ServerSocket.open(Address(f"@{shared}")), pytest.raises(InUseError, match=f"pid {os.getpid()} listens"):
        ServerSocket.open(Address(f"@{shared}"))


@pytest.mark.parametrize(
    "words",
    [
        [], ["serve"], ["dance"], ["send", "--socket", "x"], ["serve", "--socket", "x", "--mode", "0999"],
        ["serve", "--socket", "x", "--type", "tcp"], ["send", "--socket", "x", "--timeout", "0", "hello"],
        ["bench", "--transports", "pigeon"], ["bench", "--sizes", "0"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "usage: headgate uds" in capsys.readouterr().err


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["serve", "--help"], ["send", "--help"], ["bench", "--help"]):
        assert main(words) == 0
        assert "usage: headgate uds" in capsys.readouterr().out


@pytest.mark.parametrize("kind", list(SocketType))
def test_a_stale_file_of_any_type_is_replaced(shared: Path, kind: SocketType) -> None:
    address = Address(f"{shared}/s")
    with socket.socket(socket.AF_UNIX, kind.number) as left:
        left.bind(address.text)
    assert listening(address) is None
    with ServerSocket.open(address, SocketType.STREAM):
        found = listening(address)
        assert found is not None
        assert (found.kind, found.pid) == (SocketType.STREAM, os.getpid())


def test_the_pid_of_a_datagram_socket_is_found_in_proc(shared: Path) -> None:
    with ServerSocket.open(Address(f"{shared}/s"), SocketType.DGRAM):
        found = listening(Address(f"{shared}/s"))
    assert found is not None
    assert (found.kind, found.pid) == (SocketType.DGRAM, os.getpid())


def test_mode_and_group_are_set(shared: Path) -> None:
    path = shared / "s"
    with ServerSocket.open(Address(str(path)), access=Access(0o620, str(os.getgid()))):
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o620, os.getgid())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user for a moment")
@pytest.mark.parametrize(("mode", "status"), [(0o600, errno.EACCES), (0o660, 0)])
def test_file_permissions_decide_who_may_connect(shared: Path, mode: int, status: int) -> None:
    shared.chmod(0o755)
    with ServerSocket.open(Address(f"{shared}/s"), access=Access(mode, str(OTHER))):
        assert _connect_as(OTHER, f"{shared}/s") == status


def _connect_as(user: int, path: str) -> int:
    """Connect as *user*, who is in the group of the same number; return the error number, 0 if it worked."""
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        with socket.socket(socket.AF_UNIX) as client:
            os._exit(client.connect_ex(path))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_group_that_is_not_there_leaves_no_file(shared: Path) -> None:
    with pytest.raises(AddressError, match="there is no group 'no-such-group' here; give its number"):
        ServerSocket.open(Address(f"{shared}/s"), access=Access(group="no-such-group"))
    assert list(shared.iterdir()) == []


def test_closing_leaves_the_socket_of_another_alone(shared: Path) -> None:
    path = shared / "s"
    first = ServerSocket.open(Address(str(path)))
    path.unlink()
    with ServerSocket.open(Address(str(path))):
        first.close()
        assert path.is_socket()
    assert not path.exists()


def test_peer_credentials_come_from_the_kernel() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert Peer.of(left) == Peer(os.getpid(), os.getuid(), os.getgid())


def test_displayed_messages_contain_no_control_characters() -> None:
    assert shown(b"\x1b[2Jgone\n\xff") == "\\x1b[2Jgone\\n�"
    assert shown("ü".encode() * 300) == "ü" * 200 + "… (600 bytes)"
    assert shown("😀".encode() * 200) == "😀" * 200
    assert shown(b"a" + "😀".encode() * 200) == "a" + "😀" * 199 + "… (801 bytes)"
