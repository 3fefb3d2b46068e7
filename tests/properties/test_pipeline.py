"""What nginx gets depends on the objects that are there, never on how they came: in what order, in which batches."""

import re
from collections.abc import Iterator
from itertools import permutations
from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from headgate.api import EndpointSlice, Ingress, Secret, Service, TopLevel
from tests.examples import examples
from tests.nginx_lexer import Directive, directives
from tests.properties.batches import FLAGS, assert_same, batches_of, processed_at_once, reported
from tests.properties.cluster_objects import HOSTS, OBJECTS, SECRETS, TIMES, fewer_examples, object_in
from tests.simulated_cluster import SimulatedCluster

CONFIGURATION = (".conf", ".locations", ".servers")
"""How the names of files in nginx's language end."""


@fewer_examples
@given(st.lists(OBJECTS, max_size=12, unique_by=lambda item: item.ref), st.randoms(use_true_random=False))
def test_order_within_a_batch_makes_no_difference(objects: list[TopLevel], random: Any) -> None:
    shuffled = random.sample(objects, len(objects))
    assert_same(processed_at_once(objects), processed_at_once(shuffled))


@fewer_examples
@given(st.lists(OBJECTS, max_size=10))
def test_every_file_is_well_formed(objects: list[TopLevel]) -> None:
    for name, text in processed_at_once(objects).texts().items():
        if name.endswith(CONFIGURATION):
            directives(text.decode())


def names_by_address(found: list[Directive]) -> Iterator[tuple[str, str]]:
    """Yield each address on which a server listens, and its name."""
    listens: list[str] = []
    for at in found:
        if at.name == "server":
            listens = []
        elif at.name == "listen":
            listens.append(at.arguments[0])
        elif at.name == "server_name":
            yield from ((address, at.arguments[0]) for address in listens)


@fewer_examples
@given(st.lists(OBJECTS, max_size=10))
def test_names_that_must_be_unique_are(objects: list[TopLevel]) -> None:
    files = processed_at_once(objects).texts()
    found = [at for name, text in files.items() if name.endswith(CONFIGURATION) for at in directives(text.decode())]
    upstreams = [at.arguments[0] for at in found if at.name == "upstream"]
    assert len(set(upstreams)) == len(upstreams)
    named = {at.arguments[0].split("//")[1].split("/")[0] for at in found if at.name in {"proxy_pass", "grpc_pass"}}
    assert named <= set(upstreams)
    servers = list(names_by_address(found))
    assert len(set(servers)) == len(servers)
    assert {address for address, _ in servers} == {address for address, name in servers if name == "_"}
    zones = {at.arguments[1].removeprefix("zone=").split(":")[0] for at in found if at.name == "limit_req_zone"}
    assert {at.arguments[0].removeprefix("zone=") for at in found if at.name == "limit_req"} <= zones


@fewer_examples
@given(st.lists(OBJECTS, max_size=10))
def test_nothing_is_left_when_all_objects_are_deleted(objects: list[TopLevel]) -> None:
    cluster = processed_at_once(objects)
    cluster.delete(*(item.ref for item in objects))
    cluster.process_batch()
    assert_same(cluster, processed_at_once([]))


NAMED = re.compile(r"\b(?:host (?P<host>empty host|[^\s,;:]+)|hosts)\b[^:;]*?(?:: | by )(?P<holder>Ingress [^,; ]+)")
"""The host that an Ingress lost (none: all of them), and the object that is reported to hold it."""
CONTENDERS = st.builds(
    lambda name, hosts, time: object_in(
        Ingress, "shop", name, spec={"ingressClassName": "nginx", "rules": [{"host": host} for host in hosts]},
        metadata={"creationTimestamp": time},
    ),
    st.sampled_from("uvwxyz"), st.lists(HOSTS, min_size=1, unique=True), TIMES,
)  # fmt: skip


@given(st.lists(st.one_of(CONTENDERS, st.sampled_from("uvwxyz")), min_size=4, max_size=20))
def test_after_each_change_losers_are_reported_with_the_object_that_is_served(steps: list[TopLevel | str]) -> None:
    cluster = SimulatedCluster(FLAGS)
    for step in steps:
        if isinstance(step, str):
            cluster.delete(Ingress.KIND.ref("shop", step))
        else:
            cluster.put(step)
        resources = cluster.process_batch().resources
        hosts = {str(ref): {host.name for host in found.wanted.table.hosts} for ref, found in resources.items()}
        for ref, message in reported(cluster).items():
            claimed = {rule.host or "" for rule in cluster.collections[Ingress][ref].spec.rules}
            for found in NAMED.finditer(message):
                lost = claimed if found["host"] is None else {found["host"].replace("empty host", "")}
                assert lost <= hosts[found["holder"]]


def test_the_order_of_referenced_objects_makes_no_difference() -> None:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "tea", "port": {"number": 80}}}}
    spec = {
        "ingressClassName": "nginx",
        "tls": [{"hosts": ["a.test"], "secretName": "cert"}],
        "rules": [{"host": "a.test", "http": {"paths": [path]}}],
    }
    slice_ = {"addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": [{"addresses": ["10.0.0.1"]}]}
    objects = [
        object_in(Ingress, "shop", "x", spec=spec),
        object_in(Service, "shop", "tea", spec={"ports": [{"port": 80}]}),
        object_in(EndpointSlice, "shop", "s1", metadata={"labels": {"kubernetes.io/service-name": "tea"}}, **slice_),
        object_in(Secret, "shop", "cert", type=SECRETS[0][0], data=SECRETS[0][1]),
    ]
    whole = processed_at_once(objects)
    assert b"10.0.0.1:8080" in whole.texts()["conf.d/shop-x.conf"]
    assert "secrets/shop-cert" in whole.files
    for order in permutations(objects):
        cluster = SimulatedCluster(FLAGS)
        for item in order:
            cluster.put(item)
            cluster.process_batch()
        assert_same(cluster, whole)


Batches = batches_of(OBJECTS)
Batches.TestCase.settings = settings(max_examples=examples(24), stateful_step_count=12)
TestBatches = Batches.TestCase


def test_generated_objects_are_served_and_rejected_for_many_reasons() -> None:
    """Otherwise the properties above would say little."""
    served, refused = set(), set()

    @seed(1)
    @settings(max_examples=examples(32))
    @given(st.lists(OBJECTS, min_size=6, max_size=12))
    def count(objects: list[TopLevel]) -> None:
        for verdict in processed_at_once(objects).statuses.current.values():
            (served if verdict.served else refused).add(verdict.message)

    count()
    assert len(served) > 10
    assert len(refused) > 5
    assert any("taken by other resources" in message for message in refused)
    assert any("Ingress master" in message for message in refused)
