"""A folder of manifests behaves as an API server would: live, and never poorer for a bad edit."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.api import ConfigMap, GlobalConfiguration, Ingress, Secret, Service, TopLevel
from headgate.k8s import ConfigError, Folder, Gone, Informer
from headgate.k8s import files as files_module
from headgate.problems import ObjectRef, Problem, Severity
from tests.background import in_background
from tests.k8s.json_objects import config_map, ingress, ingress_class
from tests.waiting import DEADLINE_S, eventually

CAFE = Ingress.KIND.ref("default", "cafe")


def write(folder: Path, name: str, *objects: Any) -> None:
    """Write a file the way that shows no half of it."""
    text = objects[0] if isinstance(objects[0], str) else yaml.safe_dump_all(objects)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / ".new").write_text(text)
    (path.parent / ".new").replace(path)


def only(problems: tuple[Problem, ...]) -> Problem:
    (problem,) = problems
    return problem


# Read once


def test_yaml_json_lists_and_subfolders_are_read(tmp_path: Path) -> None:
    write(tmp_path, "b.yaml", ingress("cafe"), config_map("menu"))
    write(tmp_path, "sub/deep/a.yml", {"apiVersion": "v1", "kind": "List", "items": [ingress("bar")]})
    write(tmp_path, "c.json", json.dumps(ingress_class("nginx")))
    typed = ingress("typed")
    del typed["kind"], typed["apiVersion"]
    write(tmp_path, "d.yaml", {"apiVersion": "networking.k8s.io/v1", "kind": "IngressList", "items": [typed]})
    write(tmp_path, ".hidden.yaml", ingress("hidden"))
    write(tmp_path, ".git/x.yaml", ingress("hidden"))
    write(tmp_path, "notes.txt", "kind: Nothing")
    folder = Folder(tmp_path)
    assert [str(item.ref) for item in folder.load()] == [
        "ConfigMap default/menu",
        "Ingress default/bar",
        "Ingress default/cafe",
        "Ingress default/typed",
        "IngressClass nginx",
    ]
    assert folder.problems() == ()
    assert folder.where(CAFE) == "b.yaml"
    assert folder.where(Ingress.KIND.ref("default", "bar")) == "sub/deep/a.yml"


def test_one_file_may_stand_for_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "cafe.yaml", ingress("cafe"))
    write(tmp_path, "other.yaml", ingress("other"))
    assert [item.ref for item in Folder(tmp_path / "cafe.yaml").load()] == [CAFE]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing cannot be read: No such file"):
        Folder(tmp_path / "missing").load()


def test_what_the_server_would_add_is_added_the_same_each_time(tmp_path: Path) -> None:
    bare = ingress("cafe")
    del bare["metadata"]["namespace"]
    write(tmp_path, "a.yaml", bare, ingress("old", creationTimestamp="2020-01-01T00:00:00Z", uid="given"))
    first, second = Folder(tmp_path).load(), Folder(tmp_path).load()
    assert first == second
    cafe, old = first
    assert (cafe.metadata.namespace, cafe.metadata.generation) == ("default", 1)
    assert cafe.metadata.creation_timestamp is None
    assert (old.metadata.uid, old.metadata.creation_timestamp) == ("given", "2020-01-01T00:00:00Z")
    assert cafe.metadata.uid
    assert cafe.metadata.resource_version != old.metadata.resource_version


def test_an_unquoted_time_is_a_creation_timestamp(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, creationTimestamp: 2026-01-02T03:04:05Z}\n"
    write(tmp_path, "a.yaml", text)
    (item,) = Folder(tmp_path).load()
    assert item.metadata.creation_timestamp == "2026-01-02T03:04:05Z"


def test_a_wrong_type_names_file_object_and_field(tmp_path: Path) -> None:
    bad = ingress("cafe")
    bad["spec"]["rules"].append({"host": 7})
    write(tmp_path, "a.yaml", bad, ingress("good"))
    folder = Folder(tmp_path)
    assert [item.metadata.name for item in folder.load()] == ["good"]
    problem = only(folder.problems())
    assert problem.origin == CAFE
    assert folder.where(problem.origin) == "a.yaml"
    assert str(problem) == (
        "spec.rules[1].host: '7' must be a string, not an integer; put it in quotes (the object is not used)"
    )


@pytest.mark.parametrize(
    ("text", "where", "reason", "severity"),
    [
        ("a: [1\n", "line 2, column 1", "is not YAML", Severity.ERROR),
        ("just text\n", "line 1", "is not a Kubernetes object", Severity.WARNING),
        ("a: 1\n", "line 1", "has no apiVersion and kind", Severity.WARNING),
        ("\nkind: Ingress\napiVersion: extensions/v1beta1\n", "line 2", "networking.k8s.io/v1 only", Severity.ERROR),
        ("kind: ConfigMap\napiVersion: v1\nmetadata: {}\n", "line 1", "has no metadata.name", Severity.ERROR),
        ("kind: ConfigMap\napiVersion: v1\nmetadata: 5\n", "line 1", "has no metadata.name", Severity.ERROR),
    ],
)
def test_a_file_without_objects_is_a_problem(
    tmp_path: Path, text: str, where: str, reason: str, severity: Severity
) -> None:
    write(tmp_path, "sub/a.yaml", text)
    folder = Folder(tmp_path)
    assert folder.load() == ()
    problem = only(folder.problems())
    assert problem.origin == ObjectRef("File", "", "sub/a.yaml")
    assert (problem.field, problem.severity) == (where, severity)
    assert reason in problem.reason
    assert problem.effect


def test_other_kinds_are_logged_once_and_are_no_problem(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        write(tmp_path, f"{number}.yaml", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}})
    write(tmp_path, "k.yaml", {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "x"}})
    folder = Folder(tmp_path)
    with caplog.at_level("INFO", "headgate"):
        assert folder.load() == ()
    assert folder.problems() == ()
    (record,) = caplog.records
    assert record.fields["kinds"] == ["apps/v1 Deployment", "serving.knative.dev/v1 Service"]


def test_of_two_definitions_that_of_the_first_file_is_used(tmp_path: Path) -> None:
    write(tmp_path, "b.yaml", ingress("cafe", host="b.example.com"))
    write(tmp_path, "a.yaml", ingress("cafe", host="a.example.com"), ingress("cafe", host="twice.example.com"))
    folder = Folder(tmp_path)
    (item,) = folder.load()
    assert isinstance(item, Ingress)
    assert item.spec.rules[0].host == "a.example.com"
    twice, other = folder.problems()
    assert "is in this file already" in twice.reason
    assert other.origin == ObjectRef("File", "", "b.yaml")
    assert "is defined in a.yaml already" in other.reason
    assert other.refuses


def test_string_data_of_a_secret_counts(tmp_path: Path) -> None:
    write(
        tmp_path, "a.yaml", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}}
    )
    (item,) = Folder(tmp_path).load()
    assert isinstance(item, Secret)
    assert item.value("a") == b"b"


def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe"))
    (tmp_path / "a.yaml").chmod(0)
    if os.access(tmp_path / "a.yaml", os.R_OK):
        pytest.skip("root reads everything")
    folder = Folder(tmp_path)
    assert folder.load() == ()
    assert "cannot be read: Permission denied" in only(folder.problems()).reason


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("networking.k8s.io/v1 Ingres", "Ingress networking.k8s.io/v1"),
        ("networking.k8s.io/v1 ingress", "Ingress networking.k8s.io/v1"),
        ("v1 Ingress", "Ingress networking.k8s.io/v1"),
        ("apps/v1 Service", "Service v1"),
        ("v1 Services", "Service v1"),
        ("v1 ServiceAccount", ""),
        ("v1 Endpoints", ""),
        ("networking.k8s.io/v1 NetworkPolicy", ""),
        ("networking.internal.knative.dev/v1 Ingress", ""),
        ("serving.knative.dev/v1 Service", ""),
    ],
)
def test_a_kind_with_a_mistake_is_a_problem(tmp_path: Path, written: str, meant: str) -> None:
    version, kind = written.split()
    (tmp_path / "a.yaml").write_text(f"{{apiVersion: {version}, kind: {kind}, metadata: {{name: a}}}}")
    folder = Folder(tmp_path)
    assert folder.load() == ()
    asked = [problem.reason for problem in folder.problems()]
    assert asked == ([f"{kind} {version} is not a kind of Kubernetes; did you mean {meant}?"] if meant else [])


def test_links_to_files_are_followed_and_dangling_ones_reported(tmp_path: Path) -> None:
    write(tmp_path, "..data/a.yaml", ingress("cafe"))
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    (tmp_path / "b.yaml").symlink_to("nowhere.yaml")
    (tmp_path / "loop").symlink_to(".")
    folder = Folder(tmp_path)
    assert [item.ref for item in folder.load()] == [CAFE]
    (problem,) = folder.problems()
    assert problem.origin.name == "b.yaml"
    assert problem.reason == "is a link to nowhere.yaml and cannot be read: No such file or directory"


async def test_a_link_is_read_as_soon_as_its_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("later")
    folder = Folder(tmp_path, poll=0.01)
    assert folder.load() == ()
    write(tmp_path, "later", ingress("cafe"))
    async with in_background(folder.run()):
        await eventually(lambda: folder.find(CAFE))
    assert folder.problems() == ()


def test_only_requested_kinds_have_a_source(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Service"):
        Folder(tmp_path, [Ingress]).source(Service)


# Followed


class RunningFolder:
    """A Folder that runs, with an Informer over its Ingresses."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: list[tuple[Problem, ...]] = []
        self.folder = Folder(root, on_problems=self.told.append, poll=0.01)
        self.keys: list[ObjectRef] = []
        self.informer: Informer[Ingress] = Informer(self.folder.source(Ingress), self.keys.append, name="ingresses")
        self.store = self.informer.store

    def host(self, name: str = "cafe") -> str | None:
        item = self.store.get(Ingress.KIND.ref("default", name))
        return item.spec.rules[0].host if item else None


@asynccontextmanager
async def running_folder(root: Path) -> AsyncIterator[RunningFolder]:
    running = RunningFolder(root)
    async with in_background(running.folder.run()), in_background(running.informer.run()):
        await asyncio.wait_for(running.informer.synced.wait(), DEADLINE_S)
        yield running


async def test_edits_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe", host="one.example.com"))
    async with running_folder(tmp_path) as running:
        assert running.host() == "one.example.com"
        first = running.store[CAFE].metadata
        write(tmp_path, "a.yaml", ingress("cafe", host="two.example.com"))
        await eventually(lambda: running.host() == "two.example.com")
        second = running.store[CAFE].metadata
        assert (first.generation, second.generation) == (1, 2)
        assert first.uid == second.uid
        write(tmp_path, "new/b.yaml", ingress("bar"))
        await eventually(lambda: running.host("bar"))
        (tmp_path / "a.yaml").unlink()
        await eventually(lambda: CAFE not in running.store)
        assert [ref.name for ref in running.keys] == ["cafe", "cafe", "bar", "cafe"]


async def test_a_touched_file_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe"))
    async with running_folder(tmp_path) as running:
        write(tmp_path, "a.yaml", ingress("cafe"))
        write(tmp_path, "b.yaml", ingress("bar"))
        await eventually(lambda: running.host("bar"))
        assert [ref.name for ref in running.keys] == ["cafe", "bar"]


async def test_a_broken_edit_keeps_the_last_good_content(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe"))
    async with running_folder(tmp_path) as running:
        write(tmp_path, "a.yaml", "kind: Ingress\nspec: [\n")
        await eventually(lambda: running.told)
        problem = only(running.told[-1])
        assert (problem.field, problem.effect) == (
            "line 3, column 1",
            "the last good content of the file stays in use",
        )
        assert running.host() == "cafe.example.com"
        write(tmp_path, "a.yaml", ingress("cafe", host="mended.example.com"))
        await eventually(lambda: running.host() == "mended.example.com")
        assert running.told[-1] == ()
        assert [ref.name for ref in running.keys] == ["cafe", "cafe"]


async def test_an_object_that_no_longer_decodes_stays_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe"), ingress("bar"))
    async with running_folder(tmp_path) as running:
        write(tmp_path, "a.yaml", ingress("cafe", annotations={"x": True}), ingress("bar", host="new.example.com"))
        await eventually(lambda: running.host("bar") == "new.example.com")
        assert running.host() == "cafe.example.com"
        problem = only(running.folder.problems())
        assert (problem.origin, problem.field) == (CAFE, "metadata.annotations[x]")
        assert problem.effect == "its last good version stays"


async def test_an_object_that_never_decoded_is_there_and_cannot_be_used(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe", annotations={"x": True}))
    async with running_folder(tmp_path) as running:
        broken = running.store.undecodable[CAFE]
        assert broken.problem == only(running.folder.problems())
        assert broken.remains
        assert broken.remains.ref == CAFE
        write(tmp_path, "a.yaml", ingress("cafe"))
        await eventually(running.host)
        assert not running.store.undecodable
        (tmp_path / "a.yaml").unlink()
        await eventually(lambda: CAFE not in running.store)
        write(tmp_path, "b.yaml", ingress("cafe", annotations={"x": True}))
        await eventually(lambda: CAFE in running.store.undecodable)
        (tmp_path / "b.yaml").unlink()
        await eventually(lambda: CAFE not in running.store.undecodable)


def listeners(*listeners: Any) -> Any:
    meta = {"name": "gc", "namespace": "default"}
    return {**TYPED, "metadata": meta, "spec": {"listeners": list(listeners)}}


def test_a_list_of_which_an_entry_never_decoded_is_used_without_it(tmp_path: Path) -> None:
    one, bad, two = ({"name": name, "port": port, "protocol": "TCP"} for name, port in (("a", 1), ("b", "2"), ("c", 3)))
    write(tmp_path, "a.yaml", listeners(one, bad, None, two))
    folder = Folder(tmp_path)
    assert named(folder) == ["a", "", "", "c"]
    assert [problem.field for problem in folder.problems()] == ["spec.listeners[1].port", "spec.listeners[2]"]
    write(tmp_path, "a.yaml", listeners(one, bad, two, one))
    folder._apply(files_module.scan(tmp_path, folder._signatures, [GlobalConfiguration], settled=0))
    assert named(folder) == ["a", "", "c", "a"]
    write(tmp_path, "a.yaml", listeners(one, two))
    folder._apply(files_module.scan(tmp_path, folder._signatures, [GlobalConfiguration], settled=0))
    assert (named(folder), folder.problems()) == (["a", "c"], ())
    write(tmp_path, "a.yaml", listeners(one, bad))
    folder._apply(files_module.scan(tmp_path, folder._signatures, [GlobalConfiguration], settled=0))
    assert named(folder) == ["a", "c"]
    assert only(folder.problems()).effect == "its last good version stays"


TYPED = {"apiVersion": "k8s.nginx.org/v1", "kind": "GlobalConfiguration"}


def named(folder: Folder) -> list[str]:
    """Return the names of the listeners of the only object."""
    item = folder.find(GlobalConfiguration.KIND.ref("default", "gc")) if folder._loaded else folder.load()[0]
    assert isinstance(item, GlobalConfiguration)
    assert item.spec
    return [each.name for each in item.spec.listeners or ()]


async def test_the_next_definition_takes_over(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe", host="a.example.com"))
    write(tmp_path, "b.yaml", ingress("cafe", host="b.example.com"))
    async with running_folder(tmp_path) as running:
        (tmp_path / "a.yaml").unlink()
        await eventually(lambda: running.host() == "b.example.com")
        assert running.folder.problems() == ()
        assert running.folder.where(CAFE) == "b.yaml"


async def test_a_file_that_sorts_before_takes_over(tmp_path: Path) -> None:
    write(tmp_path, "b.yaml", ingress("cafe", host="b.example.com"))
    async with running_folder(tmp_path) as running:
        write(tmp_path, "a.yaml", ingress("cafe", host="a.example.com"))
        await eventually(lambda: running.host() == "a.example.com")
        assert only(running.folder.problems()).origin == ObjectRef("File", "", "b.yaml")


async def test_a_folder_that_vanishes_removes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "manifests"
    write(root, "a.yaml", ingress("cafe"))
    async with running_folder(root) as running:
        root.rename(tmp_path / "away")
        await eventually(lambda: running.told)
        assert "cannot be read" in only(running.told[-1]).reason
        assert CAFE in running.store
        (tmp_path / "away").rename(root)
        await eventually(lambda: running.told[-1] == ())


async def test_a_file_moved_aside_for_a_moment_is_not_deleted(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe"))
    folder = Folder(tmp_path)
    folder.load()
    moved = tmp_path / "a.yaml~"
    (tmp_path / "a.yaml").rename(moved)
    folder._apply(files_module.scan(tmp_path, folder._signatures, [Ingress]))
    assert folder.where(CAFE) == "a.yaml"
    folder._apply(files_module.scan(tmp_path, folder._signatures, [Ingress]))
    assert folder.where(CAFE) == ""


async def test_a_renamed_file_defines_nothing_twice(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe"))
    told: list[tuple[Problem, ...]] = []
    folder = Folder(tmp_path, on_problems=told.append)
    folder.load()
    (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
    for name in ("a.yaml", "b.yaml"):
        folder._apply(files_module.scan(tmp_path, folder._signatures, [Ingress], settled=0))
        assert folder.where(CAFE) == name
    assert told == []
    write(tmp_path, "a.yaml", ingress("cafe"))
    folder._apply(files_module.scan(tmp_path, folder._signatures, [Ingress], settled=0))
    assert [[problem.origin.name for problem in problems] for problems in told] == [["b.yaml"]]


async def test_a_file_that_is_still_written_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe"))
    first = files_module.scan(tmp_path, {}, [Ingress], settled=60)
    assert (first.read, first.pending) == ({}, True)
    old = (tmp_path / "a.yaml").stat().st_mtime_ns - 120 * 10**9
    os.utime(tmp_path / "a.yaml", ns=(old, old))
    second = files_module.scan(tmp_path, {}, [Ingress], settled=60)
    assert (list(second.read), second.pending) == (["a.yaml"], False)


def aged(path: Path, seconds: float) -> None:
    """Let the last change of a file be some *seconds* ago."""
    old = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(old, old))


async def test_a_file_that_was_emptied_is_read_when_it_stays_empty(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe"))
    known = {"a.yaml": files_module.scan(tmp_path, {}, [Ingress], settled=0).read["a.yaml"].signature}
    write(tmp_path, "a.yaml", "")
    aged(tmp_path / "a.yaml", 0.5)
    early = files_module.scan(tmp_path, known, [Ingress])
    assert (early.read, early.pending) == ({}, True)
    aged(tmp_path / "a.yaml", 2)
    late = files_module.scan(tmp_path, known, [Ingress])
    assert (list(late.read), late.pending) == (["a.yaml"], False)


async def test_what_was_read_while_a_file_was_written_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    write(tmp_path, "a.yaml", ingress("cafe"))
    aged(path, 60)
    read = Path.read_bytes

    def read_emptied(self: Path) -> bytes:
        text = read(self)
        self.write_bytes(b"")
        found = read(self)
        self.write_bytes(text)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", read_emptied)
        early = files_module.scan(tmp_path, {}, [Ingress])
    assert (early.read, early.pending) == ({}, True)
    aged(path, 60)
    (file,) = files_module.scan(tmp_path, {}, [Ingress]).read.values()
    assert list(file.content.objects) == [CAFE]


async def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path, f"{number}.yaml", config_map(f"menu-{number}"))
    known = {
        name: file.signature for name, file in files_module.scan(tmp_path, {}, [ConfigMap], settled=0).read.items()
    }
    write(tmp_path, "3.yaml", config_map("menu-3", tea="1"))
    assert list(files_module.scan(tmp_path, known, [ConfigMap], settled=0).read) == ["3.yaml"]


async def test_a_watch_that_is_too_old_lists_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "JOURNAL", 3)
    write(tmp_path, "a.yaml", *(ingress(f"cafe-{number}") for number in range(8)))
    folder = Folder(tmp_path)
    source = folder.source(Ingress)
    folder.load()
    version = (await source.list()).version
    with pytest.raises(Gone):
        await anext(aiter(source.watch("1")))
    write(tmp_path, "b.yaml", ingress("late"))
    folder._apply(files_module.scan(tmp_path, folder._signatures, [Ingress], settled=0))
    change = await anext(aiter(source.watch(version)))
    assert change.ref == Ingress.KIND.ref("default", "late")


async def test_each_kind_is_notified_of_its_own_objects(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ingress("cafe"), config_map("menu", tea="1"))
    async with running_folder(tmp_path) as running:
        keys: list[ObjectRef] = []
        maps: Informer[ConfigMap] = Informer(running.folder.source(ConfigMap), keys.append, name="maps")
        async with in_background(maps.run()):
            await maps.synced.wait()
            write(tmp_path, "a.yaml", ingress("cafe", host="b.example.com"), config_map("menu", tea="1"))
            write(tmp_path, "b.yaml", config_map("other"))
            await eventually(lambda: len(keys) == 2 and len(running.keys) == 2)
            assert [ref.name for ref in keys] == ["menu", "other"]


def test_a_folder_can_be_limited_to_some_kinds(tmp_path: Path) -> None:
    models: list[type[TopLevel]] = [ConfigMap]
    write(tmp_path, "a.yaml", ingress("cafe"), config_map("menu"))
    assert [item.metadata.name for item in Folder(tmp_path, models).load()] == ["menu"]
