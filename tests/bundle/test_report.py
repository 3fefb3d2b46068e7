"""``headgate report``: what is in the archive, and that nothing of a Secret is."""

from __future__ import annotations

import base64
import io
import json
import os
import pty
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate.cli import run
from tests.live.headgate_process import ROOT
from tests.live.json_objects import (
    ManifestFolder,
    config_map,
    endpoints,
    ingress,
    ingress_class,
    secret,
    service,
    tls_secret,
)
from tests.live.scripted_cluster import ScriptedCluster

PASSWORD = "correct-Horse7battery"
QUOTED = """it's-a"canary-of-quotes"""
PHRASE = "correct horse battery staple with many more words than there are in one line, so that it is folded-canary"
TOKEN = "canary-of-a-token-0123456789"
BROKEN = "bm90LWJhc2U2NC1jYW5hcnk*"
HASH = "$apr1$canary$abcdefghijklmnopqrstu0"


def unpack(path: Path) -> dict[str, str]:
    """Return the files of the archive by their names below its folder."""
    with tarfile.open(path) as tar:
        return {
            member.name.removeprefix("headgate-report/"): file.read().decode()
            for member in tar
            if (file := tar.extractfile(member))
        }


def report(manifests: Path, out: Path, *flags: str) -> dict[str, str]:
    assert run(["report", "-m", str(manifests), "-o", str(out), "--prefix", str(out.parent / "run"), *flags], {}) == 0
    return unpack(out)


@pytest.fixture
def manifests(tmp_path: Path) -> ManifestFolder:
    found = ManifestFolder(tmp_path / "manifests")
    found.put(ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"), tls_secret("cert", "safe.test"))
    found.put(ingress("safe", "safe.test", tls={"cert": ["safe.test"]}))
    return found


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def with_secrets_everywhere(manifests: ManifestFolder) -> None:
    """Add Secrets, and repeat what is in them in every place that a report has."""
    applied = json.dumps({"kind": "Secret", "data": {"p": b64("only-applied-canary")}})
    secrets = [
        {"kind": "Secret", "metadata": {"name": "a", "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": applied}}, "data": {"password": b64(PASSWORD)}},
        {"kind": "Secret", "metadata": {"name": "b"}, "stringData": {"token": TOKEN, "odd": ["list-canary"]}},
        {"kind": "Secret", "metadata": {"name": "d"}, "stringData": {"quoted": QUOTED, "phrase": PHRASE}},
        {"kind": "Secret", "metadata": {"name": "c"}, "type": "nginx.org/htpasswd",
         "data": {"htpasswd": b64(f"ann:{HASH}\n"), "broken": BROKEN}},
    ]  # fmt: skip
    listed = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", **each} for each in secrets]}
    (manifests.path / "list.json").write_text(json.dumps(listed))
    (manifests.path / "half.yaml").write_text("kind: Secret\nstringData:\n  x: half-a-canary\n :\n- [")
    env = {"containers": [{"env": [{"name": "X", "value": "canary-of-a-pod"}]}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": env}
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"}, "data": {"k": "canary-of-an-app"}}
    (manifests.path / "others.json").write_text(json.dumps({"kind": "List", "items": [pod, other]}))
    snippet = "\n".join([
        f'proxy_set_header X-Api-Key "{PASSWORD}";',
        f'proxy_set_header Authorization "Basic {b64(TOKEN)}";',
        'proxy_set_header Authorization "Bearer canary-of-a-header";',
        f"# {HASH} http://user:canary-of-a-url@a.test/ password=canary-in-a-comment",
    ])  # fmt: skip
    manifests.put(ingress("snippets", "snippets.test", location_snippets=snippet))
    escaped = QUOTED.replace('"', '\\"')
    for name, text in {
        "tab": f'proxy_set_header\tAuthorization "Token canary-after-a-tab";\n\tproxy_set_header\tX-One "{escaped}";',
        "space": 'proxy_set_header X-Auth-Token "canary-before-a-space"; \n',
        "quotes": f"# it's {QUOTED}",
        "phrase": f'proxy_set_header X-Phrase "{PHRASE}";',
        "tab-and-phrase": f'proxy_set_header\tX-Phrase "{PHRASE}"; ',
    }.items():
        manifests.put(ingress(name, f"{name}.test", location_snippets=text))
    manifests.put(ingress("wrong", "wrong.test", proxy_read_timeout=PASSWORD))


def test_nothing_of_a_secret_is_in_the_report(
    manifests: ManifestFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with_secrets_everywhere(manifests)
    log = tmp_path / "headgate.log"
    log.write_text(f"a line with {b64(PASSWORD)} and {PASSWORD[:18]}... and {TOKEN}\n")
    files = report(manifests.path, tmp_path / "r.tar.gz", "-enable-snippets", "--log", str(log), "-context=")
    texts = {**files, "printed": "".join(capfd.readouterr())}
    forbidden = [PASSWORD, PASSWORD[:16], TOKEN, BROKEN, HASH, "canary", b64(PASSWORD), b64(TOKEN), "list-canary"]
    forbidden += ["it's-a", "horse", "staple", "with many"]
    for item in map(json.loads, (path.read_text() for path in manifests.path.glob("*.json"))):
        if item["kind"] == "Secret":
            for value in item["data"].values():
                lines = base64.b64decode(value).decode().splitlines()
                forbidden += [value, *(value[at : at + 40] for at in range(0, len(value) - 40, 40))]
                forbidden += [line for line in lines if not line.startswith("-----")]
    found = {(name, word[:40]) for name, text in texts.items() for word in forbidden if word in text}
    assert found == set()
    # What is shown instead: the snippet and the log are there, and the Secret by name, type and keys.
    assert "proxy_set_header X-Api-Key" in files["nginx/conf.d/default-snippets.conf"]
    assert "a line with [removed]" in files["logs/headgate.log"]
    assert "password: '[removed]: 28 characters'" in files["manifests/list.json"]
    assert "type: nginx.org/htpasswd" in files["manifests/list.json"]
    assert "left out, because they may hold a Secret" in files["manifests/half.yaml"]
    assert "k: '[removed]: 16 characters'" in files["manifests/others.json"]


def test_the_report_has_what_a_bug_needs(
    manifests: ManifestFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifests.put(ingress("bad", {"bad.test": [{"path": "no/slash", "pathType": "Prefix", "backend": {}}]}))
    keys = {"proxy-read-timeout": "7s"}
    manifests.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nginx-config", "namespace": "a"},
                   "data": keys})  # fmt: skip
    files = report(manifests.path, tmp_path / "r.tar.gz", "-nginx-configmaps=a/nginx-config")
    assert files["version.txt"].startswith("Headgate 0.1.0 (")
    assert "-nginx-configmaps=a/nginx-config" in files["flags.txt"].partition("In effect:")[2]
    assert "nginx version:" in files["nginx.txt"]
    assert '"keepalive_min_timeout"' in files["nginx.txt"]
    assert "Ingress default/bad" in files["check.txt"]
    assert "safe.test" in files["status.txt"]
    assert "server_name safe.test" in files["nginx/conf.d/default-safe.conf"]
    assert any("proxy-read-timeout: 7s" in text for name, text in files.items() if name.startswith("manifests/"))
    assert not any(name.startswith("nginx/secrets") for name in files)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert files["CONTENTS.txt"] in printed.err
    assert (tmp_path / "r.tar.gz").stat().st_mode & 0o777 == 0o600


def test_the_key_of_the_collector_is_in_no_file(manifests: ManifestFolder, tmp_path: Path) -> None:
    keys = {"otel-exporter-endpoint": "a.test:4317", "otel-exporter-header-name": "X-Api-Token",
            "otel-exporter-header-value": "a-canary"}  # fmt: skip
    manifests.put(config_map("a", "nginx-config", **keys))
    manifests.put(config_map("b", "nginx-config", **keys | {"otel-exporter-header-value": 'b"canary'}))
    manifests.put(ingress("repeats", "repeats.test", location_snippets="# a-canary"))
    for chosen in ("a", "b"):
        flags = ("-enable-snippets", f"-nginx-configmaps={chosen}/nginx-config")
        files = report(manifests.path, tmp_path / "r.tar.gz", *flags)
        assert [name for name, text in files.items() if "canary" in text] == []
        assert any("otel-exporter-header-value: '[removed]: 8 characters'" in text for text in files.values())
        assert any("otel-exporter-header-name: X-Api-Token" in text for text in files.values())


def test_an_ordinary_word_in_a_secret_changes_nothing(manifests: ManifestFolder, tmp_path: Path) -> None:
    before = report(manifests.path, tmp_path / "before.tar.gz")
    manifests.put(secret("settings", env=b"default", debug=b"true", scheme=b"http", host=b"safe.test", backend=b"tea"))
    after = report(manifests.path, tmp_path / "after.tar.gz")
    assert {name: after.get(name) for name in before if name.startswith(("nginx/", "manifests/"))} == {
        name: text for name, text in before.items() if name.startswith(("nginx/", "manifests/"))
    }


def test_a_part_that_fails_is_named_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, nginx, fifo = tmp_path / "folder", tmp_path / "no-nginx", tmp_path / "fifo"
    folder.mkdir()
    os.mkfifo(fifo)
    flags = (f"--nginx={nginx}", f"--log={tmp_path / 'no.log'}", f"--log={fifo}")
    files = report(folder, tmp_path / "r.tar.gz", *flags)
    left_out: Mapping[str, str] = {
        line.split()[1]: line.partition("left out: ")[2]
        for line in files["CONTENTS.txt"].splitlines()
        if "left out: " in line
    }
    assert {"nginx.txt", "controller.json", "logs/no.log", "logs/fifo"} <= set(left_out)
    assert "No such file or directory" in left_out["logs/no.log"]
    assert f"{fifo} is not a regular file" in left_out["logs/fifo"]
    assert f"{nginx} cannot be run" in left_out["nginx.txt"]
    assert "left out: " in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere, out = tmp_path / "nowhere", tmp_path / "r.tar.gz"
    assert run(["report", "-m", str(nowhere), "-o", str(out), "--yes"], {}) == 1
    assert capsys.readouterr().err == f"headgate: {nowhere}: No such file or directory\n"
    assert not out.exists()


def test_logs_of_one_name_are_numbered(manifests: ManifestFolder, tmp_path: Path) -> None:
    logs = [tmp_path / folder / "error.log" for folder in ("one", "two", "run/log")]
    for log in logs:
        log.parent.mkdir(parents=True)
        log.write_text(f"of {log.parent.name}\n")
    files = report(manifests.path, tmp_path / "r.tar.gz", f"--log={logs[0]}", f"--log={logs[1]}")
    found = {name: text for name, text in files.items() if name.startswith("logs/")}
    assert found == {"logs/error.log": "of one\n", "logs/2-error.log": "of two\n", "logs/3-error.log": "of log\n"}


def test_a_report_that_replaces_a_file_is_readable_for_its_owner_only(
    manifests: ManifestFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    old, link = folder / "r.tar.gz", folder / "link.tar.gz"
    old.write_text("old")
    old.chmod(0o644)
    link.symlink_to(old)
    assert "version.txt" in report(manifests.path, link)
    assert old.stat().st_mode & 0o777 == 0o600
    assert link.is_symlink()
    assert {old, link} == {each for each in folder.iterdir() if each.is_file()}
    assert run(["report", "-m", str(manifests.path), "-o", str(folder / "no" / "r.tar.gz")], {}) == 1
    assert capsys.readouterr().err.endswith(f"headgate: {folder / 'no' / 'r.tar.gz'}: No such file or directory\n")


def test_without_a_cluster_the_report_is_written_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.tar.gz"
    assert run(["report", f"--kubeconfig={tmp_path / 'none'}", f"--prefix={tmp_path}", "-o", str(out)], {}) == 0
    assert "objects.yaml" in capsys.readouterr().err
    assert "left out: ConfigError" in unpack(out)["CONTENTS.txt"]


def test_a_cluster_is_read_without_the_data_of_its_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"p": b64(PASSWORD)}})}
    login = secret("login", kind="nginx.org/htpasswd", htpasswd=f"ann:{HASH}\n".encode())
    login["metadata"]["annotations"] = applied
    tls = tls_secret("cert", "safe.test")
    out = tmp_path / "r.tar.gz"
    with ScriptedCluster(tmp_path) as cluster:
        cluster.put(ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"), tls, login)
        cluster.put(ingress("safe", "safe.test", tls={"cert": ["safe.test"]}, basic_auth_secret="login"))
        flags = [f"--kubeconfig={cluster.kubeconfig}", f"--prefix={tmp_path / 'run'}", "-o", str(out)]
        assert run(["report", *flags], {}) == 0
    files = unpack(out)
    assert capsys.readouterr().out == ""
    assert "server_name safe.test" in files["nginx/conf.d/default-safe.conf"]
    assert "type: nginx.org/htpasswd" in files["objects.yaml"]
    assert "cluster.json" in files["CONTENTS.txt"]  # this server has no version
    values = [b64(PASSWORD), HASH, *tls["data"].values(), *login["data"].values()]
    assert [name for name, text in files.items() if any(value in text for value in values)] == []


def headgate(*argv: str) -> list[str]:
    return [sys.executable, "-m", "headgate", *argv]


def test_standard_output_is_the_archive_alone(manifests: ManifestFolder, tmp_path: Path) -> None:
    command = headgate("report", "-m", str(manifests.path), "--prefix", str(tmp_path), "-o", "-")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        assert "headgate-report/CONTENTS.txt" in tar.getnames()


@pytest.mark.parametrize(("answer", "written"), [("", False), ("y", True)])
def test_on_a_terminal_a_confirmation_is_asked_for(
    manifests: ManifestFolder, tmp_path: Path, answer: str, written: bool
) -> None:
    out = tmp_path / "r.tar.gz"
    master, slave = pty.openpty()
    os.write(master, f"{answer}\n".encode())
    command = headgate("report", "-m", str(manifests.path), "--prefix", str(tmp_path), "-o", str(out))
    # Its output fits in the buffer of the terminal.
    done = subprocess.run(command, cwd=ROOT, stdin=slave, stderr=slave, check=False)
    printed = os.read(master, 1 << 16).decode()
    os.close(master)
    os.close(slave)
    assert f"Write them to {out}? [y/N]" in printed
    assert (done.returncode, out.exists()) == ((0, True) if written else (1, False))
