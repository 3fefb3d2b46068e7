"""Certificates and DNSEndpoints of VirtualServers on a real API server, which checks schemas and deletes dependents."""

from __future__ import annotations

import contextlib
from typing import Any

from headgate.api.cert_manager import Certificate
from headgate.k8s import NotFound
from tests.e2e.cluster import KINDS, Cluster
from tests.e2e.environment import Environment
from tests.e2e.objects import ADDRESS, Object, config_map
from tests.e2e.test_custom_resources import define
from tests.waiting import eventually

KIND = Certificate.KIND
KINDS[KIND.name] = KIND
TEXT, TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
ISSUER = {"type": "object", "required": ["name"], "properties": {"name": TEXT, "kind": TEXT, "group": TEXT}}
SPEC = {
    "type": "object",
    "required": ["secretName", "issuerRef"],
    "properties": {
        "secretName": TEXT, "dnsNames": TEXTS, "issuerRef": ISSUER, "usages": TEXTS, "commonName": TEXT,
        "duration": TEXT, "renewBefore": TEXT, "revisionHistoryLimit": {"type": "integer", "default": 1},
    },
}  # fmt: skip
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{KIND.plural}.{KIND.group}"},
    "spec": {
        "group": KIND.group,
        "scope": "Namespaced",
        "names": {"kind": KIND.name, "plural": KIND.plural, "singular": "certificate", "listKind": "CertificateList"},
        "versions": [
            {
                "name": KIND.version,
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC}}},
            }
        ],
    },
}
FLAGS = ("-enable-cert-manager", "-enable-external-dns")


async def define_all(cluster: Cluster) -> None:
    """Apply the definitions; that of cert-manager itself stays if the cluster has it."""
    await define(cluster)
    try:
        await cluster.get("CustomResourceDefinition", "", DEFINITION["metadata"]["name"])
    except NotFound:
        await cluster.apply(DEFINITION)
    await eventually(lambda: _is_served(cluster))


async def _is_served(cluster: Cluster) -> bool:
    try:
        await cluster.objects(KIND.name)
    except NotFound:
        return False
    return True


def virtual_server(env: Environment, name: str, ingress_class: str = "", **spec: Any) -> Object:
    route = {"path": "/", "action": {"return": {"body": name}}}
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": name, "namespace": env.name},
        "spec": {"ingressClassName": ingress_class or env.name, "host": f"{name}.test", "routes": [route], **spec},
    }


async def found(env: Environment, kind: str, name: str) -> Object:
    """Return an object, empty if there is none."""
    with contextlib.suppress(NotFound):
        return await env.cluster.get(kind, env.name, name)
    return {}


async def reasons(env: Environment, name: str) -> set[str]:
    return {event["reason"] for event in await env.cluster.events(env.name, name)}


async def test_a_certificate_is_made_updated_and_deleted_with_its_virtual_server(env: Environment) -> None:
    await define_all(env.cluster)
    await env.start(*FLAGS)
    manager = {"issuer": "own", "duration": "2160h", "renew-before": "360h", "common-name": "shop.test"}
    await env.cluster.apply(virtual_server(env, "shop", tls={"secret": "shop-tls", "cert-manager": manager}))
    made = await eventually(lambda: found(env, KIND.name, "shop-tls"), bool)
    owner = await env.cluster.get("VirtualServer", env.name, "shop")
    (reference,) = made["metadata"]["ownerReferences"]
    assert (reference["uid"], reference["controller"]) == (owner["metadata"]["uid"], True)
    assert {key: made["spec"][key] for key in ("secretName", "dnsNames", "issuerRef", "duration", "commonName")} == {
        "secretName": "shop-tls", "dnsNames": ["shop.test"], "issuerRef": {"name": "own", "kind": "Issuer"},
        "duration": "2160h", "commonName": "shop.test",
    }  # fmt: skip
    changed = {"cluster-issuer": "ca", "usages": "server auth"}
    await env.cluster.apply(virtual_server(env, "shop", tls={"secret": "shop-tls", "cert-manager": changed}))
    updated = await eventually(
        lambda: found(env, KIND.name, "shop-tls"), lambda item: item["spec"]["usages"] == ["server auth"]
    )
    assert updated["spec"]["issuerRef"]["kind"] == "ClusterIssuer"
    assert "duration" not in updated["spec"]
    assert updated["metadata"]["uid"] == made["metadata"]["uid"]
    await eventually(lambda: reasons(env, "shop"), lambda seen: seen >= {"CreateCertificate", "UpdateCertificate"})
    await env.cluster.delete("VirtualServer", env.name, "shop")
    await eventually(lambda: found(env, KIND.name, "shop-tls"), lambda item: not item)


async def test_a_virtual_server_of_another_class_loses_what_was_made_for_it(env: Environment) -> None:
    await define_all(env.cluster)
    await env.cluster.apply(config_map(env.name, "settings", {"external-status-address": ADDRESS}))
    await env.start(*FLAGS, f"-nginx-configmaps={env.name}/settings")
    spec = {"tls": {"secret": "shop-tls", "cert-manager": {"issuer": "own"}}, "externalDNS": {"enable": True}}
    await env.cluster.apply(virtual_server(env, "shop", **spec))
    await eventually(lambda: found(env, KIND.name, "shop-tls"), bool)
    record = await eventually(lambda: found(env, "DNSEndpoint", "shop"), bool)
    assert [(one["dnsName"], one["targets"]) for one in record["spec"]["endpoints"]] == [("shop.test", [ADDRESS])]
    await env.cluster.apply(virtual_server(env, "shop", "nobody", **spec))
    await eventually(lambda: found(env, KIND.name, "shop-tls"), lambda item: not item)
    await eventually(lambda: found(env, "DNSEndpoint", "shop"), lambda item: not item)


async def test_what_somebody_else_made_stays_as_it_is(env: Environment) -> None:
    await define_all(env.cluster)
    theirs = {
        "apiVersion": KIND.api_version,
        "kind": KIND.name,
        "metadata": {"name": "shop-tls", "namespace": env.name},
        "spec": {"secretName": "shop-tls", "issuerRef": {"name": "theirs"}},
    }
    await env.cluster.apply(theirs)
    await env.start(*FLAGS)
    await env.cluster.apply(virtual_server(env, "shop", tls={"secret": "shop-tls", "cert-manager": {"issuer": "own"}}))
    await eventually(lambda: reasons(env, "shop"), lambda seen: "BadConfig" in seen)
    assert (await found(env, KIND.name, "shop-tls"))["spec"]["issuerRef"] == {"name": "theirs"}
