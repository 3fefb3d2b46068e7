"""Every place that judges the name of an object judges it as the API server does.

Names of most objects are DNS-1123 subdomains, in which no label is limited to 63 characters (IsDNS1123Subdomain of
k8s.io/apimachinery); those of Services, namespaces and hosts have such labels.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from headgate.api import Ingress
from headgate.nginx.disk import NEW
from headgate.options import Options, parse
from headgate.problems import ObjectRef
from headgate.resolve import LocalSecretStore, SecretKind
from headgate.resolve.addresses import host_fault as backend_fault
from headgate.translate.naming import config_file, external_file, locations_file, salt
from headgate.validation.ingress import Rules, validate_ingress

Judge = Callable[[str], bool]

FLAGS = ("default-server-tls-secret", "wildcard-tls-secret", "nginx-configmaps", "prometheus-tls-secret")


def ingress(
    name: str = "cafe", *, service: str = "tea", secret: str = "tls", host: str = "a.test", **said: str
) -> bool:
    """Whether an Ingress with these names is valid."""
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    annotations = {f"nginx.org/{key.replace('_', '-')}": text for key, text in said.items()}
    found = msgspec.convert(
        {
            "metadata": {"name": name, "namespace": "default", "annotations": annotations},
            "spec": {"rules": [rule], "tls": [{"hosts": [host], "secretName": secret}]},
        },
        Ingress,
    )
    return validate_ingress(found, Rules())[0] is not None


def flag(name: str, prefix: str = "") -> Judge:
    return lambda text: isinstance(parse([f"-{name}={prefix}{text}"], {}), Options)


def stored(name: str) -> bool:
    ref = ObjectRef("Secret", "default", name)
    return "does not exist" in LocalSecretStore().get(ref, None, SecretKind.TLS, datetime.now(UTC)).reference.error


OBJECTS: dict[str, Judge] = {
    "Ingress": ingress,
    "Secret of TLS": lambda name: ingress(secret=name),
    "Secret of passwords": lambda name: ingress(basic_auth_secret=name),
    "Secret": stored,
    **{f"-{name}": flag(name, "default/") for name in FLAGS},
    "-ingress-class": flag("ingress-class"),
    "-leader-election-lock-name": flag("leader-election-lock-name"),
}
SERVICES: dict[str, Judge] = {
    "backend": lambda name: ingress(service=name),
    "list": lambda name: ingress(service=name, ssl_services=name),
    "rewrites": lambda name: ingress(service=name, rewrites=f"serviceName={name} rewrite=/x"),
    "sticky": lambda name: ingress(service=name, sticky_cookie_services=f"serviceName={name} id expires=1h"),
}
DOMAINS: dict[str, Judge] = {
    "host": lambda name: ingress(host=name),
    "ExternalName": lambda name: not backend_fault(name, allow_loopback=False),
}
WRONG = ("A", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "a/b", "a;", "é", "a\nb")


@pytest.mark.parametrize("place", OBJECTS)
def test_labels_of_an_object_may_have_any_length(place: str) -> None:
    fine = ("a", "0", "a.b-c", "a" * 63, "a" * 64, "a" * 253, "a." + "b" * 251, ".".join(["a" * 62] * 4))
    assert [name for name in fine if not OBJECTS[place](name)] == []
    assert [name for name in (*WRONG, "a" * 254) if OBJECTS[place](name)] == []


@pytest.mark.parametrize("place", SERVICES)
def test_a_service_is_one_label(place: str) -> None:
    assert [name for name in ("a", "0a", "a-b", "a" * 63) if not SERVICES[place](name)] == []
    assert [name for name in (*WRONG, "a.b", "a" * 64) if SERVICES[place](name)] == []


@pytest.mark.parametrize("place", DOMAINS)
def test_labels_of_a_domain_have_63_characters(place: str) -> None:
    assert [name for name in ("a.test", "a" * 63 + ".test") if not DOMAINS[place](name)] == []
    assert [name for name in ("a" * 64 + ".test", "a..test") if DOMAINS[place](name)] == []


def test_the_file_of_an_ingress_may_be_written() -> None:
    names = ["n" * 253, "n" * 252 + "m", "n" * 180, ".".join(["n" * 62] * 4)]
    refs = [ObjectRef("Ingress", namespace, name) for namespace in ("default", "s" * 63) for name in names]
    files = [config_file(ref, suffix) for ref in refs for suffix in ("", salt(ref))]
    assert len(set(files)) == len(files)
    assert max(len(f".{file.removeprefix('conf.d/')}{NEW}") for file in files) <= 255
    assert config_file(refs[2]) == f"conf.d/default-{'n' * 180}.conf"
    attached = [locations_file(ref, "shop.test", suffix) for ref in refs for suffix in ("", salt(ref))]
    external = [external_file(ref, f"{config_file(ref)[len('conf.d/') :]}-shop.test-tea-80") for ref in refs]
    assert len({*attached, *external}) == len(attached) + len(external)
    assert max(len(f".{file.rpartition('/')[2]}{NEW}") for file in (*attached, *external)) <= 255
