"""Who holds a slot does not depend on the order in which claims come, nor on those that were withdrawn."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.api import VirtualServer
from headgate.configuration import Arbiter, Claimant, Slot
from headgate.configuration.arbiter import ADDED_LATER, LATER
from tests.unit.configuration.ingresses import ref

SLOT = Slot("a.test")
CLAIMANTS = st.builds(
    Claimant, st.sampled_from([ref(name) for name in "abcdef"]), st.sampled_from(["1", "2", "9"]), st.sampled_from("xy")
)


def test_the_oldest_holds_it_then_the_larger_uid_then_the_smaller_name() -> None:
    arbiter = Arbiter()
    arbiter.claim(Claimant(ref("b"), "2", "z"), [SLOT])
    assert arbiter.holder(SLOT) == ref("b")
    arbiter.claim(Claimant(ref("d"), "1", "x"), [SLOT])
    arbiter.claim(Claimant(ref("c"), "1", "y"), [SLOT])
    arbiter.claim(Claimant(ref("a"), "1", "y"), [SLOT])
    assert arbiter.holder(SLOT) == ref("a")
    arbiter.withdraw(ref("a"), [SLOT])
    assert arbiter.holder(SLOT) == ref("c")


def test_without_creation_times_the_first_by_name_holds_it_whatever_the_kinds() -> None:
    arbiter = Arbiter()
    server = VirtualServer.KIND.ref("default", "b")
    arbiter.claim(Claimant(ref("c"), LATER, "z"), [SLOT])
    arbiter.claim(Claimant(server, LATER, "y"), [SLOT])
    assert arbiter.holder(SLOT) == server
    arbiter.claim(Claimant(ref("a"), LATER, f"{ADDED_LATER}x"), [SLOT])
    assert arbiter.holder(SLOT) == server
    arbiter.claim(Claimant(ref("a"), LATER, "x"), [SLOT])
    assert arbiter.holder(SLOT) == ref("a")
    arbiter.claim(Claimant(ref("d"), "2026-01-01T00:00:00Z", "x"), [SLOT])
    assert arbiter.holder(SLOT) == ref("d")


@given(st.lists(st.one_of(CLAIMANTS, st.sampled_from([ref(name) for name in "abcdef"])), max_size=80))
def test_the_holder_is_the_best_of_those_who_claim_now(steps: list[object]) -> None:
    arbiter, now = Arbiter(), {}
    for step in steps:
        if isinstance(step, Claimant):
            arbiter.claim(step, [SLOT])
            now[step.ref] = step
        else:
            arbiter.withdraw(step, [SLOT])
            now.pop(step, None)
        assert arbiter.holder(SLOT) == (min(now.values()).ref if now else None)
        assert arbiter.claimants(SLOT) == now.keys()


def test_a_claimant_that_claims_again_and_again_takes_no_more_room() -> None:
    arbiter = Arbiter()
    arbiter.claim(Claimant(ref("holder"), "1", ""), [SLOT])
    for number in range(1000):
        arbiter.claim(Claimant(ref("restless"), "2", str(number)), [SLOT])
    assert len(arbiter._contests[SLOT]._heap) < 20
