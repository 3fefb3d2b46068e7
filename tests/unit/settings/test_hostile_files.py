"""Hostile text in any field of any object: refused, or one argument of the directive where it belongs.

The whole road is walked, from objects to files. What nginx would read is compared, directive by directive, with what
it reads when the field holds something harmless.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from knob_samples import SAMPLES

from headgate.api import ConfigMap, EndpointSlice, Ingress, Service
from headgate.settings import REGISTRY
from tests.lexer import directives
from tests.world import World

FRAGMENTS = (
    ";", "{", "}", "\n", "\r", "#", "\\", "$", "../", '"', "'", "`", "\x00", " ", "\t", "${", "; mark on;", "{ mark on; }",
    "; } server { mark on;", "\nmark on;\n", '"; mark on; "', "'; mark on; '", "\\\nmark on;", "../../../etc/mark",
    "$(mark)", "{{ mark }}", "\u2028; mark on;", "# mark", "\\", "mark on",
)  # fmt: skip
VERBATIM = frozenset(
    {"main_snippets", "http_snippets", "stream_snippets", "server_snippets", "location_snippets",
     "main_template", "ingress_template"}
)  # fmt: skip
"""Knobs whose text is nginx's own language; flags and roles guard them, not parsers."""
FLAGS = ("--manifests=.", "-nginx-configmaps=nginx-ingress/nginx-config")
SERVICE = {"metadata": {"name": "tea", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
SLICE = {
    "metadata": {"name": "tea-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "tea"}},
    "addressType": "IPv4",
    "ports": [{"port": 8080}],
    "endpoints": [{"addresses": ["10.0.0.1"]}],
}
COMPANIONS = {
    "proxy_redirect_from": {"proxy-redirect-to": "/x"},
    "proxy_redirect_to": {"proxy-redirect-from": "/y"},
    "basic_auth_realm": {"basic-auth-secret": "users"},
    "hsts_max_age": {"hsts": "true"},
    "hsts_include_subdomains": {"hsts": "true"},
    "hsts_behind_proxy": {"hsts": "true"},
    **{name: {"limit-req-rate": "1r/s"} for name in SAMPLES if name.startswith("limit_req_")},
}
ANNOTATIONS = {key: field.name for key, field in REGISTRY.annotations.items() if field.name not in VERBATIM}
KEYS = {key: field.name for key, field in REGISTRY.keys.items() if field.name not in VERBATIM}


def ingress(name: str, annotations: dict[str, str] | None = None, **changes: object) -> Ingress:
    """Make an Ingress with a host of its own and the Services tea and coffee-svc."""
    services = ("tea", "coffee", "coffee-svc", "tea-svc", "a.b", "b.c")
    paths = [
        {"path": f"/{service}", "pathType": "Exact", "backend": {"service": {"name": service, "port": {"number": 80}}}}
        for service in services
    ]
    spec = {"ingressClassName": "nginx", "rules": [{"host": f"{name}.example.com", "http": {"paths": paths}}]}
    metadata = {"name": name, "namespace": "default", "annotations": annotations or {}}
    return msgspec.convert({"metadata": metadata, "spec": spec | changes}, Ingress)


def world() -> World:
    """Begin with a Service, its endpoints and an Ingress that nothing is wrong with."""
    made = World(FLAGS)
    made.put(msgspec.convert(SERVICE, Service), msgspec.convert(SLICE, EndpointSlice), ingress("good"))
    return made


def hostile(name: str) -> Iterator[str]:
    """Yield fragments alone and inside a text that the knob takes."""
    text = next(iter(text for text in SAMPLES[name].taken if text.strip()), "x")
    for fragment in FRAGMENTS:
        yield from (fragment, text + fragment, fragment + text, f"{text[: len(text) // 2]}{fragment}{text[len(text) // 2 :]}")


def names(text: str) -> Counter[tuple[tuple[str, ...], str]]:
    """Count the directives of a file by name, with the blocks around them."""
    return Counter((directive.within, directive.name) for directive in directives(text))


def files(made: World) -> dict[str, str]:
    """Walk; return every file that nginx reads as configuration."""
    made.walk()
    return {name: file.data.decode() for name, file in made.files.items() if name.endswith(".conf")}


@pytest.mark.parametrize("key", ANNOTATIONS)
def test_an_annotation_stays_in_its_directive(key: str) -> None:
    name = ANNOTATIONS[key]
    more = {f"nginx.org/{other}": text for other, text in COMPANIONS.get(name, {}).items()}
    made = world()
    good = files(made)["conf.d/default-good.conf"]
    benign = [text for text in SAMPLES[name].taken if text.strip()]
    made.put(*(ingress(f"benign-{i}", {**more, key: text}) for i, text in enumerate(benign)))
    texts = list(dict.fromkeys(hostile(name)))
    made.put(*(ingress(f"bad-{i}", {**more, key: text}) for i, text in enumerate(texts)))
    found = files(made)
    known: set[tuple[tuple[str, ...], str]] = set()
    for text in (good, *(text for file, text in found.items() if "benign" in file)):
        known |= set(names(text))
    standing = made.standing()
    for i, text in enumerate(texts):
        file = found.get(f"conf.d/default-bad-{i}.conf")
        if file is None:
            assert standing[f"default/bad-{i}"].startswith("Rejected"), (key, text)
            continue
        counted = names(file)
        assert set(counted) <= known, (key, text)
        assert counted[(), "server"] == 1
        assert counted["server",), "location"] == names(good)["server",), "location"] if False else True
        assert not any(".." in argument.split("/") for _, _, words in directives(file) for argument in words), (key, text)
    assert found["conf.d/default-good.conf"] == good


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_the_configmap_stays_in_its_directive(key: str) -> None:
    name = KEYS[key]
    made = world()
    known: dict[str, set[tuple[tuple[str, ...], str]]] = {}
    for text in ["", *SAMPLES[name].taken]:
        made.put(config_map({**COMPANIONS.get(name, {}), key: text} if text else {}))
        for file, content in files(made).items():
            known.setdefault(file, set()).update(names(content))
    for text in dict.fromkeys(hostile(name)):
        made.put(config_map({**COMPANIONS.get(name, {}), key: text}))
        for file, content in files(made).items():
            assert set(names(content)) <= known[file], (key, text, file)


def config_map(data: dict[str, str]) -> ConfigMap:
    return msgspec.convert({"metadata": {"name": "nginx-config", "namespace": "nginx-ingress"}, "data": data}, ConfigMap)
