"""The result of ``headgate sockets``, as text and as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from headgate.ir import Layout
from headgate.ir.layout import CONTROL_SOCKET
from headgate.sockets.endpoints import KubeadmChoice, RuntimeEndpoint, choice
from headgate.sockets.inspection import Inspection, SocketState, inspect
from headgate.sockets.own import OwnSocket, inspect_own
from headgate.sockets.runtime import CriError, Runtime
from headgate.uds import SocketType

NONE = (
    "There is no container runtime. Install one (Debian: apt-get install containerd), start it (systemctl start"
    " containerd), or name its socket by --endpoint; in a Pod, mount the node's root and name it by --root."
)

NOT_NEEDED = "There is no container runtime; Headgate needs none."
SILENT = "No container runtime answers; the reasons are above."
EXTRA = "Runtimes are not asked because grpcio is not installed; install it: pip install 'headgate[sockets]'."


class RuntimeReport(msgspec.Struct, frozen=True):
    """What was found at one endpoint of a runtime.

    Attributes:
        endpoint: the endpoint.
        found: what is at its address.
        runtime: what it answered, ``None`` if it was not asked or did not answer.
        remark: why it did not answer, and what to do.
        asked: false if it was not asked because the extra is not installed.
    """

    endpoint: RuntimeEndpoint
    found: Inspection
    runtime: Runtime | None = None
    remark: str = ""
    asked: bool = True


class Report(msgspec.Struct, frozen=True):
    """Everything that was found.

    Attributes:
        runtimes: one for each endpoint, in the order they were named.
        choice: what kubeadm would do; ``None`` if it finds nothing, does not try these, or this user may not see it.
        own: directory → Headgate's own sockets in it; that of the controller, then those of proxies.
    """

    runtimes: tuple[RuntimeReport, ...]
    choice: KubeadmChoice | None
    own: Mapping[str, tuple[OwnSocket, ...]]

    @property
    def answered(self) -> bool:
        """Whether at least one runtime answers."""
        return any(item.runtime for item in self.runtimes)

    @property
    def controlled(self) -> bool:
        """Whether a controller or a proxy answers; an nginx may have outlived its controller."""
        return any(one.answer and Path(one.path).stem == CONTROL_SOCKET for one in self._own())

    @property
    def headgate_first(self) -> bool:
        """Whether a socket of Headgate answers, so that the reader is interested in these."""
        return any(one.answer for one in self._own())

    def _own(self) -> Iterator[OwnSocket]:
        for found in self.own.values():
            yield from found

    @property
    def advice(self) -> str:
        """What to do if no runtime answers, else empty."""
        if self.answered:
            return ""
        if not all(item.asked for item in self.runtimes):
            return EXTRA
        if all(item.found.state is SocketState.ABSENT for item in self.runtimes):
            return NOT_NEEDED if self.headgate_first else NONE
        return SILENT


async def report(endpoints: Sequence[RuntimeEndpoint], layouts: Sequence[Layout]) -> Report:
    """Inspect all *endpoints* and the sockets of *layouts*, all at the same time; takes a few seconds at most."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_inspect(endpoint)) for endpoint in endpoints]
        own = {layout.run: group.create_task(inspect_own(layout)) for layout in layouts}
    found = tuple(task.result() for task in tasks)
    return Report(found, _choice(found), {run: task.result() for run, task in own.items()})


def _choice(reports: Sequence[RuntimeReport]) -> KubeadmChoice | None:
    """Return what kubeadm does, which runs as root; ``None`` also if this user may not see as much."""
    if any(item.found.state is SocketState.DENIED for item in reports):
        return None
    return choice(item.endpoint for item in reports if _accepts(item.found))


async def _inspect(endpoint: RuntimeEndpoint) -> RuntimeReport:
    found = inspect(endpoint.address)
    if found.state is not SocketState.LISTENS:
        return RuntimeReport(endpoint, found, remark=found.remark)
    if not _accepts(found):
        return RuntimeReport(endpoint, found, remark="not a stream socket, so not a container runtime's")
    try:
        from headgate.sockets.cri import ask  # noqa: PLC0415 - needs the extra, and 0.2 s to import
    except ImportError:
        return RuntimeReport(endpoint, found, asked=False)
    try:
        return RuntimeReport(endpoint, found, await ask(endpoint.address))
    except CriError as error:
        return RuntimeReport(endpoint, found, remark=str(error))


def _accepts(found: Inspection) -> bool:
    return found.listener is not None and found.listener.kind is SocketType.STREAM


def text(report: Report) -> str:
    """Return the report as text; ends with a newline."""
    parts = [_runtimes(report), *(_headgate(run, own) for run, own in report.own.items())]
    if report.headgate_first:
        parts.append(parts.pop(0))
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _runtimes(report: Report) -> list[str]:
    lines = ["Container runtimes"]
    for item in report.runtimes:
        lines += _runtime_lines(item)
    if report.choice is not None:
        lines += ["", f"{report.choice}."]
    return [*lines, "", report.advice] if report.advice else lines


def _headgate(run: str, found: Iterable[OwnSocket]) -> list[str]:
    return [f"Headgate's own sockets in {run}", *(line for own in found for line in _own_lines(own))]


def _runtime_lines(item: RuntimeReport) -> Iterator[str]:
    yield f"  {item.endpoint.address}: {_state(item.found, answers=bool(item.runtime), asked=item.asked)}"
    rows = list(_inspected(item.found))
    if item.runtime is not None:
        rows += _answered(item.runtime)
    if item.remark:
        rows.append(("why", item.remark))
    yield from _rows(rows)


def _own_lines(own: OwnSocket) -> Iterator[str]:
    yield f"  {own.path}: {_state(own.found, answers=bool(own.answer))}"
    rows = [*_inspected(own.found), ("for", own.purpose)]
    if own.answer:
        rows.append(("answer", own.answer))
    if own.found.remark:
        rows.append(("why", own.found.remark))
    yield from _rows(rows if own.found.state is not SocketState.ABSENT else ())


def _state(found: Inspection, *, answers: bool, asked: bool = True) -> str:
    if found.state is not SocketState.LISTENS:
        return str(found.state.value)
    if not (asked and _accepts(found)):
        return "listens"
    return "answers" if answers else "silent"


def _inspected(found: Inspection) -> Iterator[tuple[str, str]]:
    if found.file is not None:
        yield "file", str(found.file)
    if found.listener is not None:
        yield "listens", f"{found.listener}, {found.listener.kind.value}"


def _answered(runtime: Runtime) -> Iterator[tuple[str, str]]:
    yield "runtime", f"{runtime.name} {runtime.version}, CRI {runtime.api}"
    for condition in runtime.conditions:
        why = ": ".join(part for part in (condition.reason, condition.message) if part)
        yield condition.type, "yes" if condition.ready else f"no, {why or 'without a reason'}"
    if runtime.status_error:
        yield "Status", runtime.status_error


def _rows(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in rows:
        yield f"    {name:<13} {value}"


def rows(report: Report) -> dict[str, object]:
    """Return the report as objects for JSON."""
    return {
        "runtimes": [_row(item) for item in report.runtimes],
        "kubeadm": report.choice,
        "advice": report.advice,
        "headgate": [_own_row(own) for found in report.own.values() for own in found],
    }


def _own_row(own: OwnSocket) -> dict[str, object]:
    return {"path": own.path, "purpose": own.purpose, **_shown(own.found), "answer": own.answer}


def _row(item: RuntimeReport) -> dict[str, object]:
    shown = {**_shown(item.found), "remark": item.remark}
    return {"endpoint": item.endpoint.address.text, **shown, "runtime": item.runtime}


def _shown(found: Inspection) -> dict[str, object]:
    return {"state": found.state, "file": found.file, "listener": found.listener, "remark": found.remark}
