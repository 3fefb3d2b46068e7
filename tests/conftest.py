"""What all tests share: the option that rewrites the expected files of cases, and how Hypothesis makes up examples.

Hypothesis makes up the same examples in each run, and has no opinion about how long one takes.
"""

import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import examples

# A shell that runs the tests in the background ignores these, and every process that a test starts would, too.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)

# Without bytecode on the disk, as the environment of containers often demands it, every process that a test starts
# compiles 200 modules, and every worker of xdist rewrites the assertions of all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# aiohttp reads the authorities of the machine at each import, 0.1 s; tests have their own.
os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull)
sys.dont_write_bytecode = False

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    max_examples=examples(50),
)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Take back what a command that a test runs in this process does to the log, which others look at."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def pytest_collection_finish() -> None:
    """Spare the garbage collector the items of all tests, which live to the end."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the expected files of tests/cases")
