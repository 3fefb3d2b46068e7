"""What nginx gets depends on the objects that are there, never on how they came: in what order, in which batches."""

import datetime as dt
from base64 import b64encode
from itertools import permutations
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from headgate.api import ConfigMap, EndpointSlice, Ingress, IngressClass, Secret, Service, TopLevel
from headgate.controller.gauges import count_roles
from headgate.problems import ObjectRef
from tests.nginx_lexer import directives
from tests.world import World

FLAGS = ("--manifests=.", "-nginx-configmaps=nginx-ingress/nginx-config", "-allow-empty-ingress-host")
steady = settings(derandomize=True, deadline=None, max_examples=80)

NAMESPACES = st.sampled_from(["blog", "shop"])
SERVICES = st.sampled_from(["tea", "coffee"])
HOSTS = st.sampled_from(["a.test", "a.test", "b.test", "*.test", ""])
PATHS = st.sampled_from(["/", "/a", "/a/", "/a/b", "/b", "/(x)"])
KINDS = st.sampled_from(["Prefix", "Exact", "ImplementationSpecific"])
TIMES = st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", None])
ANNOTATIONS: dict[str, list[str]] = {
    "nginx.org/keepalive": ["0", "8", "many"],
    "nginx.org/add-header": ["X-A:1", "X-B:2:always"],
    "nginx.org/proxy-set-headers": ["X-T:x"],
    "nginx.org/hsts": ["true"],
    "nginx.org/limit-req-rate": ["1r/s"],
    "nginx.org/path-regex": ["case_sensitive", "exact"],
    "nginx.org/rewrites": ["serviceName=tea rewrite=/x"],
    "nginx.org/rewrite-target": ["/y", "; }"],
    "nginx.org/basic-auth-secret": ["users", "cert"],
    "nginx.org/ssl-ciphers": ["HIGH", "HIGH;"],
    "nginx.org/grpc-services": ["tea"],
    "nginx.org/proxy-read-timeout": ["1s"],
    "nginx.org/server-snippets": ["deny all;"],
    "kubernetes.io/ingress.class": ["nginx", "other"],
}
ROLES = st.sampled_from([{}, {}, {"nginx.org/mergeable-ingress-type": "minion"}])
KEYS: dict[str, list[str]] = {
    "http2": ["true"],
    "keepalive": ["8", "x"],
    "proxy-read-timeout": ["1s", "5s; }"],
    "add-header": ["X-Z:1"],
    "log-format": ["$host $resource_name"],
    "ssl-redirect": ["false"],
    "server-snippets": ["deny all;"],
    "proxy-protocol": ["true"],
}


def pair() -> dict[str, str]:
    """Return a certificate that signed itself, and its key, as a Secret holds them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, day = x509.Name([]), dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - day).not_valid_after(now + 90 * day)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"tls.crt": b64encode(certificate).decode(), "tls.key": b64encode(private).decode()}


SECRETS: list[tuple[str, dict[str, str]]] = [
    ("kubernetes.io/tls", pair()), ("kubernetes.io/tls", {"tls.crt": "", "tls.key": ""}),
    ("nginx.org/htpasswd", {"htpasswd": "eDp5"}),
]  # fmt: skip


def made(model: type[TopLevel], namespace: str, name: str, **fields: Any) -> TopLevel:
    metadata = {"namespace": namespace, "name": name, **fields.pop("metadata", {})}
    return model.convert({"metadata": metadata, **fields})


@st.composite
def choices(draw: st.DrawFn, table: dict[str, list[str]], most: int) -> dict[str, str]:
    keys = draw(st.lists(st.sampled_from(sorted(table)), max_size=most, unique=True))
    return {key: draw(st.sampled_from(table[key])) for key in keys}


@st.composite
def ingresses(draw: st.DrawFn) -> TopLevel:
    namespace, name = draw(NAMESPACES), draw(st.sampled_from(["x", "y", "z"]))
    backends = [{"service": {"name": service, "port": {"number": 80}}} for service in ("tea", "coffee")]
    path = st.fixed_dictionaries({"path": PATHS, "pathType": KINDS, "backend": st.sampled_from(backends)})
    paths = st.lists(path, max_size=3)
    rules = draw(st.lists(st.tuples(HOSTS, paths), min_size=1, max_size=2, unique_by=lambda found: found[0]))
    hosts = draw(st.lists(st.sampled_from(["a.test", "b.test", "*.test"]), max_size=2))
    spec = {
        "ingressClassName": draw(st.sampled_from(["nginx", "nginx", "nginx", "other", None])),
        "defaultBackend": draw(st.sampled_from([None, None, backends[0]])),
        "rules": [{"host": host, "http": {"paths": found}} for host, found in rules],
        "tls": [{"hosts": hosts, "secretName": draw(st.sampled_from(["cert", "users", None]))}] if hosts else None,
    }
    metadata = {
        "annotations": draw(choices(ANNOTATIONS, 1)) | draw(ROLES),
        "creationTimestamp": draw(TIMES),
        "uid": name,
    }
    return made(Ingress, namespace, name, spec=spec, metadata=metadata)


@st.composite
def masters(draw: st.DrawFn) -> TopLevel:
    role = {"nginx.org/mergeable-ingress-type": "master"}
    spec = {"ingressClassName": "nginx", "rules": [{"host": draw(HOSTS)}]}
    metadata = {"annotations": draw(choices(ANNOTATIONS, 1)) | role, "creationTimestamp": draw(TIMES)}
    return made(Ingress, draw(NAMESPACES), draw(st.sampled_from(["m", "n"])), spec=spec, metadata=metadata)


@st.composite
def others(draw: st.DrawFn) -> TopLevel:
    kind = draw(st.sampled_from(["service", "slice", "secret", "configmap", "class"]))
    namespace, service = draw(NAMESPACES), draw(SERVICES)
    if kind == "service":
        spec = draw(st.sampled_from([{"ports": [{"port": 80}]}, {"ports": [{"port": 81}]},
                                     {"type": "ExternalName", "externalName": "x.test"}]))  # fmt: skip
        return made(Service, namespace, service, spec=spec)
    if kind == "slice":
        addresses = draw(st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "127.0.0.1", "nonsense"]), max_size=2))
        metadata = {"labels": {"kubernetes.io/service-name": service}}
        endpoints = [{"addresses": [address]} for address in addresses]
        name = draw(st.sampled_from(["s1", "s2"]))
        fields = {"addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": endpoints}
        return made(EndpointSlice, namespace, name, metadata=metadata, **fields)
    if kind == "secret":
        form, data = draw(st.sampled_from(SECRETS))
        return made(Secret, namespace, draw(st.sampled_from(["cert", "users"])), type=form, data=data)
    if kind == "configmap":
        return made(ConfigMap, "nginx-ingress", "nginx-config", data=draw(choices(KEYS, 4)))
    spec = {"controller": draw(st.sampled_from(["nginx.org/ingress-controller", "other/one"]))}
    default = {"ingressclass.kubernetes.io/is-default-class": draw(st.sampled_from(["true", "false"]))}
    return made(IngressClass, "", "nginx", spec=spec, metadata={"annotations": default})


OBJECTS = st.one_of(ingresses(), masters(), others())


def told(world: World) -> dict[ObjectRef, str]:
    """Return what the owner of every Ingress knows."""
    return {ref: f"{verdict.reason} {verdict.message}" for ref, verdict in world.desk.says.items()}


def afresh(objects: list[TopLevel]) -> World:
    """Return a world that meets *objects* all at once."""
    world = World(FLAGS)
    world.put(*objects)
    world.walk()
    return world


def assert_same(one: World, other: World) -> None:
    assert one.texts() == other.texts()
    assert told(one) == told(other)
    assert count_roles(one.generation) == count_roles(other.generation)


@steady
@given(st.lists(OBJECTS, max_size=12, unique_by=lambda item: item.ref), st.randoms(use_true_random=False))
def test_order_within_a_batch_makes_no_difference(objects: list[TopLevel], random: Any) -> None:
    shuffled = random.sample(objects, len(objects))
    assert_same(afresh(objects), afresh(shuffled))


@steady
@given(st.lists(OBJECTS, max_size=10))
def test_every_file_is_well_formed(objects: list[TopLevel]) -> None:
    for name, text in afresh(objects).texts().items():
        if name.endswith(".conf"):
            directives(text.decode())


@steady
@given(st.lists(OBJECTS, max_size=10))
def test_names_that_must_be_unique_are(objects: list[TopLevel]) -> None:
    files = afresh(objects).texts()
    found = [at for name, text in files.items() if name.endswith(".conf") for at in directives(text.decode())]
    upstreams = [at.arguments[0] for at in found if at.name == "upstream"]
    assert len(set(upstreams)) == len(upstreams)
    named = {at.arguments[0].split("//")[1].split("/")[0] for at in found if at.name in {"proxy_pass", "grpc_pass"}}
    assert named <= set(upstreams)
    servers = [at.arguments[0] for at in found if at.name == "server_name"]
    assert len(set(servers)) == len(servers)
    zones = {at.arguments[1].removeprefix("zone=").split(":")[0] for at in found if at.name == "limit_req_zone"}
    assert {at.arguments[0].removeprefix("zone=") for at in found if at.name == "limit_req"} <= zones


@steady
@given(st.lists(OBJECTS, max_size=10))
def test_nothing_is_left_when_everything_is_gone(objects: list[TopLevel]) -> None:
    world = afresh(objects)
    world.drop(*(item.ref for item in objects))
    world.walk()
    assert_same(world, afresh([]))


def test_what_an_ingress_points_at_may_come_in_any_order() -> None:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "tea", "port": {"number": 80}}}}
    spec = {
        "ingressClassName": "nginx",
        "tls": [{"hosts": ["a.test"], "secretName": "cert"}],
        "rules": [{"host": "a.test", "http": {"paths": [path]}}],
    }
    slice_ = {"addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": [{"addresses": ["10.0.0.1"]}]}
    objects = [
        made(Ingress, "shop", "x", spec=spec),
        made(Service, "shop", "tea", spec={"ports": [{"port": 80}]}),
        made(EndpointSlice, "shop", "s1", metadata={"labels": {"kubernetes.io/service-name": "tea"}}, **slice_),
        made(Secret, "shop", "cert", type=SECRETS[0][0], data=SECRETS[0][1]),
    ]
    whole = afresh(objects)
    assert b"10.0.0.1:8080" in whole.texts()["conf.d/shop-x.conf"]
    assert "secrets/shop-cert" in whole.files
    for order in permutations(objects):
        world = World(FLAGS)
        for item in order:
            world.put(item)
            world.walk()
        assert_same(world, whole)


class Batches(RuleBasedStateMachine):
    """Objects come, change and go in batches; after each the state is that of somebody who met them all at once."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(FLAGS)

    @rule(objects=st.lists(OBJECTS, min_size=1, max_size=3))
    def come(self, objects: list[TopLevel]) -> None:
        self.world.put(*objects)
        self.settle()

    @rule(data=st.data(), more=st.lists(OBJECTS, max_size=1))
    def go(self, data: st.DataObject, more: list[TopLevel]) -> None:
        refs = sorted(item.ref for item in self.world.objects())
        self.world.drop(*data.draw(st.lists(st.sampled_from(refs), max_size=3) if refs else st.just([])))
        self.world.put(*more)
        self.settle()

    def settle(self) -> None:
        self.world.walk()
        assert_same(self.world, afresh(self.world.objects()))


Batches.TestCase.settings = settings(derandomize=True, deadline=None, max_examples=60, stateful_step_count=12)
TestBatches = Batches.TestCase


def test_the_strategies_reach_what_they_are_for() -> None:
    """Enough of what is made is served, and enough refused, that the properties above say something."""
    served, refused = set(), set()

    @settings(derandomize=True, deadline=None, max_examples=80, database=None)
    @given(st.lists(OBJECTS, min_size=6, max_size=12))
    def count(objects: list[TopLevel]) -> None:
        for verdict in afresh(objects).desk.says.values():
            (served if verdict.served else refused).add(verdict.message)

    count()
    assert len(served) > 10
    assert len(refused) > 5
    assert any("taken by other resources" in message for message in refused)
    assert any("Ingress master" in message for message in refused)
