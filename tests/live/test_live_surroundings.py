"""What a served object needs outside of Kubernetes may disappear: that costs this object and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, answering, config_map
from tests.waiting import wait_until

FLAGS = ("-nginx-configmaps=ours/config", "-enable-snippets")
CONFIG_MAP = "ConfigMap ours/config"


def last(headgate: HeadgateProcess, told: str) -> tuple[str, str]:
    return (headgate.events(told) or [("", "")])[-1]


def invalid(headgate: HeadgateProcess) -> list[str]:
    """Return the messages about single keys of the ConfigMap."""
    return [message for reason, message in headgate.events(CONFIG_MAP) if reason == "InvalidValue"]


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A file that a snippet includes."""
    file = tmp_path / "part"
    file.write_text("# nothing yet\n")
    return file


@contextmanager
def occupied() -> Iterator[int]:
    """Listen on a port as another program does; it is free again after the block."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_served_ingress_whose_file_disappears_holds_back_nobody(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, part: Path
) -> None:
    needy = answering("needy", "needy.test", "needy", server_snippets=f"include {part};")
    manifests.put(needy, answering("good", "good.test", "good"))
    headgate = serve_manifests(*FLAGS)
    assert headgate.get("needy.test").body == "needy"
    part.unlink()
    manifests.put(answering("new", "new.test", "new"))
    wait_until(lambda: headgate.get("new.test").body == "new")
    assert headgate.get("good.test").body == "good"
    wait_until(lambda: "No such file or directory" in last(headgate, "Ingress default/needy")[1])
    wait_until(lambda: last(headgate, "Ingress default/new")[0] == "AddedOrUpdated")
    part.write_text("# here again\n")
    wait_until(lambda: headgate.get("needy.test").body == "needy")
    wait_until(lambda: last(headgate, "Ingress default/needy")[0] == "AddedOrUpdated")


def test_a_key_in_force_whose_file_disappears_holds_back_nobody(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, part: Path
) -> None:
    settings = {"http_snippets": f"include {part};", "proxy_read_timeout": "7s", "proxy_buffers": "8"}
    manifests.put(config_map(**settings), answering("good", "good.test", "good"))
    headgate = serve_manifests(*FLAGS)
    part.unlink()
    manifests.put(answering("new", "new.test", "new"))
    wait_until(lambda: headgate.get("new.test").body == "new")
    wait_until(lambda: any("http-snippets: " in message and "No such file" in message for message in invalid(headgate)))
    assert any(message.startswith("proxy-buffers: ") for message in invalid(headgate))
    assert "proxy_read_timeout 7s;" in headgate.file("nginx.conf")
    part.write_text("# here again\n")
    wait_until(lambda: f"include {part};" in headgate.file("nginx.conf"))
    wait_until(lambda: last(headgate, CONFIG_MAP)[0] == "UpdatedWithError")


def test_a_key_that_listens_on_an_occupied_port_is_left_out_until_the_port_is_free(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(config_map(proxy_read_timeout="5s"), answering("good", "good.test", "good"))
    headgate = serve_manifests(*FLAGS)
    with occupied() as port:
        snippet = f"server {{ listen 127.0.0.1:{port}; return 200 snip; }}"
        manifests.put(config_map(proxy_read_timeout="7s", http_snippets=snippet), answering("new", "new.test", "new"))
        wait_until(lambda: headgate.get("new.test").body == "new")
        wait_until(lambda: "proxy_read_timeout 7s;" in headgate.file("nginx.conf"))
        wait_until(lambda: last(headgate, CONFIG_MAP)[0] == "UpdatedWithError")
    wait_until(lambda: "return 200 snip" in headgate.file("nginx.conf"))
    wait_until(lambda: last(headgate, CONFIG_MAP)[0] == "Updated")


def test_an_occupied_port_of_a_key_does_not_keep_nginx_from_starting(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    with occupied() as port:
        snippet = f"server {{ listen 127.0.0.1:{port}; return 200 snip; }}"
        manifests.put(config_map(http_snippets=snippet), answering("good", "good.test", "good"))
        headgate = new_headgate(f"--manifests={manifests.path}", *FLAGS)
        headgate.start_ready()
        assert headgate.get("good.test").body == "good"
