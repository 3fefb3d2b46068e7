"""The live state: servers of upstreams, pushed to nginx's workers over a Unix socket (``lua/headgate/control.lua``).

It lies in memory that all workers share, and that survives reloads. Each start and each reload has a snapshot beside it
on the disk, for memory that is new. An *epoch* names one filling of the memory, a *revision* what it holds since.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from headgate.ir import Layout
from headgate.ir.layout import LIVE_SOCKET
from headgate.ir.live import LiveUpstream
from headgate.nginx.control import ask
from headgate.nginx.errors import NginxError

log = logging.getLogger(__name__)

TARGET: Final = "/v1/state"
ANSWER_S: Final = 5.0
"""Seconds until one change must be confirmed."""
PART: Final = 200
"""Objects in one change: a worker does nothing else while it takes one."""
NEARLY_FULL: Final = 0.8
CONFLICT: Final = 409
FULL: Final = 507


class LiveError(NginxError):
    """nginx does not take a change of the live state."""


class _ConflictError(LiveError):
    """The live state is another one than the change is for."""


class StateReply(msgspec.Struct, frozen=True):
    """What nginx says of its live state; sizes are bytes."""

    epoch: str = ""
    revision: int = 0
    capacity: int = 0
    free: int = 0
    reason: str = ""

    @property
    def used(self) -> int:
        """Bytes in use."""
        return self.capacity - self.free


class _Snapshot(msgspec.Struct, frozen=True):
    epoch: str
    revision: int
    objects: Mapping[str, LiveUpstream]

    def encoded(self) -> bytes:
        """Return what ``state.lua`` loads."""
        return msgspec.json.encode(_Snapshot(self.epoch, self.revision, _keyed(self.objects)))


def snapshot(objects: Mapping[str, LiveUpstream]) -> bytes:
    """Return a snapshot that a master with empty memory may start from."""
    return _Snapshot("rendered", 0, objects).encoded()


async def live_state(layout: Layout) -> StateReply | None:
    """Ask nginx; ``None`` if it does not answer."""
    answer = await ask(layout.socket(LIVE_SOCKET), TARGET, ANSWER_S)
    return None if answer is None else _decoded(answer.body)


class LiveState:
    """What was pushed to the workers of one nginx. One method at a time."""

    def __init__(self, layout: Layout) -> None:
        """Know nothing yet."""
        self._layout = layout
        self.last = StateReply()
        """What nginx last said."""
        self._pushed: dict[str, LiveUpstream | None] = {}
        """``None`` for an upstream of which the workers may know something else."""
        self._epoch = ""
        self._revision = 0
        self._snapshot = _Snapshot("", 0, {})

    @property
    def names(self) -> Collection[str]:
        """The upstreams that workers know."""
        return self._pushed.keys()

    async def write_snapshot(self, wanted: Mapping[str, LiveUpstream]) -> None:
        """Write what a master that starts with empty memory loads: *wanted*, and what was pushed before.

        Raises:
            LiveError: the disk does not take it.
        """
        objects = {**{name: each for name, each in self._pushed.items() if each}, **wanted}
        self._snapshot = _Snapshot(secrets.token_hex(8), self._revision, objects)
        try:
            await asyncio.to_thread(_replace, Path(self._layout.live_state), self._snapshot.encoded())
        except OSError as error:
            raise LiveError(f"cannot write {self._layout.live_state}: {error.strerror or error}") from error

    async def resume(self) -> None:
        """Find out what the memory holds after a start or a reload: what it held before, or the snapshot.

        Raises:
            LiveError: nginx does not answer.
        """
        found = await live_state(self._layout)
        if found is None:
            raise LiveError("nginx does not answer about its live state")
        if (found.epoch, found.revision) == (self._snapshot.epoch, self._snapshot.revision):
            self._pushed = dict(self._snapshot.objects)
        elif (found.epoch, found.revision) != (self._epoch, self._revision):
            self._pushed = dict.fromkeys(self._pushed)
        self._epoch, self._revision = found.epoch, found.revision
        self._note(found)

    async def push(self, wanted: Mapping[str, LiveUpstream], keep: Collection[str] = ()) -> int:
        """Tell the workers *wanted*, and to forget all others but *keep*; return how many objects changed.

        Every request that begins after the return sees the change.

        Raises:
            LiveError: nginx does not take it; a part of it may be in force.
        """
        try:
            return await self._push(wanted, keep)
        except _ConflictError:  # somebody else wrote, or the memory is new
            await self.resume()
            return await self._push(wanted, keep)

    async def _push(self, wanted: Mapping[str, LiveUpstream], keep: Collection[str]) -> int:
        fresh = {name: each for name, each in wanted.items() if self._pushed.get(name) != each}
        stale = [name for name in self._pushed if name not in wanted and name not in keep]
        for part in _parts(fresh, stale):
            await self._change(*part)
        return len(fresh) + len(stale)

    def forget(self) -> None:
        """Take nothing for known, as there is no live state any more."""
        self._pushed, self._epoch, self._revision, self.last = {}, "", 0, StateReply()

    async def _change(self, fresh: Mapping[str, LiveUpstream], stale: Collection[str]) -> None:
        change = {
            "epoch": self._epoch,
            "from": self._revision,
            "to": self._revision + 1,
            "set": _keyed(fresh),
            "delete": [_key(name) for name in stale],
        }
        answer = await ask(self._layout.socket(LIVE_SOCKET), TARGET, ANSWER_S, msgspec.json.encode(change))
        if answer is None or answer.code != 200:  # noqa: PLR2004 - OK
            # It may take the change yet, or may not have all of what it had before.
            self._pushed |= dict.fromkeys((*fresh, *stale))
        if answer is None:
            raise LiveError("nginx does not answer about its live state")
        reply = _decoded(answer.body)
        if answer.code != 200:  # noqa: PLR2004 - OK
            raise (_ConflictError if answer.code == CONFLICT else LiveError)(_refusal(answer.code, reply))
        self._note(reply)
        self._revision += 1
        self._pushed |= fresh
        for name in stale:
            del self._pushed[name]

    def _note(self, reply: StateReply) -> None:
        """Keep what nginx says; warn once when little of its memory is left."""
        if reply.used > NEARLY_FULL * reply.capacity >= self.last.used:
            fields = {"used": reply.used, "capacity": reply.capacity}
            used = f"{reply.used} of {reply.capacity} bytes are used"
            sentence = f"the memory of the live state is nearly full: {used}; set -live-memory to more"
            log.warning("live state nearly full", extra={"fields": fields, "sentence": sentence})
        self.last = reply


def _refusal(code: int, reply: StateReply) -> str:
    if code == FULL:
        used = f"{reply.used} of {reply.capacity} bytes are used"
        return f"the memory of the live state is full ({used}); set -live-memory to more"
    if code == CONFLICT:
        return f"the live state of nginx is another one than expected ({reply.epoch}, revision {reply.revision})"
    return f"nginx does not take a change of its live state: {reply.reason or code}"


def _decoded(body: bytes) -> StateReply:
    try:
        return msgspec.json.decode(body, type=StateReply)
    except msgspec.DecodeError:
        return StateReply(reason=body[:80].decode(errors="replace"))


def _parts(
    fresh: Mapping[str, LiveUpstream], stale: Collection[str]
) -> Iterator[tuple[Mapping[str, LiveUpstream], Collection[str]]]:
    """Divide a change; what others need comes first, and what is not needed any more goes last."""
    names, gone = list(fresh), list(stale)
    for first in range(0, len(names), PART):
        yield {name: fresh[name] for name in names[first : first + PART]}, ()
    for first in range(0, len(gone), PART):
        yield {}, gone[first : first + PART]


def _key(name: str) -> str:
    return f"u:{name}"


def _keyed(objects: Mapping[str, LiveUpstream]) -> dict[str, Any]:
    return {_key(name): each for name, each in objects.items()}


def _replace(path: Path, data: bytes) -> None:
    """Write *data* to *path*, readable by its owner alone; a reader sees the old or the new."""
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
    fresh.replace(path)
