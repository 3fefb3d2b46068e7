"""Keys of sessions in a file: they are shared whenever they are read, as workers may have missed them."""

from __future__ import annotations

from pathlib import Path

from headgate.controller.logins import SessionKeys
from headgate.ir import Layout
from headgate.ir.live import LiveSessionKeys
from tests.simulated_cluster import flags


async def test_keys_are_shared_each_time_they_are_read(tmp_path: Path) -> None:
    shared: list[LiveSessionKeys] = []

    async def share(keys: LiveSessionKeys) -> None:
        shared.append(keys)

    layout = Layout.under(str(tmp_path))
    Path(layout.session_keys).parent.mkdir(parents=True, exist_ok=True)
    keys = SessionKeys(flags(["-enable-oidc"]), None, layout, share, lambda: 3600, clock=lambda: 0)
    for _ in range(3):
        await keys.read()
    assert keys.keyring
    assert shared == [LiveSessionKeys(keys.keyring.for_nginx())] * 3
