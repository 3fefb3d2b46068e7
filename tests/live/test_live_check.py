"""``headgate check`` as a step of a pipeline: arguments, lines, formats, summary and exit status."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from headgate import __version__
from headgate.cli import run
from tests.live.headgate_process import ROOT
from tests.live.json_objects import endpoints, ingress, service

TEA = """\
apiVersion: v1
kind: Service
metadata: {name: tea}
spec:
  ports: [{port: 80}]
"""
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: tea-1
  labels: {kubernetes.io/service-name: tea}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [192.0.2.1]}]
"""
SHOP = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations:
    nginx.org/proxy-read-timeout: 10s
spec:
  ingressClassName: nginx
  rules:
  - host: shop.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: tea, port: {number: 80}}}
"""
CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: nginx-config, namespace: nginx-ingress}
data:
  worker-processes: auto
  proxy-read-timeout: soon
"""

Check = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def here(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def check(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Check:
    """Run ``headgate check`` and return its exit status and the lines of its standard output."""

    def checked(*argv: str, stdin: str = "") -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        status = run(["check", *argv], {})
        return status, capsys.readouterr().out.splitlines()

    return checked


def write(name: str, *documents: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("---\n".join(map(dedent, documents)))


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


# --- arguments --------------------------------------------------------------------------------------


def test_folders_and_files_are_checked_together(check: Check) -> None:
    write("apps/shop.yaml", SHOP)
    write("base/tea.yaml", TEA, SLICE)
    write("other/unrelated.yaml", "a: [")
    assert check("apps", "base/tea.yaml") == (0, ["3 objects: all fine"])


def test_a_file_is_called_as_its_argument_leads_to_it(check: Check) -> None:
    write("apps/eu/shop.yaml", SHOP.replace("10s", "soon"))
    assert check("apps")[1][0].startswith("error: apps/eu/shop.yaml:6: Ingress default/shop: ")
    assert check("./apps/eu/shop.yaml")[1][0].startswith("error: apps/eu/shop.yaml:6: ")
    assert check(".")[1][0].startswith("error: apps/eu/shop.yaml:6: ")


def test_a_file_that_two_arguments_name_is_read_once(check: Check) -> None:
    write("apps/shop.yaml", SHOP, TEA, SLICE)
    again = str(Path("apps/shop.yaml").absolute())
    assert check("apps", "apps/shop.yaml", "./apps", again) == (0, ["3 objects: all fine"])


def test_an_object_in_two_folders_is_an_error_in_the_second(check: Check) -> None:
    write("a/tea.yaml", TEA, SLICE)
    write("b/tea.yaml", TEA)
    status, lines = check("b", "a")
    assert status == 1
    assert lines[0].startswith("error: b/tea.yaml: Service default/tea is defined in a/tea.yaml already")
    assert lines[-1] == "2 objects: all fine; 1 document skipped"


def test_custom_resources_that_a_flag_turns_off_are_named(check: Check) -> None:
    write("cafe.yaml", VIRTUAL_SERVER)
    off = "-enable-custom-resources=false"
    assert check("cafe.yaml") == (0, ["1 object: all fine"])
    status, (line, last) = check("cafe.yaml", off)
    reason = "is not read: custom resources are off (-enable-custom-resources=false)"
    assert line == f"warning: cafe.yaml:1: VirtualServer default/cafe: {reason} (it has no effect)"
    assert (status, last) == (0, "1 object: 1 with warnings")


def test_a_revocation_list_that_only_nginx_can_read_is_noted(check: Check) -> None:
    write("certified.yaml", CERTIFIED)
    note, last = check("certified.yaml", "--strict")[1]
    assert note.startswith(
        "note: certified.yaml:6: Policy default/certified: spec.ingressMTLS.crlFileName: 'revoked.crl' is not checked: "
    )
    assert last == "1 object: all fine"


CERTIFIED = """apiVersion: k8s.nginx.org/v1
kind: Policy
metadata: {name: certified, namespace: default}
spec:
  ingressMTLS:
    crlFileName: revoked.crl
    clientCertSecret: clients
"""
VIRTUAL_SERVER = """apiVersion: k8s.nginx.org/v1
kind: VirtualServer
metadata: {name: cafe, namespace: default}
spec: {host: cafe.example.com, routes: [{path: /, action: {return: {body: ok}}}]}
"""


def test_standard_input_is_a_stream_of_documents(check: Check) -> None:
    stream = "---\n".join((TEA, SLICE, SHOP.replace("10s", "soon")))
    status, lines = check("-", stdin=stream)
    assert status == 1
    assert lines[0].startswith(f"error: <stdin>:{line_of(stream, 'soon')}: Ingress default/shop: ")
    assert lines[-1] == "3 objects: 2 fine, 1 refused"


def test_standard_input_is_checked_together_with_folders(check: Check) -> None:
    write("base/tea.yaml", TEA, SLICE)
    assert check("base", "-", stdin=SHOP) == (0, ["3 objects: all fine"])


def test_standard_input_that_is_no_yaml_is_an_error(check: Check) -> None:
    status, lines = check("-", stdin="a: [\n")
    assert status == 1
    assert lines[0].startswith("error: <stdin>:2: is not YAML: ")
    assert lines[1] == "no objects; 1 file not readable"


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_a_file_may_have_any_name(check: Check, form: str) -> None:
    Path(os.fsdecode(b"sh\xf6p\n.yaml")).write_text(SHOP.replace("10s", "soon"))
    status, lines = check(".", "-o", form)
    assert status == 1
    assert re.search(r"sh(\\|%5C)+udcf6p(\\|%5C)+n\.yaml", "\n".join(lines))


def test_the_command_reads_a_pipe(here: Path) -> None:
    write("broken.yaml", SHOP.replace("10s", "soon"))
    command = [sys.executable, "-m", "headgate", "check", "-"]
    found = subprocess.run(
        command, cwd=ROOT, input=(here / "broken.yaml").read_bytes(), capture_output=True, check=False
    )
    assert found.returncode == 1
    assert found.stdout.startswith(b"error: <stdin>:6: Ingress default/shop: nginx.org/proxy-read-timeout: 'soon'")
    assert found.stderr == b""


def test_render_reads_standard_input(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("tea.yaml", TEA, SLICE)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SHOP.encode())))
    assert run(["render", "-", "tea.yaml"], {}) == 0
    found = capsys.readouterr()
    assert "server_name shop.test;" in found.out
    assert "server 192.0.2.1:80" in found.out
    assert found.err == ""


def test_an_argument_that_is_not_there_is_an_error(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    write("a/tea.yaml", TEA)
    assert run(["check", "a", "nowhere"], {}) == 1
    found = capsys.readouterr()
    advice = "name a folder or a file that this user may read"
    assert found.err == f"headgate: nowhere cannot be read: No such file or directory; {advice}\n"
    assert found.out == ""


def test_problems_are_sorted_by_file_and_line(check: Check) -> None:
    # The Problems of an object come one after the other, here those of ``a`` from both ends of the file.
    last = SHOP.replace("10s", "soon").replace("path: /\n", "path: no/slash\n")
    write("z.yaml", last.replace("name: shop", "name: b"), last.replace("name: shop", "name: a"), "text\n")
    write("y.yaml", last.replace("name: shop", "name: c"))
    places = [line.split(":")[1:3] for line in check(".")[1][:-1]]
    assert len(places) == 7
    assert places == sorted(places, key=lambda place: (place[0], int(place[1])))


# --- lines ------------------------------------------------------------------------------------------

PLACES = {
    "a path": (SHOP.replace("path: /\n", "path: no/slash\n"), "no/slash", 9),
    "an annotation": (SHOP.replace("10s", "soon"), "soon", 5),
    "a quoted annotation": (SHOP.replace("nginx.org/proxy-read-timeout: 10s", '"nginx.org/lb-method": "x"'), "lb-", 5),
    "a host": (SHOP.replace("shop.test", "not_a_host"), "not_a_host", 5),
    "a missing field": (SHOP.replace("        pathType: Prefix\n", ""), "- path", 9),
    "the wrong type": (SHOP.replace("10s", "10"), "timeout: 10", 5),
    "a flow mapping": (
        SHOP.replace("metadata:\n  name: shop\n  annotations:\n    nginx.org/proxy-read-timeout: 10s\n",
                     "metadata: {name: shop, annotations: {nginx.org/proxy-read-timeout: soon}}\n"),
        "soon", 38,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PLACES)
def test_a_problem_names_the_line_and_column_of_its_field(check: Check, what: str) -> None:
    text, part, column = PLACES[what]
    write("shop.yaml", TEA, SLICE, text)
    whole = Path("shop.yaml").read_text()
    status, lines = check("shop.yaml", "-o", "json")
    row = json.loads("\n".join(lines))[0]
    assert (row["line"], row["column"]) == (line_of(whole, part), column), row
    assert check("shop.yaml")[1][0].startswith(f"{row['severity']}: shop.yaml:{row['line']}: Ingress default/shop: ")
    assert status == 1


def test_a_key_of_the_config_map_has_its_line(check: Check) -> None:
    write("all.yaml", TEA, CONFIG_MAP)
    line = check("all.yaml", "-nginx-configmaps=nginx-ingress/nginx-config")[1][0]
    assert line.startswith("warning: all.yaml:12: ConfigMap nginx-ingress/nginx-config: proxy-read-timeout: 'soon' ")


def test_an_item_of_a_list_has_its_own_line(check: Check) -> None:
    items = "".join(f"- {item.rstrip().replace(chr(10), chr(10) + '  ')}\n" for item in (TEA, SLICE, SHOP))
    text = f"apiVersion: v1\nkind: List\nitems:\n{items}".replace("10s", "soon")
    write("list.yaml", text)
    assert check("list.yaml")[1][0].startswith(f"error: list.yaml:{line_of(text, 'soon')}: Ingress default/shop: ")


def test_a_field_behind_an_alias_has_the_line_of_its_definition(check: Check) -> None:
    shared = SHOP.replace("metadata:", "x-shared: &all {nginx.org/lb-method: wrong}\nmetadata:")
    write("shop.yaml", shared.replace("nginx.org/proxy-read-timeout: 10s", "<<: *all"))
    line = next(line for line in check("shop.yaml")[1] if "'wrong'" in line)
    assert line.startswith("error: shop.yaml:3: Ingress default/shop: nginx.org/lb-method: 'wrong'")


def test_json_has_lines_too(check: Check) -> None:
    Path("shop.json").write_text(json.dumps(ingress("shop", "shop.test", lb_method="wrong"), indent=1))
    line = line_of(Path("shop.json").read_text(), "lb-method")
    assert check("shop.json")[1][0].startswith(f"error: shop.json:{line}: Ingress default/shop: ")


def test_json_that_is_not_yaml_is_checked_without_lines(check: Check) -> None:
    text = json.dumps(ingress("shop", "shop.test", lb_method="wrong"), indent=1)
    Path("shop.json").write_text(text.replace('"Ingress"', '"Ingress",\n"status": {"x": "\\ud83d\\ude00"}'))
    assert check("shop.json")[1][0].startswith("error: shop.json: Ingress default/shop: nginx.org/lb-method: 'wrong'")


# --- the summary ------------------------------------------------------------------------------------


def test_the_summary_counts_each_object_by_its_worst_problem(check: Check) -> None:
    twice = SHOP.replace("10s", "soon").replace("path: /\n", "path: no/slash\n")
    other = SHOP.replace("shop", "other").replace("ingressClassName: nginx", "ingressClassName: theirs")
    missing = SHOP.replace("shop", "warned").replace("name: tea", "name: gone")
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: tea}\n"
    write("all.yaml", TEA, SLICE, twice, other, missing, deployment, deployment, "just text\n")
    write("broken.yaml", "a: [")
    assert check(".")[1][-1] == (
        "5 objects: 2 fine, 1 with warnings, 1 refused, 1 ignored; "
        "1 document skipped; 1 file not readable; 1 kind not read"
    )


def test_an_object_that_cannot_be_decoded_counts_as_refused(check: Check) -> None:
    write("tea.yaml", TEA.replace("{port: 80}", "{port: many}"))
    status, lines = check("tea.yaml")
    assert status == 1
    assert lines[0].startswith("error: tea.yaml:5: Service default/tea: spec.ports[0].port: 'many' ")
    assert lines[1:] == ["1 object: 1 refused"]


def test_a_problem_of_a_flag_is_counted_apart_from_the_objects(check: Check) -> None:
    write("tea.yaml", TEA, SLICE)
    _, lines = check("tea.yaml", "-default-server-tls-secret=default/none")
    assert lines[0].startswith("warning: Secret default/none: does not exist")
    assert lines[1:] == ["2 objects: all fine; 1 problem with objects that are not in the files"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("nignx", True), ("nginxx", True), ("ngin", True), ("nginy", True), ("nginx-b", False), ("traefik", False)],
)
def test_a_class_that_differs_by_a_slip_is_guessed(check: Check, asked: str, meant: bool) -> None:
    write("tea.yaml", json.dumps(ingress("tea", "tea.test", class_name=asked)))
    _, (line, *_) = check("tea.yaml")
    assert f"its class is '{asked}', and -ingress-class is 'nginx'" in line
    assert ("; did you mean 'nginx'?" in line) is meant
    assert (f"use -ingress-class={asked}" in line) is not meant


def test_an_argument_without_objects_is_a_warning(check: Check) -> None:
    empty = "has no Kubernetes objects, so nothing in it is checked; is the path right?"
    assert check("-") == (0, [f"warning: standard input {empty}", "no objects"])
    Path("typo").mkdir()
    write("tea.yaml", TEA)
    write("unread.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n")
    assert check("typo", "tea.yaml", "unread.yaml")[1][0] == f"warning: typo {empty}"
    assert not any(empty in line for line in check("tea.yaml", "unread.yaml", "tea.yaml")[1])
    assert check("typo", "--strict")[0] == 1


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_other_formats_have_no_summary(check: Check, form: str) -> None:
    write("shop.yaml", SHOP)
    assert "object" not in "".join(check("shop.yaml", "-o", form)[1]).replace('"object":', "")


# --- exit status ------------------------------------------------------------------------------------


def test_a_warning_fails_only_if_that_is_wanted(check: Check) -> None:
    write("shop.yaml", SHOP)
    status, lines = check("shop.yaml")
    assert (status, lines[0].partition(":")[0]) == (0, "warning")
    assert check("shop.yaml", "--strict") == (1, lines)
    assert check("shop.yaml", "--strict=false") == (0, lines)


def test_notes_never_fail(check: Check) -> None:
    write("all.yaml", SHOP, TEA, CONFIG_MAP.replace("soon", "10s"))
    write("other.yaml", SHOP.replace("shop", "other").replace("ingressClassName: nginx", "ingressClassName: theirs"))
    status, lines = check(".", "--strict")
    assert status == 0, lines
    assert [line.partition(":")[0] for line in lines[:-1]] == ["note"] * 3


# --- GitHub and SARIF -------------------------------------------------------------------------------


def test_github_gets_workflow_commands(check: Check) -> None:
    write("a/shop.yaml", SHOP.replace("10s", "soon"))
    write("b/other.yaml", SHOP.replace("shop", "other"))
    status, lines = check("a", "b", "-o", "github")
    assert status == 1
    assert lines[0].startswith(
        "::error file=a/shop.yaml,line=6,col=5::Ingress default/shop: nginx.org/proxy-read-timeout: 'soon' is not "
    )
    assert lines[1].startswith("::warning file=b/other.yaml,line=15,col=19::Ingress default/other: ")


def test_github_commands_are_escaped(check: Check) -> None:
    write("a,b:c/50%/shop.yaml", SHOP.replace("10s", '"50%\\n::error::x"'))
    _, lines = check(".", "-o", "github")
    assert len(lines) == 1
    place, _, message = lines[0].removeprefix("::error ").partition("::")
    assert place == "file=a%2Cb%3Ac/50%25/shop.yaml,line=6,col=5"
    assert "'50%25\\n::error::x'" in message


def test_github_gets_paths_from_the_working_directory(check: Check, here: Path) -> None:
    write("a/shop.yaml", SHOP.replace("10s", "soon"))
    assert check(str(here.resolve() / "a"), "-o", "github")[1][0].startswith("::error file=a/shop.yaml,line=6,")


def test_github_gets_no_file_for_standard_input(check: Check) -> None:
    _, lines = check("-", "-o", "github", stdin=SHOP.replace("10s", "soon"))
    assert lines[0].startswith("::error::<stdin>:6: Ingress default/shop: ")


def test_github_gets_nothing_if_all_is_fine(check: Check) -> None:
    write("all.yaml", SHOP, TEA, SLICE)
    assert check(".", "-o", "github") == (0, [])


def sarif(check: Check, *argv: str) -> dict[str, Any]:
    log = json.loads("\n".join(check(*argv, "-o", "sarif")[1]))
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    assert len(log["runs"]) == 1
    found: dict[str, Any] = log["runs"][0]
    return found


def test_sarif_has_what_its_schema_demands(check: Check) -> None:
    write("a b/shop.yaml", SHOP.replace("10s", "soon").replace("path: /\n", "path: no/slash\n"))
    write("c/two.yaml", *(SHOP.replace("shop", name).replace("10s", "soon") for name in ("two", "three")))
    write("c/broken.yaml", "a: [")
    write("c/text.yaml", "text\n")
    run = sarif(check, ".")
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("Headgate", __version__)
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert run["invocations"][0]["executionSuccessful"] is True
    for result in run["results"]:
        assert set(result) == {"ruleId", "ruleIndex", "level", "message", "locations"}
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] in {"a%20b/shop.yaml", "c/two.yaml", "c/broken.yaml", "c/text.yaml"}
        assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
        assert place["region"]["startLine"] >= 1
        assert place["region"].get("startColumn", 1) >= 1


def test_sarif_rules_are_the_fields_without_indexes(check: Check) -> None:
    write("shop.yaml", SHOP.replace("10s", "soon").replace("path: /\n", "path: no/slash\n        pathTyp: Exact\n"))
    write("broken.yaml", "a: [")
    assert {(result["ruleId"], result["level"]) for result in sarif(check, ".")["results"]} == {
        ("File/not-readable", "error"),
        ("Ingress/nginx.org/proxy-read-timeout", "error"),
        ("Ingress/spec.rules[].http.paths[].path", "error"),
        ("Ingress/unknown-field", "warning"),
    }


def test_sarif_tells_what_has_no_file_as_notifications(check: Check) -> None:
    write("all.yaml", SHOP, TEA)
    run = sarif(check, "all.yaml", "-default-server-tls-secret=default/none")
    assert run["results"] == []
    told = run["invocations"][0]["toolExecutionNotifications"]
    assert [notification["level"] for notification in told] == ["warning", "note"]
    assert told[0]["message"]["text"].startswith("Secret default/none: does not exist")


# --- what only a cluster has --------------------------------------------------------------------------


def test_services_without_slices_are_one_note(check: Check) -> None:
    paths = SHOP + SHOP[SHOP.index("      - path: /") :].replace("path: /\n", "path: /two\n")
    coffee = TEA.replace("tea", "coffee")
    write("all.yaml", TEA, coffee, paths, SHOP.replace("shop", "two").replace("name: tea", "name: coffee"))
    assert check("all.yaml", "--strict") == (
        0,
        [
            "note: 2 Services have no EndpointSlices in these files; a cluster creates them",
            "4 objects: all fine",
        ],
    )


def test_a_missing_service_stays_a_warning(check: Check) -> None:
    write("all.yaml", SHOP, TEA.replace("tea", "coffee"))
    status, lines = check("all.yaml", "--strict")
    assert status == 1
    assert "there is no Service default/tea" in lines[0]
    assert not any("EndpointSlices" in line for line in lines)


def test_a_service_whose_slices_have_no_address_stays_a_warning(check: Check) -> None:
    write("all.yaml", SHOP, TEA, SLICE.replace("[{addresses: [192.0.2.1]}]", "[]"))
    status, lines = check("all.yaml", "--strict")
    assert status == 1
    assert "no EndpointSlice has an address for this port" in lines[0]


def test_a_wrong_port_of_a_service_without_slices_stays_a_warning(check: Check) -> None:
    write("all.yaml", SHOP, TEA.replace("80", "81"))
    assert "it has no TCP port '80'" in check("all.yaml")[1][0]


def test_a_cluster_ip_that_the_cluster_assigns_is_a_note(check: Check) -> None:
    wanted = SHOP.replace("nginx.org/proxy-read-timeout: 10s", 'nginx.org/use-cluster-ip: "true"')
    note = "note: 1 Service has no clusterIP in these files; a cluster assigns it"
    write("all.yaml", wanted, TEA, SLICE)
    assert check("all.yaml", "--strict") == (0, [note, "3 objects: all fine"])
    write("all.yaml", wanted, TEA.replace("spec:", "spec:\n  clusterIP: None"), SLICE)
    assert "needs a cluster IP, and service tea has none" in check("all.yaml")[1][0]


# --- the ConfigMap ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nginx-config", "nginx-ingress", "edge-nginx-ingress"])
def test_a_config_map_of_the_usual_name_is_checked(check: Check, name: str) -> None:
    write("cm.yaml", CONFIG_MAP.replace("name: nginx-config", f"name: {name}"))
    status, lines = check("cm.yaml")
    assert status == 0
    assert f"ConfigMap nginx-ingress/{name}: proxy-read-timeout: 'soon'" in lines[0]
    assert lines[1].startswith(f"note: cm.yaml:1: ConfigMap nginx-ingress/{name}: is checked as the ConfigMap of ")
    assert lines[2:] == ["1 object: 1 with warnings"]


def test_a_config_map_of_another_name_is_not_checked(check: Check) -> None:
    write("cm.yaml", CONFIG_MAP.replace("name: nginx-config", "name: settings"))
    assert check("cm.yaml") == (0, ["1 object: all fine"])
    assert "'soon'" in check("cm.yaml", "-nginx-configmaps=nginx-ingress/settings")[1][0]


def test_the_flag_wins_over_the_usual_name(check: Check) -> None:
    write("cm.yaml", CONFIG_MAP, CONFIG_MAP.replace("name: nginx-config", "name: mine").replace("soon", "10s"))
    assert check("cm.yaml", "-nginx-configmaps=nginx-ingress/mine") == (0, ["2 objects: all fine"])


def test_of_two_usual_names_none_is_guessed(check: Check) -> None:
    write("cm.yaml", CONFIG_MAP, CONFIG_MAP.replace("name: nginx-config", "name: nginx-ingress"))
    status, lines = check("cm.yaml", "--strict")
    assert (status, lines[-1]) == (0, "2 objects: all fine")
    assert len(lines) == 3
    assert all("name one by -nginx-configmaps" in line for line in lines[:2])


# --- unknown fields -----------------------------------------------------------------------------------


PATH = "spec.rules[0].http.paths[0]"
UNKNOWN_FIELDS = [
    (SHOP, "spec:", "sepc: {}\nspec:", 7, "sepc", "spec"),
    (SHOP, "spec:", "STATUS: {}\nspec:", 7, "STATUS", "status"),
    (SHOP, "annotations:", "annotation:", 5, "metadata.annotation", "annotations"),
    (SHOP, "- host:", "- hosts: []\n    host:", 10, "spec.rules[0].hosts", "host"),
    (SHOP, "pathType:", "pathTyp: Exact\n        pathType:", 14, f"{PATH}.pathTyp", "pathType"),
    (SHOP, "backend: {", "backend: {serviceName: tea, ", 15, f"{PATH}.backend.serviceName", "service.name"),
    (SHOP, "spec:", "zzz: 1\nspec:", 7, "zzz", ""),
    (TEA, "ports:", "selectors: {}\n  ports:", 5, "spec.selectors", "selector"),
    (TEA, "{port: 80}", "{port: 80, targetport: 1}", 5, "spec.ports[0].targetport", "targetPort"),
    (CONFIG_MAP, "\ndata:", "\nlog-format: x\ndata:", 4, "log-format", ""),
    (SLICE, "addressType:", "adresType: IPv4\naddressType:", 6, "adresType", "addressType"),
]


@pytest.mark.parametrize(("text", "old", "new", "number", "field", "meant"), UNKNOWN_FIELDS)
def test_an_unknown_field_is_a_warning_with_advice(  # noqa: PLR0913 - a row of the table
    check: Check, text: str, old: str, new: str, number: int, field: str, meant: str
) -> None:
    write("all.yaml", text.replace(old, new, 1))
    status, lines = check("all.yaml", "--strict")
    assert status == 1
    line = next(line for line in lines if "is not a field" in line)
    assert line.startswith(f"warning: all.yaml:{number}: ")
    advice = f"; did you mean {meant}?" if meant else ""
    assert re.search(rf" {re.escape(field)}: is not a field of \w+{re.escape(advice)} \(it is ignored here, and ", line)


def test_the_fields_of_a_dump_are_known(check: Check) -> None:
    dumped = {
        "creationTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a.test/b"], "generateName": "x-", "generation": 1,
        "managedFields": [{"fieldsV1": {"f:x": {}}, "manager": "kubectl"}], "resourceVersion": "5", "selfLink": "/x",
        "deletionGracePeriodSeconds": 0, "uid": "1", "labels": {"any": "thing"},
    }  # fmt: skip
    items = [ingress("shop", "shop.test"), service("tea"), endpoints("tea", "192.0.2.1")]
    for item in items:
        item["metadata"] = dumped | item["metadata"]
    items[0]["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}
    items[1]["spec"] |= {
        "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
        "sessionAffinity": "None", "trafficDistribution": "PreferClose", "allocateLoadBalancerNodePorts": True,
    }  # fmt: skip
    items[1]["status"] = {"loadBalancer": {}, "conditions": []}
    Path("dump.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}))
    assert check("dump.json", "--strict") == (0, ["3 objects: all fine"])


def test_kinds_that_are_not_read_may_have_any_field(check: Check) -> None:
    write("x.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nsepc: {}\n")
    assert check("x.yaml", "--strict") == (0, ["no objects; 1 kind not read"])


# --- what a pipeline relies on ------------------------------------------------------------------------


def test_a_missing_tls_secret_is_a_warning_with_its_effect(check: Check) -> None:
    write(
        "all.yaml", TEA, SLICE, SHOP.replace("  rules:", "  tls:\n  - {hosts: [shop.test], secretName: gone}\n  rules:")
    )
    status, lines = check("all.yaml", "--strict")
    assert status == 1
    assert "spec.tls[0].secretName: 'gone' does not exist in namespace default" in lines[0]
    assert "(TLS handshakes for shop.test are rejected)" in lines[0]


def test_a_note_that_many_objects_have_is_one_line_of_text_and_an_entry_each_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [ingress(f"i{number:02}", f"{number}.test", class_name="other") for number in range(20)]
    (tmp_path / "all.yaml").write_text("\n---\n".join(map(json.dumps, items)))
    assert run(["check", str(tmp_path)], {}) == 0
    first, summary = capsys.readouterr().out.splitlines()
    assert first.startswith(
        f"note: {tmp_path}/all.yaml:1: Ingress default/i00, Ingress default/i01, Ingress default/i02 and 17 more: "
        "is ignored: its class is 'other'"
    )
    assert summary == "20 objects: 20 ignored"
    assert run(["check", str(tmp_path), "-o", "json"], {}) == 0
    assert len(json.loads(capsys.readouterr().out)) == 20
