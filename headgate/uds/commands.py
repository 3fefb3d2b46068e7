"""``headgate uds serve | send | bench``: the commands; the work is done by the other modules of this package."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from headgate.flags.command import FAILED, HELP_FLAGS, OK, USAGE, Command, execute, unknown
from headgate.uds import plot
from headgate.uds.address import Address
from headgate.uds.bench import BenchPlan, machine, measure, table
from headgate.uds.client import exchange, wait_for_server
from headgate.uds.errors import UdsError
from headgate.uds.options import BenchOptions, SendOptions, ServeOptions
from headgate.uds.peers import Peer
from headgate.uds.server import MessageServer, ServerRules
from headgate.uds.server_socket import Access, ServerSocket

SHOWN: Final = 200
"""Characters of a message that are printed; its size follows if there are more."""

ABOUT: Final = """\
headgate uds: listen on a Unix socket, send to one, measure them

  headgate uds serve --socket PATH           answer every message that arrives at a socket
  headgate uds send --socket PATH MESSAGE    send messages and print the answer to each
  headgate uds bench                         measure Unix sockets against TCP and files on this machine

`headgate uds COMMAND --help` prints more.

"""
EXAMPLES: Final = """\
Examples:
  headgate uds serve --socket /csi/csi.sock
  headgate uds send --socket /csi/csi.sock "Hello from client"
  headgate uds serve --socket @headgate-test --type seqpacket --allow-uid 1000
  head -c 1000000 /dev/urandom | headgate uds send --socket /csi/csi.sock --framing length -
  headgate uds bench --plot uds.png

Documentation: docs/unix-sockets.md
"""


def main(argv: Sequence[str]) -> int:
    """Run one of the commands.

    Returns:
        0 if it did what was asked, 1 if something must be corrected (one line on standard error says what), 2 if it
        was not understood.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without emoji is no reason to end
    first, rest = (argv[0], argv[1:]) if argv else ("", ())
    if first in HELP_FLAGS:
        print(f"{USAGE_LINE}\n{ABOUT}{EXAMPLES}", end="")
        return OK
    if first not in COMMANDS:
        print(f"headgate: {unknown(first, COMMANDS, 'headgate uds')}", file=sys.stderr)
        print(USAGE_LINE, end="", file=sys.stderr)
        return USAGE
    try:
        return execute(COMMANDS[first], rest, {})
    except UdsError as error:
        print(f"headgate: {error}", file=sys.stderr)
        return FAILED


def _serve(options: ServeOptions) -> int:
    address = Address.parse(options.socket)
    if address.path is None and (options.mode is not None or options.group is not None):
        raise UdsError(f"{address}: an abstract address has no file, so no mode and no group; use --allow-uid")
    uids = frozenset(options.allow_uid) or None
    rules = ServerRules(options.framing, options.max_size, options.timeout, uids)
    access = Access(0o660 if options.mode is None else options.mode, options.group)
    with ServerSocket.open(address, options.type, access, identify=True) as bound:
        server = MessageServer(bound, _responder(options.reply.encode()), rules, _Printer())
        _print(f"🔌 Server listening on {address}")
        asyncio.run(_until_signalled(server))
    _print(f"👋 Server stopped, {address} is gone")
    return OK


async def _until_signalled(server: MessageServer) -> None:
    """Run *server* until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(server.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _responder(reply: bytes) -> Callable[[bytes], bytes]:
    def answer(message: bytes) -> bytes:
        _print(f"📩 Server received: {shown(message)}")
        return reply

    return answer


class _Printer:
    """Reports clients on standard error, so that standard output has nothing but the messages."""

    def connected(self, peer: Peer | None) -> None:
        self._report(f"🔑 Client: {peer or 'unknown'}")

    def refused(self, peer: Peer | None) -> None:
        self._report(f"⛔ Client refused, its user is not among --allow-uid: {peer or 'unknown'}")

    def failed(self, peer: Peer | None, reason: str) -> None:
        self._report(f"⚠️ Client {peer or 'unknown'}: {reason}")

    def _report(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def _send(options: SendOptions) -> int:
    asyncio.run(_conversation(options, Address.parse(options.socket)))
    return OK


async def _conversation(options: SendOptions, address: Address) -> None:
    if options.wait:
        await wait_for_server(address, options.wait)
    answers = exchange(address, _messages(options.messages), options.type, options.framing, timeout_s=options.timeout)
    async for answer in answers:
        _print(f"📥 Client received: {shown(answer)}")


def _messages(words: Sequence[str]) -> Iterator[bytes]:
    for word in words:
        yield sys.stdin.buffer.read() if word == "-" else os.fsencode(word)


def _bench(options: BenchOptions) -> int:
    if options.plot is not None:
        plot.require()
    plan = BenchPlan(options.transports, options.sizes, options.seconds, options.rounds, options.directory)
    figures = measure(plan)
    if options.output == "json":
        _print(msgspec.json.format(msgspec.json.encode({"machine": machine(), "figures": figures})).decode())
    else:
        _print(f"{machine()}\n\n{table(figures)}")
    if options.plot is not None:
        plot.draw(figures, options.plot)
    return OK


def shown(message: bytes) -> str:
    """Return *message* as one line for a terminal: control characters escaped, shortened after ``SHOWN``."""
    head = message[: 4 * (SHOWN + 1)].decode(errors="replace")  # a character has at most four bytes (RFC 3629)
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in head)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(message)} bytes)"


def _print(line: str) -> None:
    print(line, flush=True)


USAGE_LINE: Final = "usage: headgate uds serve|send|bench [FLAGS]\n"
COMMANDS: Final[Mapping[str, Command[Any]]] = MappingProxyType(
    {
        "serve": Command(
            name="headgate uds serve",
            forms=("--socket PATH [FLAGS]",),
            about=f"Answer every message that arrives at a socket, until SIGTERM.\n\n{EXAMPLES}",
            kind=ServeOptions,
            run=_serve,
        ),
        "send": Command(
            name="headgate uds send",
            forms=("--socket PATH [FLAGS] MESSAGE…",),
            about="Send each MESSAGE and print the answer to it; - reads one from standard input, and -- stands before"
            f" messages\nthat begin with a dash.\n\n{EXAMPLES}",
            kind=SendOptions,
            run=_send,
        ),
        "bench": Command(
            name="headgate uds bench",
            forms=("[FLAGS]",),
            about=f"Measure Unix sockets against TCP and files on this machine.\n\n{EXAMPLES}",
            kind=BenchOptions,
            run=_bench,
        ),
    }
)
