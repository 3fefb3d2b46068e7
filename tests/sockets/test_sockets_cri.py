"""Asking a runtime: a gRPC server that answers as it is told, and servers that are none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from headgate.sockets.cri import ask
from headgate.sockets.cri_pb2 import (
    RuntimeCondition,
    RuntimeStatus,
    StatusRequest,
    StatusResponse,
    VersionRequest,
    VersionResponse,
)
from headgate.sockets.runtime import Condition, CriError, Runtime
from headgate.uds import Address
from tests.sockets.container_runtimes import bound_socket

Handler = Callable[[Any, Any], Coroutine[Any, Any, Any]]


async def version(_: VersionRequest, __: Any) -> VersionResponse:
    return VersionResponse(version="0.1.0", runtime_name="made", runtime_version="1.2", runtime_api_version="v1")


async def ready(_: StatusRequest, __: Any) -> StatusResponse:
    conditions = [
        RuntimeCondition(type="RuntimeReady", status=True),
        RuntimeCondition(type="NetworkReady", status=False, reason="Wait", message="no network"),
    ]
    return StatusResponse(status=RuntimeStatus(conditions=conditions))


async def broken(_: StatusRequest, context: grpc.aio.ServicerContext[Any, Any]) -> StatusResponse:
    await context.abort(grpc.StatusCode.INTERNAL, "the disk is full")


async def hanging(_: VersionRequest, __: Any) -> VersionResponse:
    return await asyncio.Event().wait() or VersionResponse()


@asynccontextmanager
async def runtime(target: str, version: Handler = version, status: Handler = ready) -> AsyncIterator[None]:
    """Serve the RuntimeService at *target*, a gRPC address."""
    handlers = {
        "Version": grpc.unary_unary_rpc_method_handler(
            version, VersionRequest.FromString, VersionResponse.SerializeToString
        ),
        "Status": grpc.unary_unary_rpc_method_handler(
            status, StatusRequest.FromString, StatusResponse.SerializeToString
        ),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("runtime.v1.RuntimeService", handlers),))
    server.add_insecure_port(target)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


async def test_version_and_status_are_read(directory: Path) -> None:
    async with runtime(f"unix:{directory}/r.sock"):
        answer = await ask(Address(f"{directory}/r.sock"))

    conditions = (Condition("RuntimeReady", ready=True), Condition("NetworkReady", False, "Wait", "no network"))
    assert answer == Runtime("made", "1.2", "v1", conditions)


async def test_a_runtime_without_a_status_is_still_a_runtime(directory: Path) -> None:
    async with runtime(f"unix:{directory}/r.sock", status=broken):
        answer = await ask(Address(f"{directory}/r.sock"))

    assert answer == Runtime("made", "1.2", "v1", (), "answered INTERNAL: the disk is full")


async def test_an_abstract_address_is_asked_too() -> None:
    name = f"headgate-test-{os.getpid()}"
    async with runtime(f"unix-abstract:{name}"):
        assert (await ask(Address(f"@{name}"))).name == "made"


async def test_a_path_may_contain_characters_of_grpc_addresses(directory: Path) -> None:
    async with runtime(f"unix:{directory}/plain.sock"):
        odd = directory / "a b%20?#.sock"
        odd.symlink_to(directory / "plain.sock")
        assert (await ask(Address(str(odd)))).name == "made"


async def test_a_runtime_that_does_not_answer_times_out(directory: Path) -> None:
    async with runtime(f"unix:{directory}/r.sock", version=hanging):
        with pytest.raises(CriError, match=r"did not answer within 0\.1 s"):
            await ask(Address(f"{directory}/r.sock"), timeout_s=0.1)


async def test_a_listener_that_never_accepts_times_out(directory: Path) -> None:
    with bound_socket(directory / "r.sock"), pytest.raises(CriError, match=r"did not answer within 0\.1 s"):
        await ask(Address(f"{directory}/r.sock"), timeout_s=0.1)


async def test_the_authority_of_requests_is_a_valid_host(directory: Path) -> None:
    """Only a server below gRPC sees which authority a request names."""
    named: list[str] = []

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        while not named and (data := await reader.read(4096)):
            requests = [event for event in connection.receive_data(data) if isinstance(event, RequestReceived)]
            named.extend(value for event in requests for name, value in event.headers if name == ":authority")
            writer.write(connection.data_to_send())
        writer.close()

    async with await asyncio.start_unix_server(read, f"{directory}/r.sock"):
        with pytest.raises(CriError):
            await ask(Address(f"{directory}/r.sock"), timeout_s=5)
    assert named[0] == "localhost"


async def test_a_web_server_is_not_taken_for_a_runtime(directory: Path) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_unix_server(refuse, f"{directory}/r.sock"):
        with pytest.raises(CriError, match="does not speak gRPC"):
            await ask(Address(f"{directory}/r.sock"), timeout_s=5)
