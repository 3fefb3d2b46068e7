"""An Informer over a real HTTP server: what it holds is what the server holds, whatever happens between."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headgate.api import ConfigMap, EndpointSlice, Ingress, IngressClass, Secret, TopLevel
from headgate.k8s import (
    Change,
    ChangeType,
    Client,
    ClusterConfig,
    Informer,
    K8sError,
    Listing,
    Resources,
    Unreachable,
)
from headgate.k8s.config import User
from headgate.problems import ObjectRef
from tests.background import in_background
from tests.k8s.apiserver import ApiServer
from tests.k8s.json_objects import config_map, ingress, ingress_class
from tests.waiting import DEADLINE_S, eventually

CAFE = Ingress.KIND.ref("default", "cafe")


class QuickInformer(Informer[Any]):
    """An Informer that is sooner tired of waiting."""

    RETRY_FIRST = 0.01
    RETRY_LONGEST = 0.05


class RunningInformer:
    """An Informer that runs, and the keys it named."""

    def __init__(self, source: Any, **options: Any) -> None:
        self.keys: list[ObjectRef] = []
        self.pauses: list[float] = []
        self.informer = QuickInformer(source, self.keys.append, name="test", pause=self._pause, **options)
        self.store = self.informer.store

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(min(seconds, 0.02))

    def names(self) -> set[str]:
        return {ref.name for ref in self.store}


@asynccontextmanager
async def running_informer(
    client: Client, model: type[TopLevel] = Ingress, **options: Any
) -> AsyncIterator[RunningInformer]:
    informer = RunningInformer(Resources(client, model, **options))
    async with in_background(informer.informer.run()):
        await asyncio.wait_for(informer.informer.synced.wait(), DEADLINE_S)
        yield informer


async def watched(server: ApiServer, plural: str = "ingresses") -> None:
    await eventually(lambda: server.watching(plural))


async def test_it_lists_and_then_follows(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    async with running_informer(client) as informer:
        assert informer.keys == [CAFE]
        await watched(server)
        server.put(ingress("bar"))
        await eventually(lambda: informer.names() == {"cafe", "bar"})
        server.put(ingress("cafe", host="new.example.com"))
        await eventually(lambda: informer.store[CAFE].spec.rules[0].host == "new.example.com")
        server.delete("Ingress", "default", "cafe")
        await eventually(lambda: informer.names() == {"bar"})
        assert [ref.name for ref in informer.keys] == ["cafe", "bar", "cafe", "cafe"]
        assert server.count("GET", "ingresses", limit="500") == 1


async def test_a_snapshot_does_not_change(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    async with running_informer(client) as informer:
        before = informer.store.snapshot()
        await watched(server)
        server.put(ingress("bar"))
        await eventually(lambda: len(informer.store) == 2)
        assert list(before) == [CAFE]


async def test_long_lists_are_read_in_pages_of_500(server: ApiServer, client: Client) -> None:
    for number in range(1201):
        server.put(ingress(f"cafe-{number}"))
    async with running_informer(client) as informer:
        assert len(informer.store) == 1201
        pages = [query for method, _, query in server.requests if query.get("limit")]
        assert [bool(page.get("continue")) for page in pages] == [False, True, True]
        assert {page["limit"] for page in pages} == {"500"}


async def test_a_list_that_expires_between_pages_is_read_in_one_piece(server: ApiServer, client: Client) -> None:
    for number in range(600):
        server.put(ingress(f"cafe-{number}"))
    expired = {"status": 410, "reason": "Expired", "times": 99}
    server.fail("GET", "ingresses", **expired, where=lambda request: "continue" in request.query)
    async with running_informer(client) as informer:
        assert len(informer.store) == 600
        assert informer.pauses == []


async def test_namespace_and_selectors_reach_the_server(server: ApiServer, client: Client) -> None:
    for name, kind in (("cert", "kubernetes.io/tls"), ("release", "helm.sh/release.v1")):
        server.put({"kind": "Secret", "metadata": {"name": name, "namespace": "shop"}, "type": kind})
    server.put({"kind": "Secret", "metadata": {"name": "other"}, "type": "Opaque"})
    options = {"namespace": "shop", "field_selector": "type!=helm.sh/release.v1"}
    async with running_informer(client, Secret, **options) as informer:
        await watched(server, "secrets")
        server.put({"kind": "Secret", "metadata": {"name": "late", "namespace": "shop"}, "type": "helm.sh/release.v1"})
        server.put({"kind": "Secret", "metadata": {"name": "more", "namespace": "shop"}, "type": "Opaque"})
        await eventually(lambda: informer.names() == {"cert", "more"})


async def test_a_watch_that_ends_is_resumed_without_a_list(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    async with running_informer(client) as informer:
        for name in ("one", "two", "three"):
            await watched(server)
            server.cut_watches()
            server.put(ingress(name))
            await eventually(lambda name=name: name in informer.names())
        assert server.count("GET", "ingresses", limit="500") == 1


async def test_a_bookmark_advances_the_resource_version(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    async with running_informer(client) as informer:
        await watched(server)
        for number in range(5):
            server.put(config_map(f"noise-{number}"))
        server.bookmark("ingresses")
        server.put(ingress("after"))
        await eventually(lambda: "after" in informer.names())
        server.compact()
        server.cut_watches()
        await eventually(lambda: server.count("GET", "ingresses", watch="1") >= 2)
        server.put(ingress("last"))
        await eventually(lambda: "last" in informer.names())
        assert server.count("GET", "ingresses", limit="500") == 1


async def test_a_bookmark_alone_saves_a_list_after_compaction(server: ApiServer, client: Client) -> None:
    async with running_informer(client):
        await watched(server)
        server.put(config_map("noise"))
        server.bookmark("ingresses")
        server.compact()
        server.cut_watches()
        await eventually(lambda: server.count("GET", "ingresses", watch="1") >= 2)
        _, _, query = server.requests[-1]
        assert query["resourceVersion"] == str(server.revision)
        assert query["allowWatchBookmarks"] == "true"


async def test_a_deletion_between_two_watches_is_noticed(server: ApiServer, client: Client) -> None:
    for name in ("cafe", "gone", "same"):
        server.put(ingress(name))
    async with running_informer(client) as informer:
        await watched(server)
        informer.keys.clear()
        server.cut_watches()
        server.delete("Ingress", "default", "gone")
        server.put(ingress("cafe", host="new.example.com"))
        server.compact()
        await eventually(lambda: informer.names() == {"cafe", "same"})
        assert sorted(ref.name for ref in informer.keys) == ["cafe", "gone"]
        assert informer.store[CAFE].spec.rules[0].host == "new.example.com"


async def test_an_object_recreated_between_two_watches_is_noticed(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    async with running_informer(client) as informer:
        first = informer.store[CAFE].metadata.uid
        await watched(server)
        server.cut_watches()
        server.delete("Ingress", "default", "cafe")
        server.put(ingress("cafe"))
        server.compact()
        await eventually(lambda: CAFE in informer.store and informer.store[CAFE].metadata.uid != first)


async def test_an_unchanged_object_queues_no_key(server: ApiServer, client: Client) -> None:
    item = server.put(ingress("cafe"))
    async with running_informer(client) as informer:
        await watched(server)
        informer.keys.clear()
        server._record("ingresses", "MODIFIED", item)
        server.put(ingress("bar"))
        await eventually(lambda: "bar" in informer.names())
        assert [ref.name for ref in informer.keys] == ["bar"]


@pytest.mark.parametrize("chunk", [1, 7, 4096])
async def test_a_stream_may_be_split_anywhere(server: ApiServer, client: Client, chunk: int) -> None:
    server.chunk = chunk
    async with running_informer(client) as informer:
        await watched(server)
        for name in ("één", "deux", "tři"):
            server.put(ingress(name, annotations={"text": f"{name}\n{name}"}))
        await eventually(lambda: informer.names() == {"één", "deux", "tři"})


@pytest.mark.parametrize("line", [b"<html>sorry</html>\n", b'{"type":"ADDED"}\n', b"\xff\xff\n", b"{]\n"])
async def test_garbage_in_a_watch_is_retried(server: ApiServer, client: Client, line: bytes) -> None:
    async with running_informer(client) as informer:
        await watched(server)
        server.send("ingresses", line)
        server.put(ingress("cafe"))
        await eventually(lambda: CAFE in informer.store)
        await eventually(lambda: informer.pauses)


async def test_an_event_cut_off_midway_is_read_again(server: ApiServer, client: Client) -> None:
    async with running_informer(client) as informer:
        await watched(server)
        server.send("ingresses", b'{"type":"ADDED","object":{"kind":"Ingr')
        server.cut_watches()
        await eventually(lambda: server.count("GET", "ingresses", watch="1") >= 2)
        server.put(ingress("cafe"))
        await eventually(lambda: CAFE in informer.store)


async def test_an_error_inside_a_watch_relists_or_waits(server: ApiServer, client: Client) -> None:
    async with running_informer(client) as informer:
        await watched(server)
        server.error("ingresses", 410, "Expired")
        await eventually(lambda: server.count("GET", "ingresses", limit="500") == 2)
        await watched(server)
        assert informer.pauses == []
        server.error("ingresses", 500, "InternalError")
        await eventually(lambda: informer.pauses)


async def test_an_unknown_event_type_is_ignored(server: ApiServer, client: Client) -> None:
    async with running_informer(client) as informer:
        await watched(server)
        server.send("ingresses", b'{"type":"RESHARDED","object":{"metadata":{"name":"x"}}}\n')
        server.put(ingress("cafe"))
        await eventually(lambda: CAFE in informer.store)
        assert informer.pauses == []


async def test_retry_after_is_obeyed(server: ApiServer, client: Client) -> None:
    server.fail("GET", "ingresses", status=429, headers={"Retry-After": "11"})
    async with running_informer(client) as informer:
        assert informer.pauses == [11.0]


async def test_pauses_grow_with_each_failure(server: ApiServer, client: Client) -> None:
    server.fail("GET", "ingresses", status=500, times=3)
    async with running_informer(client) as informer:
        bounds = [(0.005, 0.01), (0.01, 0.02), (0.02, 0.04)]
        assert len(informer.pauses) == 3
        assert all(low <= pause <= high for pause, (low, high) in zip(informer.pauses, bounds, strict=True))


async def test_a_failure_that_goes_on_is_logged_once(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail("GET", "ingresses", status=500, times=5)
    with caplog.at_level(logging.WARNING, "headgate"):
        async with running_informer(client) as informer:
            assert len(informer.pauses) == 5
    assert [record.message for record in caplog.records] == ["informer failed"]


async def test_a_token_rotated_mid_list_is_read_again(server: ApiServer, tmp_path: Any) -> None:
    for number in range(600):
        server.put(ingress(f"cafe-{number}"))
    token = tmp_path / "token"
    token.write_text("old\n")
    server.tokens = {"old"}

    def rotate(request: Any) -> bool:
        if "continue" in request.query and server.tokens == {"old"}:
            token.write_text("new\n")
            server.tokens = {"new"}
        return False

    server.fail("GET", "ingresses", where=rotate)
    config = ClusterConfig(server=server.url, user=User(token_file=str(token)))
    async with Client(config) as client, running_informer(client) as informer:
        assert len(informer.store) == 600
        assert informer.pauses == []
    assert server.count("GET", "ingresses", limit="500") == 3


async def test_a_missing_rule_is_logged_once_and_the_rest_continues(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.forbid("list", "ingresses")
    server.put(ingress("cafe"))
    with caplog.at_level(logging.WARNING, "headgate"):
        async with running_informer(client, namespace="default") as informer:
            assert len(informer.store) == 0
            await eventually(lambda: len(informer.pauses) >= 3)
            server.allow("list", "ingresses")
            await eventually(lambda: CAFE in informer.store)
    (record,) = caplog.records
    rule = "the role lacks the verb list on ingresses.networking.k8s.io in namespace default; grant get, list, watch"
    assert rule in record.fields["error"]


async def test_a_rule_that_was_removed_leaves_the_known_objects(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    async with running_informer(client) as informer:
        await watched(server)
        server.forbid("list", "ingresses")
        server.compact()
        server.put(ingress("bar"))
        server.error("ingresses", 410, "Expired")
        await eventually(lambda: len(informer.pauses) >= 3)
        assert CAFE in informer.store


async def test_where_watching_is_refused_the_list_is_repeated(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.forbid("watch", "ingressclasses")
    server.put(ingress_class("nginx"))
    with caplog.at_level(logging.INFO, "headgate.k8s.resources"):
        async with running_informer(client, IngressClass, poll_seconds=0.02) as informer:
            server.put(ingress_class("other"))
            await eventually(lambda: informer.names() == {"nginx", "other"})
            server.delete("IngressClass", "", "nginx")
            await eventually(lambda: informer.names() == {"other"})
            assert [ref.name for ref in informer.keys] == ["nginx", "other", "nginx"]
            server.allow("watch", "ingressclasses")
            await watched(server, "ingressclasses")
            server.put(ingress_class("third"))
            await eventually(lambda: informer.names() == {"other", "third"})
    record, recovery = caplog.records
    assert recovery.message == "watched again"
    assert "verb watch on ingressclasses.networking.k8s.io in the whole cluster" in record.fields["rule"]


async def test_an_api_server_that_refuses_everything_for_a_moment_is_watched_again_at_once(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_informer(client, poll_seconds=3600) as informer:
        await watched(server)
        server.forbid("watch", "ingresses")
        server.forbid("list", "ingresses")
        server.cut_watches()
        await eventually(lambda: "informer failed" in caplog.messages)
        server.allow("watch", "ingresses")
        server.allow("list", "ingresses")
        server.put(ingress("new"))
        await eventually(lambda: informer.names() == {"new"})
        await watched(server)
    assert "watch refused, listing instead" not in caplog.messages


async def test_what_is_not_watchable_is_never_watched(server: ApiServer, client: Client) -> None:
    async with running_informer(client, IngressClass, watchable=False, poll_seconds=0.02) as informer:
        server.put(ingress_class("nginx"))
        await eventually(lambda: informer.names() == {"nginx"})
    assert server.count("GET", "ingressclasses", watch="1") == 0


async def test_a_kind_may_appear_disappear_and_appear_again(server: ApiServer, client: Client) -> None:
    server.absent("ingresses")
    async with running_informer(client) as informer:
        assert len(informer.store) == 0
        server.absent("ingresses", now=False)
        server.put(ingress("cafe"))
        await eventually(lambda: CAFE in informer.store)
        await watched(server)
        server.compact()
        server.absent("ingresses")
        await eventually(lambda: len(informer.store) == 0)
        server.absent("ingresses", now=False)
        await eventually(lambda: CAFE in informer.store)
        assert [ref.name for ref in informer.keys] == ["cafe", "cafe", "cafe"]


async def test_a_single_404_removes_nothing(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    async with running_informer(client) as informer:
        await watched(server)
        server.fail("GET", "ingresses$", status=404, where=lambda request: "limit" in request.query)
        server.error("ingresses", 410, "Expired")
        await eventually(lambda: server.count("GET", "ingresses", limit="500") == 3)
        await watched(server)
        assert informer.keys == [CAFE]


async def test_html_in_place_of_a_list_is_retried(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.put(ingress("cafe"))
    server.fail("GET", "ingresses", status=200, body=b"<html>login</html>", content_type="text/html", times=2)
    server.fail("GET", "ingresses", status=200, body=b"<html>no header</html>", times=1)
    server.fail("GET", "ingresses", status=200, body=b'{"items": {}}', times=1)
    with caplog.at_level(logging.WARNING, "headgate"):
        async with running_informer(client) as informer:
            assert CAFE in informer.store
    assert "not a Kubernetes API server: <html>login</html>" in caplog.records[0].fields["error"]
    assert len(caplog.records) == 3


async def test_one_broken_object_affects_no_other(server: ApiServer, client: Client) -> None:
    broken = ingress("broken")
    broken["metadata"]["annotations"] = {"fine": "yes", "nginx.org/x": 7}
    server.put(broken)
    server.put(ingress("cafe"))
    ref = Ingress.KIND.ref("default", "broken")
    async with running_informer(client) as informer:
        assert informer.names() == {"cafe"}
        problem = informer.informer.store.undecodable[ref].problem
        assert (problem.field, problem.value) == ("metadata.annotations[nginx.org/x]", "7")
        assert problem.reason == "must be a string, not an integer; put it in quotes"
        assert problem.refuses
        await watched(server)
        server.put(ingress("broken"))
        await eventually(lambda: ref in informer.store)
        assert informer.informer.store.undecodable == {}
        server.put(broken)
        await eventually(lambda: ref not in informer.store)
        assert list(informer.informer.store.undecodable) == [ref]
        server.delete("Ingress", "default", "broken")
        await eventually(lambda: not informer.informer.store.undecodable)
        assert [key.name for key in informer.keys] == ["broken", "cafe", "broken", "broken", "broken"]


async def test_an_object_that_does_not_decode_is_logged_once_with_its_name(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    broken = ingress("broken")
    broken["metadata"] |= {"uid": "uid-7", "annotations": {"nginx.org/x": 7, "nginx.org/y": [], "fine": "yes"}}
    backend = {"service": {"name": "tea", "port": {"number": "eighty"}}}
    paths = [{"path": "/fine"}, {"path": "/bad", "backend": backend}, {"path": 8}]
    broken["spec"] = {"ingressClassName": "nginx", "rules": [{"host": "a.test", "http": {"paths": paths}}, "b.test"]}
    server.put(broken)
    server.put(ingress("cafe"))
    ref = Ingress.KIND.ref("default", "broken")
    async with running_informer(client) as informer:
        remains = informer.store.undecodable[ref].remains
        assert remains is not None
        assert (remains.metadata.uid, remains.annotations) == ("uid-7", {"fine": "yes"})
        assert remains.spec is not None
        assert remains.spec.ingress_class_name == "nginx"
        assert [found.path for found in remains.spec.rules[0].http.paths] == ["/fine", "/bad", None]
        await watched(server)
        server.put(broken)
        server.put(ingress("bar"))
        await eventually(lambda: "bar" in informer.names())
    said = [record.fields for record in caplog.records if record.message == "object does not decode"]
    assert said == [{"object": str(ref), "problem": str(informer.store.undecodable[ref].problem)}]


async def test_an_object_without_identity_leaves_nothing_behind(server: ApiServer, client: Client) -> None:
    server.put({"kind": "Ingress", "metadata": {"name": "x"}, "spec": "none"} | {"metadata": ingress("x")["metadata"]})
    server.put({**ingress("many"), "spec": {"rules": [f"{number}.test" for number in range(30)]}})
    async with running_informer(client) as informer:
        x, many = (informer.store.undecodable[Ingress.KIND.ref("default", name)] for name in ("x", "many"))
        assert x.remains is not None
        assert x.remains.spec is None
        assert many.remains is None


async def test_an_object_without_a_readable_name_is_ignored(server: ApiServer, client: Client) -> None:
    item = {"kind": "Ingress", "metadata": {"name": 7, "namespace": "default", "resourceVersion": "9"}}
    page = {"metadata": {"resourceVersion": "1"}, "items": [item, ingress("cafe")]}
    server.fail("GET", "ingresses", status=200, body=json.dumps(page).encode())
    async with running_informer(client) as informer:
        assert informer.names() == {"cafe"}
        await watched(server)
        server.send("ingresses", json.dumps({"type": "ADDED", "object": item}).encode() + b"\n")
        server.put(ingress("bar"))
        await eventually(lambda: "bar" in informer.names())
        assert informer.pauses == []


async def test_the_value_of_a_secret_is_never_shown(server: ApiServer, client: Client) -> None:
    server.put({"kind": "Secret", "metadata": {"name": "key"}, "data": {"password": 12345}})
    async with running_informer(client, Secret) as informer:
        problem = next(iter(informer.informer.store.undecodable.values())).problem
        assert problem.field == "data[password]"
        assert "12345" not in str(problem)


async def test_null_means_absent(server: ApiServer, client: Client) -> None:
    server.put({"kind": "EndpointSlice", "metadata": {"name": "tea-1", "labels": None}, "endpoints": None})
    async with running_informer(client, EndpointSlice) as informer:
        (item,) = informer.store.values()
        assert item.endpoints is None


async def test_two_informers_share_a_client(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    server.put(config_map("menu", tea="1"))
    async with running_informer(client) as ingresses, running_informer(client, ConfigMap) as maps:
        assert (ingresses.names(), maps.names()) == ({"cafe"}, {"menu"})


async def test_an_outage_is_logged_once_for_all_informers(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "headgate"):
        async with running_informer(client) as ingresses, running_informer(client, ConfigMap) as maps:
            await eventually(lambda: server.watching("ingresses") and server.watching("configmaps"))
            server.fail("GET", "ingresses|configmaps", status=503, times=1_000_000)
            server.cut_watches()
            await eventually(lambda: len(ingresses.pauses) > 1)
            await eventually(lambda: len(maps.pauses) > 1)
            server.mend()
            server.put(ingress("cafe"))
            server.put(config_map("menu", tea="1"))
            await eventually(lambda: ingresses.names() == {"cafe"})
            await eventually(lambda: maps.names() == {"menu"})
    assert [record.message for record in caplog.records] == ["informer failed", "informer recovered"]


class FailingSource:
    """A source whose lists fail with *failures* first; then it is empty, and its watch does not end."""

    def __init__(self, *failures: K8sError) -> None:
        self._failures = list(failures)

    async def list(self) -> Listing[Ingress]:
        if self._failures:
            raise self._failures.pop(0)
        return Listing("1", {})

    async def watch(self, version: str) -> AsyncIterator[Change[Ingress]]:
        await asyncio.Event().wait()
        yield Change(ChangeType.DELETED, version)


async def test_a_failure_that_was_logged_is_followed_by_its_end_though_others_logged_the_last_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused, overloaded = Unreachable("connection refused"), Unreachable("503")
    assert overloaded.outage.tell()
    informer = RunningInformer(FailingSource(refused, overloaded))
    with caplog.at_level(logging.INFO, "headgate"):
        async with in_background(informer.informer.run()):
            await asyncio.wait_for(informer.informer.synced.wait(), DEADLINE_S)
    assert [record.message for record in caplog.records] == ["informer failed", "informer recovered"]


async def test_cancelling_closes_the_watch(server: ApiServer, client: Client) -> None:
    async with running_informer(client):
        await watched(server)
    await eventually(lambda: not server.watching("ingresses"))


async def test_a_watch_that_works_without_events_ends_a_failure(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "headgate"):
        async with running_informer(client) as informer:
            informer.informer.BRIEF = 0.0
            for _ in range(2):
                await watched(server)
                pauses = len(informer.pauses)
                server.fail("GET", "ingresses", status=503, times=1_000_000)
                server.cut_watches()
                await eventually(lambda pauses=pauses: len(informer.pauses) > pauses)
                server.mend()
                await watched(server)
                server.cut_watches()
            await eventually(lambda: len(caplog.records) == 4)
    assert [record.message for record in caplog.records] == ["informer failed", "informer recovered"] * 2


async def test_a_watch_that_lasts_in_silence_ends_a_failure(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "headgate"):
        async with running_informer(client) as informer:
            informer.informer.BRIEF = 0.01
            await watched(server)
            server.fail("GET", "ingresses", status=503, times=1_000_000)
            server.cut_watches()
            await eventually(lambda: informer.pauses)
            assert informer.informer.error
            server.mend()
            await eventually(lambda: not informer.informer.error)
            assert server.watching("ingresses")
    assert [record.message for record in caplog.records] == ["informer failed", "informer recovered"]


async def test_an_optional_kind_that_is_missing_again_ends_a_failure(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.absent("ingresses")
    told: list[bool] = []
    running = RunningInformer(Resources(client, Ingress), absent=lambda *, absent: told.append(absent))
    with caplog.at_level(logging.INFO, "headgate"):
        async with in_background(running.informer.run()):
            await eventually(lambda: told)
            server.fail("GET", "ingresses", status=403, times=1_000_000)
            await eventually(lambda: running.informer.error)
            server.mend()
            await eventually(lambda: not running.informer.error)
    assert set(told) == {True}
    assert [record.message for record in caplog.records] == ["informer failed", "informer recovered"]
