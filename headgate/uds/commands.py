"""``headgate uds serve | send | bench``: arguments in, lines out; the work is done by the modules beside this one."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from headgate.uds import plot
from headgate.uds.address import Address, Kind
from headgate.uds.bench import Plan, machine, measure, table
from headgate.uds.client import server_at, talk
from headgate.uds.errors import UdsError
from headgate.uds.framing import MOST, Framing
from headgate.uds.listener import Access, Listener
from headgate.uds.peers import Peer
from headgate.uds.roads import ROADS
from headgate.uds.server import Rules, Server

REPLY: Final = "Hello from server via UDS"
SHOWN: Final = 200
"""Characters of a message that are printed; its size follows if there are more."""

EPILOG: Final = """\
examples:
  headgate uds serve --socket /csi/csi.sock
  headgate uds send --socket /csi/csi.sock "Hello from client"
  headgate uds serve --socket @headgate-test --type seqpacket --allow-uid 1000
  head -c 1000000 /dev/urandom | headgate uds send --socket /csi/csi.sock --framing length -
  headgate uds bench --plot uds.png

docs: docs/unix-sockets.md
"""


def main(argv: Sequence[str]) -> int:
    """Run one of the commands.

    Returns:
        0 if it did what was asked, 1 if something must be mended (said on standard error), 2 if it was not understood.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without emoji is no reason to end
    parser = _parser()
    try:
        ask = parser.parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    command: Callable[[argparse.Namespace], int] = ask.command
    try:
        return command(ask)
    except UdsError as error:
        print(f"headgate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "headgate uds",
        description="Listen on a Unix socket, send to one, measure them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="serve|send|bench")
    _add_serve(commands.add_parser("serve", help="answer every message that arrives at a socket"))
    _add_send(commands.add_parser("send", help="send messages and print the answer to each"))
    _add_bench(commands.add_parser("bench", help="measure Unix sockets against TCP and files on this machine"))
    return parser


def _add_both(parser: argparse.ArgumentParser, timeout_s: float) -> None:
    parser.add_argument("--socket", required=True, metavar="PATH", help="path, or @name for an abstract address")
    parser.add_argument("--type", choices=[kind.value for kind in Kind], default="stream", help="default: stream")
    parser.add_argument(
        "--framing",
        choices=[framing.value for framing in Framing],
        default="newline",
        help="where a message ends on a stream: a newline after it, or its length in four bytes before it",
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=timeout_s, metavar="SECONDS", help=f"default: {timeout_s:g}"
    )


def _add_serve(parser: argparse.ArgumentParser) -> None:
    _add_both(parser, 30.0)
    parser.add_argument("--reply", default=REPLY, metavar="TEXT", help=f"the answer to every message; default: {REPLY}")
    parser.add_argument("--mode", type=_mode, metavar="OCTAL", help="permissions of the file; default: 0660")
    parser.add_argument("--group", metavar="NAME|GID", help="group of the file")
    parser.add_argument(
        "--allow-uid", type=int, action="append", metavar="UID", help="refuse other users; may be repeated"
    )
    parser.add_argument("--max-size", type=int, default=MOST, metavar="BYTES", help="of a message on a stream; 64 MiB")
    parser.set_defaults(command=_serve)


def _add_send(parser: argparse.ArgumentParser) -> None:
    _add_both(parser, 5.0)
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="how long to wait for a server that is not there yet",
    )
    parser.add_argument("messages", nargs="+", metavar="MESSAGE", help="`-` reads one from standard input")
    parser.set_defaults(command=_send)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    default = Plan()
    roads = ",".join(default.roads)
    parser.add_argument("--transports", type=_roads, default=default.roads, metavar="NAMES", help=f"default: {roads}")
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=default.sizes,
        metavar="BYTES,...",
        help="of the messages; default: 64 B to 1 MiB",
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=default.seconds, help="for each transport and size; default: 1"
    )
    parser.add_argument("--rounds", type=int, choices=range(1, 100), default=default.rounds, metavar="N")
    parser.add_argument("--directory", default="", metavar="DIR", help="of sockets, pipes and files; default: TMPDIR")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw it too (needs matplotlib)")
    parser.add_argument("-o", choices=["text", "json"], default="text", help="default: text")
    parser.set_defaults(command=_bench)


def _serve(ask: argparse.Namespace) -> int:
    address, kind = Address.parse(ask.socket), Kind(ask.type)
    if address.path is None and (ask.mode is not None or ask.group is not None):
        raise UdsError(f"{address}: an abstract address has no file, so no mode and no group; use --allow-uid")
    uids = None if ask.allow_uid is None else frozenset(ask.allow_uid)
    rules = Rules(Framing(ask.framing), ask.max_size, ask.timeout, uids)
    access = Access(0o660 if ask.mode is None else ask.mode, ask.group)
    with Listener.open(address, kind, access, identify=True) as listener:
        server = Server(listener, _answering(ask.reply.encode()), rules, _Printer())
        _say(f"🔌 Server listening on {address}")
        asyncio.run(_until_told(server))
    _say(f"👋 Server stopped, {address} is gone")
    return 0


async def _until_told(server: Server) -> None:
    """Run *server* until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(server.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _answering(reply: bytes) -> Callable[[bytes], bytes]:
    def answer(message: bytes) -> bytes:
        _say(f"📩 Server received: {shown(message)}")
        return reply

    return answer


class _Printer:
    """Tells about clients on standard error, so that standard output is the conversation alone."""

    def met(self, peer: Peer | None) -> None:
        self._print(f"🔑 Client: {peer or 'unknown'}")

    def refused(self, peer: Peer | None) -> None:
        self._print(f"⛔ Client refused, its user is not among --allow-uid: {peer or 'unknown'}")

    def failed(self, peer: Peer | None, reason: str) -> None:
        self._print(f"⚠️ Client {peer or 'unknown'}: {reason}")

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def _send(ask: argparse.Namespace) -> int:
    asyncio.run(_conversation(ask, Address.parse(ask.socket)))
    return 0


async def _conversation(ask: argparse.Namespace, address: Address) -> None:
    if ask.wait:
        await server_at(address, ask.wait)
    answers = talk(address, _messages(ask.messages), Kind(ask.type), Framing(ask.framing), timeout_s=ask.timeout)
    async for answer in answers:
        _say(f"📥 Client received: {shown(answer)}")


def _messages(words: Sequence[str]) -> Iterator[bytes]:
    for word in words:
        yield sys.stdin.buffer.read() if word == "-" else os.fsencode(word)


def _bench(ask: argparse.Namespace) -> int:
    if ask.plot is not None:
        plot.require()
    figures = measure(Plan(ask.transports, ask.sizes, ask.seconds, ask.rounds, ask.directory))
    if ask.o == "json":
        _say(msgspec.json.format(msgspec.json.encode({"machine": machine(), "figures": figures})).decode())
    else:
        _say(f"{machine()}\n\n{table(figures)}")
    if ask.plot is not None:
        plot.draw(figures, ask.plot)
    return 0


def shown(message: bytes) -> str:
    """Return *message* as one line for a terminal: nothing in it moves the cursor, and it is not too long."""
    head = message[: 4 * (SHOWN + 1)].decode(errors="replace")  # a character has at most four bytes (RFC 3629)
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in head)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(message)} bytes)"


def _say(line: str) -> None:
    print(line, flush=True)


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return value


def _roads(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(ROADS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is unknown; use {', '.join(ROADS)}")
    return names


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(map(int, text.split(",")))
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError("a message has at least one byte")
    return sizes


def _mode(text: str) -> int:
    try:
        value = int(text, 8)
    except ValueError:
        value = -1
    if not 0 <= value <= 0o777:  # noqa: PLR2004 - what chmod calls the permission bits
        raise argparse.ArgumentTypeError("is not a mode; write for example 0660")
    return value
