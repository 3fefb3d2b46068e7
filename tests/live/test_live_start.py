"""How a start goes: readiness, the first line, what is in the way, and what an earlier run left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from headgate import __version__
from headgate.nginx import procfs
from tests.live.live_objects import Manifests, config_map, endpoints, ingress, path, service, tls_secret
from tests.live.live_places import ANY
from tests.live.live_program import LOOPBACK, Start, ask
from tests.waiting import DEADLINE_S, wait_until


def test_an_empty_folder_becomes_ready_and_answers_404(run: Start, folder: Path) -> None:
    empty = Manifests(folder / "empty")
    program = run(f"--manifests={empty.path}")
    program.start_ready()
    assert program.readiness().body == "Ready\n"
    assert ask(program.probes, "probe", "/livez").status == 200
    assert program.get("any.test").status == 404
    assert program.reloads() == 1


def test_the_first_line_names_product_version_and_commit(serve: Start) -> None:
    program = serve(HEADGATE_COMMIT="abc1234")
    first = json.loads(program.text().splitlines()[0])
    assert (first["msg"], first["version"], first["commit"]) == ("Headgate", __version__, "abc1234")


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("glog", r"I\d{8} \d\d:\d\d:\d\d\.\d{6} +\d+ \S+:\d+\] Headgate version=\S+ commit=abc1234$"),
        ("text", r"time=\d{4}-\S+Z level=INFO source=\S+ msg=Headgate version=\S+ commit=abc1234$"),
        ("json-unix", r'\{"time": \d{10}, "level": "INFO", "source": "\S+", "msg": "Headgate", .*'),
    ],
)
def test_each_log_format_holds_from_the_first_line(run: Start, manifests: Manifests, form: str, beginning: str) -> None:
    program = run(f"--manifests={manifests.path}", f"-log-format={form}", HEADGATE_COMMIT="abc1234")
    program.start_ready()
    ours = [line for line in program.text().splitlines() if "[notice]" not in line]
    assert re.fullmatch(beginning, ours[0])
    head = beginning.partition("Headgate")[0]
    assert [line for line in ours if re.match(head, line) and "batch" in line]


def test_a_debug_log_is_not_an_info_log(serve: Start) -> None:
    program = serve("-log-level=error")
    assert [line["msg"] for line in program.lines()] == ["Headgate"]


def test_a_port_in_use_is_named_and_served_when_it_is_free(run: Start, manifests: Manifests) -> None:
    manifests.put(ingress("tea", "tea.test"))
    program = run(f"--manifests={manifests.path}")
    with socket.create_server(("0.0.0.0", program.http)):
        program.start()
        wait_until(lambda: f"port {program.http} cannot be used" in program.text())
        answer = program.readiness()
        assert answer.status == 503
        assert f"port {program.http} cannot be used" in answer.body
        assert "is another program listening" in program.text() or "another" in answer.body
    program.wait_ready()
    assert program.get("tea.test").status == 200
    assert program.reloads() == 1


@pytest.mark.parametrize("which", ["probes", "metrics_port"])
def test_a_port_of_ours_in_use_ends_the_start_in_one_line(run: Start, manifests: Manifests, which: str) -> None:
    program = run(f"--manifests={manifests.path}")
    port = getattr(program, which)
    with socket.create_server(("0.0.0.0", port)):
        program.start()
        assert program.wait_ended() == 1
    assert str(port) in program.text().splitlines()[-1]
    assert "Traceback" not in program.text()


def test_a_start_after_a_kill_takes_over_what_was_left(serve: Start, manifests: Manifests) -> None:
    manifests.put(ingress("tea", "tea.test"))
    program = serve()
    first = program.master
    program.kill()
    assert procfs.is_master(first)
    assert program.get("tea.test").status == 200, "nginx goes on without its controller"
    program.start_ready()
    wait_until(lambda: not procfs.is_master(first))
    assert program.get("tea.test").status == 200
    assert procfs.is_master(program.master)


def test_a_start_over_stale_sockets_and_a_foreign_pid_file_works(serve: Start, manifests: Manifests) -> None:
    manifests.put(ingress("tea", "tea.test"))
    program = serve()
    first = program.master
    workers = procfs.workers(first)
    program.kill()
    for pid in (first, *workers):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(procfs.title, workers)))
    assert [path for path in (program.prefix / "run").iterdir() if path.suffix == ".sock"]
    (program.prefix / "run" / "nginx.pid").write_text(f"{os.getpid()}\n")
    program.start_ready()
    assert program.get("tea.test").status == 200


@pytest.mark.parametrize("key", ["http_snippets", "server_snippets"])
def test_a_config_map_that_nginx_refuses_does_not_hinder_the_start(run: Start, manifests: Manifests, key: str) -> None:
    manifests.put(ingress("tea", "tea.test"), config_map(**{key: "no_such_directive on;"}))
    program = run(f"--manifests={manifests.path}", "-nginx-configmaps=ours/config")
    program.start_ready()
    assert program.get("tea.test").status == 200
    (reason, message), *_ = program.events("ConfigMap ours/config")
    assert reason == "UpdatedWithError"
    assert "no_such_directive" in message


def test_a_lone_object_that_nginx_refuses_does_not_cost_the_config_map(run: Start, manifests: Manifests) -> None:
    bad = ingress("bad", "bad.test", server_snippets="no_such_directive on;")
    manifests.put(bad, config_map(server_tokens="false"))
    program = run(f"--manifests={manifests.path}", "-enable-snippets", "-nginx-configmaps=ours/config")
    program.start_ready()
    assert program.get("any.test").headers["Server"] == "nginx"
    assert [reason for reason, _ in program.events("ConfigMap ours/config")] == ["Updated"]
    assert [reason for reason, _ in program.events("Ingress default/bad")] == ["AddedOrUpdatedWithError"]


@pytest.mark.parametrize("flag", ["-main-template-path", "-ingress-template-path"])
@pytest.mark.parametrize("text", ["{% if %}", None])
def test_a_template_of_a_flag_that_cannot_be_used_ends_the_start_in_one_line(
    run: Start, manifests: Manifests, folder: Path, flag: str, text: str | None
) -> None:
    if text is not None:
        (folder / "template").write_text(text)
    program = run(f"--manifests={manifests.path}", f"{flag}={folder}/template")
    program.start()
    assert program.wait_ended() == 1
    assert program.text().splitlines()[-1].startswith("headgate: ")
    assert "Traceback" not in program.text()


def test_an_object_that_nginx_refuses_does_not_hinder_the_start(run: Start, manifests: Manifests) -> None:
    manifests.put(ingress("tea", "tea.test"), ingress("bad", "bad.test", server_snippets="no_such_directive on;"))
    program = run(f"--manifests={manifests.path}", "-enable-snippets")
    program.start_ready()
    assert program.get("tea.test").status == 200
    assert program.reloads() == 1


def test_config_safety_is_not_ready_while_everything_is_refused(run: Start, manifests: Manifests) -> None:
    manifests.put(ingress("bad", "bad.test", server_snippets="no_such_directive on;"))
    program = run(f"--manifests={manifests.path}", "-enable-snippets", "-enable-config-safety")
    program.start()
    wait_until(lambda: program.get("any.test").status == 404)
    wait_until(lambda: program.events("Ingress default/bad"))
    answer = program.readiness()
    assert answer.status == 503
    assert "refused" in answer.body
    manifests.put(ingress("bad", "bad.test"))
    program.wait_ready()
    assert program.get("bad.test").status == 200
    manifests.put(ingress("bad", "bad.test", server_snippets="no_such_directive on;"))
    wait_until(lambda: len(program.events("Ingress default/bad")) > 2)
    assert program.readiness().status == 200, "what was ready serves its last good configuration"


def test_health_status_answers_for_unknown_hosts(serve: Start) -> None:
    program = serve("-health-status", "-health-status-uri=/alive")
    assert program.get("unknown.test", "/alive").status == 200
    assert program.get("unknown.test", "/").status == 404


def test_a_missing_folder_and_a_missing_binary_end_the_start_in_one_line(run: Start, folder: Path) -> None:
    for flags in ((f"--manifests={folder}/none",), (f"--manifests={folder}", "--nginx=/no/such/nginx")):
        program = run(*flags, under=str(len(flags)))
        program.start()
        assert program.wait_ended() == 1
        assert program.text().splitlines()[-1].startswith("headgate: ")
        assert "Traceback" not in program.text()


def test_nginx_debug_takes_the_debug_binary_or_says_that_there_is_none(
    run: Start, manifests: Manifests, folder: Path
) -> None:
    for under, found in (("with", True), ("without", False)):
        program = run(f"--manifests={manifests.path}", "-nginx-debug", PATH=str(folder / under), under=under)
        program.flags = [flag for flag in program.flags if not flag.startswith("--nginx=")]
        if found:
            (folder / under / "nginx-debug").symlink_to(ANY)
        program.start()
        chosen = wait_until(lambda program=program: program.lines("nginx chosen") or program.code)
        if found:
            assert chosen[0]["path"] == str(folder / under / "nginx-debug")
        else:
            assert program.lines("nginx passed over")[0]["path"] == "nginx-debug"


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as stream:
        while stream.write(b"x" * 4096):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_keeps_what_is_served_and_says_so(run: Start, manifests: Manifests) -> None:
    manifests.put(ingress("tea", "tea.test"))
    program = run(f"--manifests={manifests.path}")
    program.prefix.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(program.prefix)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount")
    try:
        program.start_ready()
        filler = program.prefix / "filler"
        fill(filler)
        manifests.put(ingress("late", "late.test"))
        wait_until(lambda: "No space left" in program.text())
        wait_until(lambda: any("No space left" in message for _, message in program.events("Ingress default/late")))
        assert program.get("tea.test").status == 200
        filler.unlink()
        wait_until(lambda: program.get("late.test").status == 200)
    finally:
        program.stop()
        subprocess.run(["umount", str(program.prefix)], check=True)


def test_a_term_lets_the_request_in_flight_end(serve: Start, manifests: Manifests) -> None:
    with socket.create_server((LOOPBACK, 0)) as backend:
        port = backend.getsockname()[1]
        manifests.put(
            service("slow"), endpoints("slow", LOOPBACK, port=port), ingress("slow", {"slow.test": [path("slow")]})
        )
        program = serve()
        with socket.create_connection((LOOPBACK, program.http), timeout=DEADLINE_S) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: slow.test\r\n\r\n")
            flight, _ = backend.accept()  # nginx has asked: the request is in flight
            with flight:
                program.terminate()
                wait_until(lambda: program.readiness().status == 503)
                flight.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 200"
    assert program.wait_ended() == 0
    assert program.get("slow.test").status == 0
    assert not (program.prefix / "run" / "nginx.pid").exists()


def test_a_term_before_it_is_ready_ends_it_too(run: Start, manifests: Manifests) -> None:
    program = run(f"--manifests={manifests.path}")
    with socket.create_server(("0.0.0.0", program.http)):
        program.start()
        wait_until(lambda: "cannot be used" in program.text())
        program.terminate()
        assert program.wait_ended() == 0


def test_a_bad_config_map_at_the_start_costs_no_default_certificate(run: Start, manifests: Manifests) -> None:
    manifests.put(
        config_map(http_snippets="no_such_directive on;"), tls_secret("fallback", "any.test", namespace="ours")
    )
    program = run(
        f"--manifests={manifests.path}", "-nginx-configmaps=ours/config", "-default-server-tls-secret=ours/fallback"
    )
    program.start_ready()
    wait_until(lambda: "UpdatedWithError" in program.text())
    assert program.get_tls("any.test").status == 404
