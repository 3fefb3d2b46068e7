"""The rules that flags are said to need are those that Headgate then uses: none is missing, none too many."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from headgate.options import Options, parse
from headgate.watch.permissions import Rule, needed
from tests.e2e.cluster import RBAC, Cluster
from tests.e2e.environment import Environment
from tests.e2e.objects import ADDRESS, Object, config_map, tls_secret
from tests.e2e.recording_proxy import ApiRequest, RecordingProxy
from tests.e2e.service_account import bare_pod, is_served, kubeconfig
from tests.e2e.test_custom_resources import define
from tests.k8s.certificates import Authority
from tests.waiting import eventually

ACCOUNT = "headgate"
EVERYTHING = (
    "-report-ingress-status",
    "-enable-prometheus-metrics",
    "-external-service=front",
    "-nginx-configmaps={own}/settings",
    "-default-server-tls-secret={own}/default-tls",
    "-prometheus-tls-secret={own}/metrics-tls",
    "-prometheus-basic-auth-secret={own}/metrics-login",
)
"""Flags that make Headgate ask for all that it ever asks for."""


@pytest.fixture
async def proxy(cluster: Cluster) -> AsyncIterator[RecordingProxy]:
    async with RecordingProxy(cluster.client.config).listening() as proxy:
        yield proxy


@pytest.fixture
async def furnished(env: Environment, authority: Authority) -> Environment:
    """The environment with what the flags name, and a namespace ``NAME-shop`` with an Ingress."""
    own, shop = env.name, f"{env.name}-shop"
    await env.add_namespace(shop, {"team": own})
    login = {name: base64.b64encode(b"prometheus").decode() for name in ("username", "password")}
    await env.cluster.apply(
        tls_secret(own, "default-tls", *authority.issue("default.test")),
        tls_secret(own, "metrics-tls", *authority.issue("metrics.test")),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": own, "name": "metrics-login"},
            "type": "kubernetes.io/basic-auth",
            "data": login,
        },
        config_map(own, "settings", {"external-status-address": ADDRESS}),
        tls_secret(shop, "shop-tls", *authority.issue("shop.test")),
    )
    return env


@pytest.mark.parametrize(
    "selection",
    [
        pytest.param((), id="everywhere"),
        pytest.param(("-watch-namespace={own}-shop",), id="one-namespace"),
        pytest.param(("-watch-namespace={own}-shop", "-watch-secret-namespace={own}-shop,{own}"), id="two-for-secrets"),
        pytest.param(("-watch-namespace-label=team={own}",), id="by-label"),
    ],
)
async def test_every_granted_rule_is_used_and_none_is_missing(
    furnished: Environment, echo: None, proxy: RecordingProxy, tmp_path: Path, selection: tuple[str, ...]
) -> None:
    env, own, shop = furnished, furnished.name, f"{furnished.name}-shop"
    await define(env.cluster)
    flags = tuple(flag.format(own=own) for flag in (*EVERYTHING, *selection))
    granted = needed(options(own, flags))
    await grant(env, granted)
    pod = bare_pod(env, "replica")
    pod["metadata"]["labels"] = {"app": own}  # by which it finds its fellows
    await env.cluster.apply(pod)
    await env.add_echo(shop)
    file = tmp_path / "kubeconfig"
    config = kubeconfig(env, await env.cluster.token(own, ACCOUNT))
    config["clusters"] = [{"name": "it", "cluster": {"server": proxy.url}}]
    file.write_text(json.dumps(config))

    replica = await env.start(f"--kubeconfig={file}", *flags)
    await env.add_ingress("shop", shop, tls="shop-tls")
    await env.cluster.apply(*custom_resources(shop, own))
    await eventually(lambda: is_served(replica))
    for kind in ("VirtualServer", "VirtualServerRoute", "TransportServer", "Policy"):
        await eventually(lambda kind=kind: state(env.cluster, kind, shop))
    await eventually(lambda: env.cluster.addresses(shop, "shop"), lambda found: found == [ADDRESS])
    # What was said before is counted up, which is another verb than to say it.
    await env.add_ingress("shop", shop, tls="shop-tls", proxy_read_timeout="50s")
    await env.cluster.merge("ConfigMap", own, "settings", {"data": {"proxy-read-timeout": "40s"}})
    for namespace, name in ((shop, "shop"), (own, "settings")):
        await eventually(lambda at=(namespace, name): most_often(env.cluster, *at), lambda count: count > 1)
    await replica.stop()

    assert proxy.refused == set()
    assert [one for one in atoms(granted) if not any(grants(one, what) for what in proxy.asked)] == []
    assert [what for what in proxy.asked if not any(grants(one, what) for one in atoms(granted))] == []


def custom_resources(namespace: str, class_name: str) -> list[Object]:
    """Return an object of each kind of class *class_name*, and an upstream whose Pods have labels."""
    action = {"action": {"pass": "echo"}}
    upstreams = [{"name": "echo", "service": "echo", "port": 80}]
    specs: dict[str, Object] = {
        "Policy": {"accessControl": {"deny": ["192.0.2.0/24"]}},
        "VirtualServer": {
            "host": "custom.test",
            "policies": [{"name": "custom"}],
            "upstreams": [{**upstreams[0], "subselector": {"app": "echo"}}],
            "routes": [{"path": "/", **action}, {"path": "/part", "route": "custom"}],
        },
        "VirtualServerRoute": {
            "host": "custom.test", "upstreams": upstreams, "subroutes": [{"path": "/part", **action}]
        },
        "TransportServer": {"listener": {"name": "dns", "protocol": "UDP"}, "upstreams": upstreams, **action},
    }  # fmt: skip
    metadata = {"name": "custom", "namespace": namespace}
    return [
        {
            "apiVersion": "k8s.nginx.org/v1",
            "kind": kind,
            "metadata": metadata,
            "spec": {"ingressClassName": class_name, **spec},
        }
        for kind, spec in specs.items()
    ]


async def state(cluster: Cluster, kind: str, namespace: str) -> str:
    found: str = (await cluster.get(kind, namespace, "custom")).get("status", {}).get("state", "")
    return found


def options(own: str, flags: tuple[str, ...]) -> Options:
    found = parse(flags, {"POD_NAMESPACE": own, "POD_NAME": "replica"})
    assert isinstance(found, Options), found
    return found


async def grant(env: Environment, granted: Mapping[str, tuple[Rule, ...]]) -> None:
    """Bind a ServiceAccount to roles with these rules, and wait until the authorizer has heard of them."""
    name = env.name
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": name}
    meta = {"namespace": name, "name": ACCOUNT}
    await env.cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    for namespace, rules in granted.items():
        kind = "Role" if namespace else "ClusterRole"
        meta = {"name": name, **({"namespace": namespace} if namespace else {})}
        if not namespace:
            env.discard_later("ClusterRoleBinding", "", name)
            env.discard_later("ClusterRole", "", name)
        role = {"metadata": meta, "rules": [rule.manifest() for rule in rules]}
        ref = {"apiGroup": RBAC, "kind": kind, "name": name}
        await env.cluster.apply(
            {"apiVersion": f"{RBAC}/v1", "kind": kind, **role},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{kind}Binding",
                "metadata": meta,
                "roleRef": ref,
                "subjects": [account],
            },
        )
    for one in atoms(granted):
        await eventually(lambda one=one: is_allowed(env.cluster, name, one))


async def is_allowed(cluster: Cluster, namespace: str, what: ApiRequest) -> bool:
    """What the API server would say to the account (SubjectAccessReview)."""
    resource, _, subresource = what.resource.partition("/")
    attributes = {"verb": what.verb, "group": what.group, "resource": resource, "subresource": subresource}
    attributes |= {"namespace": what.namespace, "name": what.name}
    spec = {"user": f"system:serviceaccount:{namespace}:{ACCOUNT}", "resourceAttributes": attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer = json.loads(await cluster.client.request("POST", path, body=body))
    return bool(answer["status"]["allowed"])


def atoms(granted: Mapping[str, tuple[Rule, ...]]) -> Iterator[ApiRequest]:
    """Yield the smallest grants that make up the rules; an empty namespace or name stands for any."""
    for namespace, rules in granted.items():
        for rule in rules:
            for group in rule.groups:
                for resource in rule.resources:
                    for verb in rule.verbs:
                        for name in rule.names or ("",):
                            yield ApiRequest(verb, group, resource, namespace, name)


def grants(one: ApiRequest, what: ApiRequest) -> bool:
    """Whether the grant *one* allows the request *what*."""
    same = (one.verb, one.group, one.resource) == (what.verb, what.group, what.resource)
    return same and one.namespace in {"", what.namespace} and one.name in {"", what.name}


async def most_often(cluster: Cluster, namespace: str, name: str) -> int:
    """How often the most repeated event of an object was said."""
    events: list[Object] = await cluster.events(namespace, name)
    return max((event["count"] for event in events), default=0)
