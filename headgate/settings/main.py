"""The process as a whole: workers, hash tables, the default server."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.registry import Scope, Setting, Settings, Where, knob
from headgate.settings.values import Duration, Unfit, Words, matching, number


def workers(text: str) -> str:
    """Parse ``auto`` or a number of processes."""
    return "auto" if text.strip() == "auto" else str(number(1, 1024)(text))


def affinity(text: str) -> Words:
    """Parse ``auto``, ``auto MASK`` or one mask a worker."""
    words = text.split()
    if not words or not all(re.fullmatch(r"[01]{1,1024}", word) for word in words[words[0] == "auto" :]):
        raise Unfit("not auto or masks of 0 and 1")
    return Words(words)


def tokens(text: str) -> bool:
    """Parse ``server-tokens``."""
    if text in {"1", "t", "T", "TRUE", "true", "True", "on"}:
        return True
    if text in {"0", "f", "F", "FALSE", "false", "False", "off"}:
        return False
    raise Unfit("neither true nor false (a text of one's own belongs to NGINX Plus)")


def answer(text: str) -> Words:
    """Parse the answer of the default server: a status, or a status of redirection and a URL."""
    match = re.fullmatch(r"(\d{3})(?: ([^\s;{}\"'\\#$`]+|\$scheme://\$host\$request_uri))?", text.strip())
    if not match or not 100 <= int(match[1]) <= 599:  # noqa: PLR2004 - HTTP status codes
        raise Unfit("not a status (404), or a redirect and its URL (302 https://example.com)")
    return Words(text.split())


def _hash(key: str, doc: str, least: int = 32) -> Setting:
    return knob(key, doc, Scope.SERVER, Where.CONFIGMAP, parse=number(least, 2**20))


class MainSettings(Settings):
    """Workers and tables; a table smaller than the configuration needs is made larger."""

    worker_processes: Annotated[
        str, knob("worker-processes", "Worker processes, or auto.", Scope.SERVER, Where.CONFIGMAP, parse=workers)
    ] = "auto"
    worker_cpu_affinity: Annotated[
        Words | None,
        knob("worker-cpu-affinity", "Binding of workers to CPUs.", Scope.SERVER, Where.CONFIGMAP, parse=affinity),
    ] = None
    worker_shutdown_timeout: Annotated[
        Duration,
        knob("worker-shutdown-timeout", "When old workers close what is left open.", Scope.SERVER, Where.CONFIGMAP),
    ] = Duration("60s")
    worker_connections: Annotated[
        int, knob("worker-connections", "Connections of one worker.", Scope.SERVER, Where.CONFIGMAP,
                  parse=number(16, 2**20))
    ] = 1024  # fmt: skip
    worker_rlimit_nofile: Annotated[
        int | None, knob("worker-rlimit-nofile", "Open files of one worker.", Scope.SERVER, Where.CONFIGMAP,
                         parse=number(64, 2**30))
    ] = None  # fmt: skip
    server_names_hash_bucket_size: Annotated[int, _hash("server-names-hash-bucket-size", "Bucket for host names.")] = (
        256
    )
    server_names_hash_max_size: Annotated[int, _hash("server-names-hash-max-size", "Table of host names.")] = 1024
    map_hash_bucket_size: Annotated[int, _hash("map-hash-bucket-size", "Bucket of maps.")] = 256
    map_hash_max_size: Annotated[int, _hash("map-hash-max-size", "Table of maps.")] = 2048
    variables_hash_bucket_size: Annotated[int, _hash("variables-hash-bucket-size", "Bucket of variables.")] = 256
    variables_hash_max_size: Annotated[int, _hash("variables-hash-max-size", "Table of variables.")] = 1024
    server_tokens: Annotated[
        bool, knob("server-tokens", "Whether nginx says its version.", Scope.SERVER, parse=tokens)
    ] = True
    default_server_return: Annotated[
        Words,
        knob("default-server-return", "Answer for unknown hosts.", Scope.SERVER, Where.CONFIGMAP, parse=answer),
    ] = Words(("404",))
    external_status_address: Annotated[
        str | None,
        knob(
            "external-status-address",
            "Address written to the status of Ingresses, before that of -external-service.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=matching(r"[A-Za-z0-9.:\-]*", "an IP address or a host name"),
            empty=True,
        ),
    ] = None
