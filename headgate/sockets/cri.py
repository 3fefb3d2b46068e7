"""Asks a container runtime for its version and conditions: ``Version`` and ``Status`` of the CRI, over its socket.

The only module that imports grpcio and protobuf, which come with the extra ``headgate[sockets]``; the controller does
not need them. The messages are generated from ``cri.proto``.
"""

from __future__ import annotations

from typing import Final, TypeVar
from urllib.parse import quote

import grpc
import grpc.aio
from google.protobuf.message import Message
from msgspec import structs

from headgate.sockets.cri_pb2 import StatusRequest, StatusResponse, VersionRequest, VersionResponse
from headgate.sockets.runtime import Condition, CriError, Runtime
from headgate.uds import Address

ANSWER_S: Final = 2.0
"""Timeout of one request, in seconds; that of kubeadm (cmd/kubeadm/app/util/runtime)."""
SERVICE: Final = "/runtime.v1.RuntimeService"
"""Version v1 of the CRI, the only one that kubelets since 1.26 support."""
# By itself grpcio sends the percent-encoded path as :authority, which strict servers refuse (grpc/grpc#38142).
OPTIONS: Final = (("grpc.default_authority", "localhost"),)

ResponseT = TypeVar("ResponseT", bound=Message)


async def ask(address: Address, timeout_s: float = ANSWER_S) -> Runtime:
    """Ask the runtime that listens at *address*; cancellation closes the connection.

    Raises:
        CriError: it does not answer ``Version`` within *timeout_s*, or not as the CRI demands.
    """
    async with grpc.aio.insecure_channel(_target(address), options=OPTIONS) as channel:
        service = _Service(channel, timeout_s)
        version = await service.call("Version", VersionRequest(), VersionResponse)
        runtime = Runtime(version.runtime_name, version.runtime_version, version.runtime_api_version)
        try:
            answer = await service.call("Status", StatusRequest(), StatusResponse)
        except CriError as error:
            return structs.replace(runtime, status_error=str(error))
    conditions = tuple(Condition(row.type, row.status, row.reason, row.message) for row in answer.status.conditions)
    return structs.replace(runtime, conditions=conditions)


class _Service:
    """The RuntimeService of one channel."""

    def __init__(self, channel: grpc.aio.Channel, timeout_s: float) -> None:
        self._channel = channel
        self._timeout_s = timeout_s

    async def call(self, method: str, request: Message, answer: type[ResponseT]) -> ResponseT:
        """Call *method* and return its *answer* (CriError: there is none)."""
        ask = self._channel.unary_unary(
            f"{SERVICE}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            return await ask(request, timeout=self._timeout_s)
        except grpc.aio.AioRpcError as error:
            raise CriError(self._explained(error.code(), error.details() or "no details")) from error

    def _explained(self, code: grpc.StatusCode, details: str) -> str:
        """Return what a gRPC status means here, and what to do."""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"accepts connections but did not answer within {self._timeout_s:g} s; look at the runtime's log"
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return (
                f"speaks gRPC but not the CRI v1 ({details}); if it is containerd, take cri out of disabled_plugins in"
                " /etc/containerd/config.toml and restart it, or upgrade to 1.6 or later"
            )
        if code is grpc.StatusCode.UNAVAILABLE:
            return f"does not speak gRPC ({details}); is this the socket of a container runtime?"
        return f"answered {code.name}: {details}"


def _target(address: Address) -> str:
    """Return *address* as a URI of gRPC; characters with a meaning in URIs are escaped."""
    if address.path is None:
        return f"unix-abstract:{quote(address.text[1:])}"
    return f"unix:{quote(address.text)}"
