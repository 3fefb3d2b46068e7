"""ACME challenges on the hosts of other objects: their files, and how they are counted."""

from __future__ import annotations

from headgate.controller.gauges import count_roles, count_virtual_servers
from tests.unit.configuration.test_challenges import owner, solver
from tests.unit.pipeline.test_pipeline import TEA, Runner, failing, ingress, member


def test_a_solver_is_counted_as_a_regular_ingress_whoever_has_its_host() -> None:
    runner = Runner()
    generation = runner.take(owner("VirtualServer"), solver(), member("shop", "master"), member("tea"))
    assert count_roles(generation) == {"regular": 1, "master": 1, "minion": 1}
    assert count_virtual_servers(generation) == {"servers": 1, "routes": 0}
    generation = runner.take(owner("master"), gone=(owner("VirtualServer").ref,))
    assert count_roles(generation) == {"regular": 1, "master": 2, "minion": 1}


def test_an_ingress_that_could_never_be_lowered_is_counted() -> None:
    generation = Runner(kinds=failing("lower")).take(ingress("tea", proxy_read_timeout="1s"))
    assert TEA in generation.resources
    assert count_roles(generation)["regular"] == 1


def test_a_solver_has_a_file_of_its_own_and_its_owner_the_exception() -> None:
    runner = Runner()
    before = dict(runner.take(owner("VirtualServer")).files)
    files = runner.take(solver()).files
    assert b"include /etc/nginx/attached/a.test/_include[s];" in files["conf.d/vs_default_owner.conf"].data
    assert b"/.well-known/acme-challenge/solver" in files["attached/a.test/other-solver.locations"].data
    assert dict(runner.take(gone=(solver().ref,)).files) == before
