"""``headgate check --from nic``: what works differently than in the F5 controller, and that nginx agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate.checking.matching import MATCHING, Matching, ServedPath
from headgate.cli import run
from tests.live.headgate_process import ROOT, StartHeadgate
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


EXAMPLES = {
    "pathType: Prefix": shop(path("tea", "/api", "Prefix")),
    "path with a final /": shop(path("tea", "/api/", "Exact")),
    "path with %": shop(path("tea", "/my%20app", "Exact")),
    "host: *.example.com": shop(path("tea", "/", "Prefix"), host="*.shop.test"),
}


@pytest.mark.parametrize("row", MATCHING, ids=lambda row: str(row.name))
def test_each_row_of_the_page_about_matching_is_found_in_manifests(
    files: ManifestFolder, capsys: Capture, row: Matching
) -> None:
    assert f"| matching | `{row.name}` |" in (ROOT / "docs" / "coming-from-nic.md").read_text()
    files.put(EXAMPLES[row.name])
    (warning,) = warnings(files, capsys)
    value = warning.split("'")[1]
    finding = row.host(value) or row.path(ServedPath(value, "Exact")) or row.path(ServedPath(value, "Prefix"))
    assert finding is not None, "another row found it"


@pytest.mark.parametrize(("text", "kind"), [("/", "Prefix"), ("/api", "Exact"), ("/api/", "ImplementationSpecific")])
def test_a_path_that_matches_the_same_requests_is_none(
    files: ManifestFolder, capsys: Capture, text: str, kind: str
) -> None:
    files.put(shop(path("tea", text, kind)))
    assert warnings(files, capsys) == []


@pytest.mark.parametrize(
    ("bare", "slash", "words"),
    [
        ("Exact", "Prefix", ""),
        ("Exact", "Exact", ""),
        ("ImplementationSpecific", "Exact", ""),
        ("ImplementationSpecific", "Prefix", "ends with a slash: /api is matched too, which is the path /api in"),
    ],
)
def test_a_final_slash_beside_the_bare_path_is_a_warning_only_if_it_takes_its_requests(
    files: ManifestFolder, capsys: Capture, bare: str, slash: str, words: str
) -> None:
    files.put(shop(path("tea", "/api", bare), path("tea", "/api/", slash)))
    found = warnings(files, capsys)
    assert len(found) == bool(words)
    assert all(words in warning for warning in found)


def test_the_bare_path_may_be_of_another_minion(files: ManifestFolder, capsys: Capture) -> None:
    files.put(ingress("master", {"shop.test": []}, mergeable_ingress_type="master"))
    files.put(ingress("bare", {"shop.test": [path("tea", "/api", "Exact")]}, mergeable_ingress_type="minion"))
    files.put(shop(path("tea", "/api/"), mergeable_ingress_type="minion"))
    assert warnings(files, capsys) == []


def test_a_path_with_percent_has_one_warning(files: ManifestFolder, capsys: Capture) -> None:
    files.put(shop(path("tea", "/my%20app")))
    (warning,) = warnings(files, capsys)
    assert "is decoded before it is compared" in warning


@pytest.mark.parametrize(
    ("concerned", "same"),
    [
        ({"keepalive": "0"}, {"keepalive": "8"}),
        ({"proxy_set_headers": "X-A: b", "grpc_services": "tea"}, {"proxy_set_headers": "X-A: b"}),
        ({"add_header": "X-A: b", "hsts": "true"}, {"add_header": "X-A: b"}),
        ({"location_snippets": "add_header X-A b;", "hsts": "true"}, {"location_snippets": "# b", "hsts": "true"}),
    ],
)
def test_a_setting_is_a_warning_only_where_its_difference_applies(
    files: ManifestFolder, capsys: Capture, concerned: dict[str, str], same: dict[str, str]
) -> None:
    key = next(iter(concerned)).replace("_", "-")
    files.put(shop(path("tea"), **concerned))
    assert [key for warning in warnings(files, capsys, "-enable-snippets") if warning.startswith(f"nginx.org/{key}:")]
    files.put(shop(path("tea"), **same))
    assert warnings(files, capsys, "-enable-snippets") == []


def test_regular_expressions_are_the_same(files: ManifestFolder, capsys: Capture) -> None:
    files.put(shop(path("tea", "/api", "Prefix"), path_regex="case_sensitive"))
    assert warnings(files, capsys) == []


def test_wildcards_settings_and_keys_are_warnings(files: ManifestFolder, capsys: Capture) -> None:
    files.put(shop(path("tea"), host="*.shop.test", lb_method="least_conn", custom_http_errors="404"))
    files.put(config_map(keepalive="0", otel_exporter_endpoint="http://collector:4317", lb_method="least_conn"))
    found = warnings(files, capsys, "-nginx-configmaps=ours/config")
    assert [warning.partition(" ")[0] for warning in found] == [
        "keepalive:", "otel-exporter-endpoint:", "nginx.org/custom-http-errors:", "spec.rules[0].host:",
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


def test_nginx_passes_the_bare_path_to_its_own_entry_except_beside_a_prefix(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    hosts = {
        "exact.test": [path("tea", "/api", "Exact"), path("none", "/api/")],
        "plain.test": [path("tea", "/api", "ImplementationSpecific"), path("none", "/api/")],
    }
    manifests.put(ingress("shop", hosts))
    headgate = serve_manifests()
    assert [headgate.get(host, "/api").status for host in hosts] == [200, 502]
