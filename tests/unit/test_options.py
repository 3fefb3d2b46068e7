"""Flags as operators write them become Options, or messages that say what to do."""

from pathlib import Path

import msgspec
import pytest

from headgate import flags
from headgate.declined_flags import DECLINED
from headgate.options import DECLARED, LogFormat, LogLevel, NamespacedName, Options, flags_help, flags_markdown, parse


def options(*argv: str, **environ: str) -> Options:
    found = parse(argv, environ)
    assert isinstance(found, Options), [str(problem) for problem in found]
    return found


def complaints(*argv: str) -> list[str]:
    found = parse(argv, {})
    assert not isinstance(found, Options), found
    return [str(problem) for problem in found]


def test_no_flags_give_the_defaults() -> None:
    assert options() == Options()
    assert Options().nginx_reload_timeout == 60_000


def test_the_environment_names_the_pod() -> None:
    found = options(POD_NAMESPACE="edge", POD_NAME="headgate-0")
    assert (found.pod_namespace, found.pod_name) == ("edge", "headgate-0")


@pytest.mark.parametrize(
    "argv",
    [
        ("-ingress-class=edge",),
        ("--ingress-class=edge",),
        ("-ingress-class", "edge"),
        ("--ingress-class", "edge"),
        ("-ingress-class=other", "-ingress-class=edge"),
    ],
)
def test_all_forms_of_a_flag_are_accepted(argv: tuple[str, ...]) -> None:
    assert options(*argv).ingress_class == "edge"


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_all_spellings_of_true_in_go_are_accepted(text: str) -> None:
    assert options(f"-enable-snippets={text}").enable_snippets is True


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_all_spellings_of_false_in_go_are_accepted(text: str) -> None:
    assert options(f"-nginx-status={text}").nginx_status is False


def test_a_boolean_without_value_is_true_and_takes_no_argument() -> None:
    assert options("-enable-snippets", "-ingress-class", "edge").enable_snippets is True


@pytest.mark.parametrize(
    ("argument", "field", "value"),
    [
        ("-watch-namespace=shop, blog", "watch_namespace", ("shop", "blog")),
        ("-watch-namespace=", "watch_namespace", ()),
        ("-watch-namespace-label=a in (b,c), !d,e!=f,g", "watch_namespace_label", "a in (b,c), !d,e!=f,g"),
        ("-watch-namespace-label=example.com/team==web", "watch_namespace_label", "example.com/team==web"),
        ("-default-server-tls-secret=edge/tls", "default_server_tls_secret", NamespacedName("edge", "tls")),
        ("-prometheus-tls-secret=", "prometheus_tls_secret", None),
        ("-nginx-status-allow-cidrs=10.0.0.0/8,::1", "nginx_status_allow_cidrs", ("10.0.0.0/8", "::1")),
        ("-nginx-status-allow-cidrs=::ffff:10.0.0.1/104", "nginx_status_allow_cidrs", ("10.0.0.0/8",)),
        ("-nginx-status-port=1023", "nginx_status_port", 1023),
        ("-default-http-listener-port=0x50", "default_http_listener_port", 80),
        ("-log-level=warning", "log_level", LogLevel.WARN),
        ("-log-level=warn", "log_level", LogLevel.WARN),
        ("-log-format=JSON-Unix-MS", "log_format", LogFormat.JSON_UNIX_MS),
        ("--manifests=examples/cafe", "manifests", Path("examples/cafe")),
        ("--context=a=b", "context", "a=b"),
    ],
)
def test_every_type_of_value_is_parsed(argument: str, field: str, value: object) -> None:
    assert getattr(options(argument), field) == value


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("-watch-namespace=a,,b", "-watch-namespace: 'a,,b' is not a name; write lower case letters"),
        ("-ingress-class=", "-ingress-class: the value is not a name"),
        ("-ingress-class=a_b", "-ingress-class: 'a_b' is not a name"),
        ("-default-server-tls-secret=tls", "'tls' is not NAMESPACE/NAME"),
        ("-default-server-tls-secret=a/b/c", "'a/b/c' is not NAMESPACE/NAME"),
        ("-nginx-status-allow-cidrs=127.0.0.1,", "has the entry '', which is neither an IP address nor a CIDR"),
        ("-nginx-status-allow-cidrs=", "has the entry ''"),
        ("-nginx-status-port=1022", "is out of range; write a number from 1023 to 65535"),
        ("-nginx-status-port=65536", "is out of range"),
        ("-default-http-listener-port=eighty", "'eighty' is not a whole number"),
        ("-nginx-reload-timeout=0", "is out of range; write a number from 1 to 86400000"),
        ("-watch-namespace-label=a in b", "has the term 'a in b', which is not a label selector"),
        ("-watch-namespace-label=a,,b", "has the term ''"),
        ("-health-status-uri=/", "is not a path below /"),
        ("-health-status-uri=", "the value is not a path below /"),
        ("-health-status-uri=/a;b", "is not a path below /"),
        ("-enable-snippets=yes", "'yes' is not a boolean; write true or false"),
        ("-watch-namspace=a", "is not a flag of Headgate; did you mean -watch-namespace?"),
        ("-zzz", "-zzz: is not a flag of Headgate; see headgate run --help"),
        ("-ingress-class", "-ingress-class: has no value; write -ingress-class=VALUE"),
        ("-nginx-plus", "-nginx-plus: 'true' needs NGINX Plus, and Headgate drives open-source NGINX"),
        ("-nginx-plus=maybe", "'maybe' is not a boolean"),
        ("-proxy=http://127.0.0.1:8001", "use --kubeconfig for a cluster or --manifests for a folder"),
        ("run", "'run' is not a flag; flags begin with - or --"),
    ],
)
def test_a_mistake_is_reported_with_its_reason(argument: str, complaint: str) -> None:
    (said,) = complaints(argument)
    assert complaint in said
    assert said.endswith("(Headgate does not start)")


def test_a_loose_true_is_traced_to_its_flag() -> None:
    (said,) = complaints("-enable-snippets", "true")
    assert "if it is the value of -enable-snippets, write -enable-snippets=true" in said


def test_all_mistakes_are_reported_at_once() -> None:
    assert len(complaints("-zzz", "-ingress-class=A", "-nginx-plus", "-nginx-status-port=1")) == 4


def test_namespaces_are_named_or_selected() -> None:
    (said,) = complaints("-watch-namespace=a", "-watch-namespace-label=b")
    assert "contradicts -watch-namespace" in said


def test_live_routes_need_the_live_data_plane() -> None:
    (said,) = complaints("-live-routes", "-data-plane=files")
    assert "contradicts -data-plane=files" in said


@pytest.mark.parametrize(
    ("argv", "routed"),
    [
        ([], False),
        (["-nginx-configmaps=a/b", "-enable-snippets"], False),
        (["-live-routes"], True),
        (["--manifests=a"], True),
        (["--manifests=a", "-live-routes=false"], False),
        (["--election-id=a", "--configmap=a/b"], True),
    ],
)
def test_hosts_are_routed_unless_the_arguments_are_those_of_the_incumbent(argv: list[str], routed: bool) -> None:
    options = parse(argv, {})
    assert isinstance(options, Options)
    assert options.live_routes is routed


def test_a_folder_excludes_a_cluster() -> None:
    assert "contradicts --kubeconfig" in complaints("--manifests=a", "--kubeconfig=b")[0]
    assert "contradicts --context" in complaints("--manifests=a", "--context=b")[0]


def test_listeners_need_ports_of_their_own() -> None:
    (said,) = complaints("-default-http-listener-port=8081")
    assert said.startswith("-ready-status-port: '8081' is also the port of -default-http-listener-port")
    options("-default-http-listener-port=8081", "-ready-status=false")
    options("-default-http-listener-port=9113")


@pytest.mark.parametrize(
    ("argv", "warning"),
    [
        (["-enable-telemetry-reporting=true"], "Headgate sends no telemetry"),
        (["-mgmt-configmap=a/b"], "needs NGINX Plus"),
        (["-log-format=xml"], "(using glog)"),
        (["-log-level=loud"], "(using info)"),
        (["-enable-latency-metrics"], "upstream latency is not measured"),
    ],
)
def test_flags_without_effect_are_reported(argv: list[str], warning: str) -> None:
    found = options(*argv)
    assert [warning in str(problem) for problem in found.warnings] == [True]
    assert msgspec.structs.replace(found, warnings=()) == Options()


def test_latency_stays_with_metrics() -> None:
    found = options("-enable-latency-metrics", "-enable-prometheus-metrics")
    assert found.enable_latency_metrics
    assert not found.warnings


@pytest.mark.parametrize("argv", [["-version"], ["--version", "-zzz"]])
def test_version_is_printed_despite_mistakes(argv: list[str]) -> None:
    assert options(*argv).version


def test_no_version_is_wanted() -> None:
    assert options("-version=FALSE", "-enable-snippets").enable_snippets
    assert complaints("-version=maybe") == [
        "-version: 'maybe' is not a boolean; write true or false (Headgate does not start)"
    ]


@pytest.mark.parametrize("argv", [["-h"], ["--help"], ["-help", "-nginx-plus"]])
def test_help_is_printed_despite_mistakes(argv: list[str]) -> None:
    assert options(*argv).help


def test_secrets_follow_the_watched_namespaces() -> None:
    assert options("-watch-namespace=a").secret_namespaces == ("a",)
    assert options("-watch-namespace=a", "-watch-secret-namespace=b").secret_namespaces == ("b",)


@pytest.mark.parametrize("name", DECLARED)
def test_examples_parse_and_are_in_every_text(name: str) -> None:
    declaration = DECLARED[name]
    value = getattr(options(declaration.example), name.replace("-", "_"))
    assert declaration.value.parse(flags.printed(value)) == value
    for text in (flags_help(), flags_markdown()):
        assert declaration.example in text
        assert declaration.flag.doc in text


def test_what_is_not_there_is_documented() -> None:
    for name, flag in DECLINED.items():
        assert f"| `-{name}` | {flag.outlook} | {flag.reason} |" in flags_markdown()
    assert {flag.outlook for flag in DECLINED.values()} == {"declined"}
