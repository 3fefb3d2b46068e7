"""nginx takes every setting beside a snippet, at each level, that says the same directive or another one."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from headgate.ir import Layout
from headgate.offline import generate_folder
from headgate.settings import REGISTRY, Setting, Where
from tests.directories import short_directory
from tests.nginx_binaries import BINARIES, capabilities, prepare, refusal
from tests.simulated_cluster import CURRENT, flags
from tests.unit.settings.setting_samples import companions

FREE = ("-default-http-listener-port=18080", "-default-https-listener-port=18443", "-nginx-status-port=18082")
OTHER = "client_body_timeout 7s;"
"""What no setting of Headgate says."""
BLOCKS = {"location", "listen", "server", "proxy_pass", "grpc_pass", "return", "limit_req_zone", "zone", "sticky"}
"""Directives that make the block what it is, or that stand in another one."""
PASSWORDS = {"auth_basic", "auth_basic_user_file"}
"""A snippet does not replace them in silence: nginx refuses it, and its owner is told."""
NAMED = {"access_log", "limit_req", "log_format", "ssl_dhparam", "worker_connections"}
"""Directives of a block without a snippet, or that name what stands behind the snippet or in another Ingress."""
UNIQUE = BLOCKS | PASSWORDS | NAMED
INDENTS = {"server": 4, "location": 8}
ANNOTATIONS = [
    field
    for key, field in REGISTRY.annotations.items()
    if key.startswith("nginx.org/") and not key.endswith("-snippets") and field.context not in {"upstream", "http"}
]


def ingress(name: str, annotations: Mapping[str, str]) -> dict[str, object]:
    backend = {"service": {"name": "coffee-svc", "port": {"number": 80}}}
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default", "annotations": dict(annotations)},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": f"{name}.test", "http": http}]},
    }


def generate(folder: Path, items: list[dict[str, object]], place: Layout, able=CURRENT):
    folder.write_text(yaml.safe_dump_all(items))
    return generate_folder(flags([f"--manifests={folder}", "-enable-snippets", *FREE]), place, able)


def lines(text: str, field: Setting, indent: int) -> list[str]:
    """Return the lines of *text* at *indent* with a directive of *field*."""
    names = "|".join(name for name in field.directive.split(", ") if name not in UNIQUE)
    return re.findall(rf"^ {{{indent}}}((?:{names}) [^\n]*;)$", text, re.MULTILINE) if names else []


def beside(folder: Path) -> Iterator[dict[str, object]]:
    """Yield an Ingress for each annotation, level and snippet: the lines that the annotation makes, and another."""
    for field in ANNOTATIONS:
        name = field.annotation.rpartition("/")[2]
        said = {**companions(field, Where.ANNOTATION), field.annotation: field.example}
        alone = generate(folder, [ingress(name, said)], Layout.container())
        text = "".join(file.data.decode() for path, file in alone.files.items() if path.startswith("conf.d/default-"))
        for level in INDENTS:
            key = f"nginx.org/{level}-snippets"
            yield ingress(f"{name}-{level}-other", {**said, key: OTHER})
            for found in INDENTS.values():
                if same := lines(text, field, found):
                    yield ingress(f"{name}-{level}-{found}", {**said, key: "\n".join(dict.fromkeys(same))})


@pytest.mark.parametrize("name", ["system", "wheel"])
def test_each_annotation_beside_a_snippet(name: str, tmp_path: Path) -> None:
    if name not in BINARIES:
        pytest.skip(f"no nginx: {name}")
    items = list(beside(tmp_path / "one.yaml"))
    assert len(items) > 2 * len(ANNOTATIONS)
    with short_directory() as prefix:
        place = Layout.under(str(prefix))
        outcome = generate(tmp_path / "all.yaml", items, place, capabilities(BINARIES[name]))
        prepare(place)
        outcome.write(Path(place.conf))
        assert not refusal(BINARIES[name], place)


@pytest.mark.parametrize("name", ["system", "wheel"])
def test_each_key_of_the_config_map_beside_a_snippet(name: str, tmp_path: Path) -> None:
    if name not in BINARIES:
        pytest.skip(f"no nginx: {name}")
    metadata, refused = {"name": "config", "namespace": "ours"}, {}
    for key, field in REGISTRY.keys.items():
        if key.endswith(("-snippets", "-template")) or key.startswith("stream") or field.context == "upstream":
            continue
        data = {**companions(field, Where.CONFIGMAP), key: field.example}
        item: dict[str, object] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        text = read(tmp_path, [item], name).files["nginx.conf"].data.decode()
        same = {"http-snippets": lines(text, field, 4), "main-snippets": lines(text, field, 0)}
        for snippets, found in same.items():
            for words in filter(None, ("\n".join(dict.fromkeys(found)), OTHER if "http" in snippets else "")):
                data[snippets] = words
                if reason := tried(tmp_path, {**item, "data": {**data, snippets: words}}, name):
                    refused[key, snippets, words] = reason
            data.pop(snippets, None)
    assert not refused, "\n".join(f"{key}: {reason}" for key, reason in refused.items())


def read(folder: Path, items: list[dict[str, object]], name: str):
    path = folder / "in.yaml"
    path.write_text(yaml.safe_dump_all(items))
    argv = [f"--manifests={path}", "-enable-snippets", "-nginx-configmaps=ours/config", *FREE]
    return generate_folder(flags(argv), Layout.container(), capabilities(BINARIES[name]))


def tried(folder: Path, item: dict[str, object], name: str) -> str:
    """Return why nginx refuses the ConfigMap *item*."""
    path = folder / "in.yaml"
    path.write_text(yaml.safe_dump(item))
    with short_directory() as prefix:
        place = Layout.under(str(prefix))
        argv = [f"--manifests={path}", "-enable-snippets", "-nginx-configmaps=ours/config", *FREE]
        outcome = generate_folder(flags(argv), place, capabilities(BINARIES[name]))
        prepare(place)
        outcome.write(Path(place.conf))
        return refusal(BINARIES[name], place)
