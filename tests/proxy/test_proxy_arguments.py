"""The arguments of ``headgate proxy``, and the objects that ``--print`` writes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.cli import run
from headgate.proxy import route

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "place", "backend"),
    [
        ("app.localhost=http://127.0.0.1:3000", "app.localhost/", "http://127.0.0.1:3000"),
        ("App.Localhost/api/v1=https://10.0.0.1", "app.localhost/api/v1", "https://10.0.0.1:443"),
        ("*.app.localhost=3000", "*.app.localhost/", "http://localhost:3000"),
        ("/api=:3000", "/api", "http://localhost:3000"),
        ("3000", "/", "http://localhost:3000"),
        ("localhost:3000", "/", "http://localhost:3000"),
        ("http://[::1]:3000/", "/", "http://[::1]:3000"),
        ("chat.test=ws://127.0.0.1:3000", "chat.test/", "http://127.0.0.1:3000"),
        ("api.test=grpcs://Backend.internal:50051", "api.test/", "grpcs://backend.internal:50051"),
    ],
)
def test_an_argument_names_a_host_a_path_and_a_backend(text: str, place: str, backend: str) -> None:
    found = route(text)
    assert (found.place, str(found.backend)) == (place, backend)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("app.localhost", "names no backend"),
        ("app.localhost=", "has no host in its backend"),
        ("a_b.test=3000", "is not a host name"),
        ("127.0.0.1=3000", "has the host 127.0.0.1, an IP address"),
        ("a.test:80=3000", "has a port before the ="),
        (
            "http://app.test=http://127.0.0.1:3000",
            "before the =, where a host is without one; write app.test=http:",
        ),
        ("http://app.test=", "write app.test=http://127.0.0.1:3000"),
        ("[::1]=3000", "has the host [::1], an IP address; clients name a host"),
        ("::1=3000", "has the host ::1, an IP address; clients name a host"),
        ("a.test/a b=3000", "contains a space"),
        ("a.test=ftp://b.test", "the scheme ftp"),
        ("a.test=http://b.test:99999", "is not a URL"),
        ("a.test=http://b.test/base", "requests keep the path"),
        ("a.test=http://user@b.test", "'user'"),
        ("a.test=http://:word@b.test", "'word'"),
        ("a.test=http://b.test:0", "has no port"),
        ("a.test=grpc://b.test", "has no port"),
        ("a.test=unix:/run/a.sock", "Unix socket"),
        ("a.test=0.0.0.0:3000", "every address"),
        ("a.test=http://b;c:1", "is not a DNS name"),
    ],
)
def test_a_bad_argument_is_one_line_and_status_2(text: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["proxy", text, "fine.test=3000"], {}) == 2
    problems = [line for line in capsys.readouterr().err.splitlines() if line.startswith("headgate: ")]
    assert len(problems) == 1
    assert repr(text) in problems[0]
    assert says in problems[0]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "is missing"),
        (["a.test=3000", "A.test/=4000"], "'a.test/' has the backends http://localhost:3000 and http://localhost:4000"),
        (["a.test=3000", "--manifests=x"], "is not a flag"),
        (["a.test=3000", "--address=example.com"], "'example.com', which is neither an IP address nor localhost"),
        (["a.test=3000", "-p", "8000", "-default-https-listener-port=8000"], "is also the port of"),
    ],
)
def test_arguments_that_contradict_each_other_are_reported(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["proxy", *argv], {}) == 2
    assert says in capsys.readouterr().err


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[str, list[dict[str, Any]]]:
    assert run(["proxy", *argv, "--print"], {}) == 0
    text = capsys.readouterr().out
    return text, list(yaml.safe_load_all(text))


def test_what_is_printed_is_served_without_a_problem(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    argv = ["app.localhost=3000", "app.localhost/api=https://10.1.2.3", "g.localhost=grpc://[::1]:50051", "/x=3000"]
    text, _ = printed(capsys, *argv, "--tls", "-ingress-class=inner")
    (tmp_path / "all.yaml").write_text(text)
    flags = text.splitlines()[0].removeprefix("# headgate run --manifests DIR ").removesuffix(" serves these objects.")
    assert flags.split() == [
        "-ingress-class=inner", "-allow-empty-ingress-host", "-default-server-tls-secret=default/proxy-tls",
        "-nginx-configmaps=default/proxy",
    ]  # fmt: skip
    checked = run(["check", str(tmp_path / "all.yaml"), "--strict", *flags.split()], {})
    assert (checked, capsys.readouterr().out) == (0, "9 objects: all fine\n")


def test_what_is_printed_names_what_a_cluster_refuses_only_where_there_is_such_a_thing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, items = printed(capsys, "app.localhost=3000", "app.localhost/api=http://api.internal:80", "b.test=3000")
    assert "The API server refuses EndpointSlices with loopback addresses" in text
    assert [item["kind"] for item in items] == ["Ingress", "Service", "EndpointSlice", "Service"]
    assert items[0]["metadata"]["annotations"] == {"nginx.org/websocket-services": "backend-1,backend-2"}
    assert items[3]["spec"] == {"type": "ExternalName", "externalName": "api.internal", "ports": [{"port": 80}]}
    assert "The API server refuses" not in printed(capsys, "app.localhost=http://api.internal:80")[0]


COMMANDS = re.findall(r"^(?:\$ )?headgate proxy (.*?)(?: >\S+)?$", (ROOT / "docs/proxy.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("words", COMMANDS)
def test_the_commands_of_the_page_are_understood(
    words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    argv = shlex.split(words)
    _, items = printed(capsys, *(word for word in argv if word != "--print"))
    assert [item["kind"] for item in items].count("Service") == len([word for word in argv if "=" in word])


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 3
