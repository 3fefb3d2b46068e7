"""Buffering of answers."""

from __future__ import annotations

from typing import Annotated

import msgspec

from headgate.settings.parsers import accepts
from headgate.settings.registry import Settings, setting
from headgate.settings.values import Buffers, Size

PAGE = Size("4k")
"""nginx's own default for one buffer on the platforms it is built for."""
DEFAULT = Buffers(8, PAGE)
LARGEST_FILE = Size("1024m")
"""nginx's own default of ``proxy_max_temp_file_size``."""
FEWEST, MOST = 2, 1024
"""Numbers of buffers between which ``adjusted`` chooses."""
SMALLEST = 1024
"""Bytes of the smallest buffer that ``adjusted`` chooses."""


@accepts(Size.words)
def optional_size(text: str) -> Size | None:
    """Parse a size; an empty text says nothing, as the incumbent has it."""
    return Size.parse(text) if text.strip() else None


class BufferSettings(Settings):
    """How much of an answer nginx holds; without a value nginx's own default holds."""

    proxy_buffering: Annotated[bool, setting("proxy-buffering", "Whether answers are buffered.")] = True
    proxy_buffers: Annotated[
        Buffers | None,
        setting(
            "proxy-buffers",
            "Number and size of the buffers of one answer, such as 8 4k.",
            narrow=True,
            differs="Sizes that nginx would refuse together are ignored with a warning, or adjusted if the flag "
            "is set; a number without a unit is in bytes, not in megabytes as in the incumbent.",
        ),
    ] = None
    proxy_buffer_size: Annotated[
        Size | None,
        setting(
            "proxy-buffer-size",
            "Buffer for the first part (the headers) of an answer.",
            directive="proxy_buffer_size, grpc_buffer_size",
        ),
    ] = None
    proxy_busy_buffers_size: Annotated[
        Size | None,
        setting(
            "proxy-busy-buffers-size",
            "Part of the buffers that may be busy sending to the client.",
            parse=optional_size,
            empty=True,
            unit="bytes",
            example="16k",
        ),
    ] = None
    proxy_max_temp_file_size: Annotated[
        Size | None,
        setting(
            "proxy-max-temp-file-size",
            "Largest temporary file for an answer; 0 turns files off.",
            example="256m",
            unit="bytes",
        ),
    ] = None

    def conflict(self) -> str:
        """Return why nginx would refuse the sizes together, or ``""``.

        The rules are nginx's (ngx_http_proxy_module), which holds them even where buffering is off: the busy part is
        at least the larger of one buffer and the first one, and at most all buffers but one; where it is not given
        it is twice the larger. A temporary file is off (0) or holds at least the larger.
        """
        buffers, first = self.proxy_buffers or DEFAULT, self.proxy_buffer_size or PAGE
        if buffers.number < FEWEST:
            return f"nginx needs at least {FEWEST} proxy-buffers"
        if not buffers.size.bytes or not first.bytes:
            return "a buffer cannot have the size 0"
        larger, room = max(buffers.size.bytes, first.bytes), (buffers.number - 1) * buffers.size.bytes
        busy = self._busy(larger)
        if busy < larger:
            return "proxy-busy-buffers-size is smaller than one buffer or than proxy-buffer-size"
        if busy > room:
            return f"the busy part ({busy} bytes) is larger than all proxy-buffers less one ({room} bytes)"
        if 0 < (self.proxy_max_temp_file_size or LARGEST_FILE).bytes < larger:
            return "proxy-max-temp-file-size is neither 0 nor as large as one buffer and proxy-buffer-size"
        return ""

    def adjusted(self) -> BufferSettings:
        """Return sizes that nginx accepts, near to what was asked (``-enable-directive-autoadjust``)."""
        asked, first = self.proxy_buffers or DEFAULT, self.proxy_buffer_size or PAGE
        head = max(first.bytes, SMALLEST)
        one = max(asked.size.bytes, SMALLEST, -(-head // (MOST - 1)))
        number = max(min(max(asked.number, FEWEST), MOST), -(-head // one) + 1)
        larger, room = max(one, head), (number - 1) * one
        file = self.proxy_max_temp_file_size
        if 0 < (file or LARGEST_FILE).bytes < larger:
            file = Size.of(larger)
        return msgspec.structs.replace(
            self,
            proxy_buffers=Buffers(number, Size.of(one)),
            proxy_buffer_size=Size.of(head),
            proxy_busy_buffers_size=Size.of(min(max(self._busy(larger), larger), room)),
            proxy_max_temp_file_size=file,
        )

    def sized_as(self, other: BufferSettings) -> BufferSettings:
        """Return a copy whose sizes are those of *other*."""
        return msgspec.structs.replace(other, proxy_buffering=self.proxy_buffering)

    def _busy(self, larger: int) -> int:
        """Return the bytes of the busy part, given those of the larger of one buffer and the first one."""
        return self.proxy_busy_buffers_size.bytes if self.proxy_busy_buffers_size else 2 * larger
