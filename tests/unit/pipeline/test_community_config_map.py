"""The ConfigMap of ingress-nginx as it changes: which hosts follow it, and what stays if a value cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import structs

from headgate.api import ConfigMap, Ingress, IngressClass, TopLevel
from headgate.controller.environment import environment, templates
from headgate.controller.fake_certificate import fallback
from headgate.controller.kinds import CLAIMANTS
from headgate.controller.refusals import shared
from headgate.ir import ApplyResult, FileSet, Layout, Outcome
from headgate.ir.live import LuaModules
from headgate.pipeline import Generation, Pipeline
from headgate.problems import ObjectRef
from tests.simulated_cluster import CURRENT, flags

NOW = datetime(2026, 11, 27, tzinfo=UTC)
SHOP = Ingress.KIND.ref("default", "shop")
OURS = ConfigMap.KIND.ref("ingress-nginx", "controller")
THEIRS = ConfigMap.KIND.ref("nginx-ingress", "config")
ALONE = (f"--configmap={OURS.key}",)
BESIDE = (f"--configmap={OURS.key}", f"-nginx-configmaps={THEIRS.key}", "--controller-class=k8s.io/ingress-nginx")


def config_map(ref: ObjectRef = OURS, **data: str) -> ConfigMap:
    texts = {key.replace("_", "-"): text for key, text in data.items()}
    return ConfigMap.convert({"metadata": {"namespace": ref.namespace, "name": ref.name}, "data": texts})


def ingress(name: str, class_name: str = "nginx", **annotations: str) -> Ingress:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": 80}}}}
    keys = {f"nginx.ingress.kubernetes.io/{key.replace('_', '-')}": text for key, text in annotations.items()}
    spec = {"ingressClassName": class_name, "rules": [{"host": f"{name}.test", "http": {"paths": [path]}}]}
    return Ingress.convert({"metadata": {"namespace": "default", "name": name, "annotations": keys}, "spec": spec})


def ingress_class(name: str, controller: str) -> IngressClass:
    return IngressClass.convert({"metadata": {"name": name}, "spec": {"controller": controller}})


class Cluster:
    """A Pipeline, and an nginx that refuses what contains a word."""

    def __init__(self, *argv: str, lua: LuaModules | None = None) -> None:
        options, able = flags(argv), structs.replace(CURRENT, lua=lua)
        env = environment(options, able, Layout.container(), user=None, ipv6=True, stdout=True)
        self.pipeline = Pipeline(CLAIMANTS, options, env, templates(options), lambda: 0.0, fallback(options))

    def batch(self, *items: TopLevel) -> Generation:
        """Process a batch to its end; the last Generation has what is said of ConfigMaps."""
        generation = self.pipeline.advance({item.ref: item for item in items}, NOW)
        self.tries = 0
        while True:
            self.tries += 1
            ruling = self.pipeline.judge(_judged(generation.files))
            if ruling.again is None:
                break
            generation = ruling.again
        self.told = [str(each) for each in (ruling.config_map or generation.config_map or ())]
        self.served = generation.files
        return generation

    def text(self, name: str) -> str:
        return self.served[f"conf.d/default-{name}.conf"].data.decode()


def _judged(files: FileSet) -> ApplyResult:
    text = "".join(file.data.decode() for name, file in files.items() if name.endswith(".conf"))
    if "ingress_forwarded_proto" in text and "map $http_x_forwarded_proto $ingress_forwarded_proto" not in text:
        error = 'unknown "ingress_forwarded_proto" variable'
        return ApplyResult(outcome=Outcome.FAILED, version=1, error=error)
    if names := {file.origin: file for name, file in files.items() if name.startswith("external/") and file.origin}:
        refused = dict.fromkeys(names, 'host not found in upstream "auth.test:80" in /etc/nginx/external/auth.test:1')
        return ApplyResult(outcome=Outcome.APPLIED, version=1, refused=refused)
    if "unheard_of" in text:
        error = 'unknown directive "unheard_of" in /etc/nginx/conf.d/default-shop.conf:1'
        return ApplyResult(outcome=Outcome.FAILED, version=1, error=error)
    return ApplyResult(outcome=Outcome.APPLIED, version=1)


def test_hosts_and_all_of_nginx_follow_it() -> None:
    cluster = Cluster(*ALONE)
    cluster.batch(ingress("shop"), config_map(proxy_body_size="8m", keep_alive="30"))
    assert "client_max_body_size 8m;" in cluster.text("shop")
    assert "keepalive_timeout 30s;" in cluster.served["nginx.conf"].data.decode()
    cluster.batch(config_map())
    assert "client_max_body_size" not in cluster.text("shop")
    assert "keepalive_timeout 75s;" in cluster.served["nginx.conf"].data.decode()


def test_beside_the_other_controllers_each_decides_about_its_own_hosts() -> None:
    cluster = Cluster(*BESIDE)
    classes = ingress_class("nginx", "nginx.org/ingress-controller"), ingress_class("old", "k8s.io/ingress-nginx")
    cluster.batch(*classes, ingress("shop", "old"), ingress("cafe"), config_map(), config_map(THEIRS))
    cafe, main = cluster.text("cafe"), cluster.served["nginx.conf"]
    cluster.batch(config_map(proxy_body_size="8m", server_snippet="# of shop", keep_alive="30"))
    assert "client_max_body_size 8m;" in cluster.text("shop")
    assert "# of shop" in cluster.text("shop")
    assert (cluster.text("cafe"), cluster.served["nginx.conf"]) == (cafe, main)
    assert [line for line in cluster.told if "keep-alive" in line] == cluster.told != []
    cluster.batch(config_map(THEIRS, proxy_read_timeout="7"))
    assert "proxy_read_timeout 7s;" in cluster.served["nginx.conf"].data.decode()
    assert "client_max_body_size 8m;" in cluster.text("shop")
    assert [line for line in cluster.told if "keep-alive" in line] == cluster.told != []


def test_a_stricter_rule_withdraws_an_ingress_and_a_looser_one_lets_it_in() -> None:
    cluster = Cluster(*ALONE)
    loose = config_map(allow_snippet_annotations="true", annotations_risk_level="Critical")
    shop = ingress("shop", configuration_snippet="expires 1h;")
    assert SHOP in cluster.batch(shop, loose).resources
    assert SHOP not in cluster.batch(config_map()).resources
    assert SHOP in cluster.batch(loose).resources


def test_the_last_good_value_of_a_guard_stays() -> None:
    cluster = Cluster(*ALONE)
    cluster.batch(ingress("shop"), config_map(block_cidrs="192.0.2.1", proxy_body_size="8m"))
    assert SHOP in cluster.batch(config_map(block_cidrs="everybody", proxy_body_size="9m")).resources
    assert "deny 192.0.2.1;" in cluster.text("shop")
    assert "client_max_body_size 9m;" in cluster.text("shop")
    assert [line.endswith("(the previous value stays in force)") for line in cluster.told] == [True]
    cluster.batch(config_map(proxy_body_size="9m"))
    assert "deny" not in cluster.text("shop")


def test_a_guard_that_never_could_be_used_keeps_the_hosts_out() -> None:
    cluster = Cluster(*ALONE)
    assert SHOP not in cluster.batch(ingress("shop"), config_map(block_cidrs="everybody")).resources
    assert SHOP in cluster.batch(config_map(block_cidrs="192.0.2.1")).resources


def test_a_snippet_that_nginx_refuses_is_left_out_and_the_other_keys_count() -> None:
    cluster = Cluster(*ALONE)
    cluster.batch(ingress("shop"), config_map(proxy_body_size="8m"))
    cluster.batch(config_map(proxy_body_size="9m", keep_alive="31", location_snippet="unheard_of on;"))
    assert "unheard_of" not in cluster.text("shop")
    assert "client_max_body_size 9m;" in cluster.text("shop")
    assert "keepalive_timeout 31s;" in cluster.served["nginx.conf"].data.decode()
    assert [line.partition(":")[0] for line in cluster.told] == ["location-snippet"]


def test_a_name_that_nginx_does_not_find_is_not_held_against_the_config_map() -> None:
    cluster = Cluster(*ALONE)
    forwarded = config_map(use_forwarded_headers="true", proxy_real_ip_cidr="192.0.2.0/24")
    cluster.batch(ingress("shop", auth_url="http://auth.test/check"), forwarded)
    assert cluster.tries == 1
    assert cluster.told == []


def test_a_host_that_does_not_resolve_is_not_called_a_service() -> None:
    generation = Cluster(*ALONE).batch(ingress("shop", auth_url="http://auth.test/check"))
    (told,) = shared(generation, _judged(generation.files))[SHOP]
    assert str(told).startswith("host auth.test cannot be reached by its name: host not found in upstream")


def test_other_config_maps_stay_wrong_while_keys_are_tried() -> None:
    ports = ConfigMap.KIND.ref("ingress-nginx", "tcp")
    cluster = Cluster(*ALONE, f"--tcp-services-configmap={ports.key}")
    wrong = ConfigMap.convert(
        {"metadata": {"namespace": ports.namespace, "name": ports.name}, "data": {"bad": "default/shop:80"}}
    )
    cluster.batch(ingress("shop"), wrong, config_map(http_snippet="unheard_of on;"))
    assert sorted(line.partition(":")[0] for line in cluster.told) == ["bad", "http-snippet"]


def test_typed_keys_and_the_usual_log_format_leave_hosts_without_server_blocks() -> None:
    cluster = Cluster(*ALONE, lua=LuaModules((), "/lua/?.lua", "/lua/?.so"))
    typed = config_map(client_header_timeout="20", use_gzip="true", ssl_session_tickets="false", keep_alive="9")
    assert cluster.batch(ingress("shop"), typed).unrouted == ""
    assert "conf.d/default-shop.conf" not in cluster.served
    assert "[-] []" in cluster.served["nginx.conf"].data.decode()
    assert "$resource_" in cluster.batch(config_map(log_format_upstream="$namespace")).unrouted
    assert "conf.d/default-shop.conf" in cluster.served
