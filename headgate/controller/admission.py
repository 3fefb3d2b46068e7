"""Admission: the messages of events about an object, before the API server stores it.

An object that validation refuses is denied. That is all that can be: a failure of Headgate, a lack of time or an
answer that is not known yet admits the object with a warning, since what is served is decided when it is read.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Protocol

import msgspec

from headgate.api import TopLevel, Undecodable
from headgate.configuration import Candidate, Examined, Standing
from headgate.controller import admission_review as reviews
from headgate.controller.admission_review import AdmissionRequest, Answer
from headgate.controller.kinds import ClaimantKind

log = logging.getLogger(__name__)

Result = Literal["allowed", "denied", "failed"]
RESULTS: tuple[Result, ...] = ("allowed", "denied", "failed")
FORESIGHT_S = 2.0
"""How long the end of a batch is waited for (seconds), to compare an object with others."""
STARTING = "Headgate is starting and has not checked this object; see its events"
BUSY = "Headgate is busy and has not compared this object with others; see its events"
FAILED = "Headgate failed to check this object, which is admitted; see its events"


class Judges(Protocol):
    """Who knows about objects."""

    @property
    def ready(self) -> bool:
        """Whether anything can be said: the classes that are served are known."""
        ...

    def covers(self, model: type[TopLevel], namespace: str, /) -> bool:
        """Whether objects of a kind are served in *namespace*."""
        ...

    def examine(self, item: TopLevel, /) -> Examined:
        """Say what is wrong with *item*, without others; called in another thread."""
        ...

    def foresee(self, candidate: Candidate, /) -> Awaitable[Standing]:
        """Say what others would have of what *candidate* claims."""
        ...


class Admission:
    """Answers AdmissionReviews; at most one object is validated at a time, in a thread of its own."""

    def __init__(self, judges: Judges, counted: Callable[[Result], None] = lambda _: None) -> None:
        """Prepare; *counted* is called for each answer."""
        self._judges = judges
        self._counted = counted
        self._thread = ThreadPoolExecutor(1, "admission")

    async def review(self, body: bytes) -> bytes | None:
        """Return the answer to the AdmissionReview *body*, ``None`` if it is none.

        A cancellation, when time is over, leaves a validation that has begun in its thread; others wait for it.
        """
        try:
            request = reviews.read(body)
        except msgspec.MsgspecError:
            self._counted("failed")
            return None
        try:
            answer = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - a bug must not keep anybody from changing objects
            _log_bug(request)
            self._counted("failed")
            return reviews.written(request.uid, Answer(warnings=(f"{FAILED} ({type(error).__name__})",)))
        if answer.denied:
            what = f"{_named(request)}: denied: {answer.denied}"
            log.info(
                "object denied", extra={"fields": {"object": _named(request), "why": answer.denied}, "sentence": what}
            )
        self._counted("denied" if answer.denied else "allowed" if answer.checked else "failed")
        return reviews.written(request.uid, answer)

    def unchecked(self, uid: str, why: str) -> bytes:
        """Return the answer to a request that was not looked at because of *why*."""
        self._counted("failed")
        log.warning(
            "object not checked", extra={"fields": {"why": why}, "sentence": f"an object was not checked: {why}"}
        )
        return reviews.written(uid, Answer(warnings=(f"this object was not checked: {why}; see its events",)))

    async def _answer(self, request: AdmissionRequest) -> Answer:
        kind = reviews.kind_of(request)
        if kind is None or not self._judges.covers(kind.model, request.namespace):
            return Answer()
        if not self._judges.ready:
            return Answer(warnings=(STARTING,), checked=False)
        loop = asyncio.get_running_loop()
        answer, candidate = await loop.run_in_executor(self._thread, self._validated, request, kind)
        return answer if candidate is None else await self._compared(request, kind, answer, candidate)

    def _validated(self, request: AdmissionRequest, kind: ClaimantKind) -> tuple[Answer, Candidate | None]:
        """Return what can be said without others, and the object if they are to be asked."""
        item = reviews.decoded(kind, request.object)
        if isinstance(item, Undecodable):
            if item.remains is None or self._judges.examine(item.remains).ignored:
                return Answer(), None
            return Answer(reviews.refused(kind, item.remains, (item.problem,))), None
        if item.metadata.deletion_timestamp:
            return Answer(), None  # its finalizers must be able to go
        examined = self._judges.examine(item)
        if examined.ignored:
            return Answer(), None
        own = tuple(problem for problem in examined.problems if not problem.elsewhere)
        if denial := reviews.refused(kind, item, own):
            same = reviews.is_same(request, kind, item)
            return (reviews.softened(denial) if same else Answer(denial)), None
        return Answer(warnings=tuple(map(str, examined.problems))), examined.candidate

    async def _compared(
        self, request: AdmissionRequest, kind: ClaimantKind, answer: Answer, candidate: Candidate
    ) -> Answer:
        """Add to *answer* what other objects have of what *candidate* claims."""
        try:
            async with asyncio.timeout(FORESIGHT_S):
                standing = await self._judges.foresee(candidate)
        except TimeoutError:
            return Answer(warnings=(*answer.warnings, BUSY), checked=False)
        if denial := reviews.lost(candidate, standing):
            same = reviews.is_same(request, kind, candidate.item)
            return reviews.softened(denial) if same else Answer(denial, answer.warnings)
        return Answer(warnings=(*answer.warnings, *map(str, standing.problems)))


def _named(request: AdmissionRequest) -> str:
    return f"{request.kind.kind} {request.namespace}/{request.name}"


def _log_bug(request: AdmissionRequest) -> None:
    fields = {"object": _named(request), "trace": traceback.format_exc()}
    log.error("internal error", extra={"fields": fields})
