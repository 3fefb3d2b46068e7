"""``headgate status``: of a folder, of a cluster, and of a controller that runs."""

from __future__ import annotations

import json
import re
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from headgate.cli import run
from tests.live.headgate_process import ROOT, HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, endpoints, ingress, path, service, tls_secret
from tests.live.scripted_cluster import ScriptedCluster
from tests.live.test_live_virtual_servers import virtual_server
from tests.waiting import wait_until

Capture = pytest.CaptureFixture[str]


def status(capsys: Capture, *arguments: str) -> dict[str, Any]:
    """Return the status as JSON."""
    capsys.readouterr()
    assert run(["status", "-o", "json", *arguments], {}) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def of(headgate: HeadgateProcess, capsys: Capture) -> dict[str, Any]:
    return status(capsys, f"--prefix={headgate.prefix}")


def control_socket(headgate: HeadgateProcess) -> Path:
    return headgate.prefix / "run" / "headgate-control.sock"


def test_a_running_controller_describes_what_it_serves(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, capsys: Capture
) -> None:
    manifests.put(tls_secret("safe", "tea.test"), ingress("tea", "tea.test", tls={"safe": ["tea.test"]}))
    headgate = serve_manifests()
    found = of(headgate, capsys)
    (host,) = found["hosts"]
    (route,) = host["routes"]
    (backend,) = route["backends"]
    assert (host["host"], host["object"], host["serving"]) == ("tea.test", "Ingress default/tea", "current")
    assert host["ports"] == [f"http {headgate.http}", f"https {headgate.https}"]
    assert host["certificate"]["secret"] == "default/safe"
    assert host["certificate"]["expires"]
    assert (route["path"], route["type"], backend["service"], backend["port"]) == ("/", "Prefix", "default/tea", "80")
    assert [(each["health"], each["used"]) for each in backend["endpoints"]] == [("ready", True)]
    controller = found["controller"]
    assert (controller["pid"], controller["nginx_pid"]) == (headgate.pid, headgate.master)
    assert (controller["unready"], controller["leader"]) == ("", None)
    assert controller["source"] == f"the folder {manifests.path}"
    assert controller["configuration"]["last_reload"]["reason"] == "start"
    assert all(watch["synced"] and not watch["error"] for watch in controller["watches"])
    assert found["objects"] == []


def test_the_cause_of_a_reload_is_named(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int, capsys: Capture
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests("-data-plane=files")

    def last() -> Any:
        return of(headgate, capsys)["controller"]["configuration"]["last_reload"]

    manifests.put(ingress("milk", "milk.test"))
    wait_until(lambda: headgate.get("milk.test").status == 200)
    reload = wait_until(last, lambda found: found["version"] == 2)
    assert (reload["reason"], reload["objects"]) == ("configuration", ["Ingress default/milk"])
    manifests.put(endpoints("tea", "127.0.0.1", "127.0.0.2", port=tea))
    reload = wait_until(last, lambda found: found["version"] == 3)
    assert (reload["reason"], reload["objects"]) == ("endpoints", ["EndpointSlice default/tea-1"])


def test_a_refused_object_has_the_words_of_nginx_and_its_host_is_marked(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, capsys: Capture
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests("-enable-snippets")
    manifests.put(ingress("tea", "tea.test", location_snippets="no_such_directive on;"))
    found = wait_until(lambda: of(headgate, capsys), lambda found: found["objects"])
    (item,) = found["objects"]
    assert (item["object"], item["state"], item["serving"]) == ("Ingress default/tea", "refused", "previous")
    assert 'unknown directive "no_such_directive"' in item["message"]
    assert "was rejected" not in item["message"], "the object is named once"
    assert [host["serving"] for host in found["hosts"]] == ["previous"]
    assert run(["routes", f"--prefix={headgate.prefix}"], {}) == 0
    assert "Ingress default/tea (previous version)" in capsys.readouterr().out
    manifests.put(ingress("tea", "tea.test"))
    wait_until(lambda: of(headgate, capsys)["objects"] == [])


def test_a_refused_custom_resource_is_named_once(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, capsys: Capture
) -> None:
    manifests.put(virtual_server("cafe", {"path": "/", "action": {"pass": "milk"}}))
    (item,) = of(serve_manifests(), capsys)["objects"]
    assert (item["object"], item["state"]) == ("VirtualServer default/cafe", "refused")
    assert item["message"].startswith("spec.routes[0].action.pass: ")


def test_a_file_that_became_unreadable_is_named_until_it_is_mended(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, capsys: Capture
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests()
    broken = manifests.path / "broken.yaml"
    broken.write_text("a: [")
    (item,) = wait_until(lambda: of(headgate, capsys)["objects"])
    assert (item["object"], item["state"], item["serving"]) == ("File broken.yaml", "refused", "none")
    assert "is not YAML" in item["message"]
    broken.unlink()
    wait_until(lambda: of(headgate, capsys)["objects"] == [])


def test_an_ingress_of_another_class_is_ignored_until_it_is_ours(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, capsys: Capture
) -> None:
    manifests.put(ingress("tea", "tea.test"), ingress("theirs", "theirs.test", class_name="other"))
    headgate = serve_manifests()
    (item,) = of(headgate, capsys)["objects"]
    assert (item["object"], item["state"]) == ("Ingress default/theirs", "ignored")
    manifests.put(ingress("theirs", "theirs.test"))
    wait_until(lambda: [host["host"] for host in of(headgate, capsys)["hosts"]] == ["tea.test", "theirs.test"])
    assert of(headgate, capsys)["objects"] == []


def test_only_the_user_of_the_controller_may_open_its_socket(serve_manifests: StartHeadgate, capsys: Capture) -> None:
    headgate = serve_manifests()
    assert stat.S_IMODE(control_socket(headgate).stat().st_mode) == 0o600
    assert run(["sockets", f"--prefix={headgate.prefix}"], {}) in {0, 1}
    assert f", pid {headgate.pid}" in capsys.readouterr().out
    headgate.stop()
    assert not control_socket(headgate).exists()


def test_without_a_controller_the_message_says_what_to_do(directory: Path, capsys: Capture) -> None:
    assert run(["status", f"--prefix={directory}"], {}) == 1
    assert capsys.readouterr().err == (
        f"headgate: {directory}/run/headgate-control.sock: no controller runs with these directories; start one, name "
        "the --prefix or the --socket of one that runs (`headgate sockets` lists them), or use -m DIR or --cluster\n"
    )


def test_an_nginx_that_outlived_its_controller_is_named(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, capsys: Capture
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests()
    master = headgate.master
    headgate.kill()
    for flag in (f"--prefix={headgate.prefix}", f"--socket={control_socket(headgate)}"):
        assert run(["status", flag], {}) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(rf"still serves: pid {master}, since \d{{4}}-\d\d-\d\d [\d:]{{8}} UTC \(\d+s\);", line)
        assert "the next `headgate run` with these directories ends this nginx" in line
    headgate.start_ready()
    assert of(headgate, capsys)["controller"]["nginx_pid"] != master


def test_another_program_at_the_socket_is_reported(directory: Path, capsys: Capture) -> None:
    place = directory / "other.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert run(["status", f"--socket={place}"], {}) == 1
        thread.join()
    assert "the answer is HTTP 404; is another program listening there?" in capsys.readouterr().err


def test_watch_prints_the_status_again_after_a_change(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests()
    command = [sys.executable, "-m", "headgate", "status", "--watch", "-o", "json", f"--prefix={headgate.prefix}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout
            seen = [json.loads(process.stdout.readline())]
            manifests.put(ingress("milk", "milk.test"))
            while len(seen[-1]["hosts"]) < 2:
                seen.append(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
    assert [len(each["hosts"]) for each in (seen[0], seen[-1])] == [1, 2]


def folder(manifests: ManifestFolder) -> None:
    """Put a route with an endpoint that is not ready and one that terminates beside one that gets requests."""
    slice_ = endpoints("milk", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    slice_["endpoints"][1]["conditions"] = {"ready": False}
    slice_["endpoints"][2]["conditions"] = {"ready": False, "serving": True, "terminating": True}
    bad = ingress("bad", {"bad.test": [path("milk", "no/slash")]})
    manifests.put(service("milk"), slice_, ingress("milk", {"milk.test": [path("milk", "/a", "Exact")]}), bad)


def test_a_folder_has_the_same_routes_without_a_controller(manifests: ManifestFolder, capsys: Capture) -> None:
    folder(manifests)
    found = status(capsys, f"--manifests={manifests.path}")
    assert found["controller"] is None
    (host,) = found["hosts"]
    (route,) = host["routes"]
    assert [(each["address"], each["health"], each["used"]) for each in route["backends"][0]["endpoints"]] == [
        ("192.0.2.1:8080", "ready", True), ("192.0.2.2:8080", "not ready", False),
        ("192.0.2.3:8080", "terminating", False),
    ]  # fmt: skip
    (item,) = found["objects"]
    assert (item["object"], item["state"]) == ("Ingress default/bad", "refused")
    assert item["message"].startswith("spec.rules[0].http.paths[0].path: 'no/slash'")
    assert run(["status", "-m", str(manifests.path)], {}) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "HOST        PATH   SERVICE           ENDPOINTS   TLS   OBJECT",
        "milk.test   /a     default/milk:80   1/3         -     Ingress default/milk",
    ]


def test_a_host_without_a_listener_is_marked_as_not_served(manifests: ManifestFolder, capsys: Capture) -> None:
    spec = {"host": "cafe.test", "listener": {"http": "http-8083"},
            "routes": [{"path": "/", "action": {"pass": "tea"}}],
            "upstreams": [{"name": "tea", "service": "tea", "port": 80}]}  # fmt: skip
    metadata = {"name": "cafe", "namespace": "default"}
    manifests.put({"apiVersion": "k8s.nginx.org/v1", "kind": "VirtualServer", "metadata": metadata, "spec": spec})
    (host,) = status(capsys, f"--manifests={manifests.path}")["hosts"]
    assert (host["serving"], host["ports"]) == ("none", [])
    assert run(["status", "-m", str(manifests.path)], {}) == 0
    assert "VirtualServer default/cafe (not served)" in capsys.readouterr().out


def test_a_cluster_is_read_once(cluster: ScriptedCluster, capsys: Capture) -> None:
    cluster.put(ingress("tea", "tea.test", created="2026-01-02T03:04:05Z"))
    found = status(capsys, "--cluster", f"--kubeconfig={cluster.kubeconfig}")
    (host,) = found["hosts"]
    assert (host["host"], host["created"]) == ("tea.test", "2026-01-02T03:04:05Z")
    assert [each["address"] for each in host["routes"][0]["backends"][0]["endpoints"]] == ["192.0.2.1:8080"]
