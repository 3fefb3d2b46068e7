from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from headgate.cli import run
from headgate.status import (
    BackendStatus,
    CertificateStatus,
    ConfigurationStatus,
    ControllerStatus,
    EndpointStatus,
    Health,
    HostStatus,
    ObjectStatus,
    Push,
    Reload,
    RouteStatus,
    Serving,
    Status,
    WatchStatus,
    text,
)
from headgate.status.text import age, fitted

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEA = BackendStatus(
    "default/tea",
    "80",
    (
        EndpointStatus("10.0.0.1:8080", "tea-1", Health.READY, used=True),
        EndpointStatus("10.0.0.2:8080", "tea-2", Health.NOT_READY, used=False),
    ),
)
CAFE = HostStatus(
    host="cafe.test",
    object="Ingress default/cafe",
    created=NOW - timedelta(hours=5),
    serving=Serving.CURRENT,
    ports=("http 80", "https 443"),
    certificate=CertificateStatus("default/cafe", NOW + timedelta(days=20)),
    routes=(RouteStatus("/tea", "Prefix", "Ingress default/cafe", (TEA,)),),
)
CONFIGURATION = ConfigurationStatus(
    version=7,
    applied=NOW - timedelta(seconds=8),
    pending=0,
    busy_seconds=0.0,
    error="",
    last_reload=Reload(
        at=NOW - timedelta(minutes=2, seconds=5),
        reason="endpoints",
        objects=("EndpointSlice default/tea-1",),
        others=3,
        test_ms=14.6,
        reload_ms=80.2,
        version=7,
    ),
    reloads=4,
    reload_errors=1,
)
CONTROLLER = ControllerStatus(
    version="Headgate 1.2.3 (abc)",
    pid=17,
    started=NOW - timedelta(days=3, hours=2),
    source="the cluster https://127.0.0.1:6443",
    nginx="1.22.1 (/usr/sbin/nginx)",
    nginx_pid=18,
    unready="",
    leader=True,
    configuration=CONFIGURATION,
    watches=(WatchStatus("ingresses", synced=True, objects=3, error=""),),
)


def shown(*hosts: HostStatus, wide: bool = False, **more: Any) -> list[str]:
    return text(Status(**{"now": NOW, "hosts": hosts, "objects": (), **more}), wide=wide).splitlines()


def changed(host: HostStatus, /, **fields: Any) -> HostStatus:
    return msgspec.structs.replace(host, **fields)


def test_a_route_is_one_row():
    assert shown(CAFE) == [
        "HOST        PATH   SERVICE          ENDPOINTS   TLS         OBJECT                 AGE",
        "cafe.test   /tea   default/tea:80   1/2         valid 20d   Ingress default/cafe   5h",
    ]


def test_wide_adds_type_addresses_ports_and_the_certificate():
    cells = [cell.strip() for cell in shown(CAFE, wide=True)[1].split("   ") if cell.strip()]
    assert cells[-5:] == [
        "Prefix",
        "10.0.0.1:8080,10.0.0.2:8080 (not ready)",
        "http 80,https 443",
        "default/cafe",
        "2026-03-21 12:00",
    ]


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (None, "-"),
        (CertificateStatus("default/cafe", None, "has no tls.crt"), "rejected"),
        (CertificateStatus("", default=True), "default"),
        (CertificateStatus("default/cafe", NOW), "expired"),
        (CertificateStatus("default/cafe", NOW + timedelta(hours=30)), "valid 1d6h"),
    ],
)
def test_the_certificate_is_valid_expired_or_rejected(certificate: CertificateStatus | None, words: str):
    assert shown(changed(CAFE, certificate=certificate))[1].split("1/2         ")[1].startswith(f"{words}   ")


def test_an_earlier_version_that_is_served_is_marked():
    assert "Ingress default/cafe (previous version)" in shown(changed(CAFE, serving=Serving.PREVIOUS))[1]


def test_every_host_and_the_default_backend_are_stars():
    line = shown(changed(CAFE, host="", routes=(), default=TEA))[1]
    assert line.startswith("*      *      default/tea:80")


def test_a_column_that_nothing_is_known_of_is_left_out():
    assert "AGE" not in shown(changed(CAFE, created=None))[0]
    assert "AGE" in shown(changed(CAFE, created=None), changed(CAFE, host="b.test"))[0]


def test_objects_with_problems_follow_by_state():
    objects = (
        ObjectStatus("Ingress a/x", "refused", "why", Serving.NONE),
        ObjectStatus("Ingress a/y", "warning", "what", Serving.CURRENT),
    )
    assert shown(objects=objects) == [
        "No host is served.", "", "Refused", "  Ingress a/x: why", "", "Warnings", "  Ingress a/y: what",
    ]  # fmt: skip


def test_a_running_controller_comes_first():
    assert shown(CAFE, controller=CONTROLLER)[:10] == [
        "Controller     Headgate 1.2.3 (abc), pid 17, started 3d2h ago",
        "Serves         the cluster https://127.0.0.1:6443, as the leader",
        "nginx          1.22.1 (/usr/sbin/nginx), pid 18",
        "Data plane     files: endpoints change by reloads",
        "Ready          yes",
        "Configuration  version 7, applied 8s ago",
        "Last reload    2m5s ago (nginx -t 15 ms, reload 80 ms), endpoints: EndpointSlice default/tea-1 and 3 more",
        "Reloads        4, and 1 refused",
        "Watches        1 of 1 are synced",
        "",
    ]


def test_the_last_push_follows_the_last_reload():
    push = Push(at=NOW - timedelta(seconds=3), objects=("EndpointSlice a/b",), others=1, upstreams=2, took_ms=3.4)
    configuration = msgspec.structs.replace(CONFIGURATION, last_push=push)
    pushed = msgspec.structs.replace(CONTROLLER, data_plane="live", configuration=configuration)
    assert shown(controller=pushed)[7] == "Last push      3s ago (2 upstreams, 3 ms): EndpointSlice a/b and 1 more"
    hosts = msgspec.structs.replace(push, upstreams=0, hosts=1)
    pushed = msgspec.structs.replace(pushed, configuration=msgspec.structs.replace(configuration, last_push=hosts))
    assert "(1 host, 3 ms)" in shown(controller=pushed)[7]
    never = msgspec.structs.replace(CONTROLLER, data_plane="live")
    assert shown(controller=never)[7] == "Last push      none"


def test_http3_is_shown_where_it_is_wanted():
    assert not any(line.startswith("HTTP/3") for line in shown(controller=CONTROLLER))
    on = msgspec.structs.replace(CONTROLLER, http3="on, by UDP on port 443")
    assert "HTTP/3         on, by UDP on port 443" in shown(controller=on)


def test_a_controller_counts_the_hosts_that_are_routed_at_run_time():
    live = msgspec.structs.replace(CONTROLLER, data_plane="live")
    routed = msgspec.structs.replace(CAFE, host="tea.test", routed=True)
    dedicated = msgspec.structs.replace(CAFE, dedicated="a snippet of the server")
    found = shown(dedicated, routed, controller=live)
    plane = "Data plane     live: endpoints change without a reload"
    assert f"{plane}; 1 of 2 hosts are routed at run time (-o wide says why not the others)" in found
    assert "Not routed at run time" not in found
    wide = shown(dedicated, routed, controller=live, wide=True)
    assert wide[-2:] == ["Not routed at run time", "  cafe.test: a snippet of the server"]
    assert f"{plane}; 1 of 1 hosts are routed at run time" in shown(routed, controller=live)
    assert f"{plane}; no host is routed at run time: a snippet of the server" in shown(dedicated, controller=live)
    assert plane in shown(CAFE, controller=live)


def test_what_a_controller_waits_for_is_named():
    waiting = msgspec.structs.replace(
        CONTROLLER,
        nginx_pid=None,
        unready="Headgate is starting",
        leader=False,
        configuration=msgspec.structs.replace(
            CONFIGURATION, error="reload timed out", pending=2, busy_seconds=1.25, last_reload=None
        ),
        watches=(
            WatchStatus("ingresses", synced=False, objects=0, error="forbidden"),
            WatchStatus("secrets", synced=False, objects=0, error=""),
        ),
    )
    late = "the wanted one is not applied: reload timed out"
    assert shown(controller=waiting)[1:11] == [
        "Serves         the cluster https://127.0.0.1:6443; another replica is the leader",
        "nginx          1.22.1 (/usr/sbin/nginx), is not running",
        "Data plane     files: endpoints change by reloads",
        "Ready          no: Headgate is starting",
        f"Configuration  version 7, {late}, a change has been in progress for 1.2 s, 2 changes are waiting",
        "Last reload    none",
        "Reloads        4, and 1 refused",
        "Watches        0 of 2 are synced",
        "               ingresses: forbidden",
        "               secrets: not listed yet",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (150, "2m30s"), (3600, "1h"), (5400, "1h30m"), (36000, "10h"), (90000, "1d1h"),
     (864000 + 3600, "10d"), (-5, "0s")],
)  # fmt: skip
def test_an_age_has_one_unit_or_two(seconds: int, words: str):
    assert age(NOW - timedelta(seconds=seconds), NOW) == words


def ignored(count: int) -> Status:
    names = (f"Ingress default/i{number}" for number in range(count))
    objects = (ObjectStatus(name, "ignored", "another class", Serving.NONE) for name in names)
    return Status(now=NOW, hosts=(CAFE,), objects=tuple(objects))


@pytest.mark.parametrize(
    ("count", "lines"),
    [
        (5, [f"  Ingress default/i{number}: another class" for number in range(5)]),
        (2000, ["  Ingress default/i0, Ingress default/i1, Ingress default/i2 and 1,997 more: another class"]),
    ],
)
def test_many_objects_with_one_message_are_one_line(count: int, lines: list[str]) -> None:
    shown = text(ignored(count)).splitlines()
    assert shown[shown.index("Ignored") + 1 :] == lines


def test_what_does_not_fit_a_terminal_is_counted_and_the_header_stays() -> None:
    status = Status(now=NOW, hosts=(CAFE,) * 40, objects=ignored(2).objects)
    whole = text(status)
    shown = fitted(whole, status, 200, 24).splitlines()
    assert len(shown) == 23
    assert shown[:-1] == whole.splitlines()[:22]
    assert shown[-1] == "... 23 more lines (2 ignored); without --watch all are printed"
    assert fitted(whole, status, 200, 46) == whole


def test_lines_that_a_terminal_breaks_count_as_often_as_it_breaks_them() -> None:
    status = Status(now=NOW, hosts=(CAFE,) * 40, objects=())
    width = 40
    shown = fitted(text(status), status, width, 24).splitlines()
    assert sum(-(-len(line) // width) for line in shown) <= 23
    assert len(shown[-1]) <= width


def test_the_port_of_tls_passthrough_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    case = "tests/explain/cases/tls-passthrough/in.yaml"
    assert run(["status", "-m", case, "-enable-tls-passthrough", "-tls-passthrough-port=20443"], {}) == 0
    printed = capsys.readouterr().out
    assert " 20443/TLS " in printed, printed
    assert "passthrough/TLS" not in printed


@pytest.mark.parametrize("ready", [True, False])
def test_a_backup_is_shown_while_it_gets_the_requests(ready: bool) -> None:
    endpoints = (TEA.endpoints[0],) if ready else (TEA.endpoints[1],)
    backend = msgspec.structs.replace(TEA, endpoints=endpoints, backup=("10.9.9.9:80",))
    host = changed(CAFE, routes=(RouteStatus("/tea", "Prefix", "Ingress default/cafe", (backend,)),))
    assert ("   1/1   " if ready else "   0/1 (backup)   ") in shown(host)[1]
    assert ("10.9.9.9:80 (backup)" in shown(host, wide=True)[1]) is not ready
