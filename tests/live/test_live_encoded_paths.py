"""A path as it stands in a URL is served to who asks for that URL, or its owner is told that it never can be."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from itertools import product
from urllib.parse import quote

import pytest
import pytest_asyncio

from headgate.validation.text import path_fault
from headgate.validation.uri import unreachable
from tests.live.json_objects import Json, ingress, path
from tests.live.settings.serving_nginx import ServingNginx, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

KINDS = ("Exact", "Prefix", "ImplementationSpecific")
SEGMENTS = (
    "a", "", ".", "..", "%41", "my%20app", "%2e", "%2E%2e", ".%2e", "a%2Fb", "%2F", "%2e%2F", "%zz", "100%", "%",
    "%25", "%2541", "%C3%A9t%C3%A9", "été", "%FF", "%C3", "%0A", "%00", "%7Euser", "%3Bv=1", "%22", "%5C", "%5Cn",
    "%24host", "%23", "%3F", "%7Bid%7D", "%27", ".well", "%2ewell",
)  # fmt: skip
PATHS = tuple(dict.fromkeys(
    [*(f"/{segment}" for segment in SEGMENTS), *(f"/x/{segment}/" for segment in SEGMENTS),
     *(f"/{one}/{other}" for one, other in product(SEGMENTS[:12], SEGMENTS[2:12]))]
))  # fmt: skip
CASES = {f"h{i}": case for i, case in enumerate(product(PATHS, KINDS))}
REFUSED = ("has a .. in it", "begins with //")


def objects() -> Iterable[Json]:
    return (ingress(name, {f"{name}.test": [path("a", uri, kind)]}) for name, (uri, kind) in CASES.items())


def url(uri: str) -> str:
    """Return *uri* as a client sends it; a ``%`` that begins no escape must itself be escaped."""
    return quote(re.sub("%(?![0-9A-Fa-f]{2})", "%25", uri), safe="/%:@!$&'()*+,;=-._~")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(nginx_binary: str) -> AsyncIterator[ServingNginx]:
    async with served(objects(), binary=nginx_binary, problems=["can never match", *REFUSED]) as nginx:
        yield nginx


async def test_a_path_is_served_under_its_url_or_reported(nginx: ServingNginx) -> None:
    async with nginx.client() as client:

        async def reached(name: str, uri: str, kind: str) -> bool:
            """Whether *uri*, or where that may end anywhere also what begins so, is answered by the backend."""
            urls = [url(uri), f"{url(uri)}x"] if kind == "ImplementationSpecific" else [url(uri)]
            return "a" in [(await client.get(f"{name}.test", each)).text for each in urls]

        answered = {case for name, case in CASES.items() if await reached(name, *case)}
    told = {(uri, kind) for uri, kind in CASES.values() if path_fault(uri, regex=False) or unreachable(uri, kind)}
    assert len(answered) > 150
    assert set(CASES.values()) - answered == told
