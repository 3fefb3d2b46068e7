"""An address that the machine loses while nginx listens there: its object must not stop the others from changing."""

from __future__ import annotations

from typing import Any

from headgate.ir import File, FileSet, Layout
from headgate.nginx.attempt import Attempt, Task
from headgate.nginx.process import Tested
from headgate.nginx.serving import Live
from headgate.nginx.verify import ReloadResult
from headgate.problems import ObjectRef

LOST = "192.0.2.1:53"
VIP, OTHER, SAME_PORT = (ObjectRef("TransportServer", "shop", name) for name in ("vip", "other", "same"))


class Machine:
    """nginx on a machine without the address, and a disk that keeps nothing."""

    version, alive, files = 1, True, FileSet()

    def issue(self) -> int:
        return 2

    async def carry_out(self, plan: Any) -> None:
        del plan

    async def test(self, within_s: float) -> Tested:
        del within_s
        lost = any(LOST.encode() in file.data for file in self.attempt.candidate.values())
        words = f"bind() to {LOST} failed (99: Cannot assign requested address)"
        return Tested(failure=f"2026/01/01 00:00:00 [emerg] 1#1: {words}\n" if lost else "")

    async def go_live(self, within_s: float) -> Live:
        del within_s
        return Live(ReloadResult.SERVED, "", 1.0)

    attempt: Attempt


def listening(**objects: str) -> FileSet:
    refs = {"vip": VIP, "other": OTHER, "same": SAME_PORT}
    return FileSet(
        File(f"stream-conf.d/{name}.conf", f"listen {at};\n".encode(), origin=refs[name])
        for name, at in objects.items()
    )


def attempt(*lapsed: ObjectRef) -> Attempt:
    machine: Any = Machine()
    good = listening(vip=LOST, same="192.0.2.2:53")
    wanted = listening(vip=LOST, same="192.0.2.2:53", other="54")
    task = Task(
        layout=Layout.container(), wanted=wanted, good=good, present=good, lapsed=frozenset(lapsed),
        patience_s=9.0, limit_s=9.0,
    )  # fmt: skip
    machine.attempt = Attempt(machine, machine, task, {})
    return machine.attempt


async def test_at_first_nothing_is_left_out_because_nginx_serves_it_still() -> None:
    tried = attempt()
    failure = await tried.run()
    assert failure
    assert (failure.outside, tried.unchanged, tried.refused) == (True, {VIP}, {})


async def test_what_lasts_leaves_that_object_out_alone() -> None:
    tried = attempt(VIP)
    assert await tried.run() is None
    assert tried.refused.keys() == {VIP}
    assert {file.origin for file in tried.candidate.values()} == {OTHER, SAME_PORT}
