"""What nginx complains about, and in which file. Pure.

nginx writes one line per complaint, either as a program (``nginx: [emerg] …``, from ``nginx -t``) or with time
and pid in front (the error log). The last line of the gravest kind is the reason it stopped.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import structs

FATAL: Final = ("emerg", "alert", "crit", "error")
"""Levels that explain a refusal, gravest first; a warning never does."""

_LINE: Final = re.compile(
    r"^(?:nginx: |\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )\[(?P<level>[a-z]+)\] (?:(?P<pid>\d+)#\d+: )?(?:\*\d+ )?(?P<text>.*)$"
)
_PLACE: Final = re.compile(r" in (?P<path>/\S+?):(?P<line>\d+)$")
_ZONE: Final = re.compile(
    r'"(?P<zone>[^"]+)" uses the .* while previously it used the |^zero size shared memory zone "(?P<unknown>[^"]+)"'
)
_PORT: Final = re.compile(r"(?:bind|listen)\(\) to (?P<address>\S+) failed \((?P<errno>\d+): (?P<reason>[^)]*)\)")
_GAVE_UP: Final = "still could not bind()"
_BIND_AGAIN: Final = re.compile(r"try again to bind\(\) after \d+ms")
_SURROUNDINGS: Final = re.compile(
    r" \(\d+: [^)]*\)"  # a system call failed: a port, a file, memory
    r"|^host not found in "
    r"|system library|BIO_new_file\(\)|PEM_read_bio|SSL_CTX_use_|X509_check_private_key|dlopen\(\)"  # a file's content
    r"|^duplicate (?:upstream|listen options)|^a duplicate default server"  # another object is in the way
    r"|already (?:bound|declared)|while previously it used|^zero size shared memory zone"
)


class Cause(enum.Enum):
    """Where the fault lies, and so whether the same files may be accepted another time."""

    OBJECT = "object"
    """In the object's own files, as long as ``nginx.conf`` is the same."""
    SURROUNDINGS = "surroundings"
    """Outside of them: a port in use, a name that does not resolve, a file, another object."""
    TIME = "time"
    """Not known: there was no time to try it."""


class Complaint(msgspec.Struct, frozen=True):
    """One line of nginx's, in parts."""

    level: str
    pid: int
    """Who wrote it; 0 for ``nginx -t``."""
    text: str


class Blame(msgspec.Struct, frozen=True, kw_only=True):
    """Why nginx refused a configuration.

    Attributes:
        message: nginx's own words without time and pid; empty if it gave no reason.
        file: name relative to the configuration directory, empty if nginx named none inside it.
        line: line in *file*, 0 without one.
        paths: every absolute path the message mentions, such as a certificate that cannot be read.
        needle: text that the file at fault contains when nginx names none (``zone=NAME``), may be empty.
        address: the address nginx could not bind, may be empty.
        cause: where the fault lies.
    """

    message: str
    file: str = ""
    line: int = 0
    paths: tuple[str, ...] = ()
    needle: str = ""
    address: str = ""
    cause: Cause = Cause.OBJECT

    @property
    def unresolved(self) -> bool:
        """Whether nginx could not resolve the name of a backend, which no change of another file brings about."""
        return self.message.startswith("host not found in upstream")

    @property
    def port(self) -> str:
        """The port of *address*, empty for a Unix socket or without one."""
        return "" if self.address.startswith("unix:") else self.address.rpartition(":")[2]


def complaints(output: str) -> Iterator[Complaint]:
    """Yield the lines of *output* that nginx wrote; others (of libraries) are skipped."""
    for line in output.splitlines():
        if match := _LINE.match(line):
            yield Complaint(match["level"], int(match["pid"] or 0), match["text"])


def blame(output: str, conf: str) -> Blame:
    """Return what *output* (of ``nginx -t``, or a piece of the error log) says was wrong under *conf*."""
    return _taken_apart(_reason(list(complaints(output))) or _foreign(output), conf)


def unbound(output: str) -> tuple[str, ...]:
    """Return every address that nginx could not bind, according to *output*."""
    found = (_PORT.search(complaint.text) for complaint in complaints(output))
    return tuple(dict.fromkeys(match["address"] for match in found if match))


def is_about_binding(text: str) -> bool:
    """Whether *text* is about an address that nginx cannot bind, or its next attempt to; see ``unusable``."""
    return bool(_PORT.match(text)) or text == _GAVE_UP or bool(_BIND_AGAIN.match(text))


def warnings(output: str, conf: str) -> Iterator[Blame]:
    """Yield what *output* of ``nginx -t`` warns of; the file under *conf* is named in ``file`` only."""
    for complaint in complaints(output):
        if complaint.level == "warn":
            found = _taken_apart(complaint.text, conf)
            yield structs.replace(found, message=_PLACE.sub("", found.message)) if found.file else found


def _taken_apart(reason: str, conf: str) -> Blame:
    place = _PLACE.search(reason)
    zone = _ZONE.search(reason)
    port = _PORT.search(reason)
    return Blame(
        message=reason,
        file=_below(place["path"], conf) if place else "",
        line=int(place["line"]) if place else 0,
        paths=tuple(re.findall(r"/[^\s\":,;()]+", reason)),
        needle=f"zone={zone['zone'] or zone['unknown']}" if zone else "",
        address=port["address"] if port else "",
        cause=Cause.SURROUNDINGS if _SURROUNDINGS.search(reason) else Cause.OBJECT,
    )


def refusal(output: str, master: int) -> bool:
    """Whether *output* (the error log since a HUP) shows that *master* gave the reload up.

    A port in use is tried five times before nginx gives up (ngx_open_listening_sockets); anything else at
    ``emerg`` ends the attempt at once.
    """
    own = [complaint for complaint in complaints(output) if complaint.pid == master and complaint.level == "emerg"]
    if not own:
        return False
    return any(_GAVE_UP in complaint.text for complaint in own) or not all(map(_tries_again, own))


def _tries_again(complaint: Complaint) -> bool:
    match = _PORT.search(complaint.text)
    return match is not None and "in use" in match["reason"]


def _reason(lines: Iterable[Complaint]) -> str:
    for level in FATAL:
        texts = [line.text for line in lines if line.level == level and line.text != _GAVE_UP]
        if texts:
            return texts[-1]
    return ""


def _foreign(output: str) -> str:
    """The last line that is not nginx's own: the message of a library or of the loader before the exit."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not _LINE.match(line)]
    return lines[-1] if lines else ""


def _below(path: str, conf: str) -> str:
    prefix = f"{conf}/"
    return path.removeprefix(prefix) if path.startswith(prefix) else ""
