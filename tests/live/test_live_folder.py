"""A folder that people edit while it is served: pieces of files, mistakes, lists, and all that is hostile."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lexer import directives
from tests.live.live_objects import Json, Manifests, cafe, config_map, ingress, path
from tests.live.live_places import ANY, short_folder
from tests.live.live_program import Program
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
Stage = tuple[Program, Manifests]


@pytest.fixture(scope="module")
def stage(tea: int) -> Iterator[Stage]:
    with short_folder() as folder:
        manifests = cafe(folder, tea)
        manifests.put(ingress("kept", "kept.test"))
        running = Program(folder, ANY, f"--manifests={manifests.path}", "-nginx-configmaps=ours/config")
        running.start_ready()
        yield running, manifests
        running.stop()


@pytest.fixture
def program(stage: Stage) -> Program:
    return stage[0]


@pytest.fixture
def manifests(stage: Stage) -> Iterator[Manifests]:
    """The folder, which is as it was when the test is over."""
    program, manifests = stage
    usual = {file: file.read_text() for file in manifests.path.iterdir()}
    yield manifests
    for file in manifests.path.iterdir():
        if file not in usual:
            file.unlink()
    for file, text in usual.items():
        if file.read_text() != text:
            file.write_text(text)
    wait_until(lambda: sorted(file.name for file in (program.prefix / "etc/conf.d").iterdir()) == USUAL)
    wait_until(lambda: program.get("kept.test").status == 200)


def test_a_file_written_in_pieces_is_served_when_it_is_whole(program: Program, manifests: Manifests) -> None:
    text = json.dumps(ingress("late", "late.test"), indent=1)
    with (manifests.path / "late.json").open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        wait_until(lambda: [line for line in program.lines("manifest") if "late.json" in line["file"]])
        assert program.get("kept.test").status == 200
        file.write(text[len(text) // 2 :])
    wait_until(lambda: program.get("late.test").status == 200)


def test_a_file_that_turns_bad_keeps_what_it_said(program: Program, manifests: Manifests) -> None:
    bad = manifests.path / "ingress-default-kept.json"
    good = bad.read_text()
    bad.write_text("spec: [unclosed\n")
    said = wait_until(lambda: [line for line in program.lines("manifest") if line["file"] == bad.name])
    assert "YAML" in said[0]["problem"] or "line" in said[0]["problem"]
    assert program.get("kept.test").status == 200
    bad.write_text(good.replace("kept.test", "renamed.test"))
    wait_until(lambda: program.get("renamed.test").status == 200)
    wait_until(lambda: program.get("kept.test").status == 404)


def test_lists_documents_and_deleted_files(program: Program, manifests: Manifests) -> None:
    items = [ingress(name, f"{name}.test") for name in ("a", "b")]
    documents = "---\n".join(json.dumps(ingress(name, f"{name}.test")) + "\n" for name in ("c", "d"))
    (manifests.path / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    (manifests.path / "documents.yml").write_text(documents)
    for name in "abcd":
        wait_until(lambda name=name: program.get(f"{name}.test").status == 200)
    (manifests.path / "list.json").unlink()
    wait_until(lambda: program.get("a.test").status == 404)
    assert program.get("c.test").status == 200


def test_wrong_types_and_unknown_kinds_are_named(program: Program, manifests: Manifests) -> None:
    wrong = ingress("wrong", "wrong.test")
    wrong["spec"]["rules"] = "many"
    odd = {"apiVersion": "v2", "kind": "Odd", "metadata": {"name": "odd"}}
    manifests.put(wrong, odd)
    said = wait_until(lambda: [line for line in program.lines("manifest") if "wrong" in str(line)])
    assert "spec.rules" in said[0]["problem"]
    wait_until(lambda: any("Odd" in str(line) for line in program.lines("kinds that are not read")))
    assert program.get("kept.test").status == 200


def test_a_config_map_of_ten_megabytes_is_read_and_not_repeated(program: Program, manifests: Manifests) -> None:
    manifests.put(config_map(server_tokens="false", log_format="x" * 10_000_000))
    wait_until(
        lambda: [reason for reason, _ in program.events("ConfigMap ours/config") if reason == "UpdatedWithError"]
    )
    assert len(program.text()) < 1_000_000
    manifests.put(ingress("late", "late.test"))
    wait_until(lambda: program.get("late.test").status == 200)


def test_hostile_text_is_refused_and_reaches_no_directive(program: Program, manifests: Manifests) -> None:
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
    whole, errors = {"apiVersion": "v1", "kind": "List", "items": items}, program.number(ERRORS)
    (manifests.path / "hostile.json").write_text(json.dumps(whole))
    manifests.put(ingress("zlate", "late.test"))
    wait_until(lambda: program.get("late.test").status == 200)
    assert program.number(ERRORS) == errors
    written = {file.name: file.read_text() for file in program.prefix.rglob("*.conf")}
    assert len(written) > 3
    for name, text in written.items():
        assert not [directive for directive in directives(text) if directive.name == "injected"], name
    assert not list(program.prefix.rglob("*injected*"))
    wait_until(lambda: len(refused(program)) > len(items) / 2)


def refused(program: Program) -> set[str]:
    return {line["object"] for line in program.lines("event") if line["reason"] == "Rejected"}
