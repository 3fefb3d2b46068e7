"""What ``headgate sockets`` found out, as text and as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from headgate.ir import Layout
from headgate.sockets.endpoints import Choice, Endpoint, choice
from headgate.sockets.own import Own, survey
from headgate.sockets.runtime import CriError, Runtime
from headgate.sockets.sight import Sight, State, look
from headgate.uds import Kind

NONE = (
    "There is no container runtime. Install one (Debian: apt-get install containerd), start it (systemctl start"
    " containerd), or name its socket by --endpoint; in a Pod, mount the node's root and name it by --root."
)

SILENT = "No container runtime answers; mend what is said above."
EXTRA = "Runtimes are not asked, since grpcio is not installed; install it: pip install 'headgate[sockets]'."


class Visit(msgspec.Struct, frozen=True):
    """One endpoint of a runtime.

    Attributes:
        endpoint: where.
        sight: what is there.
        runtime: what it answered, ``None`` if it was not asked or did not answer.
        remark: why it did not answer, and what to do.
        asked: false if it could not be asked, because the extra is not installed.
    """

    endpoint: Endpoint
    sight: Sight
    runtime: Runtime | None = None
    remark: str = ""
    asked: bool = True


class Report(msgspec.Struct, frozen=True):
    """Everything that was found.

    Attributes:
        visits: the endpoints of runtimes, in the order they were named.
        choice: what kubeadm would do; ``None`` if it would find nothing, does not look there, or this user may not.
        run: the directory of Headgate's own sockets.
        own: those.
    """

    visits: tuple[Visit, ...]
    choice: Choice | None
    run: str
    own: tuple[Own, ...]

    @property
    def answered(self) -> bool:
        """Whether at least one runtime answers."""
        return any(visit.runtime for visit in self.visits)

    @property
    def advice(self) -> str:
        """What to do if none answers, else empty."""
        if self.answered:
            return ""
        if not all(visit.asked for visit in self.visits):
            return EXTRA
        return NONE if all(visit.sight.state is State.ABSENT for visit in self.visits) else SILENT


async def report(endpoints: Sequence[Endpoint], layout: Layout) -> Report:
    """Look at all *endpoints* and at the sockets of *layout*, all at the same time; a few seconds at most."""
    async with asyncio.TaskGroup() as group:
        visits = [group.create_task(_visit(endpoint)) for endpoint in endpoints]
        own = group.create_task(survey(layout))
    found = tuple(task.result() for task in visits)
    return Report(found, _choice(found), layout.run, own.result())


def _choice(visits: Sequence[Visit]) -> Choice | None:
    """Return what kubeadm does, which runs as root; ``None`` also where this user may not see as much."""
    if any(visit.sight.state is State.DENIED for visit in visits):
        return None
    return choice(visit.endpoint for visit in visits if _accepts(visit.sight))


async def _visit(endpoint: Endpoint) -> Visit:
    sight = look(endpoint.address)
    if sight.state is not State.LISTENS:
        return Visit(endpoint, sight, remark=sight.remark)
    if not _accepts(sight):
        return Visit(endpoint, sight, remark="not a stream socket, so not a container runtime's")
    try:
        from headgate.sockets.cri import ask  # noqa: PLC0415 - needs the extra, and 0.2 s to load
    except ImportError:
        return Visit(endpoint, sight, asked=False)
    try:
        return Visit(endpoint, sight, await ask(endpoint.address))
    except CriError as error:
        return Visit(endpoint, sight, remark=str(error))


def _accepts(sight: Sight) -> bool:
    return sight.listener is not None and sight.listener.kind is Kind.STREAM


def text(report: Report) -> str:
    """Return what people read; ends with a newline."""
    lines = ["Container runtimes"]
    for visit in report.visits:
        lines += _visited(visit)
    if report.choice is not None:
        lines += ["", f"{report.choice}."]
    if report.advice:
        lines += ["", report.advice]
    lines += ["", f"Headgate's own sockets in {report.run}"]
    for own in report.own:
        lines += _owned(own)
    return "\n".join(lines) + "\n"


def _visited(visit: Visit) -> Iterator[str]:
    yield f"  {visit.endpoint.address}: {_word(visit.sight, answers=bool(visit.runtime), asked=visit.asked)}"
    rows = list(_seen(visit.sight))
    if visit.runtime is not None:
        rows += _answered(visit.runtime)
    if visit.remark:
        rows.append(("why", visit.remark))
    yield from _rows(rows)


def _owned(own: Own) -> Iterator[str]:
    yield f"  {own.path}: {_word(own.sight, answers=bool(own.answer))}"
    rows = [*_seen(own.sight), ("for", own.purpose)]
    if own.answer:
        rows.append(("answer", own.answer))
    if own.sight.remark:
        rows.append(("why", own.sight.remark))
    yield from _rows(rows if own.sight.state is not State.ABSENT else ())


def _word(sight: Sight, *, answers: bool, asked: bool = True) -> str:
    if sight.state is not State.LISTENS:
        return str(sight.state.value)
    if not (asked and _accepts(sight)):
        return "listens"
    return "answers" if answers else "silent"


def _seen(sight: Sight) -> Iterator[tuple[str, str]]:
    if sight.file is not None:
        yield "file", str(sight.file)
    if sight.listener is not None:
        yield "listens", f"{sight.listener}, {sight.listener.kind.value}"


def _answered(runtime: Runtime) -> Iterator[tuple[str, str]]:
    yield "runtime", f"{runtime.name} {runtime.version}, CRI {runtime.api}"
    for condition in runtime.conditions:
        why = ": ".join(part for part in (condition.reason, condition.message) if part)
        yield condition.type, "yes" if condition.ready else f"no, {why or 'without a reason'}"
    if runtime.silence:
        yield "Status", runtime.silence


def _rows(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in rows:
        yield f"    {name:<13} {value}"


def rows(report: Report) -> dict[str, object]:
    """Return what programs read."""
    return {
        "runtimes": [_row(visit) for visit in report.visits],
        "kubeadm": report.choice,
        "advice": report.advice,
        "headgate": [
            {"path": own.path, "purpose": own.purpose, **_shown(own.sight), "answer": own.answer} for own in report.own
        ],
    }


def _row(visit: Visit) -> dict[str, object]:
    shown = {**_shown(visit.sight), "remark": visit.remark}
    return {"endpoint": visit.endpoint.address.text, **shown, "runtime": visit.runtime}


def _shown(sight: Sight) -> dict[str, object]:
    return {"state": sight.state, "file": sight.file, "listener": sight.listener, "remark": sight.remark}
