"""With ``-live-routes``, ``explain`` and ``status`` name the hosts without a server block, and why others have one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from msgspec import structs

from headgate.explain import Question, explain, text
from headgate.ir.live import LuaModules
from headgate.options import Options
from headgate.status import text as status_text
from headgate.viewing import look, status
from tests.live.json_objects import endpoints, ingress, service
from tests.simulated_cluster import CURRENT, flags

ABLE = structs.replace(CURRENT, lua=LuaModules((), "", ""))
OBJECTS = [
    service("tea"),
    endpoints("tea", "10.0.0.1"),
    ingress("plain", "plain.test"),
    *(ingress(f"own{number}", f"own{number}.test", server_snippets="# own") for number in range(7)),
    ingress("limited", "limited.test", limit_req_rate="1r/s"),
]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    (tmp_path / "in.yaml").write_text(yaml.safe_dump_all(OBJECTS))
    return flags([f"--manifests={tmp_path}", "-data-plane=live", "-live-routes", "-enable-snippets"])


def explained(options: Options, url: str) -> str:
    return text(explain(look(options, ABLE), Question.of(url)))


def test_explain_says_of_a_routed_host_that_no_file_has_it(options: Options) -> None:
    said = explained(options, "http://plain.test/")
    assert "from Ingress default/plain, routed at run time (no file)" in said
    assert "conf.d" not in said


def test_explain_says_why_a_host_is_not_routed(options: Options) -> None:
    said = explained(options, "http://limited.test/")
    assert "from Ingress default/limited, in conf.d/default-limited.conf\n" in said
    assert "not routed at run time: a rate limit\n" in said


def test_without_the_flag_nothing_is_said_of_it(options: Options) -> None:
    options = structs.replace(options, live_routes=False)
    assert "in conf.d/default-plain.conf" in explained(options, "http://plain.test/")
    assert "run time" not in explained(options, "http://plain.test/") + status_text(status(options, ABLE))


def test_an_unknown_name_is_refused_with_the_same_alert_where_hosts_are_routed(options: Options) -> None:
    assert "(alert unrecognized_name)" in explained(options, "https://nobody.test/")
    assert "(alert unrecognized_name)" in explained(structs.replace(options, live_routes=False), "https://nobody.test/")


def test_status_lists_the_hosts_that_are_not_routed_by_reason(options: Options) -> None:
    found = status(options, ABLE)
    assert {host.host for host in found.hosts if host.routed} == {"plain.test"}
    assert "Not routed" not in status_text(found)
    said = status_text(found, wide=True)
    assert "Not routed at run time\n" in said
    assert "  limited.test: a rate limit\n" in said
    assert " and 4 more: a snippet of the server\n" in said


def test_what_keeps_all_hosts_is_said_of_each(options: Options) -> None:
    found = status(options, structs.replace(ABLE, keepalive_by_default=False))
    assert {host.dedicated for host in found.hosts} == {
        "nginx is older than 1.29.7, or its Lua module does not have balancer_keepalive"
    }
