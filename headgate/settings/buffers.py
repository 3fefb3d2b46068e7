"""Buffering of answers."""

from __future__ import annotations

from typing import Annotated

from headgate.settings.registry import Settings, knob
from headgate.settings.values import Buffers, Size

PAGE = Size("4k")
"""nginx's own default for one buffer on the platforms it is built for."""
DEFAULT = Buffers(8, PAGE)


class BufferSettings(Settings):
    """How much of an answer nginx holds; ``None`` leaves nginx's own default."""

    proxy_buffering: Annotated[bool, knob("proxy-buffering", "Whether answers are buffered.")] = True
    proxy_buffers: Annotated[
        Buffers | None, knob("proxy-buffers", "Number and size of the buffers of one answer, such as 8 4k.")
    ] = None
    proxy_buffer_size: Annotated[
        Size | None, knob("proxy-buffer-size", "Buffer for the first part (the headers) of an answer.")
    ] = None
    proxy_busy_buffers_size: Annotated[
        Size | None, knob("proxy-busy-buffers-size", "Part of the buffers that may be busy sending to the client.")
    ] = None
    proxy_max_temp_file_size: Annotated[
        Size | None, knob("proxy-max-temp-file-size", "Largest temporary file for an answer; 0 turns files off.")
    ] = None

    def conflict(self) -> str:
        """Return why nginx would refuse the sizes together, or ``""``.

        The rule is nginx's (ngx_http_proxy_module): busy ≥ max(buffer_size, one buffer) and busy ≤ all
        buffers but one; where busy is not given it is twice the larger of the two.
        """
        buffers = self.proxy_buffers or DEFAULT
        one, first = buffers.size.bytes, (self.proxy_buffer_size or PAGE).bytes
        if buffers.number < 2:  # noqa: PLR2004 - nginx: "there must be at least 2 proxy_buffers"
            return "nginx needs at least 2 buffers"
        if not one or not first:
            return "a buffer cannot have the size 0"
        busy = self.proxy_busy_buffers_size.bytes if self.proxy_busy_buffers_size else 2 * max(one, first)
        room = (buffers.number - 1) * one
        if busy < max(one, first):
            return "proxy-busy-buffers-size is smaller than one buffer or than proxy-buffer-size"
        if busy > room:
            return f"the busy part ({busy} bytes) is larger than all proxy-buffers less one ({room} bytes)"
        return ""

    def adjusted(self) -> BufferSettings:
        """Return sizes that nginx accepts, near to what was asked (``-enable-directive-autoadjust``)."""
        buffers = self.proxy_buffers or DEFAULT
        number = min(max(buffers.number, 2), 1024)
        one = max(buffers.size.bytes, 1024)
        first = max((self.proxy_buffer_size or PAGE).bytes, 1024)
        number = max(number, -(-first // one) + 1)
        room = (number - 1) * one
        asked = self.proxy_busy_buffers_size.bytes if self.proxy_busy_buffers_size else 2 * max(one, first)
        busy = min(max(asked, one, first), room)
        return BufferSettings(
            proxy_buffering=self.proxy_buffering,
            proxy_buffers=Buffers(number, _size(one)),
            proxy_buffer_size=_size(first),
            proxy_busy_buffers_size=_size(busy),
            proxy_max_temp_file_size=self.proxy_max_temp_file_size,
        )


def _size(count: int) -> Size:
    """Spell *count* bytes with the largest unit that divides them."""
    for unit, power in (("m", 20), ("k", 10)):
        if count and count % (1 << power) == 0:
            return Size(f"{count >> power}{unit}")
    return Size(str(count))
