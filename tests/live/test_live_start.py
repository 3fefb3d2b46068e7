"""How a start goes: readiness, the first line, what is in the way, and what an earlier run left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from showcase.ports import free_port

from headgate import __version__
from headgate.nginx import procfs
from tests.live.headgate_process import LOOPBACK, HeadgateProcess, StartHeadgate, ask
from tests.live.json_objects import ManifestFolder, config_map, endpoints, ingress, path, service, tls_secret
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import DEADLINE_S, wait_until


@pytest.mark.usefixtures("whole_program")
def test_an_empty_folder_becomes_ready_and_answers_404(new_headgate: StartHeadgate, directory: Path) -> None:
    empty = ManifestFolder(directory / "empty")
    headgate = new_headgate(f"--manifests={empty.path}")
    headgate.start_ready()
    assert headgate.readiness().body == "Ready\n"
    assert ask(headgate.probes, "probe", "/livez").status == 200
    assert headgate.get("any.test").status == 404
    assert headgate.reloads() == 1


@pytest.mark.usefixtures("whole_program")
def test_the_first_log_line_names_product_version_and_commit(serve_manifests: StartHeadgate) -> None:
    headgate = serve_manifests(HEADGATE_COMMIT="abc1234")
    first = json.loads(headgate.log_text().splitlines()[0])
    assert (first["msg"], first["version"], first["commit"]) == ("Headgate", __version__, "abc1234")


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("glog", r"I\d{8} \d\d:\d\d:\d\d\.\d{6} +\d+ \S+:\d+\] Headgate version=\S+ commit=abc1234$"),
        ("text", r"time=\d{4}-\S+Z level=INFO source=\S+ msg=Headgate version=\S+ commit=abc1234$"),
        ("json-unix", r'\{"time": \d{10}, "level": "INFO", "source": "\S+", "msg": "Headgate", .*'),
    ],
)
def test_each_log_format_applies_from_the_first_line(
    new_headgate: StartHeadgate, manifests: ManifestFolder, form: str, beginning: str
) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}", f"-log-format={form}", HEADGATE_COMMIT="abc1234")
    headgate.start_ready()
    ours = headgate.log_text().splitlines()
    assert re.fullmatch(beginning, ours[0])
    head = beginning.partition("Headgate")[0]
    assert [line for line in ours if re.match(head, line) and "ready" in line]


def test_log_level_error_logs_only_the_first_line(serve_manifests: StartHeadgate) -> None:
    headgate = serve_manifests("-log-level=error")
    assert [line["msg"] for line in headgate.log_records()] == ["Headgate"]


def test_a_port_in_use_is_named_and_served_when_it_is_free(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = new_headgate(f"--manifests={manifests.path}")
    with socket.create_server(("0.0.0.0", headgate.http)):
        headgate.start()
        answer = wait_until(headgate.readiness, lambda answer: "cannot be used" in answer.body)
        assert answer.status == 503
        assert f"port {headgate.http} (-default-http-listener-port) cannot be used" in answer.body
        assert "stop the process that uses it, or set that flag to a free port; it is retried" in answer.body
    headgate.wait_ready()
    assert headgate.get("tea.test").status == 200
    assert headgate.reloads() == 1


def test_all_ports_in_use_are_one_line_that_repeats_do_not_repeat(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    status = free_port()
    headgate = new_headgate(f"--manifests={manifests.path}", "-nginx-status=true", f"-nginx-status-port={status}")
    flags = {
        headgate.http: "-default-http-listener-port",
        headgate.https: "-default-https-listener-port",
        status: "-nginx-status-port",
    }
    with contextlib.ExitStack() as stack:
        for port in flags:
            stack.enter_context(socket.create_server(("0.0.0.0", port)))
        headgate.start()
        one, two, three = (f"{port} ({flags[port]})" for port in sorted(flags))
        wait_until(lambda: headgate.log_records("configuration not applied"))
        errors = wait_until(lambda: headgate.readiness().body, lambda body: "it is retried" in body)
        assert f"ports {one}, {two} and {three} cannot be used: bind() to " in errors
        assert "stop the processes that use them, or set these flags to free ports; it is retried" in errors
    headgate.wait_ready()
    assert len(headgate.log_records("configuration not applied")) == 1
    assert [line for line in headgate.log_records("nginx") if "bind()" in line["message"]] == []
    (line,) = headgate.log_records("configuration not applied")
    assert line["attempts"] == 1


@pytest.mark.parametrize("which", ["probes", "metrics_port"])
def test_a_port_in_use_of_headgate_itself_ends_the_start_with_one_line(
    new_headgate: StartHeadgate, manifests: ManifestFolder, which: str
) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}")
    port = getattr(headgate, which)
    with socket.create_server(("0.0.0.0", port)):
        headgate.start()
        assert headgate.wait_ended() == 1
    assert str(port) in headgate.log_text().splitlines()[-1]
    assert "Traceback" not in headgate.log_text()


@pytest.mark.usefixtures("whole_program")
def test_a_start_after_a_kill_replaces_the_orphaned_nginx(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests()
    first = headgate.master
    headgate.kill()
    assert procfs.is_master(first)
    assert headgate.get("tea.test").status == 200, "nginx goes on without its controller"
    headgate.start_ready()
    wait_until(lambda: not procfs.is_master(first))
    assert headgate.get("tea.test").status == 200
    assert procfs.is_master(headgate.master)


def test_stale_sockets_and_a_foreign_pid_file_do_not_prevent_a_start(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = serve_manifests()
    first = headgate.master
    workers = procfs.workers(first)
    headgate.kill()
    for pid in (first, *workers):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(procfs.title, workers)))
    assert [path for path in (headgate.prefix / "run").iterdir() if path.suffix == ".sock"]
    (headgate.prefix / "run" / "nginx.pid").write_text(f"{os.getpid()}\n")
    headgate.start_ready()
    assert headgate.get("tea.test").status == 200


@pytest.mark.parametrize("key", ["http_snippets", "server_snippets"])
def test_a_config_map_that_nginx_refuses_does_not_prevent_the_start(
    new_headgate: StartHeadgate, manifests: ManifestFolder, key: str
) -> None:
    manifests.put(ingress("tea", "tea.test"), config_map(**{key: "no_such_directive on;"}))
    headgate = new_headgate(f"--manifests={manifests.path}", "-nginx-configmaps=ours/config")
    headgate.start_ready()
    assert headgate.get("tea.test").status == 200
    (of_key, message), (of_all, _) = headgate.events("ConfigMap ours/config")
    assert (of_key, of_all) == ("InvalidValue", "UpdatedWithError")
    assert message.startswith(f"{key.replace('_', '-')}: 'no_such_directive on;' is refused by nginx: ")


def test_a_single_object_that_nginx_refuses_does_not_discard_the_config_map(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    bad = ingress("bad", "bad.test", server_snippets="no_such_directive on;")
    manifests.put(bad, config_map(server_tokens="false"))
    headgate = new_headgate(f"--manifests={manifests.path}", "-enable-snippets", "-nginx-configmaps=ours/config")
    headgate.start_ready()
    assert headgate.get("any.test").headers["Server"] == "nginx"
    assert [reason for reason, _ in headgate.events("ConfigMap ours/config")] == ["Updated"]
    assert [reason for reason, _ in headgate.events("Ingress default/bad")] == ["AddedOrUpdatedWithError"]


@pytest.mark.parametrize("flag", ["-main-template-path", "-ingress-template-path"])
@pytest.mark.parametrize("text", ["{% if %}", None])
def test_an_unusable_template_of_a_flag_ends_the_start_with_one_line(
    new_headgate: StartHeadgate, manifests: ManifestFolder, directory: Path, flag: str, text: str | None
) -> None:
    if text is not None:
        (directory / "template").write_text(text)
    headgate = new_headgate(f"--manifests={manifests.path}", f"{flag}={directory}/template")
    headgate.start()
    assert headgate.wait_ended() == 1
    assert headgate.last_words()
    assert "Traceback" not in headgate.log_text()


def test_an_object_that_nginx_refuses_does_not_prevent_the_start(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(ingress("tea", "tea.test"), ingress("bad", "bad.test", server_snippets="no_such_directive on;"))
    headgate = new_headgate(f"--manifests={manifests.path}", "-enable-snippets")
    headgate.start_ready()
    assert headgate.get("tea.test").status == 200
    assert headgate.reloads() == 1


def test_config_safety_is_not_ready_while_everything_is_refused(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(ingress("bad", "bad.test", server_snippets="no_such_directive on;"))
    headgate = new_headgate(f"--manifests={manifests.path}", "-enable-snippets", "-enable-config-safety")
    headgate.start()
    wait_until(lambda: headgate.get("any.test").status == 404)
    wait_until(lambda: headgate.events("Ingress default/bad"))
    answer = headgate.readiness()
    assert answer.status == 503
    assert "nothing is served: 1 Ingress is refused" in answer.body
    manifests.put(ingress("bad", "bad.test"))
    headgate.wait_ready()
    assert headgate.get("bad.test").status == 200
    manifests.put(ingress("bad", "bad.test", server_snippets="no_such_directive on;"))
    wait_until(lambda: len(headgate.events("Ingress default/bad")) > 2)
    assert headgate.readiness().status == 200, "what was ready serves its last good configuration"


def test_health_status_answers_for_unknown_hosts(serve_manifests: StartHeadgate) -> None:
    headgate = serve_manifests("-health-status", "-health-status-uri=/alive")
    assert headgate.get("unknown.test", "/alive").status == 200
    assert headgate.get("unknown.test", "/").status == 404


def test_a_missing_folder_and_a_missing_binary_end_the_start_with_one_line(
    new_headgate: StartHeadgate, directory: Path
) -> None:
    for flags in ((f"--manifests={directory}/none",), (f"--manifests={directory}", "--nginx=/no/such/nginx")):
        headgate = new_headgate(*flags, under=str(len(flags)))
        headgate.start()
        assert headgate.wait_ended() == 1
        assert headgate.last_words()
        assert "Traceback" not in headgate.log_text()


@pytest.mark.usefixtures("whole_program")
def test_nginx_debug_chooses_the_debug_binary_or_logs_that_there_is_none(
    new_headgate: StartHeadgate, manifests: ManifestFolder, directory: Path
) -> None:
    for under, found in (("with", True), ("without", False)):
        headgate = new_headgate(
            f"--manifests={manifests.path}", "-nginx-debug", PATH=str(directory / under), under=under
        )
        headgate.flags = [flag for flag in headgate.flags if not flag.startswith("--nginx=")]
        if found:
            (directory / under / "nginx-debug").symlink_to(ANY_NGINX)
        headgate.start()
        chosen = wait_until(lambda headgate=headgate: headgate.log_records("nginx chosen") or headgate.exit_status)
        if found:
            assert chosen[0]["path"] == str(directory / under / "nginx-debug")
        else:
            assert headgate.log_records("nginx passed over")[0]["path"] == "nginx-debug"


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as stream:
        while stream.write(b"x" * 4096):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_keeps_what_is_served_and_is_reported(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    headgate = new_headgate(f"--manifests={manifests.path}")
    headgate.prefix.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(headgate.prefix)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount")
    try:
        headgate.start_ready()
        filler = headgate.prefix / "filler"
        fill(filler)
        manifests.put(ingress("late", "late.test"))
        wait_until(lambda: "No space left" in headgate.log_text())
        wait_until(lambda: any("No space left" in message for _, message in headgate.events("Ingress default/late")))
        assert headgate.get("tea.test").status == 200
        filler.unlink()
        wait_until(lambda: headgate.get("late.test").status == 200)
    finally:
        headgate.stop()
        subprocess.run(["umount", str(headgate.prefix)], check=True)


ENDING = [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT]


@contextlib.contextmanager
def request_in_flight(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, *flags: str
) -> Iterator[tuple[HeadgateProcess, socket.socket, socket.socket]]:
    """Start Headgate and a request that the backend does not answer; yield it, the client and the backend's end."""
    with socket.create_server((LOOPBACK, 0)) as backend:
        port = backend.getsockname()[1]
        manifests.put(
            service("slow"), endpoints("slow", LOOPBACK, port=port), ingress("slow", {"slow.test": [path("slow")]})
        )
        headgate = serve_manifests(*flags)
        with socket.create_connection((LOOPBACK, headgate.http), timeout=DEADLINE_S) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: slow.test\r\n\r\n")
            flight, _ = backend.accept()  # nginx has asked: the request is in flight
            with flight:
                yield headgate, client, flight


@pytest.mark.usefixtures("whole_program")
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_lets_requests_in_flight_end(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, number: signal.Signals
) -> None:
    with request_in_flight(serve_manifests, manifests) as (headgate, client, flight):
        os.kill(headgate.pid, number)
        wait_until(lambda: headgate.readiness().status == 503)
        flight.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
    assert headgate.wait_ended() == 0
    assert headgate.get("slow.test").status == 0
    assert not (headgate.prefix / "run" / "nginx.pid").exists()


@pytest.mark.parametrize("number", ENDING)
def test_more_signals_end_the_wait_for_requests_in_flight_and_nginx(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, number: signal.Signals
) -> None:
    with request_in_flight(serve_manifests, manifests, "--drain-timeout=3000") as (headgate, _, _):
        os.kill(headgate.pid, number)
        wait_until(lambda: headgate.log_records("draining nginx"))
        os.kill(headgate.pid, number)
        assert headgate.wait_ended() == 0
        assert not procfs.of_run(str(headgate.prefix / "run"))


@pytest.mark.usefixtures("whole_program")
def test_sigterm_before_readiness_ends_headgate(new_headgate: StartHeadgate, manifests: ManifestFolder) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}")
    with socket.create_server(("0.0.0.0", headgate.http)):
        headgate.start()
        wait_until(lambda: "cannot be used" in headgate.log_text())
        headgate.terminate()
        assert headgate.wait_ended() == 0


def test_a_bad_config_map_at_the_start_keeps_the_default_certificate(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(
        config_map(http_snippets="no_such_directive on;"), tls_secret("fallback", "any.test", namespace="ours")
    )
    headgate = new_headgate(
        f"--manifests={manifests.path}", "-nginx-configmaps=ours/config", "-default-server-tls-secret=ours/fallback"
    )
    headgate.start_ready()
    wait_until(lambda: "UpdatedWithError" in headgate.log_text())
    assert headgate.get_tls("any.test").status == 404
