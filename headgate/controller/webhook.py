"""The admission webhook of a running controller: who answers, and the port, whose certificate files may change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from headgate.api import TopLevel
from headgate.configuration import Candidate, Examined, Standing
from headgate.controller.admission import Admission, Result
from headgate.controller.controller import Controller
from headgate.options import Options
from headgate.pipeline import Pipeline
from headgate.reporting.http import BadCertificateError, HttpPort, renew, serving, tls_context
from headgate.reporting.webhook import webhook_app
from headgate.watch import Watches

log = logging.getLogger(__name__)

REREAD_S = 3.0
"""Seconds between two looks at the files: the kubelet exchanges those of a Secret about a minute after it changed."""
FLAG = "--validating-webhook"


class Judging(msgspec.Struct, frozen=True):
    """Asks the parts of the running controller."""

    controller: Controller
    pipeline: Pipeline
    watches: Watches

    @property
    def ready(self) -> bool:
        """Whether the first batch is through the Pipeline."""
        return self.controller.generation is not None

    def covers(self, model: type[TopLevel], namespace: str) -> bool:
        """Whether objects of a kind are served in *namespace*."""
        return self.watches.covers(model, namespace)

    def examine(self, item: TopLevel) -> Examined:
        """Say what is wrong with *item*, without others."""
        return self.pipeline.examine(item)

    def foresee(self, candidate: Candidate) -> Awaitable[Standing]:
        """Say what others would have of what *candidate* claims."""
        return self.controller.foresee(candidate)


class Webhook:
    """The port of ``--validating-webhook``; it opens when there is a certificate, and new ones are used at once."""

    def __init__(
        self,
        options: Options,
        judging: Judging,
        counted: Callable[[Result], None],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is read before ``run``."""
        self._at = options.validating_webhook
        self._files = options.validating_webhook_certificate, options.validating_webhook_key
        self._admission = Admission(judging, counted)
        self._pause = pause
        self._told = ""

    async def run(self) -> None:
        """Serve until cancelled; end at once if no flag asks for it.

        Raises:
            PortTakenError: another process listens there.
        """
        certificate, key = self._files
        if self._at is None or certificate is None or key is None:
            return
        pair: tuple[bytes, bytes] | None = None
        while (context := self._context(pair := await self._read(certificate, key))) is None:
            await self._pause(REREAD_S)
        at = HttpPort(self._at.port, FLAG, self._at.host, context)
        async with serving(webhook_app(self._admission), at) as port:
            log.info("webhook", extra={"fields": {"port": port}, "sentence": f"admission webhook on port {port}"})
            while True:
                await self._pause(REREAD_S)
                found = await self._read(certificate, key)
                if found is not None and found != pair:
                    pair = found
                    try:
                        renew(context, *found)
                    except BadCertificateError as error:
                        self._tell(f"{error}; the last one stays in use")
                    else:
                        self._tell("")
                        log.info("webhook certificate renewed", extra={"fields": {"file": str(certificate)}})

    async def _read(self, certificate: Path, key: Path) -> tuple[bytes, bytes] | None:
        try:
            return await asyncio.to_thread(lambda: (certificate.read_bytes(), key.read_bytes()))
        except OSError as error:
            self._tell(f"{error.filename} cannot be read: {error.strerror or error}")
            return None

    def _context(self, pair: tuple[bytes, bytes] | None) -> ssl.SSLContext | None:
        if pair is None:
            return None
        try:
            return tls_context(*pair)
        except BadCertificateError as error:
            self._tell(str(error))
            return None

    def _tell(self, what: str) -> None:
        """Log *what* is wrong with the files, once."""
        if what and what != self._told:
            sentence = f"{FLAG}: {what}"
            log.warning("webhook certificate", extra={"fields": {"what": what}, "sentence": sentence})
        self._told = what
