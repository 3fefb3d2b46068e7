"""Variables of GeoIP2 databases, read by the image's nginx from a database that is made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from headgate.ir import Layout
from headgate.render import Renderer
from headgate.settings import ConfigParams
from headgate.translate import Environment, geoip, translate_main
from tests.directories import short_directory
from tests.nginx_binaries import LUA, capabilities, prepare, refusal

ONE, EPOCH = bytes([6 << 5 | 4, 0, 0, 0, 1]), bytes([8, 2, *bytes(7), 1])
"""Unsigned integers of 32 and 64 bits, which these fields must be."""
METADATA = b"\xab\xcd\xefMaxMind.com"


def encoded(value: Any) -> bytes:
    """A value of the MaxMind DB format, version 2.0."""
    if isinstance(value, dict):
        pairs = b"".join(encoded(key) + encoded(item) for key, item in value.items())
        return bytes([7 << 5 | len(value)]) + pairs
    if isinstance(value, list):
        return bytes([len(value), 4]) + b"".join(map(encoded, value))
    if isinstance(value, int):
        return bytes([5 << 5 | 2]) + value.to_bytes(2, "big")
    if isinstance(value, bytes):
        return value
    data = value.encode()
    return bytes([2 << 5 | len(data)]) + data


def database(record: dict[str, Any]) -> bytes:
    """A database that has *record* for every IPv4 address: one node, whose both sides lead to it."""
    leads = (1 + 16).to_bytes(3, "big")
    about = {
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": EPOCH,
        "database_type": "Test", "description": {"en": "Test"},
        "ip_version": 4, "languages": ["en"], "node_count": ONE, "record_size": 24,
    }  # fmt: skip
    return leads + leads + bytes(16) + encoded(record) + METADATA + encoded(about)


def environment(layout: Layout, *names: str) -> Environment:
    assert LUA
    params = ConfigParams().replaced({"addons": {"geoip2": True, "geoip2_autoreload": 5}})
    return Environment(layout=layout, capabilities=capabilities(LUA), params=params, databases=names)


@pytest.mark.skipif(LUA is None or not capabilities(LUA).addons, reason="no nginx with further modules")
def test_nginx_reads_the_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LUA
    with short_directory() as folder:
        monkeypatch.setattr(geoip, "DIRECTORY", str(folder))
        for name in ("GeoLite2-City", "GeoLite2-ASN"):
            Path(folder, f"{name}.mmdb").write_bytes(database({"country": {"iso_code": "DE"}}))
        layout = Layout.under(f"{folder}/p")
        env = environment(layout, "GeoLite2-City", "GeoLite2-ASN")
        text = Renderer().main(translate_main(env, names=1, longest=1)).data.decode()
        assert "$geoip2_city_country_code source=$remote_addr country iso_code;" in text
        assert text.count("auto_reload 5m;") == 2
        prepare(layout)
        Path(layout.main).write_text(text)
        assert refusal(LUA, layout) == ""


@pytest.mark.skipif(LUA is None, reason="no nginx with further modules")
def test_of_two_databases_with_the_same_variables_the_first_counts() -> None:
    env = environment(Layout.container(), "GeoIP2-City", "GeoLite2-City", "GeoLite2-Country")
    paths = [each.path for each in geoip.databases(env)]
    assert paths == [f"{geoip.DIRECTORY}/{name}.mmdb" for name in ("GeoIP2-City", "GeoLite2-Country")]
    off = structs.replace(env, params=ConfigParams())
    assert geoip.databases(off) == ()
