"""Statuses and Events against a scripted API server: who writes them, what they say, and when they are taken back."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec
import pytest
from showcase.ports import free_port

from headgate.api import Ingress
from headgate.app import App
from headgate.controller.environment import layout
from headgate.k8s import Client, LeaseTiming, load
from headgate.nginx import probe
from headgate.nginx.directories import prepare
from headgate.options import Options, parse
from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import answering, config_map, endpoints, ingress, ingress_class, path, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import DEADLINE_S, wait_until

FIRST, SECOND = {"ip": "203.0.113.1"}, {"ip": "203.0.113.2"}
TAKEN = "All hosts are taken by other resources"
LEASE = "nginx-ingress-leader-election"
Setup = tuple[HeadgateProcess, ScriptedCluster]


def balancer(*addresses: str, name: str = "front", namespace: str = "ours") -> dict[str, object]:
    """The Service of ``-external-service`` with its addresses."""
    item = service(name, namespace, type="LoadBalancer")
    return {**item, "status": {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}}


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        cluster = stack.enter_context(ScriptedCluster(directory))
        cluster.put(
            ingress_class(), config_map(), balancer("203.0.113.1"), service("tea"), endpoints("tea", "192.0.2.1")
        )
        flags = (
            "-enable-snippets",
            "-nginx-configmaps=ours/config",
            "-report-ingress-status",
            "-external-service=front",
        )
        headgate = HeadgateProcess(directory, ANY_NGINX, f"--kubeconfig={cluster.kubeconfig}", *flags)
        stack.callback(headgate.stop)
        headgate.start_ready()
        wait_until(lambda: headgate.metric("headgate_leader") == 1)
        yield headgate, cluster


def test_a_served_ingress_shows_the_addresses_of_the_service(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(answering("cafe", "cafe.test", "x"))
    wait_until(lambda: cluster.addresses("cafe") == [FIRST])
    cluster.put(balancer("203.0.113.2"))
    wait_until(lambda: cluster.addresses("cafe") == [SECOND])
    cluster.put(balancer("203.0.113.1"))
    wait_until(lambda: cluster.addresses("cafe") == [FIRST])
    assert cluster.asked("PATCH", "status") == 0, "operators' roles may only update"


def test_the_address_of_the_config_map_is_used_until_it_is_removed(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(answering("inn", "inn.test", "x"))
    wait_until(lambda: cluster.addresses("inn") == [FIRST])
    cluster.put(config_map(external_status_address="edge.test"))
    wait_until(lambda: cluster.addresses("inn") == [{"hostname": "edge.test"}])
    cluster.put(config_map())
    wait_until(lambda: cluster.addresses("inn") == [FIRST])


def test_a_rejected_ingress_loses_its_addresses(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(answering("shop", "shop.test", "x"))
    wait_until(lambda: cluster.addresses("shop") == [FIRST])
    cluster.put(ingress("shop", {"shop.test": [path("tea", "no/slash")]}))
    wait_until(lambda: cluster.addresses("shop") == [])
    wait_until(lambda: "Rejected" in cluster.reasons("shop"))


def test_an_ingress_can_move_to_another_class_and_back(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(answering("moving", "moving.test", "here"))
    wait_until(lambda: headgate.get("moving.test").body == "here")
    cluster.put(answering("moving", "moving.test", "here", class_name="other"))
    wait_until(lambda: headgate.get("moving.test").status == 404)
    wait_until(lambda: not headgate.file("conf.d/default-moving.conf"))
    cluster.put(answering("moving", "moving.test", "back"))
    wait_until(lambda: headgate.get("moving.test").body == "back")
    wait_until(lambda: cluster.addresses("moving") == [FIRST])


def test_the_host_of_a_deleted_ingress_goes_to_the_next_claimant(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(answering("elder", "host.test", "elder", created="2026-01-01T00:00:00Z"))
    wait_until(lambda: headgate.get("host.test").body == "elder")
    cluster.put(answering("younger", "host.test", "younger", created="2026-02-01T00:00:00Z"))
    wait_until(lambda: cluster.reasons("younger") == ["Rejected"])
    assert cluster.messages("younger")[0].startswith(f"{TAKEN}: Ingress default/elder, created 2026-01-01T00:00:00Z; ")
    cluster.put(answering("youngest", "host.test", "youngest", created="2026-03-01T00:00:00Z"))
    wait_until(lambda: cluster.reasons("youngest") == ["Rejected"])
    assert headgate.get("host.test").body == "elder"
    cluster.delete("Ingress", "elder")
    wait_until(lambda: headgate.get("host.test").body == "younger")
    wait_until(lambda: not headgate.file("conf.d/default-elder.conf"))
    wait_until(lambda: cluster.reasons("younger") == ["Rejected", "AddedOrUpdated"])
    wait_until(lambda: cluster.addresses("younger") == [FIRST])
    holder = "Ingress default/younger, created 2026-02-01T00:00:00Z"
    wait_until(lambda: any(message.startswith(f"{TAKEN}: {holder}; ") for message in cluster.messages("youngest")))


def test_the_same_message_raises_the_count_of_one_event(setup: Setup) -> None:
    headgate, cluster = setup
    for text in ("one", "two", "three"):
        cluster.put(answering("often", "often.test", text))
        wait_until(lambda text=text: headgate.get("often.test").body == text)
    wait_until(lambda: [event["count"] for event in cluster.events("often")] == [3])
    event = cluster.events("often")[0]
    name, _, number = event["metadata"]["name"].partition(".")
    assert name == "often"
    assert int(number, 16)
    assert (event["type"], event["reason"]) == ("Normal", "AddedOrUpdated")
    assert event["message"].startswith("Configuration for default/often was added or updated")
    assert event["involvedObject"]["uid"] == cluster.do(lambda api: api.get("Ingress", "default", "often"))[
        "metadata"
    ]["uid"]  # fmt: skip
    assert (event["involvedObject"]["apiVersion"], event["involvedObject"]["kind"]) == (
        "networking.k8s.io/v1",
        "Ingress",
    )


def test_a_change_of_status_causes_no_event_and_no_reload(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(answering("quiet", "quiet.test", "x"))
    wait_until(lambda: cluster.addresses("quiet") == [FIRST])
    cluster.put(answering("after", "after.test", "x"))
    wait_until(lambda: headgate.get("after.test").status == 200)
    assert [event["count"] for event in cluster.events("quiet")] == [1]


def test_minions_get_events_about_their_master(setup: Setup) -> None:
    headgate, cluster = setup
    minion = ingress("minion", {"shared.test": [path("nobody", "/m")]}, mergeable_ingress_type="minion")
    cluster.put(minion)
    wait_until(lambda: cluster.reasons("minion") == ["NoIngressMasterFound"])
    master = ingress("master", {"shared.test": []}, mergeable_ingress_type="master")
    del master["spec"]["rules"][0]["http"]
    cluster.put(master)
    wait_until(lambda: cluster.addresses("minion") == [FIRST])
    wait_until(lambda: headgate.get("shared.test", "/m").status == 502)
    cluster.delete("Ingress", "master")
    wait_until(lambda: cluster.addresses("minion") == [])


def test_an_address_of_an_earlier_installation_is_corrected_by_the_leader(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    stale = {**answering("cafe", "cafe.test", "x"), "status": {"loadBalancer": {"ingress": [SECOND]}}}
    cluster.put(stale, service("front", "ours", type="LoadBalancer"))
    serve_cluster("-report-ingress-status", "-external-service=front")
    wait_until(lambda: cluster.addresses("cafe") == [])


def test_an_address_is_left_alone_while_the_service_that_names_it_cannot_be_read(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    stale = {**answering("cafe", "cafe.test", "x"), "status": {"loadBalancer": {"ingress": [SECOND]}}}
    bad = {**ingress("bad", {"bad.test": [path("tea", "no/slash")]}), "status": stale["status"]}
    cluster.put(stale, bad, balancer("203.0.113.1"))
    cluster.do(lambda api: api.forbid("list", "services"))
    serve_cluster("-report-ingress-status", "-external-service=front")
    wait_until(lambda: cluster.addresses("bad") == [])  # written after the batch that looked at the addresses
    assert cluster.addresses("cafe") == [SECOND]
    cluster.do(lambda api: api.allow("list", "services"))
    wait_until(lambda: cluster.addresses("cafe") == [FIRST])


def test_statuses_are_not_written_unless_asked_for(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    cluster.put(balancer("203.0.113.1"), answering("cafe", "cafe.test", "x"))
    headgate = serve_cluster("-external-service=front")
    wait_until(lambda: cluster.reasons("cafe"))
    assert headgate.get("cafe.test").status == 200
    assert cluster.addresses("cafe") is None


def test_without_leader_election_every_replica_writes(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    cluster.put(config_map(external_status_address="198.51.100.7"), answering("cafe", "cafe.test", "x"))
    serve_cluster("-report-ingress-status", "-nginx-configmaps=ours/config", "-enable-leader-election=false")
    wait_until(lambda: cluster.addresses("cafe") == [{"ip": "198.51.100.7"}])
    assert cluster.asked("GET", f"leases/{LEASE}") + cluster.asked("POST", "leases") == 0


def test_two_replicas_serve_one_writes_and_hands_over(cluster: ScriptedCluster, directory: Path) -> None:
    cluster.put(balancer("203.0.113.1"), answering("cafe", "cafe.test", "x"))
    with ExitStack() as stack:
        one = stack.enter_context(HeadgateThread(directory, cluster, "one"))
        wait_until(lambda: cluster.addresses("cafe") == [FIRST])
        two = stack.enter_context(HeadgateThread(directory, cluster, "two"))
        wait_until(lambda: two.ready and two.said("cafe"))
        assert (holder(cluster), one.leads, two.leads) == ("one", 1, 0)
        assert [event["reportingInstance"] for event in cluster.events("cafe")] == ["one"], "only the leader speaks"
        one.end()
        wait_until(lambda: (holder(cluster), two.leads) == ("two", 1))
        cluster.put(answering("late", "late.test", "x"))
        wait_until(lambda: [event["reportingInstance"] for event in cluster.events("late")] == ["two"])
        assert [event["count"] for event in cluster.events("cafe")] == [1], "what one said stands"
        cluster.put(balancer("203.0.113.2"))
        wait_until(lambda: cluster.addresses("cafe") == [SECOND])


def test_a_replica_that_is_stopped_releases_the_lease_while_it_still_serves(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    """In its time of grace it may have old flags, so it says nothing more about objects."""
    old = serve_cluster("--shutdown-grace-period=60", "--drain-timeout=60", under="old", POD_NAME="old")
    wait_until(lambda: old.metric("headgate_leader") == 1)
    old.terminate()
    wait_until(lambda: old.metric("headgate_leader") == 0)
    wait_until(lambda: holder(cluster) == "")
    new = serve_cluster(under="new", POD_NAME="new")
    wait_until(lambda: (holder(cluster), new.metric("headgate_leader")) == ("new", 1))
    cluster.put(answering("late", "late.test", "x"))
    wait_until(lambda: old.get("late.test").body == "x" and new.get("late.test").body == "x")
    wait_until(lambda: old.events("Ingress default/late"))
    wait_until(lambda: [event["reportingInstance"] for event in cluster.events("late")] == ["new"])
    assert old.is_alive


def test_without_the_right_to_a_lease_events_are_written_all_the_same(
    cluster: ScriptedCluster, serve_cluster: StartHeadgate
) -> None:
    cluster.do(lambda api: api.forbid("get", "leases"))
    cluster.put(answering("cafe", "cafe.test", "x"))
    serve_cluster()
    wait_until(lambda: cluster.reasons("cafe") == ["AddedOrUpdated"])


def test_endpoints_that_are_only_starting_are_no_news(cluster: ScriptedCluster, serve_cluster: StartHeadgate) -> None:
    cluster.put(ingress("cafe", {"cafe.test": [path("soon")]}))
    headgate = serve_cluster()
    wait_until(lambda: headgate.get("cafe.test").status == 502)
    cluster.put(service("soon"))
    cluster.put(endpoints("soon", "192.0.2.1"))
    wait_until(lambda: cluster.reasons("cafe") == ["AddedOrUpdated"])


def holder(cluster: ScriptedCluster) -> str:
    lease = cluster.do(lambda api: api.get("Lease", "ours", LEASE))
    return str(lease["spec"].get("holderIdentity") or "")


class HeadgateThread:
    """Headgate in a thread of this process, with a Lease that soon expires."""

    def __init__(self, directory: Path, cluster: ScriptedCluster, name: str) -> None:
        ports = [f"{flag}={free_port()}" for flag in
                 ("-default-http-listener-port", "-default-https-listener-port", "-ready-status-port")]  # fmt: skip
        flags = ["-nginx-status=false", "-enable-snippets", "-report-ingress-status", "-external-service=front"]
        given = parse([f"--prefix={directory / name}", *ports, *flags], {"POD_NAMESPACE": "ours", "POD_NAME": name})
        assert isinstance(given, Options)
        self._options = msgspec.structs.replace(given, drain_timeout=1)
        self._kubeconfig = str(cluster.kubeconfig)
        self._loop = asyncio.new_event_loop()
        self._app: App | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def ready(self) -> bool:
        return self._app is not None and self._app._manager.version > 0

    def said(self, name: str) -> bool:
        """Whether it has something to say about an Ingress, leader or not."""
        assert self._app is not None
        return Ingress.KIND.ref("default", name) in self._app._events._standing

    @property
    def leads(self) -> float:
        assert self._app is not None
        text = asyncio.run_coroutine_threadsafe(self._app._metrics.exposition(), self._loop).result(DEADLINE_S).decode()
        line = next(line for line in text.splitlines() if line.startswith("headgate_leader"))
        return float(line.split()[-1])

    def end(self) -> None:
        """Do as SIGTERM does."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
            self._thread.join(DEADLINE_S)
            assert not self._thread.is_alive()

    def _serve(self) -> None:
        self._task = self._loop.create_task(self._run())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _run(self) -> None:
        async with Client(load(self._kubeconfig)) as client:
            prepare(layout(self._options))
            timing = LeaseTiming(duration=2, deadline=1, retry=0.2)
            self._app = App(self._options, await probe(ANY_NGINX), client, lease=timing)
            await self._app.run()
