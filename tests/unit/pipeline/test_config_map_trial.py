"""One key of the ConfigMap that nginx refuses does not affect other keys, and is reported by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from headgate.api import TopLevel
from headgate.ir import ApplyResult, FileSet, Outcome
from headgate.pipeline import Generation, Ruling
from headgate.pipeline.trial import LONGEST_S, MOST_SETS
from headgate.problems import ObjectRef
from tests.unit.pipeline.test_pipeline import (
    CAFE,
    CONFIG_MAP,
    FAILS_FOR_MANY,
    FAILS_FOR_TEA,
    TEA,
    Runner,
    config_map,
    ingress,
    told,
)

Nginx = Callable[[FileSet], ApplyResult]


class Cluster(Runner):
    """A Pipeline with an nginx that says what a function of its files says."""

    def __init__(self, nginx: Nginx, clock: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__("-enable-snippets", clock=clock)
        self.nginx = nginx
        self.served: list[Generation] = []

    def batch(self, *items: TopLevel, gone: tuple[ObjectRef, ...] = ()) -> tuple[list[str], Ruling]:
        """Process a batch to its end; return what is said of the ConfigMap (nothing if that is no news)."""
        generation = self.take(*items, gone=gone)
        self.served = []
        while True:
            self.served.append(generation)
            ruling = self.pipeline.judge(self.nginx(generation.files))
            if ruling.again is None:
                break
            generation = ruling.again
        said = generation.config_map if ruling.config_map is None else ruling.config_map
        return [str(problem) for problem in said or ()], ruling

    @property
    def main(self) -> str:
        """``nginx.conf`` as it is in force."""
        return self.served[-1].files["nginx.conf"].data.decode()


def text(files: FileSet) -> str:
    return "".join(file.data.decode() for name, file in files.items() if name.endswith(".conf"))


def against(**faults: str) -> Nginx:
    """An nginx that refuses the whole for a text in it: the first of *faults* that is there, with its words."""

    def nginx(files: FileSet) -> ApplyResult:
        found = next((words for fault, words in faults.items() if fault in text(files)), "")
        return ApplyResult(outcome=Outcome.REFUSED if found else Outcome.APPLIED, version=1, error=found)

    return nginx


UNKNOWN = 'unknown directive "bad_one" in /etc/nginx/nginx.conf:31'


def test_at_the_start_all_other_keys_are_in_force() -> None:
    cluster = Cluster(against(bad_one=UNKNOWN))
    data = config_map(http_snippets="bad_one on;", proxy_read_timeout="7s", log_format="$host")
    said, _ = cluster.batch(data, ingress("tea"))
    assert said == [f"http-snippets: 'bad_one on;' is refused by nginx: {UNKNOWN} (the default stays in force)"]
    assert "proxy_read_timeout 7s" in cluster.main
    assert "log_format main $host;" in cluster.main
    assert "bad_one" not in cluster.main
    assert len(cluster.served) == 3


def test_the_previous_value_of_the_key_stays() -> None:
    cluster = Cluster(against(bad_one="no words that help"))
    cluster.batch(config_map(http_snippets="# first", keepalive_timeout="3s"))
    keys = {f"proxy_{name}_timeout": "7s" for name in ("read", "send", "connect")}
    said, _ = cluster.batch(config_map(http_snippets="bad_one on;", **keys))
    assert said == [
        "http-snippets: 'bad_one on;' is refused by nginx: no words that help (the previous value stays in force)"
    ]
    assert "# first" in cluster.main
    assert cluster.main.count("_timeout 7s") == 3
    assert "keepalive_timeout 3s" not in cluster.main, "a key that was removed is no longer in force"


def test_several_keys_are_found() -> None:
    cluster = Cluster(against(bad_one="one", bad_two="two", bad_three="three"))
    said, _ = cluster.batch(
        config_map(
            http_snippets="bad_one on;",
            main_snippets="bad_two on;",
            log_format="$bad_three",
            proxy_read_timeout="7s",
            access_log_off="true",
            server_tokens="false",
        )
    )
    assert [line.partition(":")[0] for line in said] == ["http-snippets", "log-format", "main-snippets"]
    assert "one" in said[0]
    assert "three" in said[1]
    assert "two" in said[2]
    assert "proxy_read_timeout 7s" in cluster.main
    assert "access_log off" in cluster.main
    assert 'server_tokens "off"' in cluster.main


def test_a_key_that_needs_another_is_accepted_with_it() -> None:
    def nginx(files: FileSet) -> ApplyResult:
        found = text(files)
        lost = "$north" in found and "map $x $north" not in found
        words = "bad" if "bad_one" in found else 'unknown "north" variable' if lost else ""
        return ApplyResult(outcome=Outcome.REFUSED if words else Outcome.APPLIED, version=1, error=words)

    cluster = Cluster(nginx)
    said, _ = cluster.batch(
        config_map(log_format="$north", http_snippets="map $x $north { }", main_snippets="bad_one on;")
    )
    assert [line.partition(":")[0] for line in said] == ["main-snippets"]
    assert "log_format main $north;" in cluster.main


def test_the_format_of_a_snippet_that_is_refused_is_told_too() -> None:
    cluster = Cluster(against(bad_one=UNKNOWN))
    said, _ = cluster.batch(
        config_map(http_snippets="log_format mine $host; bad_one on;", access_log="/dev/stdout mine", keepalive="8")
    )
    assert [line.partition(":")[0] for line in said] == ["access-log", "http-snippets"]
    assert "neither main nor combined" in said[0]


def test_a_later_batch_does_not_bring_it_back_and_a_new_config_map_is_tried_whole() -> None:
    cluster = Cluster(against(bad_one=UNKNOWN))
    bad = config_map(http_snippets="bad_one on;", proxy_read_timeout="7s")
    first, _ = cluster.batch(bad)
    assert cluster.batch(ingress("tea")) == ([], Ruling())
    assert len(cluster.served) == 1
    assert "proxy_read_timeout 7s" in cluster.main
    again, _ = cluster.batch(bad)
    assert again == first
    cluster.nginx = against()
    assert cluster.batch(bad) == ([], Ruling())
    assert "bad_one" in cluster.main


def test_a_template_that_fails_is_told_beside_a_key_that_nginx_refuses() -> None:
    cluster = Cluster(against(bad_one=UNKNOWN))
    cluster.batch(ingress("cafe"), ingress("tea"))
    said, _ = cluster.batch(
        config_map(ingress_template=FAILS_FOR_TEA, http_snippets="bad_one on;", proxy_read_timeout="7s")
    )
    assert sorted(line.partition(":")[0] for line in said) == ["http-snippets", "ingress-template"]
    assert "proxy_read_timeout 7s" in cluster.main
    assert not any("template" in line for line in told(cluster.served[-1], TEA))


def test_a_template_that_fails_for_the_main_file_is_told_beside_a_key_that_nginx_refuses() -> None:
    def nginx(files: FileSet) -> ApplyResult:
        refused = {file.origin: UNKNOWN for file in files.values() if file.origin and b"bad_one" in file.data}
        return ApplyResult(outcome=Outcome.APPLIED, version=1, refused=refused)

    cluster = Cluster(nginx)
    cluster.batch(config_map(main_template=FAILS_FOR_MANY))
    many = [ingress(f"i{number}") for number in range(600)]
    said, _ = cluster.batch(config_map(main_template=FAILS_FOR_MANY, server_snippets="bad_one on;"), *many)
    assert [line.partition(":")[0] for line in said] == ["main-template", "server-snippets"]


def test_a_template_that_nginx_refuses_is_named_without_its_text() -> None:
    cluster = Cluster(against(bad_one=UNKNOWN))
    said, _ = cluster.batch(
        config_map(main_template="bad_one on;\n{% include 'builtin/main.conf.j2' %}", proxy_read_timeout="7s")
    )
    assert said == [f"main-template: is refused by nginx: {UNKNOWN} (the default stays in force)"]
    assert "proxy_read_timeout 7s" in cluster.main


def test_a_key_that_cannot_be_removed_stays() -> None:
    """Ingresses may need what it defines."""

    def nginx(files: FileSet) -> ApplyResult:
        lost = "log_format mine" not in text(files)
        refused = {CAFE: "unknown log format"} if lost and "conf.d/default-cafe.conf" in files else {}
        return ApplyResult(outcome=Outcome.APPLIED, version=1, refused=refused)

    cluster = Cluster(nginx)
    cluster.batch(config_map(http_snippets="log_format mine x;", proxy_read_timeout="1s"), ingress("cafe"))
    said, _ = cluster.batch(config_map(proxy_read_timeout="2s"))
    assert said == ["http-snippets: cannot be left out: unknown log format (the previous value stays in force)"]
    assert "proxy_read_timeout 2s" in cluster.main
    assert "log_format mine" in cluster.main


def test_a_key_for_which_all_objects_are_refused_is_found() -> None:
    def nginx(files: FileSet) -> ApplyResult:
        refused = {file.origin: UNKNOWN for file in files.values() if file.origin and b"bad_one" in file.data}
        return ApplyResult(outcome=Outcome.APPLIED, version=1, refused=refused)

    cluster = Cluster(nginx)
    data = config_map(location_snippets="bad_one on;", proxy_read_timeout="7s")
    said, _ = cluster.batch(data, ingress("cafe"), ingress("tea"))
    assert said == [f"location-snippets: 'bad_one on;' is refused by nginx: {UNKNOWN} (the default stays in force)"]
    assert "proxy_read_timeout 7s" in cluster.main
    assert "bad_one" not in text(cluster.served[-1].files)


def test_a_key_for_which_some_objects_are_refused_is_found_if_nginx_quotes_it() -> None:
    """Others say something of their own in its place."""

    def nginx(files: FileSet) -> ApplyResult:
        refused = {file.origin: UNKNOWN for file in files.values() if file.origin and b"bad_one" in file.data}
        return ApplyResult(outcome=Outcome.APPLIED, version=1, refused=refused)

    cluster = Cluster(nginx)
    data = config_map(location_snippets="bad_one on;", proxy_read_timeout="7s")
    said, _ = cluster.batch(data, ingress("cafe"), ingress("tea", location_snippets="# own"))
    assert [line.partition(":")[0] for line in said] == ["location-snippets"]
    assert cluster.batch(config_map(proxy_read_timeout="7s"), ingress("cafe", location_snippets="bad_one on;")) == (
        [],
        Ruling(),
    )
    assert len(cluster.served) == 1


def test_objects_that_are_refused_anyway_are_no_matter_of_the_search() -> None:
    def nginx(files: FileSet) -> ApplyResult:
        words = UNKNOWN if "bad_one" in text(files) else ""
        outcome = Outcome.REFUSED if words else Outcome.APPLIED
        return ApplyResult(outcome=outcome, version=1, error=words, refused={} if words else {TEA: "own fault"})

    cluster = Cluster(nginx)
    said, _ = cluster.batch(config_map(http_snippets="bad_one on;", keepalive="8"), ingress("tea"), ingress("cafe"))
    assert [line.partition(":")[0] for line in said] == ["http-snippets"]
    assert cluster.batch(ingress("late")) == ([], Ruling())


def test_a_config_map_that_is_not_to_blame_is_in_force_again() -> None:
    def nginx(_: FileSet) -> ApplyResult:
        return ApplyResult(outcome=Outcome.REFUSED, version=1, error="something else")

    cluster = Cluster(nginx)
    said, ruling = cluster.batch(config_map(proxy_read_timeout="7s", keepalive="x"))
    assert (len(said), ruling) == (1, Ruling())
    assert len(cluster.served) == 3
    assert "proxy_read_timeout 7s" in cluster.main


def test_what_nginx_may_accept_later_is_worth_another_try() -> None:
    missing = 'open() "/etc/mine" failed (2: No such file or directory) in /etc/nginx/nginx.conf:31'

    def nginx(files: FileSet) -> ApplyResult:
        words = missing if "include /etc/mine" in text(files) else ""
        outcome = Outcome.REFUSED if words else Outcome.APPLIED
        return ApplyResult(outcome=outcome, version=1, error=words, passing=bool(words))

    cluster = Cluster(nginx)
    data = config_map(http_snippets="include /etc/mine;", proxy_read_timeout="7s")
    said, ruling = cluster.batch(data)
    assert (len(said), ruling.retry) == (1, CONFIG_MAP)
    again, ruling = cluster.batch(data)
    assert (again, ruling.retry) == (said, CONFIG_MAP)
    assert len(cluster.served) == 2, "one key is not searched for"
    _, ruling = cluster.batch(ingress("tea"))
    assert ruling.retry == CONFIG_MAP, "another batch does not end the wait"
    cluster.nginx = against()
    assert cluster.batch(data) == ([], Ruling())


def many(bad: int) -> TopLevel:
    """A ConfigMap with more keys than there are tries, of which so many are bad."""
    keys = [f"proxy_{name}" for name in ("read_timeout", "send_timeout", "connect_timeout")]
    keys += ["keepalive_timeout", "client_body_timeout", "client_header_timeout", "fail_timeout", "resolver_timeout"]
    snippets = ["main_snippets", "http_snippets", "stream_snippets", "server_snippets", "location_snippets"]
    return config_map(**dict.fromkeys(keys, "7s"), **{key: f"bad_{key} on;" for key in snippets[:bad]})


def fields(lines: list[str]) -> set[str]:
    return {line.partition(":")[0] for line in lines if "timeout" not in line.partition(":")[0]}


@pytest.mark.parametrize("bad", [3, 5])
def test_the_search_has_an_end_and_goes_on_later(bad: int) -> None:
    cluster = Cluster(against(bad_="words of no help"))
    left: list[int] = []
    for _ in range(4):
        said, ruling = cluster.batch(many(bad), ingress("tea"))
        assert len(cluster.served) <= MOST_SETS + 3
        left.append(sum("was not tried" in line for line in said))
        if ruling.retry is None:
            break
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert len(fields(said)) == bad
    assert cluster.main.count("proxy_read_timeout 7s") == 1


def test_the_search_does_not_take_for_ever() -> None:
    ticks: Iterator[int] = count(step=int(LONGEST_S / 2))
    cluster = Cluster(against(bad_="words of no help"), clock=lambda: float(next(ticks)))
    said, ruling = cluster.batch(many(2))
    assert len(cluster.served) < MOST_SETS
    assert ruling.retry == CONFIG_MAP
    assert all("was not checked separately" in line or "is refused by nginx" in line for line in said)


def test_the_search_ends_where_nginx_fails_and_nothing_is_blamed() -> None:
    answers: list[ApplyResult] = []

    def nginx(files: FileSet) -> ApplyResult:
        if len(answers) >= 2:
            answers.append(ApplyResult(outcome=Outcome.FAILED, version=1, error="no answer"))
        else:
            answers.append(against(bad_="bad")(files))
        return answers[-1]

    cluster = Cluster(nginx)
    said, ruling = cluster.batch(many(2))
    assert len(answers) == 4, "under the new one, under the old one, half of the keys, and the old one again"
    assert all("was not checked separately" in line for line in said)
    assert ruling.retry == CONFIG_MAP
