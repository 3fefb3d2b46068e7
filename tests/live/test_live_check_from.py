"""``headgate check --from nic``: what works differently than in the F5 controller, and that nginx agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate.cli import run
from tests.live.headgate_process import StartHeadgate
from tests.live.json_objects import ManifestFolder, config_map, ingress, ingress_class, path, service

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def files(directory: Path) -> ManifestFolder:
    found = ManifestFolder(directory / "manifests")
    found.put(ingress_class(), service("tea"))
    return found


def warnings(files: ManifestFolder, capsys: Capture, *flags: str) -> list[str]:
    """Return the warnings without file and object."""
    run(["check", str(files.path), "--from", "nic", *flags], {})
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    return [line.partition("Ingress default/shop: ")[2] or line.partition("ours/config: ")[2] for line in lines]


def shop(*paths: dict[str, Any], host: str = "shop.test", **annotations: str) -> dict[str, Any]:
    return ingress("shop", {host: paths}, **annotations)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("/api", "Prefix", "matches whole path elements: /api/x, but not /apix"),
        ("/docs/", "Prefix", "ends with a slash: /docs is matched too"),
        ("/docs/", "Exact", "ends with a slash: /docs is not matched"),
        ("/my%20app", "ImplementationSpecific", "is decoded before it is compared"),
    ],
)
def test_a_path_that_matches_other_requests_is_a_warning(
    files: ManifestFolder, capsys: Capture, text: str, kind: str, words: str
) -> None:
    files.put(shop(path("tea", text, kind)))
    (warning,) = warnings(files, capsys)
    assert warning.startswith(f"spec.rules[0].http.paths[0].path: {text!r} {words}")


@pytest.mark.parametrize(("text", "kind"), [("/", "Prefix"), ("/api", "Exact"), ("/api/", "ImplementationSpecific")])
def test_a_path_that_matches_the_same_requests_is_none(
    files: ManifestFolder, capsys: Capture, text: str, kind: str
) -> None:
    files.put(shop(path("tea", text, kind)))
    assert warnings(files, capsys) == []


def test_regular_expressions_are_the_same(files: ManifestFolder, capsys: Capture) -> None:
    files.put(shop(path("tea", "/api", "Prefix"), path_regex="case_sensitive"))
    assert warnings(files, capsys) == []


def test_wildcards_settings_and_keys_are_warnings(files: ManifestFolder, capsys: Capture) -> None:
    files.put(shop(path("tea"), host="*.shop.test", lb_method="least_conn", location_snippets="# none"))
    files.put(config_map(keepalive="8", otel_exporter_endpoint="http://collector:4317", lb_method="least_conn"))
    found = warnings(files, capsys, "-nginx-configmaps=ours/config", "-enable-snippets")
    assert [warning.partition(" ")[0] for warning in found] == [
        "keepalive:", "otel-exporter-endpoint:", "nginx.org/location-snippets:", "spec.rules[0].host:",
    ]  # fmt: skip


def test_they_count_with_strict_and_objects_of_others_do_not(files: ManifestFolder, capsys: Capture) -> None:
    files.put(ingress("theirs", {"b.test": [path("tea", "/api")]}, class_name="other"))
    assert run(["check", str(files.path), "--from", "nic", "--strict"], {}) == 0
    files.put(shop(path("tea", "/api")))
    assert run(["check", str(files.path), "--from", "nic", "--strict"], {}) == 1
    assert run(["check", str(files.path), "--strict"], {}) == 0
    capsys.readouterr()


def test_another_controller_is_not_known(files: ManifestFolder, capsys: Capture) -> None:
    assert run(["check", str(files.path), "--from", "traefik"], {}) == 2
    assert capsys.readouterr().err.startswith("headgate: --from: 'traefik' is not known; write one of nic")


def test_nginx_matches_as_the_warnings_say(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(
        ingress("shop", {"a.test": [path("tea", "/api"), path("tea", "/docs/"), path("tea", "/x/", "Exact")],
                         "*.w.test": [path("tea")]})
    )  # fmt: skip
    headgate = serve_manifests()
    assert [headgate.get("a.test", text).status for text in ("/api/x", "/apix", "/docs", "/x")] == [200, 404, 200, 404]
    assert [headgate.get(host).status for host in ("a.w.test", "a.b.w.test")] == [200, 404]
