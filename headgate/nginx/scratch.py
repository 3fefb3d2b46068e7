"""The directories of ``headgate proxy``: temporary, one for each that runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headgate.ir import Layout
from headgate.ir.layout import CONTROL_SOCKET
from headgate.uds import Address, listening

PREFIX: Final = "headgate-proxy-"
"""What the names of directories of proxies begin with."""


def proxies() -> Iterator[Layout]:
    """Yield the directories of each proxy that runs and that this user may ask."""
    for directory in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        place = Layout.under(str(directory))
        try:
            if listening(Address(place.socket(CONTROL_SOCKET))):
                yield place
        except OSError:
            continue
