"""The live state: servers of upstreams, and hosts, pushed to nginx's workers over a Unix socket (``control.lua``).

It lies in memory that all workers share, and that survives reloads. Each start and each reload has a snapshot beside it
on the disk, for memory that is new. An *epoch* names one filling of the memory, a *revision* what it holds since.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from headgate.deltas import renewed
from headgate.ir import Layout
from headgate.ir.layout import LIVE_SOCKET, STREAMS_SOCKET
from headgate.ir.live import (
    LiveCertificate,
    LiveHost,
    LiveObjects,
    LiveSessionKeys,
    LiveStream,
    LiveToken,
    LiveUpstream,
)
from headgate.nginx.control import ask
from headgate.nginx.errors import NginxError

log = logging.getLogger(__name__)

TARGET: Final = "/v1/state"
ANSWER_S: Final = 5.0
"""Seconds until one change must be confirmed."""
PART: Final = 200
"""Objects in one change: a worker does nothing else while it takes one."""
STREAM_PART: Final = 48 * 1024
"""Bytes of objects after which a change of servers of TCP and UDP ends: njs takes it when a socket holds all of it."""
UPSTREAM: Final = "u:"
STREAM: Final = "s:"
CERTIFICATE: Final = "c:"
GUARD: Final = "j:"
HOST: Final = "r:"
SESSION: Final = "o:"
SESSION_KEYS: Final = "session"
_NONE: Final[frozenset[str]] = frozenset()
"""What keys begin with, before the name of an object."""
MOST_TRIES: Final = 64
"""How many parts of a push may lack memory before the rest of it is not tried."""
MOST_EARLIER: Final = 4
"""How many earlier versions of a host workers have: one for each reload while older workers end."""
NEARLY_FULL: Final = 0.8
CONFLICT: Final = 409
FULL: Final = 507


class LiveError(NginxError):
    """nginx does not take a change of the live state."""


class FullError(LiveError):
    """There is no memory for some of a change; the rest of it is in force.

    Attributes:
        lacking: the keys of the objects for which there is none.
    """

    def __init__(self, reason: str, lacking: frozenset[str] = frozenset()) -> None:
        """Say why, in one line."""
        super().__init__(reason)
        self.lacking = lacking


class _ConflictError(LiveError):
    """The live state is another one than the change is for."""


class StateReply(msgspec.Struct, frozen=True):
    """What nginx says of its live state; sizes are bytes. *njs* is the version of that module, if it answers."""

    epoch: str = ""
    revision: int = 0
    capacity: int = 0
    free: int = 0
    reason: str = ""
    njs: str = ""

    @property
    def used(self) -> int:
        """Bytes in use."""
        return self.capacity - self.free


class Changed(msgspec.Struct, frozen=True):
    """How many objects a push changed or deleted; *streams* are upstreams of TCP and UDP, *guards* those by tokens."""

    upstreams: int = 0
    hosts: int = 0
    streams: int = 0
    guards: int = 0

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return self != Changed()

    @classmethod
    def of(cls, keys: Iterable[str]) -> Changed:
        """Count *keys* by kind."""
        kinds = Counter(key[:2] for key in keys)
        return cls(kinds[UPSTREAM], kinds[HOST], kinds[STREAM], kinds[GUARD])


class PushedHost(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A host as workers have it.

    Attributes:
        now: what it is; ``None`` if it has a server block, of which workers that end do not know yet.
        before: earlier versions, the last one first, for workers whose configuration lacks a profile of *now*.
        guards: stands for what keeps clients out of *now*, and of *before*, too.
    """

    now: LiveHost | None = None
    before: tuple[LiveHost, ...] = ()
    guards: tuple[str, ...] = ()

    @property
    def versions(self) -> tuple[LiveHost, ...]:
        """All that workers may use."""
        return (self.now, *self.before) if self.now else self.before


Pushed = LiveUpstream | LiveCertificate | PushedHost | LiveStream | LiveToken | LiveSessionKeys
Sections = Mapping[str, dict[str, Pushed | None]]
"""Objects by kind and name."""


class _Snapshot(msgspec.Struct, frozen=True):
    epoch: str
    revision: int
    objects: Mapping[str, Pushed]


def snapshot(objects: LiveObjects) -> bytes:
    """Return a snapshot that a master with empty memory may start from."""
    return msgspec.json.encode(_Snapshot("rendered", 0, dict(_every(_sections({}), objects))))


async def live_state(layout: Layout) -> StateReply | None:
    """Ask nginx; ``None`` if it does not answer."""
    return await _state(layout.socket(LIVE_SOCKET))


async def stream_state(layout: Layout) -> StateReply | None:
    """Ask nginx about servers of TCP and UDP; ``None`` if it does not answer."""
    return await _state(layout.socket(STREAMS_SOCKET))


async def _state(socket: str) -> StateReply | None:
    answer = await ask(socket, TARGET, ANSWER_S)
    return None if answer is None else _decoded(answer.body)


class Memory(msgspec.Struct, frozen=True):
    """Where one live state is: the socket over which it changes, and its snapshot.

    Attributes:
        socket: path of the socket.
        snapshot: path of the file; *mode* who may read it.
        part: bytes of objects after which a change ends, besides ``PART``; ``None`` for any number.
    """

    socket: str
    snapshot: str
    mode: int = 0o600
    part: int | None = None

    @classmethod
    def of_http(cls, layout: Layout) -> Memory:
        """Return that of the Lua module."""
        return cls(layout.socket(LIVE_SOCKET), layout.live_state)

    @classmethod
    def of_streams(cls, layout: Layout) -> Memory:
        """Return that of the njs module of ``stream {}``, whose snapshot workers read."""
        return cls(layout.socket(STREAMS_SOCKET), layout.live_streams, 0o644, STREAM_PART)


class LiveState:
    """What was pushed to the workers of one nginx. One method at a time."""

    def __init__(self, memory: Memory) -> None:
        """Know nothing yet."""
        self._memory = memory
        self.last = StateReply()
        """What nginx last said."""
        self._pushed = _sections({})
        """By kind and name; ``None`` for an object of which the workers may know something else."""
        self._doubled: set[str] = set()
        """The hosts that were pushed together with the version before."""
        self._hosts: Mapping[str, LiveHost] | None = None
        """The hosts, all of which workers have as they are there; ``None`` if that is not known."""
        self._epoch = ""
        self._revision = 0
        self._snapshot = _Snapshot("", 0, {})
        self.session_keys: LiveSessionKeys | None = None
        """What workers are to have beside what is pushed, from the next push on; ``None`` for none."""

    async def write_snapshot(self, wanted: LiveObjects) -> None:
        """Write what a master that starts with empty memory loads: *wanted*, and what was pushed before.

        Raises:
            LiveError: the disk does not take it.
        """
        known = {f"{kind}{name}": each for kind, section in self._pushed.items() for name, each in section.items()}
        every = known | dict(_every(self._pushed, wanted)) | dict(self._fresh_keys())
        objects = {key: each for key, each in every.items() if each is not None and _lasts(each)}
        self._snapshot = _Snapshot(secrets.token_hex(8), self._revision, objects)
        try:
            data = msgspec.json.encode(self._snapshot)
            await asyncio.to_thread(_replace, Path(self._memory.snapshot), data, self._memory.mode)
        except OSError as error:
            raise LiveError(f"cannot write {self._memory.snapshot}: {error.strerror or error}") from error

    async def resume(self) -> None:
        """Find out what the memory holds after a start or a reload: what it held before, or the snapshot.

        Raises:
            LiveError: nginx does not answer.
        """
        found = await _state(self._memory.socket)
        if found is None:
            raise LiveError("nginx does not answer about its live state")
        if (found.epoch, found.revision) == (self._snapshot.epoch, self._snapshot.revision):
            self._pushed = _sections(self._snapshot.objects)
            self._doubled = {key for key, each in self._snapshot.objects.items() if _has_earlier(each)}
        elif (found.epoch, found.revision) != (self._epoch, self._revision):
            self._pushed = {kind: dict.fromkeys(section) for kind, section in self._pushed.items()}
            self._doubled = set()
        self._epoch, self._revision, self._hosts = found.epoch, found.revision, None
        self._note(found)

    async def push(
        self,
        wanted: LiveObjects,
        served: Collection[str] = (),
        passed: Collection[str] = (),
        *,
        reloading: bool = False,
        older: bool = True,
    ) -> Changed:
        """Tell the workers *wanted*, and to forget all others; return what changed.

        Every request that begins after the return sees the change.

        Args:
            wanted: all that they are to have.
            served: the profiles of the configuration that nginx serves.
            passed: hosts that server blocks have now, of which workers that end do not know.
            reloading: whether it is to have another one soon: nothing is forgotten until then.
            older: whether workers with an earlier one may be left.

        Raises:
            LiveError: nginx does not take it; a part of it may be in force.
            FullError: there is no memory for a part of it; the rest of it is in force.
        """
        try:
            return await self._push(wanted, served, passed, reloading=reloading, older=older)
        except _ConflictError:  # somebody else wrote, or the memory is new
            await self.resume()
            return await self._push(wanted, served, passed, reloading=reloading, older=older)

    async def _push(
        self, wanted: LiveObjects, served: Collection[str], passed: Collection[str], *, reloading: bool, older: bool
    ) -> Changed:
        known, self._hosts = self._hosts, None
        fresh = dict(self._fresh_keys()) | dict(_fresh(self._pushed, wanted, reloading=reloading))
        if wanted.hosts is not known:
            fresh |= _fresh_hosts(self._pushed[HOST], wanted, served, reloading=reloading, older=older)
        kept = dict(self._passed_on(passed)) if older and not reloading else {}
        fresh |= {key: each for key, each in kept.items() if each != self._pushed[HOST][key[2:]]}
        stale = [] if reloading else list(self._stale(wanted, fresh, kept))
        weaker = self._weaker(fresh)
        lacking = await self._put(fresh)
        if lacking and (closing := {key: each for key, each in weaker.items() if key in lacking.objects}):
            await self._change({}, list(closing))
            still = await self._put(closing)
            others = {key: each for key, each in lacking.objects.items() if key not in closing}
            lacking = _Lacking({**others, **(still.objects if still else {})}, lacking.reason)
        # What is to replace the upstreams may be lacking.
        for part in _divided([key for key in stale if not lacking or key.startswith(HOST)]):
            await self._change({}, part)
        if lacking:
            raise FullError(lacking.reason, frozenset(lacking.objects))
        self._hosts = None if reloading else wanted.hosts
        return Changed.of((*fresh, *stale))

    async def push_keys(self) -> None:
        """Tell the workers ``session_keys``, if they have others.

        Raises:
            LiveError: nginx does not take them; they go with the next push.
        """
        if not (fresh := dict(self._fresh_keys())):
            return
        try:
            await self._change(fresh, ())
        except _ConflictError:  # somebody else wrote, or the memory is new
            await self.resume()
            await self._change(dict(self._fresh_keys()), ())

    def _fresh_keys(self) -> Iterator[tuple[str, Pushed]]:
        """Yield the keys of sessions that are not pushed yet; those that were stay without newer ones."""
        if self.session_keys and self._pushed[SESSION].get(SESSION_KEYS) != self.session_keys:
            yield f"{SESSION}{SESSION_KEYS}", self.session_keys

    def _weaker(self, fresh: Mapping[str, Pushed]) -> Mapping[str, PushedHost | LiveToken]:
        """Return those of *fresh* that keep clients out whom workers may let in now.

        If there is no memory for one, what the workers have of it must not answer any more.
        """
        found: dict[str, PushedHost | LiveToken] = {}
        for key, each in fresh.items():
            if isinstance(each, LiveToken) and key[2:] in self._pushed[GUARD]:
                found[key] = each
            if isinstance(each, PushedHost) and each.now and each.guards and key[2:] in self._pushed[HOST]:
                known = self._pushed[HOST][key[2:]]
                if not isinstance(known, PushedHost) or _is_weaker(known, each.now, each.guards):
                    found[key] = each
        return found

    async def _put(self, fresh: Mapping[str, Pushed]) -> _Lacking | None:
        """Tell the workers *fresh*, as much as there is memory for; return what there is none for, and what needs it.

        Where a part does not fit, its halves are tried: what others need and what they have already needs no memory.
        """
        waiting = [dict(part) for part in reversed([*_pieces(fresh, self._memory.part)])]
        lacking: dict[str, Pushed] = {}
        reason, tries = "", 0
        while waiting:
            part = waiting.pop()
            needing = {key: each for key, each in part.items() if _needs(each, lacking)}
            lacking |= needing
            part = {key: each for key, each in part.items() if key not in needing}
            if not part:
                continue
            try:
                await self._change(part, ())
            except FullError as full:
                reason, tries = str(full), tries + 1
                names = list(part)
                if len(names) == 1 or tries > MOST_TRIES:
                    lacking |= part
                else:
                    middle = len(names) // 2
                    waiting += [{name: part[name] for name in half} for half in (names[middle:], names[:middle])]
        return _Lacking(lacking, reason) if lacking else None

    def _passed_on(self, names: Collection[str]) -> Iterator[tuple[str, PushedHost]]:
        """Yield what stays of the hosts that server blocks have now."""
        for name in names:
            known = self._pushed[HOST].get(name)
            if isinstance(known, PushedHost):
                yield f"{HOST}{name}", PushedHost(None, known.versions[:MOST_EARLIER])

    def _stale(self, wanted: LiveObjects, fresh: Mapping[str, Pushed], kept: Collection[str]) -> Iterator[str]:
        """Yield the key of each object that workers know and that is not *wanted*; hosts before what they need."""
        gone = [key for name in self._pushed[HOST].keys() - wanted.hosts.keys() if (key := f"{HOST}{name}") not in kept]
        yield from gone
        yield from (f"{CERTIFICATE}{name}" for name in self._pushed[CERTIFICATE].keys() - wanted.certificates.keys())
        yield from (f"{GUARD}{name}" for name in self._pushed[GUARD].keys() - wanted.tokens.keys())
        unused = self._pushed[UPSTREAM].keys() - wanted.upstreams.keys()
        if unused and (doubled := {*self._doubled, *fresh} - {*gone}):
            hosts = (fresh.get(key) or self._pushed[HOST].get(key[2:]) for key in doubled if key.startswith(HOST))
            versions = (version for host in hosts if isinstance(host, PushedHost) for version in host.before)
            unused = unused - {name for version in versions for name in version.upstreams}
        yield from (f"{UPSTREAM}{name}" for name in unused)
        yield from (f"{STREAM}{name}" for name in self._pushed[STREAM].keys() - (wanted.streams or {}).keys())

    def unwanted(self, wanted: LiveObjects) -> frozenset[str]:
        """Return the hosts that workers know and that are not *wanted*."""
        return frozenset(self._pushed[HOST].keys() - wanted.hosts.keys())

    def forget(self) -> None:
        """Take nothing for known, as there is no live state any more."""
        self._pushed, self._epoch, self._revision, self.last = _sections({}), "", 0, StateReply()
        self._doubled, self._hosts = set(), None

    @property
    def doubled(self) -> bool:
        """Whether workers know versions of hosts that only older ones need."""
        return bool(self._doubled)

    async def forget_earlier(self) -> None:
        """Have workers forget earlier versions of hosts, as there is none left with an earlier configuration.

        Raises:
            LiveError: nginx does not take it.
        """
        for keys in _divided(sorted(self._doubled)):
            known = {key: each for key in keys if isinstance(each := self._pushed[HOST].get(key[2:]), PushedHost)}
            fresh = {key: PushedHost(each.now, guards=each.guards) for key, each in known.items() if each.now}
            await self._change(fresh, [*(known.keys() - fresh.keys())])
            self._doubled.difference_update(keys)

    async def _change(self, fresh: Mapping[str, Pushed], stale: Collection[str]) -> None:
        change = {
            "epoch": self._epoch,
            "from": self._revision,
            "to": self._revision + 1,
            "set": fresh,
            "delete": stale,
        }
        answer = await ask(self._memory.socket, TARGET, ANSWER_S, msgspec.json.encode(change))
        if answer is None or answer.code != 200:  # noqa: PLR2004 - OK
            # It may take the change yet, or may not have all of what it had before.
            self._hosts = None
            for key in (*fresh, *stale):
                self._pushed[key[:2]][key[2:]] = None
        if answer is None:
            raise LiveError("nginx does not answer about its live state")
        reply = _decoded(answer.body)
        if answer.code != 200:  # noqa: PLR2004 - OK
            raise _ERRORS.get(answer.code, LiveError)(_refusal(answer.code, reply))
        self._note(reply)
        self._revision += 1
        for key, each in fresh.items():
            self._pushed[key[:2]][key[2:]] = each
            (self._doubled.add if _has_earlier(each) else self._doubled.discard)(key)
        for key in stale:
            del self._pushed[key[:2]][key[2:]]
            self._doubled.discard(key)

    def _note(self, reply: StateReply) -> None:
        """Keep what nginx says; warn once when little of its memory is left."""
        if reply.used > NEARLY_FULL * reply.capacity >= self.last.used:
            fields = {"used": reply.used, "capacity": reply.capacity}
            used = f"{reply.used} of {reply.capacity} bytes are used"
            sentence = f"the memory of the live state is nearly full: {used}; set -live-memory to more"
            log.warning("live state nearly full", extra={"fields": fields, "sentence": sentence})
        self.last = reply


_ERRORS: Final[Mapping[int, type[LiveError]]] = {CONFLICT: _ConflictError, FULL: FullError}


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


class _Lacking(msgspec.Struct, frozen=True):
    """Objects for which there is no memory, by key, and what nginx said."""

    objects: Mapping[str, Pushed]
    reason: str


def _needs(each: Pushed, lacking: Mapping[str, Pushed]) -> bool:
    """Whether *each* is a host with an upstream that is *lacking*."""
    hosts = each.versions if lacking and isinstance(each, PushedHost) else ()
    return any(f"{UPSTREAM}{name}" in lacking for host in hosts for name in host.upstreams)


def _has_earlier(each: Pushed | None) -> bool:
    return isinstance(each, PushedHost) and bool(each.before)


def _lasts(each: Pushed) -> bool:
    """Whether workers that start later may need *each*."""
    return not isinstance(each, PushedHost) or each.now is not None


def _divided(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Divide *names* into parts that a worker takes at once."""
    for first in range(0, len(names), PART):
        yield names[first : first + PART]


def _pieces(fresh: Mapping[str, Pushed], most: int | None) -> Iterator[Mapping[str, Pushed]]:
    """Divide *fresh* into parts that a worker takes at once, and that have no more than about *most* bytes."""
    part: dict[str, Pushed] = {}
    size = 0
    for name, each in fresh.items():
        part[name] = each
        size += len(msgspec.json.encode(each)) if most else 0
        if len(part) == PART or (most and size >= most):
            yield part
            part, size = {}, 0
    if part:
        yield part


def _every(pushed: Sections, wanted: LiveObjects) -> Iterator[tuple[str, Pushed]]:
    """Yield each object of *wanted* that is not *pushed* yet, by key; what others need goes first."""
    yield from _fresh(pushed, wanted)
    yield from _fresh_hosts(pushed[HOST], wanted)


def _fresh(pushed: Sections, wanted: LiveObjects, *, reloading: bool = False) -> Iterator[tuple[str, Pushed]]:
    """Yield each object of *wanted* that is not *pushed* yet, and no host, by key."""
    plain: tuple[tuple[str, Mapping[str, Pushed]], ...] = (
        (UPSTREAM, wanted.upstreams), (STREAM, wanted.streams or {}), (GUARD, wanted.tokens),
        (CERTIFICATE, wanted.certificates),
    )  # fmt: skip
    for kind, section in plain:
        known = pushed[kind]
        for name, each in renewed(known, section):
            before = known.get(name)
            # A file that changes is written after what the new configuration needs has been pushed.
            if before != each and not (kind == CERTIFICATE and reloading and before):
                yield f"{kind}{name}", each


def _fresh_hosts(
    known: Mapping[str, Pushed | None],
    wanted: LiveObjects,
    served: Collection[str] = (),
    *,
    reloading: bool = False,
    older: bool = False,
) -> Iterator[tuple[str, Pushed]]:
    """Yield each host of *wanted* that is not *known* yet, by key.

    One with something that keeps clients out goes without its earlier version, unless that keeps them out of the
    same; and not before the reload, so that it is answered meanwhile.
    """
    changed = [
        (name, host)
        for name, host in wanted.hosts.items()
        if not (isinstance(before := known.get(name), PushedHost) and (before.now is host or before.now == host))
    ]
    # What keeps clients out goes first: there may not be memory for all.
    for name, host in sorted(changed, key=lambda item: item[0] not in wanted.guards):
        before = known.get(name)
        guards = tuple(sorted(map(_digest, wanted.guards.get(name, _NONE))))
        if not isinstance(before, PushedHost):
            yield f"{HOST}{name}", PushedHost(host, guards=guards)
        elif not _is_weaker(before, host, guards):
            yield f"{HOST}{name}", PushedHost(host, _earlier(before, host, served, older=older), guards)
        elif not reloading or before.now is None:
            yield f"{HOST}{name}", PushedHost(host, guards=guards)


@lru_cache(maxsize=4096)
def _digest(guard: str) -> str:
    """Return a short text in place of *guard*: workers do not read it, but it is in their memory."""
    return hashlib.blake2b(guard.encode(), digest_size=8).hexdigest()


def _is_weaker(known: PushedHost, host: LiveHost, guards: tuple[str, ...]) -> bool:
    """Whether something keeps clients out of *host*, and perhaps not out of the same paths of what is *known*."""
    same = known.now is not None and known.now.layout == host.layout
    return bool(guards) and not (set(guards) <= set(known.guards) and same)


def _earlier(known: PushedHost, host: LiveHost, served: Collection[str], *, older: bool) -> tuple[LiveHost, ...]:
    """Return what answers for *host* in workers whose configuration lacks a profile of it, as they answered before.

    These are the present ones until the reload, and those with a configuration that is *older*.
    """
    earlier = known.before if older else ()
    if host.profiles.issubset(served) and not older:
        return ()
    if known.now is None or host.profiles <= known.now.profiles:
        return earlier
    found: list[LiveHost] = []
    for version in (known.now, *earlier):
        if version not in (host, *found):
            found.append(version)
    return tuple(found[:MOST_EARLIER])


def _sections(objects: Mapping[str, Pushed]) -> dict[str, dict[str, Pushed | None]]:
    """Return *objects* by kind and name."""
    kinds = (UPSTREAM, STREAM, CERTIFICATE, GUARD, HOST, SESSION)
    found: dict[str, dict[str, Pushed | None]] = {kind: {} for kind in kinds}
    for key, each in objects.items():
        found[key[:2]][key[2:]] = each
    return found


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Write *data* to *path*; a reader sees the old or the new."""
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
    fresh.chmod(mode)  # whatever the umask says
    fresh.replace(path)
