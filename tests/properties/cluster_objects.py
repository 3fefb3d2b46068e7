"""Objects of a cluster, made up by Hypothesis: Ingresses of every role and what they refer to, valid and invalid."""

import datetime as dt
from base64 import b64encode
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import settings
from hypothesis import strategies as st

from headgate.api import ConfigMap, EndpointSlice, Ingress, IngressClass, Secret, Service, TopLevel
from tests.examples import examples

fewer_examples = settings(max_examples=examples(32))

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
    "nginx.org/listen-ports": ["8080", "8080,81", "80,8443"],
    "nginx.org/listen-ports-ssl": ["8443", "8443,443"],
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


def self_signed_pair() -> dict[str, str]:
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
    ("kubernetes.io/tls", self_signed_pair()), ("kubernetes.io/tls", {"tls.crt": "", "tls.key": ""}),
    ("nginx.org/htpasswd", {"htpasswd": "eDp5"}),
]  # fmt: skip


def object_in(model: type[TopLevel], namespace: str, name: str, **fields: Any) -> TopLevel:
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
    role = draw(ROLES)
    most = 1 if role and draw(st.booleans()) else 2  # a minion with two hosts, or with TLS, is always invalid
    rules = draw(st.lists(st.tuples(HOSTS, paths), min_size=1, max_size=most, unique_by=lambda found: found[0]))
    hosts = draw(st.lists(st.sampled_from(["a.test", "b.test", "*.test"]), max_size=2)) if most == 2 else []
    spec = {
        "ingressClassName": draw(st.sampled_from(["nginx", "nginx", "nginx", "other", None])),
        "defaultBackend": draw(st.sampled_from([None, None, backends[0]])) if most == 2 else None,
        "rules": [{"host": host, "http": {"paths": found}} for host, found in rules],
        "tls": [{"hosts": hosts, "secretName": draw(st.sampled_from(["cert", "users", None]))}] if hosts else None,
    }
    metadata = {
        "annotations": draw(choices(ANNOTATIONS, 1)) | role,
        "creationTimestamp": draw(TIMES),
        "uid": name,
    }
    return object_in(Ingress, namespace, name, spec=spec, metadata=metadata)


@st.composite
def masters(draw: st.DrawFn) -> TopLevel:
    role = {"nginx.org/mergeable-ingress-type": "master"}
    spec = {"ingressClassName": "nginx", "rules": [{"host": draw(HOSTS)}]}
    metadata = {"annotations": draw(choices(ANNOTATIONS, 1)) | role, "creationTimestamp": draw(TIMES)}
    return object_in(Ingress, draw(NAMESPACES), draw(st.sampled_from(["m", "n"])), spec=spec, metadata=metadata)


@st.composite
def others(draw: st.DrawFn) -> TopLevel:
    kind = draw(st.sampled_from(["service", "slice", "secret", "configmap", "class"]))
    namespace, service = draw(NAMESPACES), draw(SERVICES)
    if kind == "service":
        spec = draw(st.sampled_from([{"ports": [{"port": 80}]}, {"ports": [{"port": 81}]},
                                     {"type": "ExternalName", "externalName": "x.test"}]))  # fmt: skip
        return object_in(Service, namespace, service, spec=spec)
    if kind == "slice":
        addresses = draw(st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "127.0.0.1", "nonsense"]), max_size=2))
        metadata = {"labels": {"kubernetes.io/service-name": service}}
        endpoints = [{"addresses": [address]} for address in addresses]
        name = draw(st.sampled_from(["s1", "s2"]))
        fields = {"addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": endpoints}
        return object_in(EndpointSlice, namespace, name, metadata=metadata, **fields)
    if kind == "secret":
        form, data = draw(st.sampled_from(SECRETS))
        return object_in(Secret, namespace, draw(st.sampled_from(["cert", "users"])), type=form, data=data)
    if kind == "configmap":
        return object_in(ConfigMap, "nginx-ingress", "nginx-config", data=draw(choices(KEYS, 4)))
    spec = {"controller": draw(st.sampled_from(["nginx.org/ingress-controller", "other/one"]))}
    default = {"ingressclass.kubernetes.io/is-default-class": draw(st.sampled_from(["true", "false"]))}
    return object_in(IngressClass, "", "nginx", spec=spec, metadata={"annotations": default})


OBJECTS = st.one_of(ingresses(), masters(), others())
