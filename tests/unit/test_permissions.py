"""Which rules the flags amount to; tests/e2e/test_permissions.py shows that requests need them, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate.options import Options, parse
from headgate.watch.kinds import WATCHED
from headgate.watch.permissions import EVERYWHERE, PARTS, Rule, merged, needed

USUAL = ("-nginx-configmaps=ours/settings", "-report-ingress-status", "-external-service=front")
LISTING = ("list", "watch")


def rules(*flags: str) -> dict[str, list[str]]:
    """The rules by namespace, each as ``VERBS RESOURCES [NAMES]``."""
    options = parse(flags, {"POD_NAMESPACE": "ours"})
    assert isinstance(options, Options), options
    return {namespace: [spoken(rule) for rule in found] for namespace, found in needed(options).items()}


def spoken(rule: Rule) -> str:
    names = f" {','.join(rule.names)}" if rule.names else ""
    return f"{','.join(rule.verbs)} {','.join(rule.resources)}{names}"


CUSTOM = (
    "get,list,watch virtualservers,virtualserverroutes,transportservers,policies",
    "list,watch globalconfigurations",
    "update virtualservers/status,virtualserverroutes/status,transportservers/status,policies/status",
)
OWN = [
    "get,list,watch pods",
    "create leases",
    "get,update leases nginx-ingress-leader-election",
    "list,watch configmaps settings",
]


def test_for_the_whole_cluster_watched_kinds_are_read_everywhere_and_the_rest_in_the_own_namespace() -> None:
    assert rules(*USUAL) == {
        EVERYWHERE: [
            "list,watch ingressclasses",
            "get,list,watch ingresses",
            "list,watch services,pods,secrets",
            "list,watch endpointslices",
            "create,patch events",
            "update ingresses/status",
            *CUSTOM,
        ],
        "ours": OWN,
    }


def test_for_some_namespaces_only_classes_are_read_everywhere() -> None:
    found = rules(*USUAL, "-watch-namespace=shop,blog", "-default-server-tls-secret=ours/tls")
    watched = [
        "get,list,watch ingresses",
        "list,watch services,pods,secrets",
        "list,watch endpointslices",
        "create,patch events",
        "update ingresses/status",
        *CUSTOM,
    ]
    assert found == {
        EVERYWHERE: ["list,watch ingressclasses"],
        "shop": watched,
        "blog": watched,
        "ours": [
            OWN[0], "create,patch events", *OWN[1:], "list,watch services front", "list,watch secrets tls",
        ],
    }  # fmt: skip


def test_secrets_are_read_where_they_may_be_only() -> None:
    found = rules("-watch-namespace=shop", "-watch-secret-namespace=vault")
    assert "list,watch secrets" in found["vault"]
    assert not [rule for rule in found["shop"] if "secrets" in rule]
    assert found[EVERYWHERE] == ["list,watch ingressclasses"]


def test_a_label_needs_namespaces_and_may_lead_anywhere() -> None:
    found = rules("-watch-namespace-label=team=web")
    assert "list,watch namespaces,services,pods,secrets" in found[EVERYWHERE]
    assert "list,watch ingressclasses,ingresses" in found[EVERYWHERE]


@pytest.mark.parametrize(
    ("flag", "gone"),
    [
        ("-report-ingress-status=false", "ingresses/status"),
        ("-enable-leader-election=false", "leases"),
        ("-nginx-configmaps=", "configmaps"),
    ],
)
def test_what_is_switched_off_needs_no_rule(flag: str, gone: str) -> None:
    name = flag.split("=", maxsplit=1)[0]
    given = [text for text in USUAL if not text.startswith(name)]
    assert gone in str(rules(*USUAL))
    assert gone not in str(rules(*given, flag))


def test_secrets_of_the_metrics_are_asked_for_by_name() -> None:
    named = ("-prometheus-tls-secret=ours/cert", "-prometheus-basic-auth-secret=other/login")
    assert rules(*named) == rules()
    found = rules(*named, "-enable-prometheus-metrics")
    assert "get secrets cert" in found["ours"]
    assert found["other"] == ["get secrets login"]


def test_the_certificate_of_the_webhook_is_asked_for_by_name() -> None:
    secret = ("--validating-webhook=:8443", "--validating-webhook-secret=other/admission")
    own = (*secret, "--validating-webhook-service=other/headgate", "--validating-webhook-configuration=headgate")
    assert rules(*secret[1:]) == rules()
    assert rules(*secret)["other"] == ["get secrets admission"]
    assert rules(*own)["other"] == ["get,update secrets admission"]
    registration = "get,update validatingwebhookconfigurations headgate"
    assert registration in rules(*own)[EVERYWHERE]
    assert "validatingwebhookconfigurations" not in str(rules(*own[:-1]))
    assert "update" not in str(rules(*own, "--read-only"))


def test_a_config_map_elsewhere_is_read_there_and_gets_its_events_there() -> None:
    found = rules("-nginx-configmaps=other/settings", "-watch-namespace=shop")
    assert found["other"] == ["list,watch configmaps settings", "create,patch events"]


def test_every_watched_kind_is_in_some_part() -> None:
    listed = {p.kind for part in PARTS for p in part.permissions if set(p.verbs) == set(LISTING)}
    assert listed >= {row.model.KIND for row in WATCHED}


def test_merging_grants_neither_more_nor_less() -> None:
    one, two = Rule(("",), ("pods",), ("get",)), Rule(("",), ("pods",), ("list",))
    assert merged([one, two]) == (Rule(("",), ("pods",), ("get", "list")),)
    named = Rule(("",), ("pods",), ("list",), ("mine",))
    assert merged([two, named]) == (two, named)
    assert merged([one, Rule(("apps",), ("pods",), ("get",))]) == (one, Rule(("apps",), ("pods",), ("get",)))


def test_a_read_only_run_needs_no_rule_that_writes() -> None:
    found = rules(*USUAL, "--read-only", "-watch-namespace=shop")
    verbs = {verb for spoken_rules in found.values() for rule in spoken_rules for verb in rule.split()[0].split(",")}
    assert verbs == {"get", "list", "watch"}
    assert found["ours"] == ["get,list,watch pods", "list,watch configmaps settings", "list,watch services front"]


def test_the_documented_role_of_a_read_only_run_is_what_it_needs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "platforms.md").read_text()
    found = re.search(r"create clusterrole \S+ --verb=(\S+) --resource=(\S+)", text)
    assert found
    more = re.search(r"with custom resources also `(\S+)`", text)
    assert more
    options = parse(["--read-only"], {"POD_NAMESPACE": "ours"})
    assert isinstance(options, Options)
    wanted = needed(options)[EVERYWHERE]
    resources = {f"{resource}.{rule.groups[0]}".rstrip(".") for rule in wanted for resource in rule.resources}
    assert ({verb for rule in wanted for verb in rule.verbs}, resources) == (
        set(found[1].split(",")), set(found[2].split(",")) | set(more[1].split(",")),
    )  # fmt: skip


def test_what_is_made_for_virtual_servers_needs_rules_with_its_flag_only() -> None:
    given = {"-enable-cert-manager": "certificates", "-enable-external-dns": "dnsendpoints"}
    found = rules(*given, "-watch-namespace=shop")
    assert "create,delete,get,list,update,watch certificates" in found["shop"]
    assert "create,delete,get,list,update,watch dnsendpoints" in found["shop"]
    for flag, resource in given.items():
        assert resource not in str(rules())
        assert resource not in str(rules(flag, "--read-only"))


def test_the_documented_role_for_dependents_is_what_they_need() -> None:
    text = (Path(__file__).parents[2] / "docs" / "virtualserver.md").read_text()
    found = re.search(r"create clusterrole \S+ --verb=(\S+) --resource=(\S+)", text)
    assert found
    options = parse(["-enable-cert-manager", "-enable-external-dns"], {})
    assert isinstance(options, Options)
    parts = [part for part in PARTS if part.wanted(options) and part.name in {"certmanager", "externaldns"}]
    wanted = [rule for part in parts for rule in part.rules()]
    assert {verb for rule in wanted for verb in rule.verbs} == set(found[1].split(","))
    assert {f"{rule.resources[0]}.{rule.groups[0]}" for rule in wanted} == set(found[2].split(","))
