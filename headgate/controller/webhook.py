"""The admission webhook of a running controller: who answers, and the port, whose certificate files may change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from headgate.api import TopLevel
from headgate.configuration import Candidate, Examined, Standing
from headgate.controller.admission import Admission, Result
from headgate.controller.controller import Controller
from headgate.controller.webhook_sources import FILES_S, CertificateSource, Files, InSecret, Shown, UnreadError
from headgate.k8s import Client
from headgate.options import Options
from headgate.pipeline import Pipeline
from headgate.reporting.http import BadCertificateError, HttpPort, renew, serving, tls_context
from headgate.reporting.webhook import webhook_app
from headgate.watch import Watches

log = logging.getLogger(__name__)

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
        client: Client | None = None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is read before ``run``. Without a *client* there is no cluster that has a Secret."""
        self._at = options.validating_webhook
        self._source = source_of(options, client, lambda what: self._tell(what, "not all is done"))
        self._admission = Admission(judging, counted)
        self._pause = pause
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Serve until cancelled; end at once if no flag asks for it.

        Raises:
            PortTakenError: another process listens there.
        """
        source = self._source
        if self._at is None or source is None:
            return
        shown: Shown | None = None
        while (context := self._context(shown := await self._read(source))) is None:
            await self._pause(FILES_S)
        at = HttpPort(self._at.port, FLAG, self._at.host, context)
        async with serving(webhook_app(self._admission), at) as port:
            log.info("webhook", extra={"fields": {"port": port}, "sentence": f"admission webhook on port {port}"})
            while True:
                await self._pause(source.pause_s)
                found = await self._read(source)
                if found is not None and found != shown:
                    shown = found
                    self._renew(context, found, source.where)

    def _renew(self, context: ssl.SSLContext, found: Shown, where: Mapping[str, str]) -> None:
        try:
            renew(context, found.certificate, found.key, found.clients)
        except BadCertificateError as error:
            self._tell(f"{error}; the last one stays in use")
        else:
            self._tell("")
            log.info("webhook certificate renewed", extra={"fields": where})

    async def _read(self, source: CertificateSource) -> Shown | None:
        try:
            return await source.read()
        except UnreadError as error:
            self._tell(str(error))
            return None

    def _context(self, shown: Shown | None) -> ssl.SSLContext | None:
        if shown is None:
            return None
        try:
            return tls_context(shown.certificate, shown.key, shown.clients)
        except BadCertificateError as error:
            self._tell(str(error))
            return None

    def _tell(self, what: str, about: str = "") -> None:
        """Log *what* is wrong, once; *about* tells apart what may be wrong at the same time."""
        if what and what != self._told.get(about):
            sentence = f"{FLAG}: {what}"
            log.warning("webhook certificate", extra={"fields": {"what": what}, "sentence": sentence})
        self._told[about] = what


def source_of(options: Options, client: Client | None, tell: Callable[[str], None]) -> CertificateSource | None:
    """Return where the certificate comes from, ``None`` if no flag says that or there is no cluster."""
    certificate, key = options.validating_webhook_certificate, options.validating_webhook_key
    if certificate and key:
        return Files(certificate, key, options.validating_webhook_client_ca)
    secret = options.validating_webhook_secret
    return InSecret(client, options, secret, tell) if secret and client else None
