from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography import x509

from headgate.api import Ingress
from headgate.configuration import Attached, Candidate, Claims, Resource, Slot
from headgate.problems import ObjectRef
from headgate.resolve import WILDCARD, LocalSecretStore, Lowered, SliceIndex, Snapshot, lower_ingress
from headgate.routes import Route, SecretReference
from headgate.settings import Overrides, Role
from headgate.validation.ingress import ValidIngress
from tests.unit.resolve.api_objects import NOW, secret, service, slice_, tls_secret

HOST = "cafe.example.com"
PASSWORDS = {"basic_auth_secret": "staff"}


def ref(kind: str, name: str) -> ObjectRef:
    return ObjectRef(kind, "default", name)


def backend(name: str, port: Any = 80) -> dict[str, Any]:
    return {"service": {"name": name, "port": {"name": port} if isinstance(port, str) else {"number": port}}}


def rule(host: str | None, *backends: dict[str, Any]) -> dict[str, Any]:
    return {"host": host, "http": {"paths": [{"path": f"/{i}", "backend": item} for i, item in enumerate(backends)]}}


def ingress(name: str = "cafe", namespace: str = "default", **spec: Any) -> Ingress:
    return msgspec.convert({"metadata": {"name": name, "namespace": namespace}, "spec": spec}, Ingress)


def snapshot(*objects: Any) -> Snapshot:
    slices = SliceIndex()
    found: dict[str, dict[ObjectRef, Any]] = {"Service": {}, "Secret": {}}
    for item in objects:
        if item.ref.kind == "EndpointSlice":
            slices.update(item.ref, item)
        else:
            found[item.ref.kind][item.ref] = item
    return Snapshot(now=NOW, services=found["Service"], secrets=found["Secret"], slices_of=slices)


def candidate(item: Ingress, said: dict[str, Any], role: Role = Role.REGULAR, hosts: Any = (HOST,)) -> Candidate:
    return Candidate(item, ValidIngress(item, role, Overrides(said), hosts), Claims((), lambda *_: ""))


def held(item: Ingress, said: dict[str, Any], role: Role, hosts: Any, *attached: Attached) -> Resource:
    return Resource(candidate(item, said, role, hosts), tuple(map(Slot, hosts)), attached)


def lower(resource: Any, *objects: Any, said: Any = None, hosts: Any = (HOST,), secrets: Any = None, **more: Any):
    if isinstance(resource, Ingress):
        resource = held(resource, said or {}, Role.REGULAR, hosts)
    return lower_ingress(resource, snapshot(*objects), secrets or LocalSecretStore(), **more)


def texts(lowered: Lowered) -> list[str]:
    return [str(problem) for problem in lowered.problems]


def servers(routes: tuple[Route, ...]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return Service, port and addresses of each route."""
    backends = (route.action.backend for route in routes)
    return [(backend.service, backend.port, backend.endpoints.servers) for backend in backends]


TEA = (service("tea"), slice_("tea-1", "10.0.0.1"))
COFFEE = (service("coffee"), slice_("coffee-1", "10.0.0.2", service="coffee"))


def test_all_references_of_an_ingress_are_resolved(issuer, key):
    certificate = tls_secret(issuer, key, name="cafe-tls")
    staff = secret("nginx.org/htpasswd", name="staff", htpasswd=b"a:{PLAIN}b\n")
    cafe = ingress(
        rules=[rule(HOST, backend("tea"), backend("coffee", "http"), backend("tea"))],
        defaultBackend=backend("tea", "http"),
        tls=[{"hosts": [HOST], "secretName": "cafe-tls"}],
    )
    lowered = lower(cafe, *TEA, *COFFEE, certificate, staff, said=PASSWORDS)
    (host,) = lowered.table.hosts
    assert (host.name, host.origin, lowered.table.members) == (HOST, cafe.ref, (cafe.ref,))
    assert servers(host.routes) == [
        ("tea", "80", ("10.0.0.1:8080",)), ("coffee", "http", ("10.0.0.2:8080",)), ("tea", "80", ("10.0.0.1:8080",))
    ]  # fmt: skip
    assert [route.field for route in host.routes] == [f"spec.rules[0].http.paths[{i}]" for i in range(3)]
    assert host.default
    assert host.default.backend.port == "http"
    assert host.tls
    expires = x509.load_pem_x509_certificate(certificate.value("tls.crt") or b"").not_valid_after_utc
    certificate = ref("Secret", "cafe-tls"), "secrets/default-cafe-tls"
    assert host.tls.secret == SecretReference(*certificate, expires=expires, algorithm="ECDSA")
    passwords = SecretReference(ref("Secret", "staff"), "secrets/default-staff")
    assert host.policies.basic_auth == host.routes[0].policies.basic_auth == passwords
    assert lowered.problems == ()
    assert lowered.references == {
        ref("Service", "tea"), ref("Service", "coffee"), ref("Secret", "cafe-tls"), ref("Secret", "staff")
    }  # fmt: skip
    assert [file.name for file in lowered.files] == ["secrets/default-cafe-tls", "secrets/default-staff"]


def test_what_is_missing_is_still_referenced_so_that_its_coming_is_noticed():
    cafe = ingress(rules=[rule(HOST, backend("tea"))], tls=[{"hosts": [HOST], "secretName": "cafe-tls"}])
    lowered = lower(cafe, said=PASSWORDS)
    (host,) = lowered.table.hosts
    assert lowered.references == {ref("Service", "tea"), ref("Secret", "cafe-tls"), ref("Secret", "staff")}
    assert servers(host.routes) == [("tea", "80", ())]
    assert host.policies.basic_auth
    assert host.policies.basic_auth.file == "secrets/default-staff"
    assert host.policies.basic_auth.error
    assert host.tls
    assert host.tls.secret
    assert host.tls.secret.error
    assert lowered.files == ()
    service_text, tls_text, auth_text = texts(lowered)
    assert service_text.startswith("spec.rules[0].http.paths[0].backend.service: No endpoints found for service tea:")
    assert tls_text == (
        "spec.tls[0].secretName: 'cafe-tls' does not exist in namespace default "
        f"(TLS handshakes for {HOST} are rejected)"
    )
    assert auth_text.startswith("nginx.org/basic-auth-secret: 'staff' does not exist")
    assert "answered 403" in auth_text


def test_a_problem_of_a_service_port_is_reported_once_where_it_is_first_named():
    cafe = ingress(rules=[rule(HOST, backend("tea"), backend("tea"))], defaultBackend=backend("tea"))
    (text,) = texts(lower(cafe))
    assert text.startswith("spec.defaultBackend.service:")


def test_only_the_hosts_that_the_ingress_holds_are_looked_at():
    cafe = ingress(rules=[rule("lost.example.com", backend("coffee")), rule(HOST, backend("tea"))])
    lowered = lower(cafe, *TEA)
    assert servers(lowered.table.hosts[0].routes) == [("tea", "80", ("10.0.0.1:8080",))]
    assert lowered.references == {ref("Service", "tea")}


def test_a_rule_without_a_host_and_an_ingress_without_rules():
    (every,) = lower(ingress(rules=[rule(None, backend("tea"))]), *TEA, hosts=("",)).table.hosts
    assert servers(every.routes) == [("tea", "80", ("10.0.0.1:8080",))]
    (alone,) = lower(ingress(defaultBackend=backend("tea")), *TEA, hosts=("",)).table.hosts
    assert alone.default
    assert alone.default.backend.endpoints.servers == ("10.0.0.1:8080",)
    assert lower(ingress(rules=[{"host": HOST, "http": None}])).table.hosts[0].routes == ()


def test_services_of_another_namespace_are_ignored():
    elsewhere = ingress(namespace="other", rules=[rule(HOST, backend("tea"))])
    lowered = lower(elsewhere, *TEA)
    assert lowered.references == {ObjectRef("Service", "other", "tea")}
    assert "there is no Service other/tea" in texts(lowered)[0]


def test_use_cluster_ip_and_loopback_reach_the_endpoints():
    cafe = ingress(rules=[rule(HOST, backend("tea"))])

    def found(*objects: Any, **more: Any) -> tuple[str, ...]:
        return lower(cafe, *objects, **more).table.hosts[0].routes[0].action.backend.endpoints.servers

    assert found(*TEA, said={"use_cluster_ip": True}) == ("10.96.0.9:80",)
    local = (service("tea"), slice_("tea-1", "127.0.0.1"))
    assert found(*local) == ()
    assert found(*local, allow_loopback=True) == ("127.0.0.1:8080",)


def test_a_secret_that_is_named_twice_is_looked_up_once(issuer, key):
    tls = [{"hosts": ["a.example.com"], "secretName": "cafe"}, {"hosts": [HOST], "secretName": "cafe"}]
    assert len(lower(ingress(tls=tls), tls_secret(issuer, key)).files) == 1
    assert len(lower(ingress(tls=tls)).problems) == 1


@pytest.mark.parametrize("as_passwords", [True, False])
def test_a_secret_that_is_named_for_two_uses_serves_only_the_one_that_it_is_for(issuer, key, as_passwords):
    found = (
        secret("nginx.org/htpasswd", name="cafe", htpasswd=b"a:{PLAIN}b\n")
        if as_passwords
        else tls_secret(issuer, key, name="cafe")
    )
    both = ingress(rules=[rule(HOST, backend("tea"))], tls=[{"hosts": [HOST], "secretName": "cafe"}])
    lowered = lower(both, *TEA, found, said={"basic_auth_secret": "cafe"})
    (host,) = lowered.table.hosts
    assert host.tls
    assert host.tls.secret
    assert host.policies.basic_auth
    errors = (host.tls.secret.error, host.policies.basic_auth.error)
    assert [bool(error) for error in errors] == [as_passwords, not as_passwords]
    assert "unsupported type" in "".join(errors)
    assert host.tls.secret.file != host.policies.basic_auth.file
    assert len(lowered.files) == 1


def test_a_doubtful_certificate_is_used_and_reported(issuer, key):
    cafe = ingress(tls=[{"hosts": [HOST], "secretName": "cafe"}])
    lowered = lower(cafe, tls_secret(issuer, key, end=NOW))
    assert len(lowered.files) == 1
    (text,) = texts(lowered)
    assert text == (
        "spec.tls[0].secretName: 'cafe' has a certificate that expired on 2030-06-01 12:00 UTC, so "
        "clients refuse it; renew it (it is used anyway)"
    )


class TestWildcard:
    CAFE = ingress(tls=[{"hosts": [HOST]}])
    REF = ref("Secret", "cafe")

    def test_serves_hosts_without_a_secret(self, issuer, key):
        secrets = LocalSecretStore()
        valid, _ = secrets.special(WILDCARD, self.REF, tls_secret(issuer, key), NOW)
        lowered = lower(self.CAFE, secrets=secrets)
        assert lowered.table.hosts[0].tls.secret == valid.reference
        assert (lowered.problems, lowered.references, lowered.files) == ((), frozenset(), ())

    def test_that_is_broken_is_reported_and_followed(self):
        secrets = LocalSecretStore()
        secrets.special(WILDCARD, self.REF, None, NOW)
        lowered = lower(self.CAFE, secrets=secrets)
        assert lowered.references == {self.REF}
        assert "the wildcard certificate default/cafe does not exist" in texts(lowered)[0]

    def test_that_is_not_configured_is_reported_with_its_flag(self):
        lowered = lower(self.CAFE)
        assert lowered.table.hosts[0].tls.secret is None
        assert lowered.references == frozenset()
        assert "-wildcard-tls-secret" in texts(lowered)[0]
        assert HOST in texts(lowered)[0]


def test_a_master_and_its_minions(issuer, key):
    tls = [{"hosts": [HOST], "secretName": "cafe"}]
    master = ingress("master", rules=[{"host": HOST}], defaultBackend=backend("tea"), tls=tls)
    tea = ingress("tea", rules=[rule(HOST, backend("tea"), backend("coffee"))])
    blue = ingress("blue", namespace="other", rules=[rule(HOST, backend("tea"))], defaultBackend=backend("milk"))
    minions = (
        Attached(candidate(tea, PASSWORDS, Role.MINION), frozenset({1})),
        Attached(candidate(blue, {"use_cluster_ip": True}, Role.MINION), frozenset({0})),
    )
    said = {"proxy_read_timeout": "1s", "rewrite_target": "/x"}
    lowered = lower(held(master, said, Role.MASTER, (HOST,), *minions), *TEA, *COFFEE, tls_secret(issuer, key))
    (host,) = lowered.table.hosts
    assert lowered.table.members == (master.ref, tea.ref, blue.ref)
    assert host.default
    assert host.default.backend.endpoints.servers == ("10.0.0.1:8080",)
    assert host.tls
    assert host.tls.secret
    assert host.tls.secret.error == ""
    assert [route.origin for route in host.routes] == [tea.ref, blue.ref]
    assert servers(host.routes) == [("coffee", "80", ("10.0.0.2:8080",)), ("tea", "80", ())]
    assert [[layer.origin for layer in route.settings] for route in host.routes] == [
        [master.ref, tea.ref], [master.ref, blue.ref]
    ]  # fmt: skip
    assert [set(layer.overrides.explicit) for layer in host.handed_down] == [{"proxy_read_timeout"}]
    assert [set(layer.overrides.explicit) for layer in host.settings] == [set(said)]
    assert host.routes[0].policies.basic_auth
    assert host.routes[0].policies.basic_auth.error
    assert lowered.references == {
        ref("Service", "tea"), ref("Service", "coffee"), ref("Secret", "cafe"), ref("Secret", "staff"),
        ObjectRef("Service", "other", "tea"),
    }  # fmt: skip
    assert [problem.origin for problem in lowered.problems] == [tea.ref, blue.ref]
