"""Both live states of one nginx: that of HTTP in Lua, and that of TCP and UDP in njs, if it has one."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import structs

from headgate.ir import Layout
from headgate.ir.live import LiveObjects, LiveSessionKeys
from headgate.nginx.live import Changed, FullError, LiveState, Memory, StateReply


class LiveStates:
    """What was pushed to the workers of one nginx, as a LiveState. One method at a time."""

    def __init__(self, layout: Layout) -> None:
        """Know nothing yet."""
        self._http = LiveState(Memory.of_http(layout))
        self._streams = LiveState(Memory.of_streams(layout))
        self._has_streams = False
        """Whether nginx serves a configuration in which servers of TCP and UDP are pushed."""

    @property
    def doubled(self) -> bool:
        """Whether workers know versions of hosts that only older ones need."""
        return self._http.doubled

    async def forget_earlier(self) -> None:
        """Have workers forget earlier versions of hosts, as there is none left with an earlier configuration.

        Raises:
            LiveError: nginx does not take it.
        """
        await self._http.forget_earlier()

    @property
    def last(self) -> StateReply:
        """What nginx last said of HTTP."""
        return self._http.last

    @property
    def last_streams(self) -> StateReply:
        """What nginx last said of TCP and UDP."""
        return self._streams.last

    async def write_snapshot(self, wanted: LiveObjects) -> None:
        """Write what a master that starts with empty memory loads.

        Raises:
            LiveError: the disk does not take it.
        """
        await self._http.write_snapshot(_of_http(wanted))
        if wanted.streams is not None:
            await self._streams.write_snapshot(LiveObjects(streams=wanted.streams))

    async def resume(self, wanted: LiveObjects) -> None:
        """Find out what the memory holds after a start or a reload with a configuration for *wanted*.

        Raises:
            LiveError: nginx does not answer.
        """
        await self._http.resume()
        self._has_streams = wanted.streams is not None
        if self._has_streams:
            await self._streams.resume()
        else:
            self._streams.forget()

    def unwanted(self, wanted: LiveObjects) -> frozenset[str]:
        """Return the hosts that workers know and that are not *wanted*."""
        return self._http.unwanted(wanted)

    async def push(
        self,
        wanted: LiveObjects,
        served: Collection[str] = (),
        passed: Collection[str] = (),
        *,
        reloading: bool = False,
        older: bool = True,
    ) -> Changed:
        """Tell the workers *wanted*, as ``LiveState.push`` does.

        Raises:
            LiveError: nginx does not take it; a part of it may be in force.
            FullError: there is no memory for a part of it.
        """
        streams, full = 0, None
        if wanted.streams is not None and self._has_streams:  # first, as what checks them tells njs what they found
            try:
                streams = (await self._streams.push(LiveObjects(streams=wanted.streams), reloading=reloading)).streams
            except FullError as error:  # the memory of HTTP is another one
                full = error
        changed = await self._http.push(_of_http(wanted), served, passed, reloading=reloading, older=older)
        if full:
            raise full
        return Changed(changed.upstreams + streams, changed.hosts, guards=changed.guards)

    def set_session_keys(self, keys: LiveSessionKeys) -> None:
        """Have workers get *keys* with the next push, or by ``push_keys``."""
        self._http.session_keys = keys

    async def push_keys(self) -> None:
        """Tell the workers the keys of sessions now.

        Raises:
            LiveError: nginx does not take them; they go with the next push.
        """
        await self._http.push_keys()

    def forget(self) -> None:
        """Take nothing for known, as there is no live state any more."""
        self._http.forget()
        self._streams.forget()
        self._has_streams = False


def _of_http(wanted: LiveObjects) -> LiveObjects:
    """Return what the Lua module is to have of *wanted*: of TCP, what it checks."""
    if not wanted.streams:
        return wanted
    return structs.replace(wanted, streams={name: each for name, each in wanted.streams.items() if each.check})
