"""The Pod that Headgate runs in: events name it, and its labels tell who the replicas are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from headgate.api import Kind, Pod
from headgate.backoff import retry_delay
from headgate.k8s import FailureLog, K8sError
from headgate.k8s.jitter import jittered
from headgate.problems import ObjectRef
from headgate.reporting.verdicts import Subject
from headgate.watch.replicas import selector

log = logging.getLogger(__name__)


class Reader(Protocol):
    """What is asked for the Pod."""

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        """Return one object as it is on the wire (K8sError if that fails)."""
        ...


class OwnPod:
    """Reads the Pod once; until that succeeds only its name is known, and the number of replicas is not."""

    def __init__(
        self,
        client: Reader,
        ref: ObjectRef,
        found: Callable[[Subject, str], None],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is asked before ``read``.

        Args:
            client: the API server.
            ref: the Pod.
            found: called once with the Pod as events name it, and with the label selector of all replicas (``""`` if
                its labels do not tell).
            pause: how to wait; tests put their own here.
        """
        self._client = client
        self._ref = ref
        self._found = found
        self._pause = pause
        self._known = False
        self._failure_log = FailureLog(log, "own Pod unknown", "own Pod known", {"pod": ref.key})

    async def read(self) -> bool:
        """Try once to read the Pod; return whether it is known now."""
        if self._known:
            return True
        try:
            item = await self._client.get(Pod.KIND, self._ref.namespace, self._ref.name)
        except K8sError as error:
            self._failure_log.failed(error, str(error))
            return False
        self._failure_log.recovered()
        self._known = True
        metadata = item.get("metadata") or {}
        self._found(Subject(self._ref, str(metadata.get("uid") or "")), selector(metadata.get("labels") or {}))
        return True

    async def run(self) -> None:
        """Try until the Pod is known, at longer and longer intervals, up to a minute; then return."""
        failures = 0
        while not await self.read():
            failures += 1
            await self._pause(jittered(retry_delay(failures, first=0.5, longest=60.0)))
