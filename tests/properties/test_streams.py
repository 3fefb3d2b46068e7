"""Properties of listeners: who is served there depends neither on the order of objects nor on that of batches."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.api import EndpointSlice, GlobalConfiguration, Ingress, Service, TopLevel, TransportServer
from headgate.problems import ObjectRef
from tests.examples import examples
from tests.nginx_lexer import Directive, directives
from tests.properties.cluster_objects import TIMES, object_in
from tests.simulated_cluster import SimulatedCluster

FLAGS = ("--manifests=.", "-enable-tls-passthrough")
HOSTS = st.sampled_from(["", "a.test", "b.test", "*.test"])
fewer_examples = settings(max_examples=examples(25))


@st.composite
def transport_servers(draw: st.DrawFn) -> TopLevel:
    protocol = draw(st.sampled_from(["TCP", "TCP", "UDP", "TLS_PASSTHROUGH"]))
    passthrough = protocol == "TLS_PASSTHROUGH"
    host = draw(HOSTS) if protocol != "UDP" else ""
    tls = {"secret": "cert"} if not passthrough and (host or draw(st.booleans())) else None
    spec = {
        "listener": {"name": "tls-passthrough" if passthrough else draw(st.sampled_from("abc")), "protocol": protocol},
        "host": host,
        "tls": tls,
        "upstreams": [{"name": "app", "service": "app", "port": 80}],
        "action": {"pass": "app"},
    }
    metadata = {"creationTimestamp": draw(TIMES)}
    return object_in(TransportServer, "shop", draw(st.sampled_from("uvwxyz")), spec=spec, metadata=metadata)


@st.composite
def configurations(draw: st.DrawFn) -> TopLevel:
    entry = st.fixed_dictionaries(
        {
            "name": st.sampled_from("abc"),
            "port": st.sampled_from([80, 5000, 5001]),
            "protocol": st.sampled_from(["TCP", "UDP", "HTTP"]),
            "ipv4": st.sampled_from([None, None, "127.0.0.1"]),
        }
    )
    spec = {"listeners": draw(st.lists(entry, max_size=4))}
    return object_in(GlobalConfiguration, "nginx", draw(st.sampled_from(["g", "g", "g", "h"])), spec=spec)


@st.composite
def ingresses(draw: st.DrawFn) -> TopLevel:
    metadata = {
        "annotations": draw(st.sampled_from([{}, {"nginx.org/listen-ports": "5000"}])),
        "creationTimestamp": draw(TIMES),
    }
    spec = {"ingressClassName": "nginx", "rules": [{"host": draw(st.sampled_from(["a.test", "b.test", "*.test"]))}]}
    return object_in(Ingress, "shop", draw(st.sampled_from("pq")), spec=spec, metadata=metadata)


OBJECTS = st.lists(
    st.one_of(transport_servers(), transport_servers(), configurations(), ingresses()),
    max_size=9,
    unique_by=lambda item: item.ref,
)
BACKEND = (
    object_in(Service, "shop", "app", spec={"ports": [{"port": 80}, {"name": "u", "port": 80, "protocol": "UDP"}]}),
    object_in(
        EndpointSlice, "shop", "app", metadata={"labels": {"kubernetes.io/service-name": "app"}},
        addressType="IPv4", ports=[{"port": 8080}], endpoints=[{"addresses": ["10.0.0.1"]}],
    ),
)  # fmt: skip


def processed(*batches: list[TopLevel]) -> SimulatedCluster:
    cluster = SimulatedCluster(FLAGS)
    for batch in batches:
        cluster.put(*batch)
        cluster.process_batch()
    return cluster


def outcome(cluster: SimulatedCluster) -> tuple[Any, dict[ObjectRef, str]]:
    said = {ref: verdict.message for ref, verdict in cluster.events.last.items()}
    ignored = cluster.generation.update.ignored if cluster.generation else {}
    return cluster.texts(), {ref: message for ref, message in said.items() if ref not in ignored}


@fewer_examples
@given(OBJECTS, st.randoms(use_true_random=False))
def test_the_order_of_objects_and_batches_makes_no_difference(objects: list[TopLevel], random: Any) -> None:
    whole = processed([*BACKEND, *objects])
    shuffled = random.sample(objects, len(objects))
    assert outcome(processed([*shuffled, *BACKEND])) == outcome(whole)
    one_by_one = processed(*([each] for each in (*BACKEND, *shuffled)))
    assert one_by_one.texts() == whole.texts()


def listening(found: list[Directive]) -> list[tuple[str, str, str]]:
    """Return address, protocol and name of everything on which the servers listen."""
    servers: list[tuple[str, str, str]] = []
    lines: list[tuple[str, str]] = []
    name = ""
    for at in (*found, None):
        if at is None or at.name == "server":
            servers += [(*line, name) for line in lines]
            lines, name = [], ""
        elif at.name == "listen":
            lines.append((at.arguments[0], "udp" if "udp" in at.arguments else "tcp"))
        elif at.name == "server_name":
            name = at.arguments[0]
    return servers


@fewer_examples
@given(OBJECTS)
def test_no_address_is_opened_twice(objects: list[TopLevel]) -> None:
    files = processed([*BACKEND, *objects]).texts()
    streams = [file for name, text in files.items() if name.startswith("stream-conf.d/")
               for file in listening(list(directives(text.decode())))]  # fmt: skip
    assert [found for found, count in Counter(streams).items() if count > 1] == []
    web = {address for name, text in files.items() if name.startswith("conf.d/")
           for address, *_ in listening(list(directives(text.decode())))}  # fmt: skip
    assert not web & {address for address, protocol, _ in streams if protocol == "tcp"}
