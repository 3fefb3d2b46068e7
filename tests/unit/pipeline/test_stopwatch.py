"""Stages that contain each other are counted once, and never below zero."""

from headgate.pipeline.stopwatch import Stopwatch


class Clock:
    """Advances by what the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_stage_inside_another_counts_for_itself() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    with watch.stage("outer"):
        clock.now += 1
        with watch.stage("inner"):
            clock.now += 10
        clock.now += 2
        with watch.stage("inner"):
            clock.now += 20
    clock.now += 1000
    assert watch.take() == {"outer": 3, "inner": 30}
    assert watch.take() == {}
