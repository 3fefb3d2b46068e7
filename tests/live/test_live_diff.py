"""``headgate diff``: what it prints of two folders, and of a cluster and a folder, and its exit status."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from headgate.cli import run
from tests.k8s.certificates import Authority
from tests.live.json_objects import config_map, endpoints, ingress, ingress_class, path, secret, service, tls_secret
from tests.live.scripted_cluster import ScriptedCluster

Capture = pytest.CaptureFixture[str]
Json = dict[str, Any]


class Sides:
    """Two folders, OLD and NEW, and what the command prints of them."""

    def __init__(self, directory: Path, capsys: Capture) -> None:
        self.old, self.new = directory / "before", directory / "after"
        self._capsys = capsys
        for folder in (self.old, self.new):
            folder.mkdir()

    def put(self, folder: Path, *items: Json) -> None:
        for item in items:
            name = f"{item['kind']}-{item['metadata']['name']}.json".lower()
            (folder / name).write_text(json.dumps(item))

    def both(self, *items: Json) -> None:
        self.put(self.old, *items)
        self.put(self.new, *items)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Return status, standard output and standard error."""
        self._capsys.readouterr()
        status = run(["diff", *arguments], {})
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err

    def text(self, *arguments: str) -> str:
        """Return what is printed of OLD and NEW, which differ, without the unified diff."""
        status, out, err = self.run(str(self.old), str(self.new), "--no-patch", *arguments)
        assert status == 1, err
        return out


@pytest.fixture
def sides(tmp_path: Path, capsys: Capture) -> Sides:
    found = Sides(tmp_path, capsys)
    found.both(ingress_class(), service("tea"), service("coffee"))
    return found


def test_equal_folders_print_nothing_and_exit_with_0(sides: Sides) -> None:
    sides.both(ingress("tea", "tea.test"))
    status, out, err = sides.run(str(sides.old), str(sides.new))
    assert (status, out) == (0, "")
    assert err == "note: 1 Service has no EndpointSlices in these files; a cluster creates them\n"


def test_hosts_routes_and_files_that_come_go_and_change(sides: Sides) -> None:
    sides.put(
        sides.old, ingress("shop", {"shop.test": [path("tea"), path("tea", "/old")]}), ingress("gone", "gone.test")
    )
    sides.both(tls_secret("safe", "shop.test"))
    sides.put(
        sides.new,
        ingress("shop", {"shop.test": [path("coffee"), path("tea", "/new", "Exact")]}, tls={"safe": ["shop.test"]}),
        ingress("more", "more.test"),
    )
    assert (
        re.sub(r"\d{4}-\d\d-\d\d", "DATE", sides.text())
        == """\
Hosts
  - gone.test
      object: Ingress default/gone
      ports: http 80
  + more.test
      object: Ingress default/more
      ports: http 80
  ~ shop.test
      ports: http 80 -> http 80, https 443
      certificate: none -> Secret default/safe, expires DATE

Routes
  - gone.test / (Prefix)
      object: Ingress default/gone
      action: Service default/tea:80
  + more.test / (Prefix)
      object: Ingress default/more
      action: Service default/tea:80
  ~ shop.test / (Prefix)
      action: Service default/tea:80 -> Service default/coffee:80
  - shop.test /old (Prefix)
      object: Ingress default/shop
      action: Service default/tea:80
  + shop.test /new (Exact)
      object: Ingress default/shop
      action: Service default/tea:80

Secrets
  + certificate of Secret default/safe added

Files of nginx
  ~ conf.d/_certificates.conf
  - conf.d/default-gone.conf
  + conf.d/default-more.conf
  ~ conf.d/default-shop.conf
"""
    )


def test_settings_are_named_once_for_the_config_map_and_where_an_annotation_says_otherwise(sides: Sides) -> None:
    both = ingress("plain", {"plain.test": [path("tea"), path("tea", "/a")]})
    sides.both(both)
    sides.put(sides.old, ingress("tea", "tea.test"), config_map(name="nginx-config", proxy_read_timeout="60s"))
    sides.put(
        sides.new,
        ingress("tea", "tea.test", client_max_body_size="8m"),
        config_map(name="nginx-config", proxy_read_timeout="90s"),
    )
    found = sides.text()
    assert found.startswith("""\
Settings
  ~ all hosts: proxy-read-timeout: 60s -> 90s (ConfigMap ours/nginx-config)
  ~ tea.test: nginx.org/client-max-body-size: 1m -> 8m (Ingress default/tea)

Files of nginx
""")
    assert found.count("read-timeout") == 1


def test_the_unified_diff_names_both_sides_and_is_left_out_on_request(sides: Sides) -> None:
    sides.put(sides.old, ingress("tea", "tea.test"))
    sides.put(sides.new, ingress("tea", "tea.test", client_max_body_size="8m"), ingress("more", "more.test"))
    _, out, _ = sides.run(str(sides.old), str(sides.new))
    assert "--- old/conf.d/default-tea.conf\n+++ new/conf.d/default-tea.conf\n@@ " in out
    assert re.search(r"^\+ +client_max_body_size 8m;$", out, re.MULTILINE)
    assert "--- /dev/null\n+++ new/conf.d/default-more.conf\n@@ -0,0 +1," in out
    assert "+++" not in sides.text()


def test_data_of_secrets_is_never_printed_and_their_change_is(sides: Sides) -> None:
    sides.both(ingress("tea", "tea.test", tls={"safe": ["tea.test"]}, basic_auth_secret="users"))
    issuer = Authority()
    for folder, hashed in ((sides.old, b"ann:$apr1$aaaaaaaa$bbbb"), (sides.new, b"ann:$apr1$cccccccc$dddd")):
        certificate, key = issuer.issue("tea.test")
        safe = secret("safe", kind="kubernetes.io/tls", tls_crt=certificate, tls_key=key)
        sides.put(folder, safe, secret("users", kind="nginx.org/htpasswd", htpasswd=hashed))
    status, out, err = sides.run(str(sides.old), str(sides.new))
    assert (status, out) == (
        1,
        """\
Secrets
  ~ certificate of Secret default/safe changed
  ~ passwords of Secret default/users changed
""",
    )
    assert "apr1" not in err


def test_problems_that_come_and_go_and_objects_that_are_refused(sides: Sides) -> None:
    sides.put(sides.old, ingress("tea", {"tea.test": [path("nowhere")]}), ingress("milk", "milk.test"))
    sides.put(
        sides.new,
        ingress("tea", "tea.test"),
        ingress("milk", {"milk.test": [path("tea", "no/slash")]}),
        ingress("other", "other.test", class_name="another"),
    )
    found = sides.text()
    assert re.search(r"^  \+ new: error: Ingress default/milk: .*'no/slash' does not begin with /", found, re.MULTILINE)
    assert re.search(r"^  - gone: warning: Ingress default/tea: spec.rules.*nowhere", found, re.MULTILINE)
    assert (
        "\nObjects\n  ~ Ingress default/milk: served -> refused\n  ~ Ingress default/other: absent -> ignored: "
        in found
    )


def test_the_flags_of_run_apply_to_both_sides(sides: Sides) -> None:
    sides.put(sides.new, ingress("tea", "tea.test", class_name="edge"), ingress_class("edge"))
    assert "Ingress default/tea: absent -> ignored" in sides.text()
    assert "  + tea.test\n" in sides.text("-ingress-class=edge")


def test_json_has_everything_that_the_text_has(sides: Sides) -> None:
    sides.put(sides.old, ingress("tea", "tea.test"))
    sides.put(sides.new, ingress("tea", {"tea.test": [path("coffee")]}, proxy_read_timeout="5m"))
    status, out, _ = sides.run(str(sides.old), str(sides.new), "-o", "json")
    found = json.loads(out)
    assert status == 1
    (route,) = found["routes"]
    assert (route["operation"], route["host"], route["route"]) == ("changed", "tea.test", "/ (Prefix)")
    assert route["fields"] == [{"field": "action", "old": "Service default/tea:80", "new": "Service default/coffee:80"}]
    (setting,) = found["settings"]
    assert (setting["host"], setting["old"], setting["new"]) == ("tea.test", "60s", "5m")
    assert [file["name"] for file in found["files"]] == ["conf.d/default-tea.conf"]
    assert found["files"][0]["diff"].startswith("--- old/conf.d/default-tea.conf\n")
    assert found["hosts"] == found["problems"] == found["objects"] == found["secrets"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one"], "NEW: is missing; name two folders, files or -, or give --cluster in place of OLD"),
        (["one", "two", "three"], "'three' is an argument too many; name OLD and NEW"),
        (["--cluster"], "the argument OLD|NEW is missing: "),
        (["--cluster", "one", "two"], "'two' is an argument too many; name NEW, because --cluster is OLD"),
        (["-", "-"], "reads standard input twice"),
        (["--prune", "one", "two"], "requires --cluster"),
        (["no-such-folder", "neither"], "no-such-folder"),
    ],
)
def test_a_wrong_command_line_exits_with_2(sides: Sides, arguments: list[str], message: str) -> None:
    status, out, err = sides.run(*arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_a_file_that_cannot_be_read_exits_with_2_after_the_comparison_of_the_rest(sides: Sides) -> None:
    sides.put(sides.new, ingress("tea", "tea.test"))
    (sides.new / "broken.yaml").write_text("a: [")
    status, out, err = sides.run(str(sides.old), str(sides.new))
    assert status == 2
    assert "  + tea.test\n" in out
    assert "broken.yaml" in err
    assert "is not YAML" in err


def test_a_definition_that_is_in_two_files_on_both_sides_is_no_difference(sides: Sides) -> None:
    for folder in (sides.old, sides.new):
        (folder / "again.json").write_text(json.dumps(service("tea")))
    status, out, _ = sides.run(str(sides.old), str(sides.new))
    assert (status, out) == (0, "")


def test_colours_are_for_terminals_without_no_color(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    sides.put(sides.new, ingress("tea", "tea.test"))

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def printed() -> str:
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(["diff", str(sides.old), str(sides.new)], {}) == 1
        return stream.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m  + tea.test\x1b[0m\n" in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in printed()


@pytest.mark.parametrize(("there", "new"), [("b", "c"), ("c", "b")])
def test_a_new_object_does_not_take_the_host_of_one_that_was_there(sides: Sides, there: str, new: str) -> None:
    sides.both(ingress(there, "tea.test"))
    sides.put(sides.new, ingress(new, "tea.test"))
    found = sides.text()
    assert "Hosts" not in found
    assert f"Ingress default/{new}: All hosts are taken by other resources: Ingress default/{there}" in found


def test_an_object_without_a_creation_time_is_as_old_as_before(sides: Sides) -> None:
    sides.put(sides.old, ingress("old", "tea.test", created="2025-01-02T03:04:05Z"))
    sides.put(sides.old, ingress("young", "tea.test", created="2026-01-02T03:04:05Z"))
    sides.put(sides.new, ingress("old", "tea.test"), ingress("young", "tea.test"))
    assert sides.run(str(sides.old), str(sides.new))[:2] == (0, "")


def test_the_order_of_regular_expressions_is_compared(sides: Sides) -> None:
    for folder, paths in ((sides.old, "/a /x /ab"), (sides.new, "/n /x /ab /a")):
        routes = [path("tea", each) for each in paths.split()]
        sides.put(folder, ingress("tea", {"tea.test": routes}, path_regex="case_sensitive"))
    found = sides.text()
    assert "  ~ tea.test\n      order of regular expressions: /a, /x, /ab -> /x, /ab, /a\n" in found


def test_a_regular_expression_that_is_added_changes_no_order(sides: Sides) -> None:
    for folder, paths in ((sides.old, "/a /x"), (sides.new, "/a /n /x")):
        routes = [path("tea", each) for each in paths.split()]
        sides.put(folder, ingress("tea", {"tea.test": routes}, path_regex="case_sensitive"))
    assert "order" not in sides.text()


def test_control_characters_of_a_manifest_do_not_reach_the_terminal(sides: Sides) -> None:
    sides.put(sides.new, ingress("tea", "tea.test", server_snippets="# \x1b[2J"))
    _, out, _ = sides.run(str(sides.old), str(sides.new), "-enable-snippets")
    assert "+    # \\x1b[2J\n" in out
    assert "\x1b" not in out


def test_what_the_routes_of_a_virtual_server_do_is_compared(sides: Sides) -> None:
    def cafe(heavy: int, code: int, body: str, header: str, to: str) -> Json:
        upstreams = [{"name": name, "service": name, "port": 80} for name in ("tea", "coffee")]
        splits = [{"weight": heavy, "action": {"pass": "tea"}}, {"weight": 100 - heavy, "action": {"pass": "coffee"}}]
        proxy = {"upstream": "tea", "rewritePath": to, "requestHeaders": {"pass": to == "/x"}}
        page = {"codes": [502], "return": {"body": body, "code": code + 202}}
        match = {"conditions": [{"header": "x-a", "value": header}], "action": {"pass": "coffee"}}
        routes: list[Json] = [
            {"path": "/split", "splits": splits},
            {"path": "/moved", "action": {"redirect": {"url": "http://a.test", "code": code}}},
            {"path": "=/answer", "action": {"return": {"body": body}}},
            {"path": "/proxy", "action": {"proxy": proxy}, "errorPages": [page]},
            {"path": "/match", "matches": [match], "action": {"pass": "tea"}},
        ]
        return {
            "apiVersion": "k8s.nginx.org/v1",
            "kind": "VirtualServer",
            "metadata": {"name": "cafe", "namespace": "default"},
            "spec": {"host": "cafe.test", "upstreams": upstreams, "routes": routes},
        }

    sides.put(sides.old, cafe(80, 301, "one", "b", "/x"))
    sides.put(sides.new, cafe(90, 302, "two", "c", "/y"))
    tea, coffee = "Service default/tea:80", "Service default/coffee:80"
    found = re.sub(r"body [0-9a-f]{8}", "body DIGEST", sides.text())
    assert f"action: 80 % to {tea}, 20 % to {coffee} -> 90 % to {tea}, 10 % to {coffee}\n" in found
    assert "action: redirect 301 to http://a.test -> redirect 302 to http://a.test\n" in found
    assert "action: answer 200, text/plain, body DIGEST -> answer 200, text/plain, body DIGEST\n" in found
    assert "rewritten path: /x -> /y\n      request headers that are not passed: none -> all\n" in found
    assert "error pages: 502: answer 503, text/html, body DIGEST -> 502: answer 504, " in found
    assert f"if $http_x_a = b: {coffee}; otherwise: {tea} -> if $http_x_a = c: {coffee}; otherwise: {tea}\n" in found


# --- a cluster ------------------------------------------------------------------------------------------


def against(cluster: ScriptedCluster, sides: Sides, *arguments: str) -> tuple[int, str, str]:
    """Compare with the cluster; of standard error only the lines of the command, the API server is in this process."""
    status, out, err = sides.run("--cluster", f"--kubeconfig={cluster.kubeconfig}", *arguments)
    own = [line for line in err.splitlines(keepends=True) if line.startswith(("headgate:", "note:"))]
    return status, out, "".join(own)


@pytest.fixture
def files(tmp_path: Path, capsys: Capture) -> Sides:
    return Sides(tmp_path, capsys)


def test_manifests_that_were_applied_do_not_differ_from_the_cluster(cluster: ScriptedCluster, files: Sides) -> None:
    tea = service("tea", selector={"app": "tea"})
    live = service("tea", selector={"app": "tea"}, clusterIP="10.0.0.9")
    item = ingress("tea", "tea.test", use_cluster_ip="true")
    cluster.put(live, ingress("tea", "tea.test", use_cluster_ip="true", created="2026-01-02T03:04:05Z"))
    by_endpoints = ingress("by-endpoints", "endpoints.test")
    cluster.put(by_endpoints)
    files.put(files.new, tea, item, by_endpoints, endpoints("tea", "192.0.2.7"))
    assert against(cluster, files, str(files.new)) == (0, "", "")


def test_new_manifests_are_laid_over_the_cluster_and_keep_its_endpoints(cluster: ScriptedCluster, files: Sides) -> None:
    cluster.put(ingress("tea", "tea.test"), ingress("other", "other.test", namespace="shop"))
    files.put(files.new, service("tea"), ingress("tea", "tea.test", client_max_body_size="8m"))
    status, out, err = against(cluster, files, str(files.new))
    assert (status, err) == (1, "")
    assert out.startswith("""\
Settings
  ~ tea.test: nginx.org/client-max-body-size: 1m -> 8m (Ingress default/tea)

Files of nginx
  ~ conf.d/default-tea.conf

--- old/conf.d/default-tea.conf
""")
    assert "192.0.2.1" not in "".join(line for line in out.splitlines() if line.startswith(("+", "-")))


def test_an_older_object_of_the_cluster_keeps_its_host(cluster: ScriptedCluster, files: Sides) -> None:
    cluster.put(ingress("tea", "tea.test", created="2026-01-02T03:04:05Z"))
    files.put(files.new, ingress("a-new-one", "tea.test"))
    status, out, _ = against(cluster, files, str(files.new))
    assert status == 1
    assert "Hosts" not in out
    assert "new: " in out
    assert "Ingress default/a-new-one" in out


def test_an_applied_object_keeps_its_age(cluster: ScriptedCluster, files: Sides) -> None:
    cluster.put(
        ingress("young", "tea.test", created="2026-01-02T03:04:05Z"),
        ingress("old", "tea.test", created="2025-01-02T03:04:05Z"),
    )
    files.put(files.new, ingress("old", "tea.test"))
    assert against(cluster, files, str(files.new)) == (0, "", "")


def test_prune_deletes_what_is_not_in_the_files_in_their_namespaces(cluster: ScriptedCluster, files: Sides) -> None:
    cluster.put(ingress("tea", "tea.test"), ingress("gone", "gone.test"), ingress("far", "far.test", namespace="far"))
    files.put(files.new, service("tea"), ingress("tea", "tea.test"))
    assert against(cluster, files, str(files.new)) == (0, "", "")
    status, out, _ = against(cluster, files, "--prune", "--no-patch", str(files.new))
    assert status == 1
    assert "  - gone.test\n" in out
    assert "far.test" not in out


def test_a_config_map_in_the_files_is_compared_with_that_of_the_cluster(cluster: ScriptedCluster, files: Sides) -> None:
    cluster.put(ingress("tea", "tea.test"), config_map(name="nginx-config", proxy_read_timeout="60s"))
    files.put(files.new, config_map(name="nginx-config", proxy_read_timeout="90s"))
    status, out, err = against(cluster, files, "--no-patch", str(files.new))
    assert status == 1
    assert "  ~ all hosts: proxy-read-timeout: 60s -> 90s (ConfigMap ours/nginx-config)\n" in out
    assert "ConfigMap ours/nginx-config" in err


def test_a_cluster_that_does_not_answer_exits_with_2(cluster: ScriptedCluster, files: Sides) -> None:
    files.put(files.new, tls_secret("safe", "tea.test"))
    with cluster.down():
        status, out, err = against(cluster, files, str(files.new))
    assert (status, out) == (2, "")
    assert err.startswith("headgate: ")


def test_what_a_controller_would_not_read_of_a_cluster_is_not_compared(cluster: ScriptedCluster, files: Sides) -> None:
    files.put(files.new, ingress("far", "far.test", namespace="far"))
    assert against(cluster, files, "-watch-namespace=default", str(files.new)) == (0, "", "")


def test_virtual_servers_are_compared_with_those_of_a_cluster(cluster: ScriptedCluster, files: Sides) -> None:
    route = {"path": "/", "action": {"return": {"body": "x"}}}
    server = {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": "cafe", "namespace": "default"},
        "spec": {"host": "cafe.test", "routes": [route]},
    }
    files.put(files.new, server)
    status, out, _ = against(cluster, files, str(files.new))
    assert (status, "cafe.test" in out) == (1, True)
    cluster.do(lambda api: api.absent("virtualservers", now=False))
    cluster.put(server)
    assert against(cluster, files, str(files.new)) == (0, "", "")
