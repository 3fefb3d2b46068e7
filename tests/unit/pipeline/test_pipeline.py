"""The pipeline's answers: what is wanted and what is served, templates that fail, and what nginx says against them."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from headgate.api import ConfigMap, EndpointSlice, Ingress, Secret, Service, TopLevel
from headgate.api.networking import IngressTLS
from headgate.api.nginx_org import Policy
from headgate.controller.environment import environment
from headgate.controller.kinds import CLAIMANTS, ClaimantKind
from headgate.ir import ApplyResult, Layout, Outcome
from headgate.ir.live import LuaModules
from headgate.k8s import Store
from headgate.pipeline import Generation, Pipeline
from headgate.problems import ObjectRef
from headgate.render import HTTP, MAIN, BadTemplate, Renderer
from headgate.resolve import DEFAULT
from headgate.translate import translate
from headgate.watch import Collection
from tests.properties.cluster_objects import SECRETS
from tests.simulated_cluster import CURRENT, flags
from tests.tokens import SigningKey, key, key_set

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CONFIG_MAP = ConfigMap.KIND.ref("nginx-ingress", "nginx-config")
CAFE = Ingress.KIND.ref("default", "cafe")
TEA = Ingress.KIND.ref("default", "tea")
APPLIED = ApplyResult(outcome=Outcome.APPLIED, version=1)
BUILT_IN = "{% include 'builtin/http.conf.j2' %}"
FAILS_FOR_TEA = "{% for one in config.servers %}{% if one.name == 'tea.test' %}{{ 1 // 0 }}{% endif %}{% endfor %}"
FAILS_FOR_SECOND = (
    "{% if config.upstreams and config.upstreams[0].servers[0] == '10.0.0.2:80' %}"
    f"{{{{ 1 // 0 }}}}{{% else %}}{BUILT_IN}{{% endif %}}"
)
FAILS_FOR_MANY = (
    "{% if main.server_names_hash_max_size > 1024 %}{{ 1 // 0 }}{% endif %}{% include 'builtin/main.conf.j2' %}"
)


def ingress(name: str, **annotations: str) -> Ingress:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    keys = {f"nginx.org/{key.replace('_', '-')}": text for key, text in annotations.items()}
    metadata = {"namespace": "default", "name": name, "annotations": keys}
    spec = {"ingressClassName": "nginx", "rules": [{"host": f"{name}.test", "http": {"paths": [path]}}]}
    return Ingress.convert({"metadata": metadata, "spec": spec})


def member(name: str, role: str = "minion") -> Ingress:
    """Return a part of a mergeable set: the master of ``shop.test``, or a minion with the path of its name."""
    backend = {"service": {"name": name, "port": {"number": 80}}}
    paths = [] if role == "master" else [{"path": f"/{name}", "pathType": "Prefix", "backend": backend}]
    metadata = {"namespace": "default", "name": name, "annotations": {"nginx.org/mergeable-ingress-type": role}}
    spec = {"ingressClassName": "nginx", "rules": [{"host": "shop.test", "http": {"paths": paths}}]}
    return Ingress.convert({"metadata": metadata, "spec": spec})


def behind(name: str, *addresses: str) -> tuple[TopLevel, TopLevel]:
    """Return a Service and its EndpointSlice."""
    place = {"namespace": "default", "name": name}
    labels = {"kubernetes.io/service-name": name}
    service = Service.convert({"metadata": place, "spec": {"ports": [{"port": 80}]}})
    fields = {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": [one]} for one in addresses]}
    return service, EndpointSlice.convert({"metadata": {**place, "labels": labels}, **fields})


def config_map(**data: str) -> ConfigMap:
    metadata = {"namespace": CONFIG_MAP.namespace, "name": CONFIG_MAP.name}
    return ConfigMap.convert(
        {"metadata": metadata, "data": {key.replace("_", "-"): text for key, text in data.items()}}
    )


class Runner:
    """A Pipeline with the flags of a cluster, and batches of whole objects."""

    def __init__(
        self,
        *argv: str,
        templates: dict[str, str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        kinds: tuple[ClaimantKind, ...] = CLAIMANTS,
        lua: LuaModules | None = None,
    ) -> None:
        options = flags([f"-nginx-configmaps={CONFIG_MAP.key}", *argv])
        env = environment(
            options, structs.replace(CURRENT, lua=lua), Layout.container(), user=None, ipv6=True, stdout=True
        )
        self.pipeline = Pipeline(kinds, options, env, Renderer(templates), clock)

    def take(self, *items: TopLevel, gone: tuple[ObjectRef, ...] = ()) -> Generation:
        changes: dict[ObjectRef, TopLevel | None] = {item.ref: item for item in items}
        return self.pipeline.advance(changes | dict.fromkeys(gone), NOW)


def text(generation: Generation, name: str) -> str:
    return generation.files[f"conf.d/default-{name}.conf"].data.decode()


def told(generation: Generation, ref: ObjectRef) -> list[str]:
    found = generation.resources[ref]
    return [str(problem) for problem in (*found.wanted.problems, *found.problems)]


def test_an_answer_does_not_change_with_later_batches() -> None:
    runner = Runner()
    first = runner.take(ingress("cafe"), *behind("cafe", "10.0.0.1"))
    before = first.files, dict(first.resources), dict(first.upstreams)
    runner.take(ingress("tea"), gone=(CAFE,))
    assert (first.files, dict(first.resources), dict(first.upstreams)) == before
    assert CAFE in first.resources


def test_nothing_new_is_the_same_set_of_files() -> None:
    runner = Runner()
    first = runner.take(ingress("cafe"))
    assert runner.take(ingress("cafe")).files is first.files
    assert runner.take(*behind("elsewhere", "10.0.0.1")).files is first.files


def test_files_are_added_and_removed_with_their_resources() -> None:
    runner = Runner()
    empty = runner.take().files
    runner.take(ingress("cafe"), ingress("tea"))
    gone = runner.take(gone=(CAFE, TEA))
    assert dict(gone.files) == dict(empty)
    assert gone.upstreams == {}


def test_what_workers_are_told_follows_the_upstreams_and_is_the_same_object_until_it_changes() -> None:
    runner = Runner(lua=LuaModules((), "", ""))

    def servers(generation: Generation) -> dict[str, list[str]]:
        assert generation.live is not None
        wanted = {name: each.live for name, each in generation.upstreams.items() if each.live}
        assert generation.live.upstreams == wanted
        return {name.split("-")[1]: [peer.address for peer in each.peers] for name, each in wanted.items()}

    first = runner.take(ingress("cafe"), ingress("tea"), *behind("cafe", "10.0.0.1"), *behind("tea", "10.0.0.2"))
    assert servers(first) == {"cafe": ["10.0.0.1"], "tea": ["10.0.0.2"]}
    assert runner.take(*behind("elsewhere", "10.0.0.9")).live is first.live
    assert servers(runner.take(*behind("cafe", "10.0.0.3"))) == {"cafe": ["10.0.0.3"], "tea": ["10.0.0.2"]}
    assert servers(runner.take(gone=(CAFE,))) == {"tea": ["10.0.0.2"]}
    assert servers(first) == {"cafe": ["10.0.0.1"], "tea": ["10.0.0.2"]}


def test_wanted_and_served_configurations_are_separate() -> None:
    """Endpoints that come while a template fails are no longer complained about, and those that go are."""
    runner = Runner(templates={HTTP: FAILS_FOR_SECOND})
    good = runner.take(ingress("tea"), *behind("tea", "10.0.0.1"))
    kept = runner.take(behind("tea", "10.0.0.2")[1])
    assert text(kept, "tea") == text(good, "tea")
    assert len(told(kept, TEA)) == 1
    assert "its last good configuration stays" in told(kept, TEA)[0]
    assert kept.resources[TEA].wanted != good.resources[TEA].wanted
    none = runner.take(behind("tea")[1])
    assert any("No endpoints found" in problem for problem in told(none, TEA))
    assert not any("last good" in problem for problem in told(none, TEA))
    back = runner.take(behind("tea", "10.0.0.1")[1])
    assert told(back, TEA) == []
    assert text(back, "tea") == text(good, "tea")


def test_files_that_lack_a_guard_do_not_stay_while_a_template_fails() -> None:
    runner = Runner(templates={HTTP: FAILS_FOR_SECOND})
    assert text(runner.take(ingress("tea"), *behind("tea", "10.0.0.1")), "tea")
    closed = runner.take(ingress("tea", policies="gone"), behind("tea", "10.0.0.2")[1])
    assert "return 500;" in text(closed, "tea")
    assert "proxy_pass" not in text(closed, "tea")
    assert "requests to its hosts are answered 500" in told(closed, TEA)[-1]
    again = runner.take(behind("tea", "10.0.0.1")[1])
    assert (told(again, TEA)[-1].startswith("nginx.org/policies"), "location /" in text(again, "tea")) == (True, True)


def test_a_guarded_object_that_cannot_be_rendered_is_answered_500_and_an_unguarded_one_is_not_served() -> None:
    """A wildcard that covers the host would else answer for the guarded one."""
    runner = Runner(templates={HTTP: FAILS_FOR_SECOND})
    found = runner.take(
        ingress("tea", policies="gone"), ingress("cafe"), *behind("tea", "10.0.0.2"), *behind("cafe", "10.0.0.2")
    )
    assert "server_name tea.test;" in text(found, "tea")
    assert "return 500;" in text(found, "tea")
    assert "conf.d/default-cafe.conf" not in found.files


def test_a_template_that_fails_for_one_ingress_survives_a_default_certificate_that_appears() -> None:
    """The process once ended here."""
    runner = Runner("-default-server-tls-secret=default/cert")
    runner.take(config_map(ingress_template=FAILS_FOR_TEA), ingress("cafe"))
    kept = runner.take(ingress("tea"))
    assert "the user's template" in told(kept, TEA)[-1]
    form, data = SECRETS[0]
    cert = Secret.convert({"metadata": {"namespace": "default", "name": "cert"}, "type": form, "data": data})
    generation = runner.take(cert)
    assert f"secrets/{DEFAULT}" in generation.files
    assert generation.default_certificate
    assert "the user's template" in told(generation, TEA)[-1]


def test_a_new_template_that_fails_for_one_ingress_is_taken_for_none_and_other_keys_count() -> None:
    runner = Runner()
    runner.take(ingress("cafe"), ingress("tea"))
    generation = runner.take(config_map(ingress_template=FAILS_FOR_TEA, proxy_read_timeout="7s"))
    assert [problem.field for problem in generation.config_map or ()] == ["ingress-template"]
    assert "proxy_pass" in text(generation, "tea")
    assert "proxy_read_timeout 7s" in generation.files["nginx.conf"].data.decode()


def test_a_main_template_that_fails_later_leaves_the_main_file_as_it_was() -> None:
    runner = Runner()
    first = runner.take(config_map(main_template=FAILS_FOR_MANY))
    assert first.config_map == ()
    many = runner.take(*(ingress(f"i{number}") for number in range(900)))
    assert many.files["nginx.conf"] == first.files["nginx.conf"]
    assert [problem.field for problem in many.config_map or ()] == ["main-template"]
    assert runner.take(ingress("cafe")).config_map is None


def test_a_template_of_a_flag_that_cannot_work_is_refused_before_anything_is_served() -> None:
    with pytest.raises(BadTemplate):
        Runner(templates={MAIN: "{{ nobody.knows }}"})


def test_a_bug_is_a_value_and_kept_to_its_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(table: Any, env: Any, salt: str = "") -> Any:
        if table.origin == TEA:
            raise ZeroDivisionError("oops")
        return translate(table, env, salt)

    monkeypatch.setattr("headgate.pipeline.generator.translate", fails)
    runner = Runner()
    generation = runner.take(ingress("tea"), ingress("cafe"))
    (bug,) = generation.bugs
    assert bug.ref == TEA
    assert "ZeroDivisionError: oops" in bug.trace
    assert "made Headgate fail" in told(generation, TEA)[-1]
    assert text(generation, "cafe")
    assert runner.take().bugs == ()


def failing(name: str) -> tuple[ClaimantKind, ...]:
    """Return the kinds, of which *name* (validate, claims, lower) fails for the Ingress tea with an annotation."""

    def wrapped(kind: ClaimantKind) -> ClaimantKind:
        whole = getattr(kind, name)

        def fails(first: Any, *more: Any, **named: Any) -> Any:
            item = getattr(first, "ingress", getattr(getattr(first, "candidate", first), "item", first))
            if item.ref == TEA and "nginx.org/proxy-read-timeout" in (item.metadata.annotations or {}):
                raise ZeroDivisionError("oops")
            return whole(first, *more, **named)

        return structs.replace(kind, **{name: fails})

    return (wrapped(CLAIMANTS[0]), *CLAIMANTS[1:])


def every_problem(generation: Generation, ref: ObjectRef) -> list[str]:
    found = [str(problem) for problem in generation.update.standings[ref].problems]
    return found + (told(generation, ref) if ref in generation.resources else [])


@pytest.mark.parametrize("name", ["validate", "claims", "lower"])
def test_a_bug_before_anything_is_generated_is_kept_to_its_object(name: str) -> None:
    runner = Runner(kinds=failing(name))
    generation = runner.take(ingress("tea", proxy_read_timeout="1s"), ingress("cafe"))
    assert [(bug.ref, "ZeroDivisionError: oops" in bug.trace) for bug in generation.bugs] == [(TEA, True)]
    assert every_problem(generation, TEA) == ["made Headgate fail (ZeroDivisionError: oops) (it is not served)"]
    assert "conf.d/default-tea.conf" not in generation.files
    assert text(generation, "cafe")
    assert runner.take().bugs == ()
    generation = runner.take(ingress("tea"))
    assert (every_problem(generation, TEA)[0].startswith("spec.rules"), generation.bugs) == (True, ())
    assert text(generation, "tea")


@pytest.mark.parametrize("name", ["validate", "claims", "lower"])
def test_an_object_that_meets_a_bug_keeps_its_files_until_it_is_good_again(name: str) -> None:
    runner = Runner(kinds=failing(name))
    before = text(runner.take(ingress("tea"), *behind("tea", "10.0.0.1")), "tea")
    generation = runner.take(ingress("tea", proxy_read_timeout="1s"))
    assert text(generation, "tea") == before
    words = "made Headgate fail (ZeroDivisionError: oops) (its last good configuration stays)"
    assert every_problem(generation, TEA) == [words]
    assert [bug.ref for bug in generation.bugs] == [TEA]
    generation = runner.take(ingress("tea"))
    assert (every_problem(generation, TEA), text(generation, "tea"), generation.bugs) == ([], before, ())
    generation = runner.take(gone=(TEA,))
    assert "conf.d/default-tea.conf" not in generation.files


@pytest.mark.parametrize("added", [{"policies": "office"}, {"basic_auth_secret": "users"}])
def test_an_object_that_cannot_be_lowered_is_answered_500_if_its_new_version_keeps_out_more_clients(
    added: dict[str, str],
) -> None:
    runner = Runner(kinds=failing("lower"))
    before = text(runner.take(ingress("tea"), *behind("tea", "10.0.0.1")), "tea")
    generation = runner.take(ingress("tea", proxy_read_timeout="1s", **added))
    assert "return 500;" in text(generation, "tea")
    assert "proxy_pass" not in text(generation, "tea")
    (problem,) = every_problem(generation, TEA)
    assert problem.startswith("made Headgate fail (ZeroDivisionError: oops) (requests to its hosts are answered 500")
    assert [bug.ref for bug in generation.bugs] == [TEA]
    again = runner.take(config_map(proxy_read_timeout="9s"))
    assert "return 500;" in text(again, "tea"), "another ConfigMap opens nothing"
    generation = runner.take(ingress("tea"))
    assert (every_problem(generation, TEA), text(generation, "tea"), generation.bugs) == ([], before, ())


def test_an_object_that_cannot_be_lowered_keeps_its_files_with_the_same_guards_unless_a_policy_says_more() -> None:
    runner = Runner(kinds=failing("lower"))
    policy = {"metadata": {"namespace": "default", "name": "office"}}
    runner.take(Policy.convert({**policy, "spec": {"accessControl": {"allow": ["10.0.0.0/8"]}}}))
    before = text(runner.take(ingress("tea", policies="office")), "tea")
    assert "allow 10.0.0.0/8;" in before
    assert text(runner.take(ingress("tea", policies="office", proxy_read_timeout="1s")), "tea") == before
    closed = runner.take(Policy.convert({**policy, "spec": {"accessControl": {"allow": ["10.0.0.0/9"]}}}))
    assert "return 500;" in text(closed, "tea")


def test_an_object_that_cannot_be_lowered_is_answered_500_if_a_secret_behind_its_policy_changes() -> None:
    def keys(*known: SigningKey) -> Secret:
        data = {"jwk": base64.b64encode(key_set(*known)).decode()}
        metadata = {"namespace": "default", "name": "keys"}
        return Secret.convert({"metadata": metadata, "type": "nginx.org/jwk", "data": data})

    runner = Runner(kinds=failing("lower"), lua=LuaModules((), "", ""))
    policy = {"metadata": {"namespace": "default", "name": "token"}, "spec": {"jwt": {"realm": "a", "secret": "keys"}}}
    runner.take(Policy.convert(policy), keys(key("ES256")))
    before = text(runner.take(ingress("tea", policies="token")), "tea")
    assert "return 500;" not in before
    assert text(runner.take(ingress("tea", policies="token", proxy_read_timeout="1s")), "tea") == before
    assert "return 500;" not in text(runner.take(*behind("tea", "10.0.0.9")), "tea")
    assert "return 500;" in text(runner.take(keys(key("EdDSA"))), "tea")
    assert "return 500;" in text(runner.take(*behind("tea", "10.0.0.8")), "tea")


def test_in_a_cluster_no_key_set_of_the_controller_s_own_pod_is_fetched() -> None:
    runner = Runner(lua=LuaModules((), "", ""))
    metadata = {"namespace": "default", "name": "token"}
    for host, fetched in (("localhost:8443", 0), ("127.0.0.1", 0), ("[::1]:1", 0), ("keys.test", 1)):
        jwt = {"realm": "a", "jwksURI": f"https://{host}/keys", "keyCache": "1h", "sslVerify": True}
        runner.take(Policy.convert({"metadata": metadata, "spec": {"jwt": jwt}}))
        generation = runner.take(ingress("tea", policies="token"))
        assert len(generation.key_sources) == fetched
        assert any("whose host is a loopback" in problem for problem in told(generation, TEA)) == (not fetched)


# --- what nginx says ----------------------------------------------------------------------------------


def refused(*refs: ObjectRef, error: str = "") -> ApplyResult:
    outcome = Outcome.REFUSED if error else Outcome.APPLIED
    return ApplyResult(outcome=outcome, version=1, error=error, refused=dict.fromkeys(refs, "no"))


@pytest.fixture
def served() -> Runner:
    """A pipeline whose first ConfigMap nginx accepted, for two Ingresses."""
    runner = Runner()
    runner.take(config_map(proxy_read_timeout="1s"), ingress("cafe"), ingress("tea"))
    assert runner.pipeline.judge(APPLIED).again is None
    return runner


def test_a_config_map_that_nginx_refuses_as_a_whole_is_replaced_by_the_previous_one(served: Runner) -> None:
    served.take(config_map(proxy_read_timeout="2s"))
    ruling = served.pipeline.judge(refused(error="bad"))
    assert ruling.again
    assert "proxy_read_timeout 1s" in ruling.again.files["nginx.conf"].data.decode()
    ruling = served.pipeline.judge(APPLIED)
    reason = "proxy-read-timeout: '2s' is refused by nginx: bad (the previous value stays in force)"
    assert (ruling.again, [str(problem) for problem in ruling.config_map or ()]) == (None, [reason])
    assert "proxy_read_timeout 1s" in served.take().files["nginx.conf"].data.decode()


def test_a_config_map_for_which_all_are_refused_is_given_up_if_that_helps(served: Runner) -> None:
    served.take(config_map(proxy_read_timeout="2s"))
    assert served.pipeline.judge(refused(CAFE, TEA)).again
    (problem,) = served.pipeline.judge(APPLIED).config_map or ()
    assert (problem.field, problem.reason) == ("proxy-read-timeout", "is refused by nginx: no")


def test_a_config_map_stays_where_giving_it_up_does_not_help(served: Runner) -> None:
    served.take(config_map(proxy_read_timeout="2s"))
    assert served.pipeline.judge(refused(CAFE, TEA)).again
    back = served.pipeline.judge(refused(CAFE, TEA)).again
    assert back
    assert "proxy_read_timeout 2s" in back.files["nginx.conf"].data.decode()
    ruling = served.pipeline.judge(refused(CAFE, TEA))
    assert (ruling.again, ruling.config_map) == (None, None)


def test_an_ingress_that_is_refused_by_itself_is_no_matter_of_the_config_map(served: Runner) -> None:
    served.take(ingress("tea", proxy_read_timeout="9s"))
    assert served.pipeline.judge(refused(TEA)).again is None


@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_of_a_mergeable_set_all_minions_must_be_refused_to_doubt_a_new_config_map(names: list[str]) -> None:
    runner = Runner()
    runner.take(config_map(proxy_read_timeout="2s"), member("shop", "master"), *(member(name) for name in names))
    ruling = runner.pipeline.judge(refused(Ingress.KIND.ref("default", "a")))
    assert (ruling.again is not None) == (names == ["a"])


# --- what other threads do ----------------------------------------------------------------------------


def test_stores_may_change_while_a_batch_is_worked_on() -> None:
    """An Informer adds objects in its own thread of control while the pipeline runs in another one."""
    runner = Runner("--manifests=.")
    store: Store[Ingress] = Store()
    collection: Collection[Ingress] = Collection()
    collection.add("", store)
    for number in range(2000):
        store.put(*_put(number))
    failures: list[BaseException] = []
    ended = threading.Event()

    def work() -> None:
        try:
            for _ in range(20):
                keys = [Ingress.KIND.ref("default", f"i{number}") for number in range(50)]
                runner.pipeline.advance({key: collection.get(key) for key in keys}, NOW)
                # The class is looked at again with every object that is known.
                runner.take(gone=(ObjectRef("IngressClass", "", "nginx", "networking.k8s.io"),))
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
        finally:
            ended.set()

    worker = threading.Thread(target=work)
    worker.start()
    number = 2000
    while not ended.is_set():
        store.put(*_put(number))
        number += 1
    worker.join()
    assert failures == []


def _put(number: int) -> tuple[ObjectRef, Ingress]:
    item = ingress(f"i{number}")
    return item.ref, item


def hosted(
    name: str, host: str, role: str = "master", path: str = "", *, default: bool = True, **annotations: str
) -> Ingress:
    """Return a part of a mergeable set for *host*, with the path of a minion; a master has a *default* backend."""
    item = member(name, role)
    rule = {"host": host, "http": {"paths": []}}
    if path:
        backend = {"service": {"name": name, "port": {"number": 80}}}
        rule = {"host": host, "http": {"paths": [{"path": path, "pathType": "Exact", "backend": backend}]}}
    keys = {**item.annotations, **{f"nginx.org/{key.replace('_', '-')}": text for key, text in annotations.items()}}
    metadata = {"namespace": "default", "name": name, "annotations": keys, "creationTimestamp": CREATED[name]}
    spec: dict[str, Any] = {"ingressClassName": "nginx", "rules": [rule]}
    if role == "master" and default:
        spec["defaultBackend"] = {"service": {"name": "rest", "port": {"number": 80}}}
    return Ingress.convert({"metadata": metadata, "spec": spec})


CREATED = {name: f"202{i}-01-01T00:00:00Z" for i, name in enumerate(("z", "a", "m"))}


def test_names_are_plain_where_a_host_moves_to_a_master_that_is_generated_earlier() -> None:
    runner = Runner()
    runner.take(hosted("z", "h.test"), hosted("a", "h.test"), hosted("m", "h.test", "minion", "/m"))
    moved = runner.take(hosted("z", "other.test"))
    at_once = Runner().take(hosted("z", "other.test"), hosted("a", "h.test"), hosted("m", "h.test", "minion", "/m"))
    assert (set(moved.files), set(moved.upstreams)) == (set(at_once.files), set(at_once.upstreams))


def test_names_are_plain_where_a_minion_becomes_a_resource_that_is_generated_before_its_master() -> None:
    runner = Runner()
    runner.take(hosted("z", "h.test"), hosted("a", "h.test", "minion", "/a"), hosted("m", "h.test", "minion", "/m"))
    parted = runner.take(ingress("a"))
    at_once = Runner().take(hosted("z", "h.test"), ingress("a"), hosted("m", "h.test", "minion", "/m"))
    assert (set(parted.files), set(parted.upstreams)) == (set(at_once.files), set(at_once.upstreams))


@pytest.mark.parametrize("default", [False, True])
def test_the_file_of_a_master_does_not_depend_on_the_paths_and_errors_of_its_minions(default: bool) -> None:
    master = hosted("a", "h.test", default=default)
    alone = Runner().take(master)
    minion = hosted("m", "h.test", "minion", "/m/", custom_http_errors="404")
    both = Runner().take(master, minion)
    assert text(both, "a") == text(alone, "a")
    assert "location = /m {" in both.files["attached/h.test/default-m.locations"].data.decode()


def test_a_port_whose_default_server_the_users_template_fails_for_has_the_built_in_one() -> None:
    """Else an unknown host would reach the first Ingress of the port."""
    fails = "{% if config.follows %}{{ 1 // 0 }}{% endif %}" + BUILT_IN
    runner = Runner()
    runner.take(config_map(ingress_template=fails))
    opened = runner.take(ingress("cafe", listen_ports="8087"))
    assert "listen 8087 default_server;" in opened.files["conf.d/_listen-8087.conf"].data.decode()
    assert [problem.field for problem in opened.config_map or ()] == ["ingress-template"]
    again = runner.take(config_map(ingress_template=fails))
    assert [problem.field for problem in again.config_map or ()] == ["ingress-template"]


def secured(namespace: str, name: str, secret: str, *addresses: str) -> list[TopLevel]:
    """Return the Ingress *name* with TLS by *secret*, and what it needs."""
    service, slices = behind(name, *addresses)
    moved = [
        structs.replace(item, metadata=structs.replace(item.metadata, namespace=namespace))
        for item in (service, slices)
    ]
    item = ingress(name)
    assert item.spec is not None
    tls = (IngressTLS(hosts=(f"{name}.test",), secret_name=secret),)
    metadata = structs.replace(item.metadata, namespace=namespace)
    form, data = SECRETS[0]
    pair = {"metadata": {"namespace": namespace, "name": secret}, "type": form, "data": data}
    return [
        structs.replace(item, metadata=metadata, spec=structs.replace(item.spec, tls=tls)),
        *moved,
        Secret.convert(pair),
    ]


def test_a_secret_keeps_its_file_while_an_earlier_version_that_needs_it_is_served() -> None:
    """The names ``a-b/c`` and ``a/b-c`` would have one file."""
    runner = Runner(templates={HTTP: FAILS_FOR_SECOND})
    runner.take(*secured("a-b", "tea", "c", "10.0.0.1"))
    kept = runner.take(*secured("a-b", "tea", "other", "10.0.0.2"))
    assert "its last good configuration stays" in told(kept, Ingress.KIND.ref("a-b", "tea"))[-1]
    both = runner.take(*secured("a", "latte", "b-c", "10.0.0.3"))
    files = {file.name for file in both.resources[Ingress.KIND.ref("a", "latte")].wanted.files}
    assert "secrets/a-b-c" in {file.name for file in kept.files.values()}
    assert files.isdisjoint({"secrets/a-b-c"})
