"""Delays double and are bounded, after any number of failures."""

from headgate.backoff import retry_delay


def test_delays_double_up_to_the_longest() -> None:
    delays = [retry_delay(failures, first=0.5, longest=10.0) for failures in (1, 2, 3, 5, 6, 1000, 10**9)]
    assert delays == [0.5, 1.0, 2.0, 8.0, 10.0, 10.0, 10.0]
