"""Annotations of other controllers are reported, refuse the Ingress where they guard it, and name what to write."""

import pytest

from headgate.explain.reference import entry
from headgate.problems import ObjectRef, Problem
from headgate.settings import INCUMBENT, REGISTRY, Role, read_annotations
from headgate.settings.foreign import FOREIGN, Foreign, foreign

INGRESS = ObjectRef("Ingress", "default", "cafe", "networking.k8s.io")
COMMUNITY = "nginx.ingress.kubernetes.io/"
BY_PREFIX = pytest.mark.parametrize("row", FOREIGN, ids=lambda row: row.prefix)


def problems(annotations: dict[str, str], role: Role = Role.REGULAR) -> list[Problem]:
    return read_annotations(annotations, INGRESS, role)[1]


@BY_PREFIX
def test_an_unknown_name_of_a_known_prefix_is_reported(row: Foreign) -> None:
    (problem,) = problems({f"{row.prefix}no-such-name": "x"})
    assert problem.reason.startswith(f"is an annotation of {row.controller}, which Headgate does not read")
    assert problem.refuses == (row.guards == ("",))


@BY_PREFIX
def test_whatever_guards_refuses_the_ingress(row: Foreign) -> None:
    for name in row.guards:
        for role in Role:
            (problem,) = problems({f"{row.prefix}{name}x": "some value"}, role)
            assert problem.refuses
            assert problem.effect == "the Ingress is refused, not served unguarded"
            assert "restrict access by other means" in problem.reason


@BY_PREFIX
def test_what_to_write_instead_exists(row: Foreign) -> None:
    for key, words in row.instead.items():
        assert words
        assert row.prefix + key not in REGISTRY.annotations
        for word in words:
            if "/" in word:
                assert word in REGISTRY.annotations
            if word.startswith("the ConfigMap key "):
                assert word.removeprefix("the ConfigMap key ") in REGISTRY.keys


@BY_PREFIX
def test_what_is_idle_would_guard_otherwise(row: Foreign) -> None:
    for form in row.idle:
        name, _, value = form.partition(": ")
        (problem,) = problems({f"{row.prefix}{name}": value or "x"})
        assert not problem.refuses
        assert not value or problems({f"{row.prefix}{name}": "on"})[0].refuses or not name.startswith(row.guards)


def test_no_prefix_hides_another_or_an_annotation_of_headgate() -> None:
    prefixes = [row.prefix for row in FOREIGN]
    assert not [(a, b) for a in prefixes for b in prefixes if a != b and a.startswith(b)]
    assert not [prefix for prefix in prefixes if prefix.startswith(INCUMBENT.related)]
    assert problems({"kubernetes.io/ingress.class": "nginx"}) == []
    assert "deprecated" in problems({"ingress.kubernetes.io/ssl-redirect": "false"})[0].reason


@pytest.mark.parametrize(
    "key",
    [
        "kubectl.kubernetes.io/last-applied-configuration",
        "meta.helm.sh/release-name",
        "cert-manager.io/cluster-issuer",
        "external-dns.alpha.kubernetes.io/hostname",
        "argocd.argoproj.io/sync-wave",
        "auth-url",
    ],
)
def test_annotations_of_other_tools_are_not_reported(key: str) -> None:
    assert foreign(key) is None
    assert problems({key: "x"}) == []


@pytest.mark.parametrize(
    ("name", "text", "refused"),
    [
        ("enable-modsecurity", "true", True),
        ("enable-modsecurity", " False ", False),
        ("auth-tls-verify-client", "optional", True),
        ("auth-tls-verify-client", "off", False),
        ("whitelist-source-range", "", True),
        ("configuration-snippet", 'more_set_headers "access-control-allow-origin: *";', False),
        ("configuration-snippet", "deny all;", True),
        ("configuration-snippet", "proxy_set_header X-Tea green;\nauth_request /check;", True),
        ("configuration-snippet", "if ($http_x_key != s) { return 403; }", True),
        ("configuration-snippet", 'if ($http_x_key != "#1") { return "403"; }', True),
        ("configuration-snippet", "server_rewrite_by_lua_block { ngx.exit(403) }", True),
        ("server-snippet", "ssl_verify_client on;", True),
        ("server-snippet", "return 301 https://example.com;", False),
    ],
)
def test_the_value_decides_whether_anybody_is_kept_out(name: str, text: str, *, refused: bool) -> None:
    (problem,) = problems({COMMUNITY + name: text})
    assert problem.refuses == refused


@pytest.mark.parametrize("kind", ["basic", "Basic"])
def test_a_password_that_is_written_for_headgate_too_does_not_refuse_the_ingress(kind: str) -> None:
    found = {f"{COMMUNITY}auth-type": kind, f"{COMMUNITY}auth-secret": "staff"}
    assert [problem.refuses for problem in problems(found)] == [True, True]
    both = problems(found | {"nginx.org/basic-auth-secret": "staff"})
    assert [problem.refuses for problem in both] == [False, False]
    assert all(problem.reason.endswith("; nginx.org/basic-auth-secret applies") for problem in both)


def test_a_password_does_not_stand_in_for_another_guard() -> None:
    own = {"nginx.org/basic-auth-secret": "staff", "nginx.org/location-snippets": "deny all;"}
    for name, text in (("auth-type", "digest"), ("auth-url", "x"), ("configuration-snippet", "deny all;")):
        found = read_annotations({f"{COMMUNITY}{name}": text} | own, INGRESS, gates=frozenset({"enable-snippets"}))
        assert [problem.refuses for problem in found[1]] == [True]


def test_explain_knows_annotations_of_other_controllers() -> None:
    found = entry("annotation", f"{COMMUNITY}proxy-body-size")
    assert not found.known
    assert "of ingress-nginx, which Headgate does not read; write nginx.org/client-max-body-size" in found.meaning
