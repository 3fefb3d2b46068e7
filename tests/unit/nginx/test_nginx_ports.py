"""The line about ports that nginx cannot bind, and the count of its repeats."""

from pathlib import Path

import pytest

from headgate.nginx import repeats
from headgate.nginx.blame import blame, unbound
from headgate.nginx.ports import unusable
from headgate.nginx.repeats import Repeats

FLAGS = {80: "-default-http-listener-port", 443: "-default-https-listener-port", 8080: "-nginx-status-port"}
HEAD = "2026/11/21 14:40:35 [emerg] 7#7: "


def refused(address: str, why: str = "98: Address already in use") -> str:
    return f"bind() to {address} failed ({why})"


def line(*addresses: str, why: str = "98: Address already in use") -> str:
    output = "".join(f"{HEAD}{refused(each, why)}\n" for each in addresses)
    return unusable(blame(output, "/conf"), unbound(output), FLAGS)


def test_every_address_of_the_output_is_found_once() -> None:
    output = "".join(f"{HEAD}{refused(each)}\n" for each in ("0.0.0.0:80", "[::]:80", "0.0.0.0:80"))
    assert unbound(f"{output}{HEAD}still could not bind()\n") == ("0.0.0.0:80", "[::]:80")


def test_ports_in_use_are_named_with_their_flags() -> None:
    assert line("0.0.0.0:80", "[::]:80", "0.0.0.0:8080") == (
        "ports 80 (-default-http-listener-port) and 8080 (-nginx-status-port) cannot be used: "
        f"{refused('0.0.0.0:8080')}; stop the processes that use them, or set these flags to free ports; it is retried"
    )


@pytest.mark.parametrize(
    ("addresses", "start", "end"),
    [
        (("0.0.0.0:9000",), "port 9000 cannot be used: ", "uses it, or choose another port; it is retried"),
        (("[::]:443",), "port 443 (-default-https-listener-port) ", "or set that flag to a free port; it is retried"),
        (("[::]:443", "[::]:9000"), "ports 443 (-default-https-listener-port) and 9000 ", "other ports; it is retried"),
        (("unix:/run/a.sock",), "unix:/run/a.sock cannot be used: ", "choose another port; it is retried"),
    ],
)  # fmt: skip
def test_a_port_that_no_flag_sets_has_none(addresses: tuple[str, ...], start: str, end: str) -> None:
    assert line(*addresses).startswith(start)
    assert line(*addresses).endswith(end)


def test_ports_that_are_not_permitted_are_found_though_nginx_names_the_first_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "limit").write_text("1024\n")
    monkeypatch.setattr("headgate.nginx.privileges.FIRST_OPEN_PORT", tmp_path / "limit")
    found = line("0.0.0.0:80", why="13: Permission denied")
    assert found.startswith("ports 80 (-default-http-listener-port) and 443 (-default-https-listener-port) cannot be ")
    assert "; use a port above 1023, for example -default-http-listener-port=8000 " in found


def test_an_error_that_lasts_is_due_once_and_then_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Repeats()
    assert [found.is_due("a"), found.is_due("a"), found.is_due("b"), found.is_due("b")] == [True, False, True, False]
    monkeypatch.setattr(repeats, "AGAIN_S", 0.0)
    assert found.is_due("b")
    assert found.count == 3
    found.end()
    assert found.is_due("b")
    assert found.count == 1
