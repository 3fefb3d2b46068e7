"""What ``headgate uds serve``, ``send`` and ``bench`` take from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec

from headgate.flags import Argument, Choice, EnumValue, Flag, Integer, Value, boolean, path
from headgate.uds.address import SocketType
from headgate.uds.bench import BenchPlan
from headgate.uds.framing import MAX_MESSAGE, Framing
from headgate.uds.transports import TRANSPORTS

FLAGS: Final = "Flags"
REPLY: Final = "Hello from server via UDS"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("is not a number of seconds") from None
    if not value > 0:
        raise ValueError("must be more than 0 seconds")
    return value


def _transports(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(TRANSPORTS):
        raise ValueError(f"names {', '.join(sorted(unknown))}, which is unknown; use {', '.join(TRANSPORTS)}")
    return names


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(Integer(1, MAX_MESSAGE), text.split(",")))


def _mode(text: str) -> int:
    try:
        value = int(text, 8)
    except ValueError:
        value = -1
    if not 0 <= value <= 0o777:  # noqa: PLR2004 - what chmod calls the permission bits
        raise ValueError("is not a mode; write for example 0660")
    return value


Seconds = Annotated[float, Value("SECONDS", _seconds)]
Help = Annotated[bool, Value("", boolean), Flag(FLAGS, "Print this text, then end.", native=True, letter="h")]


class SocketOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a server and its clients must agree about."""

    socket: Annotated[
        str,
        Value("PATH", str),
        Flag(FLAGS, "Path, or @name for an abstract address.", "/csi/csi.sock", native=True, required=True),
    ] = ""
    type: Annotated[
        SocketType,
        Value("stream|dgram|seqpacket", EnumValue(SocketType)),
        Flag(FLAGS, "Type of the socket.", native=True),
    ] = SocketType.STREAM
    framing: Annotated[
        Framing,
        Value("newline|length", EnumValue(Framing)),
        Flag(
            FLAGS,
            "Where a message ends on a stream: at a newline after it, or by its length in four bytes before it.",
            "length",
            native=True,
        ),
    ] = Framing.NEWLINE
    help: Help = False


class ServeOptions(SocketOptions, frozen=True, kw_only=True):
    """What ``headgate uds serve`` is asked."""

    timeout: Annotated[
        Seconds, Flag(FLAGS, "A client that is silent for so long is disconnected.", "60", native=True)
    ] = 30.0
    reply: Annotated[str, Value("TEXT", str), Flag(FLAGS, "The answer to every message.", "pong", native=True)] = REPLY
    mode: Annotated[
        int | None,
        Value("OCTAL", _mode),
        Flag(FLAGS, "Permissions of the socket's file; 0660 if not given.", "0600", native=True),
    ] = None
    group: Annotated[
        str | None, Value("NAME|GID", str), Flag(FLAGS, "Group of the socket's file.", "1000", native=True)
    ] = None
    allow_uid: Annotated[
        tuple[int, ...],
        Value("UID", Integer(0, 0xFFFFFFFF), each=True),
        Flag(FLAGS, "Refuse all other users; may be repeated.", "1000", native=True),
    ] = ()
    max_size: Annotated[
        int,
        Value("BYTES", Integer(1, 0xFFFFFFFF)),
        Flag(FLAGS, "Longest message that is accepted on a stream.", "1048576", native=True),
    ] = MAX_MESSAGE


class SendOptions(SocketOptions, frozen=True, kw_only=True):
    """What ``headgate uds send`` is asked."""

    timeout: Annotated[Seconds, Flag(FLAGS, "How long to wait for each answer.", "30", native=True)] = 5.0
    wait: Annotated[
        Seconds, Flag(FLAGS, "How long to wait for a server that does not listen yet.", "10", native=True)
    ] = 0.0
    messages: Annotated[
        tuple[str, ...],
        Value("MESSAGE", str, each=True, blank=True),
        Argument("A message; - reads one from standard input."),
    ] = ()


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``headgate uds bench`` is asked."""

    transports: Annotated[
        tuple[str, ...], Value("NAMES", _transports), Flag(FLAGS, "What is compared.", "uds,tcp", native=True)
    ] = BenchPlan().transports
    sizes: Annotated[
        tuple[int, ...], Value("BYTES,…", _sizes), Flag(FLAGS, "Sizes of the messages.", "64,4096", native=True)
    ] = BenchPlan().sizes
    seconds: Annotated[
        Seconds, Flag(FLAGS, "How long each transport is measured with each size.", "10", native=True)
    ] = BenchPlan().seconds
    rounds: Annotated[
        int,
        Value("N", Integer(1, 99)),
        Flag(FLAGS, "In how many rounds, so that a slow moment affects all alike.", "5", native=True),
    ] = BenchPlan().rounds
    directory: Annotated[
        str,
        Value("DIR", str),
        Flag(FLAGS, "Where sockets, pipes and files are made; empty means TMPDIR.", "/dev/shm", native=True),  # noqa: S108
    ] = ""
    plot: Annotated[
        Path | None, Value("FILE.png", path), Flag(FLAGS, "Draw it too (needs matplotlib).", "uds.png", native=True)
    ] = None
    output: Annotated[
        str, Value("text|json", Choice(("text", "json"))), Flag(FLAGS, "Format.", "json", native=True, letter="o")
    ] = "text"
    help: Help = False
