from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headgate.api import Ingress
from headgate.configuration import IngressConfiguration, MinionConfiguration
from headgate.problems import ObjectRef
from headgate.resolve import (
    WILDCARD,
    Endpoints,
    IngressEx,
    LocalSecretStore,
    MergeableIngresses,
    SecretReference,
    SliceIndex,
    Snapshot,
    resolve_ingress,
)
from headgate.settings import Role
from tests.unit.resolve.resolve_objects import NOW, secret, service, slice_, tls_secret

HOST = "cafe.example.com"
PASSWORDS = {"auth": {"basic_auth_secret": "staff"}}


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


def resolve(resource, *objects, said=None, hosts=(HOST,), secrets=None, **more):
    if isinstance(resource, Ingress):
        resource = IngressConfiguration(resource, said or {}, Role.REGULAR, hosts)
    return resolve_ingress(resource, snapshot(*objects), secrets or LocalSecretStore(), **more)


def texts(resolved) -> list[str]:
    return [str(problem) for problem in resolved.problems]


TEA = (service("tea"), slice_("tea-1", "10.0.0.1"))
COFFEE = (service("coffee"), slice_("coffee-1", "10.0.0.2", service="coffee"))


def test_everything_that_an_ingress_names(issuer, key):
    certificate = tls_secret(issuer, key, name="cafe-tls")
    staff = secret("nginx.org/htpasswd", name="staff", htpasswd=b"a:{PLAIN}b\n")
    cafe = ingress(
        rules=[rule(HOST, backend("tea"), backend("coffee", "http"), backend("tea"))],
        defaultBackend=backend("tea", "http"),
        tls=[{"hosts": [HOST], "secretName": "cafe-tls"}],
    )
    resolved = resolve(cafe, *TEA, *COFFEE, certificate, staff, said=PASSWORDS)
    assert resolved.ex == IngressEx(
        ingress=cafe,
        said=PASSWORDS,
        hosts=(HOST,),
        endpoints={
            ("tea", "http"): Endpoints(("10.0.0.1:8080",)),
            ("tea", "80"): Endpoints(("10.0.0.1:8080",)),
            ("coffee", "http"): Endpoints(("10.0.0.2:8080",)),
        },
        secrets={
            "cafe-tls": SecretReference(ref("Secret", "cafe-tls"), "secrets/default-cafe-tls"),
            "staff": SecretReference(ref("Secret", "staff"), "secrets/default-staff"),
        },
    )
    assert resolved.problems == ()
    assert resolved.references == {
        ref("Service", "tea"), ref("Service", "coffee"), ref("Secret", "cafe-tls"), ref("Secret", "staff")
    }  # fmt: skip
    assert [file.name for file in resolved.files] == ["secrets/default-cafe-tls", "secrets/default-staff"]


def test_what_is_missing_is_still_referenced_so_that_its_coming_is_noticed():
    cafe = ingress(rules=[rule(HOST, backend("tea"))], tls=[{"hosts": [HOST], "secretName": "cafe-tls"}])
    resolved = resolve(cafe, said=PASSWORDS)
    assert resolved.references == {ref("Service", "tea"), ref("Secret", "cafe-tls"), ref("Secret", "staff")}
    assert resolved.ex.endpoints == {("tea", "80"): Endpoints()}
    assert resolved.ex.secrets["staff"].file == "secrets/default-staff"
    assert all(reference.error for reference in resolved.ex.secrets.values())
    assert resolved.files == ()
    service_text, tls_text, auth_text = texts(resolved)
    assert service_text.startswith("spec.rules[0].http.paths[0].backend.service: No endpoints found for service tea:")
    assert tls_text == (
        "spec.tls[0].secretName: 'cafe-tls' does not exist in namespace default "
        f"(TLS handshakes for {HOST} are rejected)"
    )
    assert auth_text.startswith("nginx.org/basic-auth-secret: 'staff' does not exist")
    assert "answered 403" in auth_text


def test_a_problem_of_a_service_port_is_said_once_where_it_is_first_named():
    cafe = ingress(rules=[rule(HOST, backend("tea"), backend("tea"))], defaultBackend=backend("tea"))
    (text,) = texts(resolve(cafe))
    assert text.startswith("spec.defaultBackend.service:")


def test_only_the_hosts_that_the_ingress_holds_are_looked_at():
    cafe = ingress(rules=[rule("lost.example.com", backend("coffee")), rule(HOST, backend("tea"))])
    resolved = resolve(cafe, *TEA)
    assert set(resolved.ex.endpoints) == {("tea", "80")}
    assert resolved.references == {ref("Service", "tea")}


def test_a_rule_without_a_host_and_an_ingress_without_rules():
    assert set(resolve(ingress(rules=[rule(None, backend("tea"))]), *TEA, hosts=("",)).ex.endpoints) == {("tea", "80")}
    alone = resolve(ingress(defaultBackend=backend("tea")), *TEA, hosts=("",))
    assert alone.ex.endpoints == {("tea", "80"): Endpoints(("10.0.0.1:8080",))}
    assert resolve(ingress(rules=[{"host": HOST, "http": None}])).ex.endpoints == {}


def test_services_of_another_namespace_do_not_count():
    elsewhere = ingress(namespace="other", rules=[rule(HOST, backend("tea"))])
    resolved = resolve(elsewhere, *TEA)
    assert resolved.references == {ObjectRef("Service", "other", "tea")}
    assert "there is no Service other/tea" in texts(resolved)[0]


def test_use_cluster_ip_and_loopback_reach_the_endpoints():
    cafe = ingress(rules=[rule(HOST, backend("tea"))])
    by_service = resolve(cafe, *TEA, said={"services": {"use_cluster_ip": True}})
    assert by_service.ex.endpoints == {("tea", "80"): Endpoints(("10.96.0.9:80",))}
    local = (service("tea"), slice_("tea-1", "127.0.0.1"))
    assert resolve(cafe, *local).ex.endpoints == {("tea", "80"): Endpoints()}
    assert resolve(cafe, *local, allow_loopback=True).ex.endpoints == {("tea", "80"): Endpoints(("127.0.0.1:8080",))}


def test_a_secret_that_is_named_twice_is_resolved_once(issuer, key):
    tls = [{"hosts": ["a.example.com"], "secretName": "cafe"}, {"hosts": [HOST], "secretName": "cafe"}]
    resolved = resolve(ingress(tls=tls), tls_secret(issuer, key))
    assert len(resolved.files) == len(resolved.ex.secrets) == 1
    assert len(resolve(ingress(tls=tls)).problems) == 1


@pytest.mark.parametrize("as_passwords", [True, False])
def test_a_secret_that_is_named_for_two_uses_serves_neither(issuer, key, as_passwords):
    found = secret("nginx.org/htpasswd", htpasswd=b"a:{PLAIN}b\n") if as_passwords else tls_secret(issuer, key)
    both = ingress(tls=[{"hosts": [HOST], "secretName": "cafe"}])
    resolved = resolve(both, found, said={"auth": {"basic_auth_secret": "cafe"}})
    assert "unsupported type" in resolved.ex.secrets["cafe"].error
    assert resolved.ex.secrets["cafe"].file not in {file.name for file in resolved.files}


def test_a_doubtful_certificate_is_used_and_said(issuer, key):
    cafe = ingress(tls=[{"hosts": [HOST], "secretName": "cafe"}])
    resolved = resolve(cafe, tls_secret(issuer, key, end=NOW))
    assert len(resolved.files) == 1
    (text,) = texts(resolved)
    assert text == (
        "spec.tls[0].secretName: 'cafe' has a certificate that expired on 2030-06-01 12:00 UTC and is "
        "refused since; renew it (it is used all the same)"
    )


class TestWildcard:
    CAFE = ingress(tls=[{"hosts": [HOST]}])
    REF = ref("Secret", "cafe")

    def test_serves_hosts_without_a_secret(self, issuer, key):
        secrets = LocalSecretStore()
        valid, _ = secrets.special(WILDCARD, self.REF, tls_secret(issuer, key), NOW)
        resolved = resolve(self.CAFE, secrets=secrets)
        assert resolved.ex.wildcard == valid.reference
        assert (resolved.problems, resolved.references, resolved.files) == ((), frozenset(), ())

    def test_that_is_broken_is_said_and_awaited(self):
        secrets = LocalSecretStore()
        secrets.special(WILDCARD, self.REF, None, NOW)
        resolved = resolve(self.CAFE, secrets=secrets)
        assert resolved.references == {self.REF}
        assert "the wildcard certificate default/cafe does not exist" in texts(resolved)[0]

    def test_that_is_not_configured_is_said_with_its_flag(self):
        resolved = resolve(self.CAFE)
        assert resolved.ex.wildcard is None
        assert resolved.references == frozenset()
        assert "-wildcard-tls-secret" in texts(resolved)[0]
        assert HOST in texts(resolved)[0]


def test_a_master_and_its_minions(issuer, key):
    master = ingress("master", rules=[{"host": HOST}], defaultBackend=backend("tea"), tls=[{"secretName": "cafe"}])
    tea = ingress("tea", rules=[rule(HOST, backend("tea"), backend("coffee"))])
    blue = ingress("blue", namespace="other", rules=[rule(HOST, backend("tea"))], defaultBackend=backend("milk"))
    minions = (
        MinionConfiguration(tea, PASSWORDS, frozenset({1})),
        MinionConfiguration(blue, {"services": {"use_cluster_ip": True}}, frozenset({0})),
    )
    resource = IngressConfiguration(master, {}, Role.MASTER, (HOST,), minions)
    resolved = resolve(resource, *TEA, *COFFEE, tls_secret(issuer, key))
    ex = resolved.ex
    assert isinstance(ex, MergeableIngresses)
    assert ex.master.endpoints == {("tea", "80"): Endpoints(("10.0.0.1:8080",))}
    assert ex.master.secrets["cafe"].error == ""
    assert [minion.ingress for minion in ex.minions] == [tea, blue]
    assert [minion.paths for minion in ex.minions] == [{1}, {0}]
    assert ex.minions[0].endpoints == {("coffee", "80"): Endpoints(("10.0.0.2:8080",))}
    assert ex.minions[0].secrets["staff"].error
    assert ex.minions[1].endpoints == {("tea", "80"): Endpoints()}
    assert resolved.references == {
        ref("Service", "tea"), ref("Service", "coffee"), ref("Secret", "cafe"), ref("Secret", "staff"),
        ObjectRef("Service", "other", "tea"),
    }  # fmt: skip
    assert [problem.origin for problem in resolved.problems] == [tea.ref, blue.ref]


def test_a_master_without_minions_is_mergeable():
    resource = IngressConfiguration(ingress(rules=[{"host": HOST}]), {}, Role.MASTER, (HOST,))
    assert isinstance(resolve(resource).ex, MergeableIngresses)
