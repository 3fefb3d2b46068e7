"""The rules of a TransportServer that concern several fields together; those of one field are with its declaration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from headgate.api.nginx_org.transportserver import (
    TransportServer,
    TransportServerHealthCheck,
    TransportServerSpec,
    TransportServerUpstream,
)
from headgate.ir.snippets import leaves_its_block
from headgate.problems import Problem, Severity
from headgate.settings.regex import regex_fault
from headgate.settings.values import Duration
from headgate.validation.custom_settings import PLUS
from headgate.validation.fields import Fault, field_faults, name_faults, not_an_upstream, text_fault
from headgate.validation.rules import Rules

PASSTHROUGH: Final = "TLS_PASSTHROUGH"
PASSTHROUGH_LISTENER: Final = "tls-passthrough"
"""The listener that exists without a GlobalConfiguration, and its protocol."""
MOST: Final = 2**31 - 1
"""The largest number that nginx reads on every machine."""
REFUSED: Final = "the TransportServer is refused"
_HEX: Final = re.compile(r"\\x(?![0-9A-Fa-f]{2})")


class ValidTransportServer(msgspec.Struct, frozen=True):
    """A TransportServer that may be served; *listener* and *protocol* are those of its spec."""

    item: TransportServer
    spec: TransportServerSpec
    listener: str
    protocol: str

    @property
    def passthrough(self) -> bool:
        """Whether its TLS connections are passed on by their server name."""
        return self.protocol == PASSTHROUGH

    @property
    def host(self) -> str:
        """The server name that it asks for, ``""`` for every connection."""
        return self.spec.host or ""


def validate_transport_server(item: TransportServer, rules: Rules) -> tuple[ValidTransportServer | None, list[Problem]]:
    """Check *item* whole.

    Returns:
        the TransportServer ready for arbitration, or ``None`` if a Problem refuses it, and every Problem found.
    """
    spec = item.spec or TransportServerSpec()
    faults = [*name_faults(item), *field_faults(spec, "spec"), *_listener(spec, rules), *_host(spec), *_tls(spec)]
    faults += [*_upstreams(spec), *_action(spec), *_datagrams(spec), *_numbers(spec), *_snippets(spec, rules)]
    problems = [Problem(item.ref, *fault, REFUSED, Severity.ERROR) for fault in dict.fromkeys(faults)]
    if problems or spec.listener is None:
        return None, problems
    warnings = [Problem(item.ref, *fault, "it has no effect") for fault in _idle(spec)]
    warnings += [Problem(item.ref, *doubt) for doubt in _no_time(spec)]
    return ValidTransportServer(item, spec, spec.listener.name, spec.listener.protocol), warnings


def _protocol(spec: TransportServerSpec) -> str:
    return spec.listener.protocol if spec.listener else ""


def _listener(spec: TransportServerSpec, rules: Rules) -> Iterator[Fault]:
    if spec.listener is None:
        return
    name, protocol = spec.listener.name, spec.listener.protocol
    if protocol == "HTTP":
        yield "spec.listener.protocol", protocol, "is for VirtualServers (spec.listener.http and https); use TCP or UDP"
    if (name == PASSTHROUGH_LISTENER) != (protocol == PASSTHROUGH):
        reason = f"must be {PASSTHROUGH} for the listener {PASSTHROUGH_LISTENER}, and for no other"
        yield "spec.listener.protocol", protocol, reason
    elif protocol == PASSTHROUGH and "enable-tls-passthrough" not in rules.gates:
        yield "spec.listener.name", name, "is not permitted; start Headgate with -enable-tls-passthrough"


def _host(spec: TransportServerSpec) -> Iterator[Fault]:
    protocol = _protocol(spec)
    if protocol == "UDP" and spec.host:
        yield "spec.host", spec.host, "cannot be used with UDP, whose datagrams name no server"
    elif protocol == PASSTHROUGH and not spec.host:
        yield "spec.host", "", "is missing; TLS connections are passed on by their server name"
    elif protocol == "TCP" and spec.host and not (spec.tls and spec.tls.secret):
        yield "spec.host", spec.host, "needs spec.tls.secret, because only TLS connections name a server"


def _tls(spec: TransportServerSpec) -> Iterator[Fault]:
    if spec.tls is None:
        return
    if _protocol(spec) == PASSTHROUGH:
        yield "spec.tls", "", f"cannot be used with {PASSTHROUGH}, where the backends terminate TLS"
    elif _protocol(spec) == "UDP":
        yield "spec.tls", "", "cannot be used with UDP; remove it"
    elif not spec.tls.secret:
        yield "spec.tls.secret", "", "is missing"


def _upstreams(spec: TransportServerSpec) -> Iterator[Fault]:
    names = Counter(upstream.name for upstream in spec.upstreams or ())
    for index, upstream in enumerate(spec.upstreams or ()):
        path = f"spec.upstreams[{index}]"
        if upstream.name and names[upstream.name] > 1:
            yield f"{path}.name", upstream.name, "is the name of two upstreams; rename one of them"
        yield from _backup(upstream, path)
        if upstream.health_check:
            yield from _match(upstream.health_check, f"{path}.healthCheck.match")


def _backup(upstream: TransportServerUpstream, path: str) -> Iterator[Fault]:
    if bool(upstream.backup) != (upstream.backup_port is not None):
        yield f"{path}.backup", upstream.backup or "", "and backupPort need each other"
    method = (upstream.load_balancing_method or "").split()
    if upstream.backup and method[:1] in (["hash"], ["random"]):
        yield f"{path}.backup", upstream.backup, f"cannot be used with loadBalancingMethod {' '.join(method)}"


def _match(check: TransportServerHealthCheck, path: str) -> Iterator[Fault]:
    if check.match is None:
        return
    for name, text in (("send", check.match.send or ""), ("expect", check.match.expect or "")):
        fault = text_fault(text)
        if name == "expect" and text.startswith("~"):
            unfit = regex_fault(text[1:].removeprefix("*").strip())
            fault = fault or (f"is {unfit}" if unfit else "")
        elif _HEX.search(text):
            fault = fault or "has a \\x without two hexadecimal digits"
        if fault:
            yield f"{path}.{name}", text, fault


def _action(spec: TransportServerSpec) -> Iterator[Fault]:
    names = [upstream.name for upstream in spec.upstreams or ()]
    if spec.action and spec.action.pass_ and spec.action.pass_ not in names:
        yield "spec.action.pass", spec.action.pass_, not_an_upstream(names, spec.action.pass_)


def _datagrams(spec: TransportServerSpec) -> Iterator[Fault]:
    parameters = spec.upstream_parameters
    if parameters is None or _protocol(spec) == "UDP":
        return
    for name, value in (("udpRequests", parameters.udp_requests), ("udpResponses", parameters.udp_responses)):
        if value is not None:
            yield f"spec.upstreamParameters.{name}", str(value), "is for UDP only"


def _numbers(spec: TransportServerSpec) -> Iterator[Fault]:
    parameters = spec.upstream_parameters
    found: dict[str, int | None] = {}
    if parameters:
        path = "spec.upstreamParameters"
        found[f"{path}.nextUpstreamTries"] = parameters.next_upstream_tries
        found |= {f"{path}.udpRequests": parameters.udp_requests, f"{path}.udpResponses": parameters.udp_responses}
    for index, upstream in enumerate(spec.upstreams or ()):
        path = f"spec.upstreams[{index}]"
        found |= {f"{path}.maxFails": upstream.max_fails, f"{path}.maxConns": upstream.max_conns}
    for path, value in found.items():
        if value is not None and value > MOST:
            yield path, str(value), f"is out of range; use 0 to {MOST}"


def _snippets(spec: TransportServerSpec, rules: Rules) -> Iterator[Fault]:
    texts = {"spec.serverSnippets": spec.server_snippets, "spec.streamSnippets": spec.stream_snippets}
    for path, text in texts.items():
        if text and "enable-snippets" not in rules.gates:
            yield path, "", "is not permitted; start Headgate with -enable-snippets"
        elif text and "\0" in text:
            yield path, "", "has a NUL byte"
        elif text and leaves_its_block(text):
            yield path, "", "closes a block that it did not open; remove the } without a {"


def _no_time(spec: TransportServerSpec) -> Iterator[tuple[str, str, str, str]]:
    """Yield field, value, reason and effect of timeouts with which nginx gives up at once."""
    upstreams, session = spec.upstream_parameters, spec.session_parameters
    timeouts = {
        "spec.upstreamParameters.connectTimeout": (upstreams.connect_timeout if upstreams else None, "a connection"),
        "spec.sessionParameters.timeout": (session.timeout if session else None, "any data"),
    }
    for field, (value, what) in timeouts.items():
        if value and not Duration.parse(value).seconds:
            reason = f"leaves no time for {what}; 0 does not mean without a limit"
            yield field, value, reason, "nginx closes connections at once"


def _idle(spec: TransportServerSpec) -> Iterator[Fault]:
    """Yield the fields that have no effect here."""
    for index, upstream in enumerate(spec.upstreams or ()):
        if upstream.backup:
            yield f"spec.upstreams[{index}].backup", "", PLUS
