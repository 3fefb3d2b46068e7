"""Serve one folder of ``examples/`` without a cluster: backends, Headgate, and what to ask it.

``demo.py cafe`` runs until Ctrl-C and follows edits of the folder; ``demo.py --check cafe`` works on a copy, sends the
requests itself, makes one edit, and ends with 0 if every answer was as promised, else with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import http.client
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import NoReturn

from showcase import backends
from showcase.client import LOOPBACK, Doors, Outcome, curl, verify
from showcase.example import EXAMPLES, Check, Example
from showcase.identity_provider import providing
from showcase.ports import free_port, free_ports, is_free

from headgate.nginx import NoBinaryError
from headgate.nginx.capabilities import embedded, probe

TOOLS = Path(__file__).resolve().parent
UNPACKED = TOOLS.parent / "build/nginx-lua/usr/sbin/nginx"
HEADGATE = (sys.executable, "-m", "headgate")
READY_WITHIN, EFFECTIVE_WITHIN, STOPPED_WITHIN, UNPACKED_WITHIN = 60.0, 20.0, 10.0, 120.0
"""Seconds until the first answer, until an edit counts, until a stop, and until an nginx is unpacked."""

PASSTHROUGH, PASSTHROUGH_PORT = "-enable-tls-passthrough", "-tls-passthrough-port"

READY, CHANGED = "ready: ", ("nginx reloaded in", "nginx updated without a reload in")
"""How the messages begin that the demo repeats."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(Exception):
    """The demo cannot go on; the text says why and what to do."""


class Headgate:
    """A running ``headgate run``; its log is printed line by line, or kept until somebody asks."""

    def __init__(self, arguments: Iterable[str], *, quiet: bool) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches it through us and it can drain."""
        self._quiet = quiet
        self._log: collections.deque[str] = collections.deque(maxlen=200)
        self._process = subprocess.Popen(
            [*HEADGATE, "run", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self._process.stdout or nullcontext(()) as lines:
            for line in lines:
                self._log.append(line)
                if not self._quiet:
                    print(f"headgate | {line}", end="", flush=True)

    def wait_ready(self, port: int) -> None:
        """Return once ``/nginx-ready`` answers 200.

        Raises:
            DemoError: Headgate ended, or the time is over.
        """
        deadline = time.monotonic() + READY_WITHIN
        while not _ready(port):
            if self._process.poll() is not None:
                raise DemoError(f"Headgate ended with exit code {self._process.returncode}\n{self.log()}")
            if time.monotonic() > deadline:
                raise DemoError(f"Headgate is not ready after {READY_WITHIN:.0f} s\n{self.log()}")
            time.sleep(0.05)

    def wait_ended(self) -> NoReturn:
        """Wait until it ends by itself, which it should not: raises DemoError then."""
        raise DemoError(f"Headgate ended with exit code {self._process.wait()}; its last words are above")

    def stop(self) -> None:
        """Let it drain; kill it if it does not end in time. A second call does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            print(f"demo: Headgate did not stop within {STOPPED_WITHIN:.0f} s and was killed", file=sys.stderr)
            self._process.wait()
        self._reader.join(1)

    def last(self, *texts: str) -> str:
        """Return the last message of the log with one of *texts*, from there on; empty if there is none."""
        found = [line[line.index(text) :] for line in list(self._log) for text in texts if text in line]
        return found[-1].strip() if found else ""

    def log(self) -> str:
        """Return the last lines of its log."""
        return "".join(f"headgate | {line}" for line in list(self._log))


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/nginx-ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def with_lua() -> str | None:
    """Return an nginx to which endpoints are pushed at run time: the one in ``build/``, or one on PATH."""
    unpacked = UNPACKED if (UNPACKED.parents[2] / "complete").exists() else None
    return next((str(path) for path in (unpacked, shutil.which("nginx")) if path and _has_lua(str(path))), None)


def _has_lua(path: str) -> bool:
    try:
        return asyncio.run(probe(path)).capabilities.lua is not None
    except NoBinaryError:
        return False


def unpack() -> None:
    """Unpack the nginx of the image into ``build/``, where Debian's packages can be had; else say why not."""
    if with_lua() or not all(map(shutil.which, ("apt-get", "dpkg-deb"))):
        return
    print("demo: unpacking nginx with its Lua module into build/nginx-lua; this is done once", flush=True)
    try:
        subprocess.run([TOOLS / "lua_nginx.sh"], check=True, timeout=UNPACKED_WITHIN, stdout=subprocess.DEVNULL)
    except (subprocess.SubprocessError, OSError):
        print("demo: it is not possible here, so that endpoints change by reloads", flush=True)


@contextmanager
def serving(
    example: Example, doors: Doors, prefix: Path, *, quiet: bool = False, nginx: str = ""
) -> Iterator[Headgate]:
    """Run the backends and Headgate for *example*, ready to answer; both are gone when the block ends.

    With *nginx*, else with one that has Lua, else with the embedded one, else with the one that Headgate finds.

    Raises:
        DemoError: a backend's port is taken, or Headgate does not get ready.
    """
    certificates = backends.Certificates(example.script.tls)
    doors.certificates.write_text(example.certificates() + certificates.trusted)
    ready = free_port()
    chosen = nginx or with_lua() or embedded()
    arguments = [
        *([f"--nginx={chosen}"] if chosen else []),
        f"--manifests={example.folder}", f"--prefix={prefix}", "--drain-timeout=2", "-disable-ipv6",
        f"-default-http-listener-port={doors.http}", f"-default-https-listener-port={doors.https}",
        f"-ready-status-port={ready}", "-nginx-status=false", *example.script.flags,
        *([f"{PASSTHROUGH_PORT}={doors.https}"] if PASSTHROUGH in example.script.flags else []),
    ]  # fmt: skip
    with ExitStack() as stack:
        try:
            stack.enter_context(backends.running(example.endpoints(), certificates.contexts))
            if provider := example.script.provider:
                stack.enter_context(providing(LOOPBACK, provider.port, *provider.clients))
        except OSError as error:
            raise DemoError(f"cannot start the backends: {error}; is another demo of this example running?") from None
        headgate = Headgate(arguments, quiet=quiet)
        stack.callback(headgate.stop)
        headgate.wait_ready(ready)
        yield headgate


@contextmanager
def state_folder() -> Iterator[Path]:
    """Make a folder with a short name, as sockets need, that nginx's workers may enter when root starts them."""
    with tempfile.TemporaryDirectory(prefix="headgate-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def named(name: str) -> Example:
    """Return an example; raises DemoError if it has nothing to serve."""
    if (EXAMPLES / name / "checks.toml").exists():
        return Example.named(name)
    words = "it has no checks.toml, because nginx alone cannot serve it"
    raise DemoError(f"the demo does not serve examples/{name}: {words}; what to do with it is in its README.md")


def check(name: str, nginx: str = "") -> int:
    """Run the checks of an example on a copy with ports of its own; return the exit code."""
    with state_folder() as state:
        example = named(name).copy(state / "manifests")
        http_port, https_port = free_ports(2)
        doors = Doors(http_port, https_port, state / "trusted.pem", example.listeners)
        print(f"demo: serving a copy of examples/{name} at ports {doors.http} (http) and {doors.https} (https)\n")
        with serving(example, doors, state / "prefix", quiet=True, nginx=nginx) as headgate:
            print(f"{headgate.last(READY)}\n")
            outcomes = list(_judged(example.script.checks, doors))
            for edit in example.script.edits:
                print(f"edit  {edit.says}: in {edit.file}, {edit.replace!r} becomes {edit.replacement!r}")
                edit.apply(example.folder)
                outcomes += _judged_in_time(edit.checks, doors)
                print(f"      {headgate.last(*CHANGED)}", flush=True)
            failed = sum(not outcome.passed for outcome in outcomes)
            if failed:
                print(f"\n{headgate.log()}")
    print(f"\ndemo: {len(outcomes) - failed} of {len(outcomes)} answers as promised")
    return 1 if failed else 0


def _judged(checks: Iterable[Check], doors: Doors) -> Iterator[Outcome]:
    for one in checks:
        outcome = verify(one, doors)
        print(outcome, flush=True)
        yield outcome


def _judged_in_time(checks: tuple[Check, ...], doors: Doors) -> list[Outcome]:
    """Wait until every answer is as promised or the time is over; print how long it took and the last answers."""
    began = time.monotonic()
    while True:
        outcomes = [verify(one, doors) for one in checks]
        waited = time.monotonic() - began
        if all(outcome.passed for outcome in outcomes) or waited > EFFECTIVE_WITHIN:
            break
        time.sleep(0.05)
    print(*outcomes, f"      looked until {waited:.1f} s after the edit", sep="\n", flush=True)
    return outcomes


def show(name: str, nginx: str = "") -> NoReturn:
    """Serve an example until Ctrl-C."""
    example = named(name)
    for port in sorted(port for port in example.listener_ports() if not is_free(port)):
        raise DemoError(f"port {port}, which the GlobalConfiguration of examples/{name} opens, is in use; stop what "
                        "listens there, or use CHECK=1, which takes other ports")  # fmt: skip
    with state_folder() as state:
        doors = Doors(_port_near(8080), _port_near(8443), state / "trusted.pem")
        with serving(example, doors, state / "prefix", nginx=nginx) as headgate:
            print(_invitation(example, doors), flush=True)
            headgate.wait_ended()


def _port_near(wanted: int) -> int:
    """Return *wanted* or the next free port above it, and say so if it is not the wanted one."""
    port = next(port for port in range(wanted, 65536) if is_free(port))
    if port != wanted:
        print(f"demo: port {wanted} is taken, using {port}")
    return port


def _invitation(example: Example, doors: Doors) -> str:
    lines = ["", f"Headgate serves {example.folder}. Try, in another terminal:", ""]
    for one in example.script.checks:
        often = f" (ask {one.request.times} times)" if one.request.times > 1 else ""
        lines += [f"  # {one.says}{often}", f"  # expect: {one.answer}", f"  {curl(one.request, doors)}", ""]
    return "\n".join([*lines, "Edit a file of the folder and ask again; Ctrl-C ends the demo.", ""])


def _interrupt(*_: object) -> NoReturn:
    """End the demo; further signals must not disturb the end, which takes a bounded time."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Read the command line and run; return the exit code."""
    names = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    parser = argparse.ArgumentParser(prog="demo.py", description="Serve one folder of examples/ without a cluster.")
    parser.add_argument("example", nargs="?", default="cafe", choices=names)
    parser.add_argument("--check", action="store_true", help="send the requests, print the answers, exit 0 or 1")
    parser.add_argument("--nginx", default="", help="the nginx binary; else one with Lua, else the embedded one")
    arguments = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    if not arguments.nginx:
        unpack()
    try:
        return (check if arguments.check else show)(arguments.example, arguments.nginx)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: ended")
        return 130 if arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
