"""The HTTPS port of the admission webhook: what is not answered as it should be, and its limits."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest

from headgate.reporting.http import HttpPort, renew, serving, tls_context
from headgate.reporting.webhook import webhook_app
from tests.k8s.certificates import Authority

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


class Reviewer:
    """Answers with the length of the body; waits if it is told to."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.at_once, self.most = 0, 0

    async def review(self, body: bytes) -> bytes | None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.free.wait()
        finally:
            self.at_once -= 1
        return f"{len(body)}".encode() if body.startswith(b"{") else None

    def unchecked(self, uid: str, why: str) -> bytes:
        return f"{uid}: {why}".encode()


def body(length: int) -> bytes:
    return f'{{"kind":"AdmissionReview","request":{{"uid":"{UID}","x":"'.encode().ljust(length, b"x")


async def post(port: int, data: bytes, path: str = "/networking/v1/ingresses") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}{path}", data=data) as answer,
    ):
        return answer.status, await answer.text()


LOCAL = HttpPort(0, "--validating-webhook", host="127.0.0.1")


@pytest.mark.parametrize("path", ["/", "/networking/v1/ingresses", "/validate?timeout=10s"])
async def test_every_path_is_answered(path: str) -> None:
    async with serving(webhook_app(Reviewer()), LOCAL) as port:
        assert await post(port, body(100), path) == (200, "100")


async def test_what_is_no_review_is_a_bad_request() -> None:
    async with serving(webhook_app(Reviewer()), LOCAL) as port:
        assert (await post(port, b"hello"))[0] == 400
        assert (await post(port, b""))[0] == 400


async def test_a_request_that_is_too_long_admits_unchecked() -> None:
    async with serving(webhook_app(Reviewer(), longest=200_000), LOCAL) as port:
        assert await post(port, body(200_000)) == (200, "200000")
        assert await post(port, body(200_001)) == (200, f"{UID}: the request has more than 200,000 bytes")
        assert (await post(port, b"x" * 200_001))[0] == 413


async def test_an_answer_that_takes_too_long_admits_unchecked_and_others_are_answered_later() -> None:
    reviewer = Reviewer()
    reviewer.free.clear()
    async with serving(webhook_app(reviewer, time_s=0.2, most=2), LOCAL) as port:
        found = await asyncio.gather(*(post(port, body(100)) for _ in range(5)))
        assert found == [(200, f"{UID}: that took more than 0.2 s")] * 5
        assert (reviewer.most, reviewer.at_once) == (2, 0)
        reviewer.free.set()
        assert await post(port, body(100)) == (200, "100")


async def test_a_new_certificate_is_shown_to_new_connections() -> None:
    old, new = Authority(), Authority()
    context = tls_context(*old.issue("webhook.test"))
    async with serving(webhook_app(Reviewer()), HttpPort(0, "", "127.0.0.1", context)) as port:
        for authority in (old, new):
            trusting = ssl.create_default_context(cadata=authority.pem.decode())
            trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="webhook.test")
            writer.close()
            renew(context, *new.issue("webhook.test"))
