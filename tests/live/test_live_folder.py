"""A folder that people edit while it is served: pieces of files, mistakes, lists, and all that is hostile."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from headgate.cli import run
from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import Json, ManifestFolder, cafe, config_map, ingress, path
from tests.nginx_binaries import ANY_NGINX
from tests.nginx_lexer import directives
from tests.waiting import wait_until

HOSTILE = (
    "; injected on;",
    "{ injected on; }",
    "} injected on;",
    "\ninjected on;",
    "# injected",
    "\\",
    "\\; injected on;",
    "$injected",
    '"; injected on;',
    "'; injected on;",
    "/../../../injected",
)
ERRORS = "nginx_ingress_controller_nginx_reload_errors_total"
USUAL = ["_certificates.conf", "_default-server.conf", "default-kept.conf"]
Setup = tuple[HeadgateProcess, ManifestFolder]


@pytest.fixture(scope="module")
def setup(tea: int) -> Iterator[Setup]:
    with short_directory() as directory:
        manifests = cafe(directory, tea)
        manifests.put(ingress("kept", "kept.test"))
        running = HeadgateProcess(
            directory, ANY_NGINX, f"--manifests={manifests.path}", "-nginx-configmaps=ours/config"
        )
        running.start_ready()
        yield running, manifests
        running.stop()


@pytest.fixture
def headgate(setup: Setup) -> HeadgateProcess:
    return setup[0]


@pytest.fixture
def manifests(setup: Setup) -> Iterator[ManifestFolder]:
    """The folder, which is as it was when the test is over."""
    headgate, manifests = setup
    usual = {file: file.read_text() for file in manifests.path.iterdir()}
    yield manifests
    for file in manifests.path.iterdir():
        if file not in usual:
            file.unlink()
    for file, text in usual.items():
        if file.read_text() != text:
            file.write_text(text)
    wait_until(lambda: sorted(file.name for file in (headgate.prefix / "etc/conf.d").iterdir()) == USUAL)
    wait_until(lambda: headgate.get("kept.test").status == 200)


def test_a_file_written_in_pieces_is_served_when_it_is_whole(
    headgate: HeadgateProcess, manifests: ManifestFolder
) -> None:
    text = json.dumps(ingress("late", "late.test"), indent=1)
    with (manifests.path / "late.json").open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        wait_until(lambda: [line for line in headgate.log_records("manifest") if "late.json" in line["file"]])
        assert headgate.get("kept.test").status == 200
        file.write(text[len(text) // 2 :])
    wait_until(lambda: headgate.get("late.test").status == 200)


def test_a_file_that_becomes_invalid_keeps_its_last_objects(
    headgate: HeadgateProcess, manifests: ManifestFolder
) -> None:
    bad = manifests.path / "ingress-default-kept.json"
    good = bad.read_text()
    bad.write_text("spec: [unclosed\n")
    said = wait_until(lambda: [line for line in headgate.log_records("manifest") if line["file"] == bad.name])
    assert "YAML" in said[0]["problem"] or "line" in said[0]["problem"]
    assert headgate.get("kept.test").status == 200
    bad.write_text(good.replace("kept.test", "renamed.test"))
    wait_until(lambda: headgate.get("renamed.test").status == 200)
    wait_until(lambda: headgate.get("kept.test").status == 404)


def test_lists_documents_and_deleted_files_are_followed(headgate: HeadgateProcess, manifests: ManifestFolder) -> None:
    items = [ingress(name, f"{name}.test") for name in ("a", "b")]
    documents = "---\n".join(json.dumps(ingress(name, f"{name}.test")) + "\n" for name in ("c", "d"))
    (manifests.path / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    (manifests.path / "documents.yml").write_text(documents)
    for name in "abcd":
        wait_until(lambda name=name: headgate.get(f"{name}.test").status == 200)
    (manifests.path / "list.json").unlink()
    wait_until(lambda: headgate.get("a.test").status == 404)
    assert headgate.get("c.test").status == 200


def test_wrong_types_and_unknown_kinds_are_named(headgate: HeadgateProcess, manifests: ManifestFolder) -> None:
    wrong = ingress("wrong", "wrong.test")
    wrong["spec"]["rules"] = "many"
    odd = {"apiVersion": "v2", "kind": "Odd", "metadata": {"name": "odd"}}
    manifests.put(wrong, odd)
    (said,) = wait_until(lambda: headgate.log_records("object does not decode"))
    assert "spec.rules" in said["problem"]
    wait_until(lambda: "Rejected" in [reason for reason, _ in headgate.events("Ingress default/wrong")])
    assert not [line for line in headgate.log_records("manifest") if "wrong" in str(line)]
    wait_until(lambda: any("Odd" in str(line) for line in headgate.log_records("kinds that are not read")))
    assert headgate.get("kept.test").status == 200


def test_a_field_that_the_kind_does_not_have_is_logged_once_and_is_in_the_status(
    headgate: HeadgateProcess, manifests: ManifestFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    item = ingress("odd", "odd.test")
    item["spec"]["rule"] = []
    host = {"host": "cr.test", "routes": [{"path": "/", "acton": {}, "action": {"return": {"body": "x"}}}]}
    custom = {"apiVersion": "k8s.nginx.org/v1", "kind": "VirtualServer", "metadata": {"name": "cr"}, "spec": host}
    manifests.put(item, custom)
    wait_until(lambda: headgate.get("cr.test").body == "x" and headgate.get("odd.test").status == 200)
    manifests.put(ingress("later", "later.test"))
    wait_until(lambda: headgate.get("later.test").status == 200)
    lines = [line for line in headgate.log_records("manifest") if "is not a field of" in str(line["problem"])]
    found = {str(line["object"]): str(line["problem"]) for line in lines}
    assert len(lines) == len(found) == 2
    assert found["Ingress default/odd"].startswith("spec.rule: is not a field of Ingress; did you mean rules?")
    assert found["VirtualServer default/cr"].startswith("spec.routes[0].acton: is not a field of VirtualServer")
    assert run(["status", "-o", "json", f"--prefix={headgate.prefix}"], {}) == 0
    status = {each["object"]: each["message"] for each in json.loads(capsys.readouterr().out)["objects"]}
    assert "did you mean action?" in status["VirtualServer default/cr"]
    assert "did you mean rules?" in status["Ingress default/odd"]


def test_a_kind_that_is_not_served_and_a_kustomization_are_logged(
    headgate: HeadgateProcess, manifests: ManifestFolder
) -> None:
    manifests.put({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "cafe"}})
    (manifests.path / "kustomization.yaml").write_text("resources: []\n")
    for words in ("HTTPRoute gateway.networking.k8s.io/v1 is not served yet", "kustomize build "):
        wait_until(lambda words=words: any(words in line["problem"] for line in headgate.log_records("manifest")))
    assert headgate.get("kept.test").status == 200


def test_a_config_map_of_ten_megabytes_is_read_and_not_repeated(
    headgate: HeadgateProcess, manifests: ManifestFolder
) -> None:
    manifests.put(config_map(server_tokens="false", log_format="x" * 10_000_000))
    wait_until(
        lambda: [reason for reason, _ in headgate.events("ConfigMap ours/config") if reason == "UpdatedWithError"]
    )
    assert len(headgate.log_text()) < 1_000_000
    manifests.put(ingress("late", "late.test"))
    wait_until(lambda: headgate.get("late.test").status == 200)


def test_hostile_text_is_refused_and_reaches_no_directive(headgate: HeadgateProcess, manifests: ManifestFolder) -> None:
    items: list[Json] = []
    for number, text in enumerate(HOSTILE):
        items += [
            ingress(f"host{number}", f"h{text}.test"),
            ingress(f"path{number}", {f"p{number}.test": [path("tea", f"/marker{text}")]}),
            ingress(f"service{number}", {f"s{number}.test": [path(f"marker{text}")]}),
            ingress(f"secret{number}", f"t{number}.test", tls={f"marker{text}": [f"t{number}.test"]}),
            ingress(f"note{number}", f"n{number}.test", proxy_connect_timeout=f"marker{text}"),
            ingress(f"rewrite{number}", f"r{number}.test", rewrites=f"serviceName=tea rewrite=/marker{text}"),
        ]
    whole, errors = {"apiVersion": "v1", "kind": "List", "items": items}, headgate.metric(ERRORS)
    (manifests.path / "hostile.json").write_text(json.dumps(whole))
    manifests.put(ingress("zlate", "late.test"))
    wait_until(lambda: headgate.get("late.test").status == 200)
    assert headgate.metric(ERRORS) == errors
    written = {file.name: file.read_text() for file in headgate.prefix.rglob("*.conf")}
    assert len(written) > 3
    for name, text in written.items():
        assert not [directive for directive in directives(text) if directive.name == "injected"], name
    assert not list(headgate.prefix.rglob("*injected*"))
    wait_until(lambda: len(refused(headgate)) > len(items) / 2)


def refused(headgate: HeadgateProcess) -> set[str]:
    return {line["object"] for line in headgate.log_records("event") if line["reason"] == "Rejected"}
