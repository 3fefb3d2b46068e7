"""What ConfigMap and annotations say, in which order it holds, and what users are told."""

import pytest

from headgate.api import Ingress
from headgate.problems import ObjectRef, Severity
from headgate.settings import (
    HANDED_DOWN,
    NOTHING,
    REGISTRY,
    ConfigParams,
    Duration,
    Overrides,
    Role,
    Scope,
    Size,
    Snippet,
    Where,
    Words,
    overlay,
    read_annotations,
    read_configmap,
    read_keys,
)
from headgate.settings.proxy import ProxySettings
from headgate.settings.registry import Registry
from headgate.settings.values import Buffers
from tests.unit.settings.setting_samples import SAMPLES, companions

CONFIGMAP = ObjectRef("ConfigMap", "nginx-ingress", "nginx-config")
INGRESS = Ingress.KIND.ref("default", "cafe")
GATES = frozenset({"enable-snippets", "enable-directive-autoadjust"})
BY_ANNOTATION = sorted(REGISTRY.annotations.items())
BY_KEY = sorted(REGISTRY.keys.items())


def something(name: str) -> tuple[str, object]:
    """A text that the setting takes, and its value, other than the default."""
    default = next(field.default for field in REGISTRY.fields if field.name == name)
    return next((text, value) for text, value in SAMPLES[name].taken.items() if value != default)


@pytest.mark.parametrize(("key", "field"), BY_KEY, ids=[key for key, _ in BY_KEY])
def test_every_key_of_the_configmap_arrives(key: str, field) -> None:
    text, value = something(field.name)
    params, problems = read_configmap({key: text, **companions(field, Where.CONFIGMAP)}, CONFIGMAP, GATES)
    assert getattr(getattr(params, field.group), field.name) == value
    assert problems == []


@pytest.mark.parametrize(("key", "field"), BY_ANNOTATION, ids=[key for key, _ in BY_ANNOTATION])
def test_every_annotation_arrives(key: str, field) -> None:
    text, value = something(field.name)
    if value == "off":
        text, value = "/x", "/x"
    said, problems = read_annotations({key: text, **companions(field, Where.ANNOTATION)}, INGRESS, gates=GATES)
    assert [problem.effect for problem in problems] == ["it is used anyway"] * field.spec.deprecated
    assert getattr(getattr(overlay(ConfigParams(), said, INGRESS, GATES)[0], field.group), field.name) == value


@pytest.mark.parametrize(("key", "field"), BY_KEY, ids=[key for key, _ in BY_KEY])
def test_a_wrong_key_is_reported_and_affects_no_other(key: str, field) -> None:
    good = {"keepalive": "17"} if key != "keepalive" else {"max-fails": "17"}
    data = {key: SAMPLES[field.name].refused[0], **companions(field, Where.CONFIGMAP), **good}
    params, problems = read_configmap(data, CONFIGMAP, GATES)
    assert 17 in {params.upstream.keepalive, params.upstream.max_fails}
    assert getattr(getattr(params, field.group), field.name) == field.default
    (problem,) = problems
    assert (problem.field, problem.code, problem.severity) == (key, "InvalidValue", Severity.WARNING)
    assert problem.reason.startswith("is ")
    assert "\n" not in str(problem)


@pytest.mark.parametrize(("key", "field"), BY_ANNOTATION, ids=[key for key, _ in BY_ANNOTATION])
def test_a_wrong_annotation_refuses_the_ingress(key: str, field) -> None:
    text = SAMPLES[field.name].refused[0]
    said, problems = read_annotations({key: text, **companions(field, Where.ANNOTATION)}, INGRESS, gates=GATES)
    assert any(problem.refuses and problem.field == key and problem.value == text for problem in problems)
    assert field.name not in said


@pytest.mark.parametrize(("key", "field"), BY_ANNOTATION, ids=[key for key, _ in BY_ANNOTATION])
def test_an_empty_annotation_is_refused_where_the_incumbent_refuses_it(key: str, field) -> None:
    _, problems = read_annotations({key: " ", **companions(field, Where.ANNOTATION)}, INGRESS, gates=GATES)
    empty = key.removeprefix("nginx.org/") in {
        "basic-auth-realm", "location-snippets", "proxy-busy-buffers-size", "server-snippets", "ssl-ciphers"
    }  # fmt: skip
    assert any(problem.field == key and "empty" in problem.reason for problem in problems) is not empty


def test_the_nearer_setting_applies() -> None:
    timeouts = ("proxy-read-timeout", "proxy-send-timeout", "proxy-connect-timeout")
    params, _ = read_configmap({**dict.fromkeys(timeouts, "1s"), "max-fails": "9"}, CONFIGMAP)
    master, _ = read_annotations(
        {"nginx.org/proxy-send-timeout": "2s", "nginx.org/proxy-connect-timeout": "2s"}, INGRESS, Role.MASTER
    )
    minion, _ = read_annotations({"nginx.org/proxy-connect-timeout": "3s"}, INGRESS, Role.MINION)
    around, _ = overlay(params, master.part(Scope.INHERITED), INGRESS)
    here, _ = overlay(around, minion, INGRESS)
    proxy = here.proxy
    assert (proxy.proxy_read_timeout, proxy.proxy_send_timeout, proxy.proxy_connect_timeout) == ("1s", "2s", "3s")
    assert here.upstream.max_fails == 9
    assert here.tls is params.tls


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("key", "field"), BY_ANNOTATION, ids=[key for key, _ in BY_ANNOTATION])
def test_a_setting_of_another_role_is_ignored_and_reported(role: Role, key: str, field) -> None:
    text, _ = something(field.name)
    said, problems = read_annotations({key: text, **companions(field, Where.ANNOTATION)}, INGRESS, role, GATES)
    deaf = {Role.MINION: Scope.SERVER, Role.MASTER: Scope.LOCATION}.get(role)
    told = [problem for problem in problems if problem.field == key and "has no effect on a" in problem.reason]
    assert bool(told) is (field.spec.scope is deaf) is (field.name not in said)
    assert not any(problem.refuses for problem in told)


def test_minions_take_only_what_is_inherited() -> None:
    said, _ = read_annotations(
        {"nginx.org/hsts": "true", "nginx.org/proxy-next-upstream": "error", "nginx.org/lb-method": "ip_hash"},
        INGRESS,
        Role.MASTER,
    )
    assert said.part(Scope.INHERITED).explicit == {"lb_method": Words(("ip_hash",))}
    assert not Overrides().part(Scope.INHERITED)


def test_snippets_need_the_flag_on_an_ingress_but_not_in_the_configmap() -> None:
    annotation, data = {"nginx.org/server-snippets": "deny all;"}, {"server-snippets": "deny all;"}
    said, (problem,) = read_annotations(annotation, INGRESS)
    assert not said
    assert problem.refuses
    assert "-enable-snippets" in str(problem)
    permitted, problems = read_annotations(annotation, INGRESS, gates=GATES)
    assert (permitted.explicit, problems) == ({"server_snippets": "deny all;"}, [])
    params, problems = read_configmap(data, CONFIGMAP)
    assert params.snippets.server_snippets == Snippet("deny all;")
    assert problems == []


def test_forwarded_headers_stay_unless_the_flag_is_given() -> None:
    data = {"disable-forwarded-headers": "true"}
    params, (problem,) = read_configmap(data, CONFIGMAP)
    assert not params.headers.disable_forwarded_headers
    assert "-enable-snippets" in str(problem)
    assert read_configmap(data, CONFIGMAP, GATES)[0].headers.disable_forwarded_headers


@pytest.mark.parametrize("key", ["hsts-max-age", "hsts-behind-proxy", "hsts-include-subdomains"])
def test_companions_of_hsts_need_hsts(key: str) -> None:
    text = "1" if key == "hsts-max-age" else "true"
    _, (problem,) = read_annotations({f"nginx.org/{key}": text}, INGRESS)
    assert problem.refuses
    assert "nginx.org/hsts is set too" in problem.reason
    _, (problem,) = read_configmap({key: text}, CONFIGMAP)
    assert "unless hsts is set too" in problem.reason


def test_a_realm_needs_a_secret() -> None:
    _, (problem,) = read_annotations({"nginx.org/basic-auth-realm": "x"}, INGRESS)
    assert problem.refuses
    assert "nginx.org/basic-auth-secret" in problem.reason


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [("off", None, ""), ("default", None, ""), ("/a", "/b", ""), ("~^/a", "/b", ""), ("/a", None, "not valid unless"),
     ("off", "/b", "takes no"), ("default", "/b", "takes no"), (None, "/b", "not valid unless")],
)  # fmt: skip
def test_the_pair_of_proxy_redirect(first: str | None, second: str | None, fault: str) -> None:
    pair = {"nginx.org/proxy-redirect-from": first, "nginx.org/proxy-redirect-to": second}
    _, problems = read_annotations({key: text for key, text in pair.items() if text}, INGRESS)
    assert [fault in problem.reason and problem.refuses for problem in problems] == [True] * bool(fault)


def test_a_port_is_for_http_or_for_https() -> None:
    _, (problem,) = read_annotations(
        {"nginx.org/listen-ports": "80,8443", "nginx.org/listen-ports-ssl": "8443"}, INGRESS
    )
    assert problem.refuses
    assert problem.value == "8443"


@pytest.mark.parametrize("proper", ["true", "false"])
def test_the_current_spelling_is_used_over_the_deprecated_one(proper: str) -> None:
    other = "false" if proper == "true" else "true"
    said, problems = read_annotations(
        {"nginx.org/ssl-redirect": proper, "ingress.kubernetes.io/ssl-redirect": other}, INGRESS
    )
    assert said.explicit == {"ssl_redirect": proper == "true"}
    assert said.key("ssl_redirect") == "nginx.org/ssl-redirect"
    (problem,) = problems
    assert problem.field == "ingress.kubernetes.io/ssl-redirect"
    assert problem.reason == "is overruled by nginx.org/ssl-redirect"


def test_unknown_and_declined_annotations_are_reported_and_others_left_alone() -> None:
    annotations = {
        "nginx.org/proxy-read-timeot": "1s",
        "nginx.com/jwt-kee": "x",
        "appprotect.f5.com/app-protect-enable": "true",
        "nginx.org/mergeable-ingress-type": "master",
        "kubernetes.io/ingress.class": "nginx",
        "cert-manager.io/issuer": "x",
    }
    said, problems = read_annotations(annotations, INGRESS)
    told = {problem.field: problem.reason for problem in problems}
    assert not said
    assert "did you mean nginx.org/proxy-read-timeout?" in told.pop("nginx.org/proxy-read-timeot")
    assert "did you mean nginx.com/jwt-key?" in told.pop("nginx.com/jwt-kee")
    assert "App Protect" in told.pop("appprotect.f5.com/app-protect-enable")
    assert told == {}
    refused = {problem.field for problem in problems if problem.refuses}
    assert refused == {"nginx.com/jwt-kee", "appprotect.f5.com/app-protect-enable"}


def test_unknown_and_declined_keys_are_reported() -> None:
    _, problems = read_configmap({"proxy-read-timeot": "1s", "zone-sync": "true", "oidc-sids-timeout": "x"}, CONFIGMAP)
    told = {problem.field: problem.reason for problem in problems}
    assert "did you mean proxy-read-timeout?" in told["proxy-read-timeot"]
    assert "NGINX Plus" in told["zone-sync"]
    assert "front-channel" in told["oidc-sids-timeout"]


def test_a_value_of_ten_megabytes_is_shortened_in_problems() -> None:
    _, (problem,) = read_configmap({"proxy-read-timeout": "9" * 10_000_000}, CONFIGMAP)
    assert len(str(problem)) < 500


def test_buffers_that_do_not_fit_are_left_out_or_adjusted() -> None:
    data = {"proxy-buffer-size": "64k", "proxy-buffering": "false"}
    params, (problem,) = read_configmap(data, CONFIGMAP)
    assert params.buffers.proxy_buffer_size is None
    assert not params.buffers.proxy_buffering
    assert "left out" in problem.effect
    params, (problem,) = read_configmap(data, CONFIGMAP, GATES)
    assert params.buffers.proxy_buffer_size == Size("64k")
    assert params.buffers.proxy_buffers == Buffers(17, Size("4k"))
    assert "adjusted" in problem.effect


def test_an_annotation_is_held_against_the_buffers_around_it() -> None:
    params, _ = read_configmap({"proxy-buffers": "4 64k"}, CONFIGMAP)
    said, _ = read_annotations({"nginx.org/proxy-buffer-size": "256k"}, INGRESS)
    kept, (problem,) = overlay(params, said, INGRESS)
    assert kept.buffers == params.buffers
    assert problem.origin == INGRESS
    fitting, _ = read_annotations({"nginx.org/proxy-buffer-size": "64k"}, INGRESS)
    assert overlay(params, fitting, INGRESS)[0].buffers.proxy_buffer_size == Size("64k")


def test_delta_contains_only_what_differs() -> None:
    base = ConfigParams()
    assert base.delta(base) is NOTHING
    assert not NOTHING
    same, _ = overlay(base, Overrides({"proxy_read_timeout": Duration("60s")}), INGRESS)
    assert not same.delta(base)
    other, _ = overlay(base, Overrides({"proxy_read_timeout": Duration("5s")}), INGRESS)
    delta = other.delta(base)
    assert delta
    assert delta.proxy_read_timeout == "5s"
    assert delta.proxy_send_timeout is None
    assert delta == other.delta(base)
    assert hash(delta) == hash(other.delta(base))
    with pytest.raises(AttributeError):
        delta.proxy_red_timeout  # noqa: B018 - the question is whether a typo is noticed
    assert base.everything().proxy_send_timeout == "60s"


def test_no_settings_copy_nothing() -> None:
    base = ConfigParams()
    assert overlay(base, Overrides(), INGRESS) == (base, [])
    assert overlay(base, Overrides(), INGRESS)[0] is base


def test_a_field_name_in_two_groups_is_a_bug() -> None:
    with pytest.raises(ValueError, match="two groups"):
        Registry({"one": ProxySettings, "two": ProxySettings})


def test_a_key_is_remembered_as_it_was_written() -> None:
    deprecated, _ = read_annotations({"ingress.kubernetes.io/ssl-redirect": "false"}, INGRESS)
    assert deprecated.key("ssl_redirect") == "ingress.kubernetes.io/ssl-redirect"
    assert deprecated.key("lb_method") == "nginx.org/lb-method"
    data, _ = read_keys({"lb-method": "ip_hash"}, CONFIGMAP)
    assert data.key("lb_method") == "lb-method"


def test_the_request_headers_of_a_minion_follow_those_of_its_master() -> None:
    master, _ = read_annotations({"nginx.org/proxy-set-headers": "X-A:1"}, INGRESS, Role.MASTER)
    minion, _ = read_annotations({"nginx.org/proxy-set-headers": "X-B:2"}, INGRESS, Role.MINION)
    around, _ = overlay(ConfigParams(), master.part(*HANDED_DOWN), INGRESS)
    here, _ = overlay(around, minion, INGRESS)
    assert [header.name for header in here.headers.proxy_set_headers] == ["X-A", "X-B"]
