"""What a run reports about its cluster before the first request."""

from __future__ import annotations

import pytest

from headgate.k8s import ClusterConfig
from headgate.options import Options, parse
from headgate.watch import access

LAPTOP = ClusterConfig(server="https://me:secret@k8s.test:6443", context="prod", user_name="admin")
POD = ClusterConfig(server="https://10.96.0.1:443")


def options(*flags: str) -> Options:
    found = parse(flags, {"POD_NAMESPACE": "ours"})
    assert isinstance(found, Options), found
    return found


def test_a_pod_has_neither_context_nor_user() -> None:
    assert access.log_fields(options("-enable-leader-election=false"), POD) == {
        "server": "https://10.96.0.1:443",
        "namespaces": "all",
        "writes": "events, statuses of custom resources",
    }


def test_a_password_in_the_url_is_not_printed() -> None:
    assert access.log_fields(options(), LAPTOP)["server"] == "https://k8s.test:6443"
    assert "secret" not in access.notice(options(), LAPTOP)


@pytest.mark.parametrize(
    ("flags", "field", "words"),
    [
        ((), "all", "all namespaces"),
        (("-watch-namespace=shop,blog",), "shop, blog", "namespaces shop, blog"),
        (("-watch-namespace-label=team=web",), "labelled team=web", "namespaces labelled team=web"),
    ],
)
def test_the_watched_namespaces_are_named(flags: tuple[str, ...], field: str, words: str) -> None:
    assert access.log_fields(options(*flags), LAPTOP)["namespaces"] == field
    assert f" as user admin, watches {words}\n" in access.notice(options(*flags), LAPTOP)


@pytest.mark.parametrize(
    ("flags", "warned"),
    [
        (("-report-ingress-status",), ["-report-ingress-status"]),
        (("-enable-leader-election",), ["-enable-leader-election"]),
        (("-enable-leader-election=false", "-report-ingress-status=false"), []),
        (
            ("-leader-election-lock-name=lock", "-external-service=front"),
            ["-leader-election-lock-name", "-external-service"],
        ),
        (("--manifests=examples/cafe",), ["--read-only"]),
    ],
)
def test_a_flag_about_writing_beside_read_only_is_reported(flags: tuple[str, ...], warned: list[str]) -> None:
    found = options("--read-only", *flags)
    assert [warning.field for warning in found.warnings] == warned
    assert (found.report_ingress_status, found.enable_leader_election) == (False, False)


def test_what_is_made_for_virtual_servers_is_named_and_not_made_read_only_or_from_a_folder() -> None:
    given = ("-enable-cert-manager", "-enable-external-dns")
    written = access.log_fields(options(*given), POD)["writes"]
    assert written.endswith(", Certificates and DNSEndpoints of VirtualServers")
    for elsewhere in ("--read-only", "--manifests=examples/cafe"):
        warnings = {warning.field: str(warning) for warning in options(elsewhere, *given).warnings}
        assert "no Certificates are made" in warnings["-enable-cert-manager"]
        assert "no DNSEndpoints are made" in warnings["-enable-external-dns"]


@pytest.mark.parametrize("flag", ["-enable-cert-manager", "-enable-external-dns"])
def test_custom_resources_are_needed_for_what_is_made_for_them(flag: str) -> None:
    (problem,) = parse([flag, "-enable-custom-resources=false"], {})
    assert str(problem).startswith(f"{flag}: 'true' needs -enable-custom-resources, which is off")
