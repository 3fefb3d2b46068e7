"""Ingresses of ingress-nginx merge in one way, whatever the order and the batches in which they come."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from headgate.api import ConfigMap, EndpointSlice, Ingress, Service, TopLevel
from tests.examples import examples
from tests.properties.batches import assert_same, batches_of, processed_at_once, reported
from tests.properties.cluster_objects import NAMESPACES, TIMES, choices, fewer_examples, object_in
from tests.simulated_cluster import SimulatedCluster

FLAGS = (
    "--manifests=.", "--ingress-dialect=ingress-nginx", "--configmap=shop/settings", "--enable-ssl-passthrough",
    "--watch-ingress-without-class",
)  # fmt: skip
PREFIX = "nginx.ingress.kubernetes.io/"
ANNOTATIONS = {
    f"{PREFIX}{name}": values
    for name, values in {
        "canary": ["true", "false"],
        "canary-weight": ["0", "30", "100"],
        "canary-by-header": ["X-New"],
        "use-regex": ["true"],
        "rewrite-target": ["/x", "/$1"],
        "whitelist-source-range": ["10.0.0.0/8", "x"],
        "custom-headers": ["headers", "shop/headers", "blog/settings"],
        "backend-protocol": ["GRPC", "FCGI", "HTTPS"],
        "fastcgi-params-configmap": ["headers"],
        "server-alias": ["b.test"],
        "from-to-www-redirect": ["true"],
        "app-root": ["/a", "/b"],
        "ssl-passthrough": ["true"],
        "custom-http-errors": ["404"],
        "default-backend": ["tea", "coffee"],
        "affinity": ["cookie"],
        "limit-rps": ["5"],
        "auth-url": ["http://192.0.2.9/"],
        "force-ssl-redirect": ["true"],
        "configuration-snippet": ["deny all;"],
    }.items()
}
KEYS = {
    "add-headers": ["shop/headers", "blog/headers"],
    "proxy-set-headers": ["headers"],
    "global-allowed-response-headers": ["X-A,X-B"],
    "block-cidrs": ["192.0.2.0/24"],
    "hsts": ["false"],
    "custom-http-errors": ["503"],
}
PATHS = st.sampled_from(["/", "/a", "/a/", "/a/b", "/(x)", "/a.b"])
NAMES = st.sampled_from(["u", "v", "w", "x"])


@st.composite
def ingresses(draw: st.DrawFn) -> TopLevel:
    """Draw an Ingress."""
    backend = st.builds(
        lambda name: {"service": {"name": name, "port": {"number": 80}}}, st.sampled_from(["tea", "coffee", "none"])
    )
    kinds = st.sampled_from(["Prefix", "Exact", "ImplementationSpecific"])
    path = st.fixed_dictionaries({"path": PATHS, "pathType": kinds, "backend": backend})
    hosts = st.sampled_from(["a.test", "a.test", "b.test", "*.test", ""])
    rules = draw(st.lists(st.tuples(hosts, st.lists(path, max_size=3)), min_size=1, max_size=2))
    tls = draw(st.sampled_from([{}, {}, {"tls": [{"hosts": ["a.test"]}]}]))
    return object_in(
        Ingress, draw(NAMESPACES), draw(NAMES),
        metadata={"annotations": draw(choices(ANNOTATIONS, 3)), "creationTimestamp": draw(TIMES)},
        spec={"rules": [{"host": host, "http": {"paths": paths}} for host, paths in rules], **tls},
    )  # fmt: skip


@st.composite
def others(draw: st.DrawFn) -> TopLevel:
    """Draw what Ingresses refer to, or the ConfigMap of ingress-nginx."""
    namespace, service = draw(NAMESPACES), draw(st.sampled_from(["tea", "coffee"]))
    kind = draw(st.sampled_from(["Service", "EndpointSlice", "headers", "settings"]))
    if kind == "headers":
        data = draw(st.sampled_from([{"X-A": "1"}, {"X-B": "2"}, {"X-C": "3"}, {"a b": ""}, {}]))
        return object_in(ConfigMap, namespace, "headers", data=data)
    if kind == "settings":
        return object_in(ConfigMap, "shop", "settings", data=draw(choices(KEYS, 3)))
    if kind == "Service":
        return object_in(Service, namespace, service, spec={"ports": [{"port": 80}]})
    addresses = draw(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2"]), max_size=2, unique=True))
    return object_in(
        EndpointSlice, namespace, service,
        metadata={"labels": {"kubernetes.io/service-name": service}},
        addressType="IPv4", ports=[{"port": 8080}], endpoints=[{"addresses": [each]} for each in addresses],
    )  # fmt: skip


OBJECTS = st.one_of(ingresses(), ingresses(), others())


@fewer_examples
@given(st.lists(OBJECTS, max_size=10, unique_by=lambda item: item.ref), st.randoms(use_true_random=False))
def test_the_order_of_objects_makes_no_difference(objects: list[TopLevel], random: Any) -> None:
    shuffled = random.sample(objects, len(objects))
    assert_same(processed_at_once(objects, FLAGS), processed_at_once(shuffled, FLAGS))


def without_salt(cluster: SimulatedCluster) -> dict[str, bytes]:
    """Return the files without the hashes at the ends of names.

    An Ingress that has a host itself, and paths on the host of another one, is a part of two resources; of names that
    are the same in both, the resource that came later has them with a hash.
    """
    salted = rb"[-_][0-9a-f]{8}(?![0-9a-f])"
    lines: defaultdict[str, list[bytes]] = defaultdict(list)
    for name, text in cluster.texts().items():
        lines[re.sub(salted, b"", name.encode()).decode()] += re.sub(salted, b"", text).splitlines()
    return {name: b"\n".join(sorted(each)) for name, each in lines.items()}


def merged_alike(one: SimulatedCluster, other: SimulatedCluster) -> None:
    assert without_salt(one) == without_salt(other)
    assert reported(one) == reported(other)


Batches = batches_of(OBJECTS, FLAGS, merged_alike)
TestBatches = seed(1)(Batches.TestCase)
TestBatches.settings = settings(max_examples=examples(10), stateful_step_count=8)
