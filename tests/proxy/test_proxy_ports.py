"""Ports that ``headgate proxy`` chooses itself."""

from __future__ import annotations

import socket
import threading

from showcase.ports import free_ports

from headgate.proxy import free_port, port_fault, turn
from tests.waiting import DEADLINE_S

LOOPBACK = ("127.0.0.1",)


def test_the_next_port_is_chosen_if_the_preferred_one_is_in_use_or_taken() -> None:
    first = min(free_ports(3))
    assert free_port(first, LOOPBACK) == first
    with socket.create_server(("127.0.0.1", first)):
        chosen = free_port(first, LOOPBACK)
        assert chosen > first
        assert free_port(first, LOOPBACK, {chosen}) > chosen
        assert "in use by another process" in port_fault(first, LOOPBACK)
        assert not port_fault(chosen, LOOPBACK)


def test_a_port_must_be_free_on_every_address() -> None:
    port = free_ports(1)[0]
    with socket.create_server(("127.0.0.2", port)):
        assert free_port(port, LOOPBACK) == port
        assert free_port(port, ("127.0.0.1", "127.0.0.2")) > port


def test_one_proxy_after_the_other_chooses_its_ports() -> None:
    order: list[str] = []

    def second() -> None:
        with turn():
            order.append("second")

    waiting = threading.Thread(target=second)
    with turn():
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(DEADLINE_S)
    assert order == ["first", "second"]
