"""Whatever is written into a setting: a Problem, or a configuration that nginx takes and that says nothing else.

Each setting meets its own good values, good values with hostile pieces in them, and random text, as annotation and as
ConfigMap key. What is not refused is rendered, read back with crossplane and tested with ``nginx -t``. The sample is
fixed; ``HEADGATE_SETTING_VALUES`` (values for each setting and place) and ``HEADGATE_SETTING_SEED`` make another one.
"""

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import crossplane
import pytest

from headgate.api import ConfigMap, EndpointSlice, Ingress, Secret, Service
from headgate.ir import FileSet, Layout
from headgate.settings import REGISTRY, Setting, Where
from tests.nginx_binaries import capabilities, prepare, refusal
from tests.simulated_cluster import SimulatedCluster, api_object
from tests.unit.settings.setting_samples import SAMPLES, companions

VALUES = int(os.environ.get("HEADGATE_SETTING_VALUES", "12"))
SEED = int(os.environ.get("HEADGATE_SETTING_SEED", "1"))
CONFIG = "nginx-ingress/nginx-config"
FLAGS = (
    "--manifests=.", f"-nginx-configmaps={CONFIG}", "-enable-snippets", "-default-http-listener-port=18080",
    "-default-https-listener-port=18443", "-nginx-status-port=18082",
)  # fmt: skip
HOSTILE = (
    ";", "{", "}", "\n", "\r\n", "#", "\\", "$", "$x", "${", "../", '"', "'", "`", "\x00", " ", "\t", "\x7f", "'; }",
    "\\n", "; deny all;", "} server { listen 81; ", '"; include /etc/passwd; "', "\\\n;", "\u2028;", "\u0663", "\u00e9",
    "%;{", "()", ",",
)  # fmt: skip
WORDS = "abcxyzABC0123456789 -_./:=,;{}$\"'\\#~^*()[]|+?%&@!<>\n\t\u00e9\u4e16"
VERBATIM = {
    "main_snippets", "http_snippets", "stream_snippets", "server_snippets", "location_snippets",
    "main_template", "ingress_template", "virtualserver_template", "transportserver_template",
}  # fmt: skip
"""Settings that are configuration themselves."""
LISTENING = {"listen_ports", "listen_ports_ssl"}
"""``nginx -t`` opens ports, and those that turn up here may be anybody's."""
UNKNOWN = r'unknown "\w+" variable'
LAST_WORD = {
    "resolver_addresses": "host not found in resolver",
    "access_log": "host not found in syslog server|invalid host in syslog server|unknown syslog",
    "proxy_redirect_from": f"pcre|{UNKNOWN}",
    "worker_connections": "exceed open file resource limit",
    "worker_cpu_affinity": "is not equal to the number of",
    **dict.fromkeys(
        ("lb_method", "log_format", "stream_log_format", "proxy_redirect_to", "default_server_return", "limit_req_key"),
        UNKNOWN,
    ),
}
"""What only nginx, its libraries and its machine know of a well-formed value."""


def values(field: Setting, count: int) -> list[str]:
    """Return *count* texts for the setting; the same ones every time."""
    source = random.Random(f"{SEED} {field.name}")
    good = [text for text in SAMPLES[field.name].taken if len(text) < 200]
    bad = [text for text in SAMPLES[field.name].refused if len(text) < 200]
    found: dict[str, None] = {}
    while len(found) < count:
        text = source.choice(good or bad)
        kind = source.random()
        if kind < 0.6:
            place = source.randint(0, len(text))
            text = text[:place] + source.choice(HOSTILE) + text[place + source.randint(0, 2) :]
        elif kind < 0.8:
            text = "".join(source.choice(WORDS) for _ in range(source.randint(1, 12)))
        elif kind < 0.9:
            text += source.choice([text, source.choice(good or bad), source.choice(HOSTILE)])
        found[text] = None
    return list(found)


def ingress(name: str, annotations: dict[str, str]) -> Any:
    """Return an Ingress with TLS, a default backend and two paths."""

    def backend(service: str) -> dict[str, Any]:
        return {"service": {"name": service, "port": {"number": 80}}}

    paths = [{"path": path, "pathType": "ImplementationSpecific", "backend": backend(service)}
             for path, service in (("/", "tea"), ("/a/(x)", "coffee"))]  # fmt: skip
    spec = {
        "ingressClassName": "nginx",
        "defaultBackend": backend("b.c"),
        "tls": [{"hosts": [f"{name}.test"], "secretName": "gone"}],
        "rules": [{"host": f"{name}.test", "http": {"paths": paths}}],
    }
    return api_object(Ingress, metadata={"namespace": "shop", "name": name, "annotations": annotations}, spec=spec)


def services() -> Iterator[Any]:
    for name in ("tea", "coffee", "b.c", "tea-svc", "a.b"):
        yield api_object(Service, metadata={"namespace": "shop", "name": name}, spec={"ports": [{"port": 80}]})
        endpoints = [{"addresses": [f"10.0.0.{number}"]} for number in (1, 2)]
        metadata = {"namespace": "shop", "name": name, "labels": {"kubernetes.io/service-name": name}}
        ports = [{"port": 80}]
        yield api_object(EndpointSlice, metadata=metadata, addressType="IPv4", ports=ports, endpoints=endpoints)
    yield api_object(Secret, metadata={"namespace": "shop", "name": "htpasswd"}, type="nginx.org/htpasswd")


def cluster_with_services(nginx: str, layout: Layout) -> SimulatedCluster:
    cluster = SimulatedCluster(FLAGS, capabilities(nginx), layout)
    cluster.put(*services())
    return cluster


def assert_taken(nginx: str, layout: Layout, files: FileSet, field: Setting) -> None:
    """Have ``nginx -t`` look at *files*; it may only object to what it alone can know."""
    if field.name in LISTENING:
        return
    prepare(layout)
    for name, file in files.items():
        path = Path(layout.conf, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    reason = refusal(nginx, layout)
    assert not reason or re.search(LAST_WORD.get(field.name, "nothing"), reason), reason


@lru_cache(maxsize=64)  # refused values change no file
def shape(text: bytes, folder: Path) -> Counter[str]:
    """Return the directives of a file with the blocks around them, as nginx's own grammar has them."""
    path = folder / "read.conf"
    path.write_bytes(text)
    found = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False, catch_errors=False)
    return Counter(_paths(found["config"][0]["parsed"], ""))


def _paths(block: list[dict[str, Any]], cluster: str) -> Iterator[str]:
    for directive in block:
        here = f"{cluster}/{directive['directive']}"
        yield here
        if here.endswith(("/map", "/types")):
            continue
        yield from _paths(directive.get("block") or [], here)


def same(found: Counter[str], harmless: list[Counter[str]], field: Setting) -> bool:
    """Whether *found* are directives that harmless values have; a list may have more or fewer of them."""
    if "tuple" in str(field.kind) and "Quoted" not in str(field.kind):
        return found.keys() <= {path for one in harmless for path in one}
    return found in harmless


ANNOTATIONS = [field for field in REGISTRY.annotations.values() if field.name not in VERBATIM]
KEYS = [field for field in REGISTRY.keys.values() if field.name not in VERBATIM]


@pytest.mark.parametrize("field", ANNOTATIONS, ids=lambda field: field.annotation)
def test_annotation(field: Setting, nginx: str, layout: Layout, tmp_path: Path) -> None:
    cluster = cluster_with_services(nginx, layout)
    more = companions(field, Where.ANNOTATION)
    good, texts = list(SAMPLES[field.name].taken), values(field, VALUES)
    for kind, found in (("good", good), ("text", texts)):
        for number, text in enumerate(found):
            cluster.put(ingress(f"{kind}{number}", {**more, field.annotation: text}))
    cluster.put(ingress("plain", more))
    cluster.process_batch()
    files = cluster.texts()
    parsed = {name: shape(text, tmp_path) for name, text in files.items() if name.startswith("conf.d/shop-")}
    harmless = [found for name, found in parsed.items() if not name.startswith("conf.d/shop-text")]
    for number, text in enumerate(texts):
        if found := parsed.get(f"conf.d/shop-text{number}.conf"):
            assert same(found, harmless, field), text
        else:
            assert cluster.reported()[f"shop/text{number}"].startswith("Rejected"), text
    assert_taken(nginx, layout, cluster.files, field)


@pytest.mark.parametrize("field", KEYS, ids=lambda field: field.spec.key)
def test_key_of_the_configmap(field: Setting, nginx: str, layout: Layout, tmp_path: Path) -> None:
    cluster = cluster_with_services(nginx, layout)
    cluster.put(ingress("cafe", {}))
    more = companions(field, Where.CONFIGMAP)

    def under(data: dict[str, str]) -> tuple[Counter[str], bool]:
        """Return the directives of all files under this ConfigMap, and whether the key was refused."""
        namespace, _, name = CONFIG.partition("/")
        cluster.put(api_object(ConfigMap, metadata={"namespace": namespace, "name": name}, data=data))
        generation = cluster.process_batch()
        whole = b"\n".join(text for name, text in sorted(cluster.texts().items()) if name.endswith(".conf"))
        refused = any(problem.field == field.spec.key for problem in generation.config_map or ())
        return shape(whole, tmp_path), refused

    harmless = [under(more)[0]]
    harmless += [under({**more, field.spec.key: text})[0] for text in SAMPLES[field.name].taken]
    for text in values(field, VALUES):
        found, refused = under({**more, field.spec.key: text})
        assert same(found, harmless, field), text
        if not refused:
            assert_taken(nginx, layout, cluster.files, field)


def test_the_sample_has_accepted_and_refused_values() -> None:
    taken = refused = 0
    for field in REGISTRY.fields:
        for text in values(field, VALUES):
            try:
                field.parse(text)
            except ValueError:
                refused += 1
            else:
                taken += 1
    assert taken > len(REGISTRY.fields)
    assert refused > 5 * len(REGISTRY.fields)
    assert Where.BOTH in {field.spec.where for field in REGISTRY.fields}
