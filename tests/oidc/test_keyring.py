"""Keys that come and go with an overlap, and what they seal."""

from __future__ import annotations

import pytest

from headgate.oidc.cookies import divided, joined
from headgate.oidc.keyring import AHEAD_S, CONTROLLER, NGINX, USED_S, Keyring

KEPT_S = 8 * 3600


def test_at_any_time_what_was_sealed_less_than_its_life_ago_opens() -> None:
    ring, sealed = Keyring.first(0), []
    counts = set()
    for now in range(0, 5 * USED_S, 600):
        older = ring
        ring = ring.renewed(now, KEPT_S)
        assert ring.renewed(now, KEPT_S) is ring
        sealed = [(time, text) for time, text in sealed if now - time <= KEPT_S]
        sealed.append((now, older.seal(b"x", NGINX, "p", now)))  # by a replica that does not know the newest yet
        assert all(ring.open(text, NGINX, "p") == b"x" for _, text in sealed)
        assert older.open(ring.seal(b"y", CONTROLLER, "p", now + AHEAD_S - 600), CONTROLLER, "p") == b"y"
        counts.add(len(ring.keys))
    assert counts <= {1, 2, 3}


def test_a_seal_is_for_one_purpose_and_one_use() -> None:
    ring = Keyring.first(0)
    text = ring.seal(b"data", NGINX, "session\na\nb", 0)
    assert ring.open(text, NGINX, "session\na\nb") == b"data"
    assert ring.open(text, NGINX, "session\na\nc") is None
    assert ring.open(text, CONTROLLER, "session\na\nb") is None
    assert Keyring.first(0).open(text, NGINX, "session\na\nb") is None
    for wrong in ("", text[:-1], text[:12], text + "A", text[:-2] + "**", "é" * 40):
        assert ring.open(wrong, NGINX, "session\na\nb") is None


def test_keys_are_written_and_read() -> None:
    ring = Keyring.first(5)
    assert Keyring.decode(ring.encode()) == ring
    assert ring.keys[0].secret.hex() not in repr(ring)
    for wrong in (b"", b"{}", b'{"keys":[]}', b'{"keys":[{"id":"x","secret":"","begins":0}]}', b"[1]"):
        with pytest.raises(ValueError, match=r"."):
            Keyring.decode(wrong)


@pytest.mark.parametrize("size", [0, 1, 3798, 3799, 3800, 7598, 7599, 20_000])
def test_large_cookies_are_divided(size: int) -> None:
    parts = dict(divided("a", "x" * size))
    assert joined("a", parts) == "x" * size
    assert max(map(len, parts.values())) <= 3800
    for name in parts:
        assert joined("a", {other: value for other, value in parts.items() if other != name}) == ""
