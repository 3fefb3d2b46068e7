"""What all tests share: the option that rewrites the expected files of cases, and how Hypothesis makes up examples.

Hypothesis makes up the same examples in each run, and has no opinion about how long one takes.
"""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the expected files of tests/cases")
