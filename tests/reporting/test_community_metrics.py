"""What flags of ingress-nginx change about its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headgate.reporting.community import Answered, CommunityMetrics, Times, Who
from headgate.reporting.traffic import HostCounts, ServerZone

BOUNDS = (0.1, 1.0)


def lines(**flags: Any) -> list[str]:
    who = Who(namespace="ours", controller_class="c", pod="p", election="lease", release="1", build="abc", **flags)
    metrics = CommunityMetrics(who, lambda: 1000.0)
    shop = Answered("a.test", "shop", "default", "tea", "200")
    other = Answered("b.test", "shop", "default", "tea", "201")
    metrics.set_requests({shop: 2, other: 3, Answered("_", "", "", "", "4xx"): 5})
    metrics.set_times({shop: Times([1, 1, 0], 0.5, 0.25, 2), other: Times([0, 0, 3], 9.0)}, BOUNDS)
    metrics.set_sizes({ServerZone("a.test", "ingress", "shop", "default"): HostCounts([0, 2, 0, 0, 0], 0, 10, 20)})
    metrics.set_reloads(3, 1, last_ok=True)
    return list(metrics.lines())


def of(found: list[str], name: str) -> Iterator[str]:
    return (line for line in found if line.startswith(f"nginx_ingress_controller_{name}{{"))


def test_the_time_of_the_last_reload_is_there_once_there_was_one() -> None:
    who = Who(namespace="ours", controller_class="c", pod="p", election="lease", release="1", build="abc")
    metrics = CommunityMetrics(who, lambda: float(len(found)))
    found: list[list[str]] = []
    for done, failed in ((0, 0), (0, 1), (1, 1), (1, 2), (2, 2)):
        metrics.set_reloads(done, failed, last_ok=True)
        lines_of = of([*metrics.lines()], "config_last_reload_successful_timestamp_seconds")
        found.append([line.rpartition(" ")[2] for line in lines_of])
    assert found == [[], [], ["2"], ["2"], ["4"]]


def test_by_host() -> None:
    found = lines()
    assert [line.rpartition(" ")[2] for line in of(found, "requests")] == ["2", "3"]
    assert not [line for line in found if 'host="_"' in line]
    assert len(list(of(found, "response_duration_seconds_count"))) == 2
    (size,) = of(found, "request_size_sum")
    assert size.endswith("} 10")
    (first, *_) = of(found, "request_duration_seconds_bucket")
    assert first.startswith('nginx_ingress_controller_request_duration_seconds_bucket{canary="",')
    assert [line.rpartition(" ")[2] for line in of(found, "request_duration_seconds_bucket") if "a.test" in line] == [
        "1", "2", "2",
    ]  # fmt: skip


def test_without_hosts_all_are_together() -> None:
    found = lines(per_host=False, classes=True)
    assert not [line for line in found if "host=" in line]
    assert [line.rpartition(" ")[2] for line in of(found, "response_duration_seconds_count")] == ["5"]
    assert sorted(line.rpartition(" ")[2] for line in of(found, "requests")) == ["5", "5"]


def test_undefined_hosts() -> None:
    assert [line for line in lines(undefined=True) if 'host="_"' in line]


@pytest.mark.parametrize("name", ["requests", "response_size"])
def test_what_is_excluded_is_not_there(name: str) -> None:
    assert [line for line in lines() if f"controller_{name}" in line]
    assert not [line for line in lines(excluded=frozenset({name})) if f"controller_{name}" in line]


def test_reloads() -> None:
    found = lines()
    stamp = "config_last_reload_successful_timestamp_seconds"
    assert [line.rpartition(" ")[2] for name in ("success", "errors", stamp) for line in of(found, name)] == [
        "3", "1", "1000",
    ]  # fmt: skip
