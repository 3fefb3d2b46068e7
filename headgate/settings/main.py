"""The process as a whole: workers, hash tables, the default server."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, matching, number, switch, word
from headgate.settings.registry import Settings, SettingSpec, Where, setting
from headgate.settings.values import Duration, Words


@accepts("number or auto")
def workers(text: str) -> str:
    """Parse ``auto`` or a number of processes."""
    return "auto" if text.strip() == "auto" else str(number(1, 1024)(text))


_masks = matching(r"auto(?: [01]{1,1024})?|[01]{1,1024}(?: [01]{1,1024})*", "auto, auto MASK or masks of 0 and 1")


@accepts("auto, `auto MASK` or a mask for each worker")
def affinity(text: str) -> Words:
    """Parse ``auto``, ``auto MASK`` or one mask a worker."""
    return Words(_masks(" ".join(text.split())).split())


@accepts("true or false")
def tokens(text: str) -> bool:
    """Parse ``server-tokens``, which users also write as nginx does."""
    if text.strip() in {"on", "off"}:
        return text.strip() == "on"
    try:
        return switch(text)
    except Unfit:
        raise Unfit("neither true nor false (a custom text requires NGINX Plus)") from None


@accepts("status, or status and a URL or word")
def answer(text: str) -> Words:
    """Parse the answer of the default server: the arguments of ``return``."""
    status, *rest = text.split() or [""]
    if not re.fullmatch(r"[1-5][0-9]{2}", status) or len(rest) > 1:
        raise Unfit("not a status (404), or a status and a word (302 https://example.com)")
    return Words((status, *map(word, rest)))


_address = matching(r"[A-Za-z0-9.:\-]*", "an IP address or a host name")

LARGEST_BUCKET = 65_536 - 128
"""nginx refuses buckets of hash tables above 64 kB less one cache line (ngx_hash_init)."""

GROWS = "Increased automatically with the configuration; the incumbent's nginx does not start if it is too small."


def _table(key: str, doc: str, most: int = 2**20, **more: str) -> SettingSpec:
    return setting(key, doc, Scope.SERVER, Where.CONFIGMAP, parse=number(32, most), **more)


def _bucket(key: str, doc: str, **more: str) -> SettingSpec:
    return _table(key, doc, LARGEST_BUCKET, **more)


class MainSettings(Settings):
    """Workers and tables; a table smaller than the configuration needs is made larger."""

    worker_processes: Annotated[
        str,
        setting(
            "worker-processes",
            "Worker processes, or auto.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=workers,
            context="main",
            example="4",
        ),
    ] = "auto"
    worker_cpu_affinity: Annotated[
        Words | None,
        setting(
            "worker-cpu-affinity",
            "Binding of workers to CPUs.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=affinity,
            context="main",
            example="auto",
        ),
    ] = None
    worker_shutdown_timeout: Annotated[
        Duration,
        setting(
            "worker-shutdown-timeout",
            "Time after which old workers close their remaining connections.",
            Scope.SERVER,
            Where.CONFIGMAP,
            context="main",
            narrow=True,
            differs="The default is 60s: without one, old workers run until their last client disconnects.",
        ),
    ] = Duration("60s")
    worker_connections: Annotated[
        int, setting("worker-connections", "Connections of one worker.", Scope.SERVER, Where.CONFIGMAP,
                  parse=number(16, 2**20), context="events", unit="connections", example="16384")
    ] = 1024  # fmt: skip
    worker_rlimit_nofile: Annotated[
        int | None, setting("worker-rlimit-nofile", "Open files of one worker.", Scope.SERVER, Where.CONFIGMAP,
                         parse=number(64, 2**30), context="main", unit="files", example="65536")
    ] = None  # fmt: skip
    server_names_hash_bucket_size: Annotated[
        int,
        _bucket(
            "server-names-hash-bucket-size",
            "Bucket for host names.",
            unit="bytes",
            example="512",
            narrow=True,
            differs=GROWS,
        ),
    ] = 256
    server_names_hash_max_size: Annotated[
        int,
        _table(
            "server-names-hash-max-size",
            "Table of host names.",
            unit="entries",
            example="4096",
            narrow=True,
            differs=GROWS,
        ),
    ] = 1024
    map_hash_bucket_size: Annotated[
        int,
        _bucket(
            "map-hash-bucket-size",
            "Bucket of maps.",
            context="http, stream",
            unit="bytes",
            example="512",
            narrow=True,
            differs=GROWS,
        ),
    ] = 256
    map_hash_max_size: Annotated[
        int,
        _table(
            "map-hash-max-size",
            "Table of maps.",
            context="http, stream",
            unit="entries",
            example="4096",
            narrow=True,
            differs=GROWS,
        ),
    ] = 2048
    variables_hash_bucket_size: Annotated[
        int, _bucket("variables-hash-bucket-size", "Bucket of variables.", unit="bytes", example="512")
    ] = 256
    variables_hash_max_size: Annotated[
        int, _table("variables-hash-max-size", "Table of variables.", unit="entries", example="2048")
    ] = 1024
    server_tokens: Annotated[
        bool,
        setting(
            "server-tokens",
            "Whether nginx includes its version in responses.",
            Scope.SERVER,
            parse=tokens,
            narrow=True,
            differs="`on` and `off` are accepted as well as true and false.",
        ),
    ] = True
    default_server_return: Annotated[
        Words,
        setting(
            "default-server-return",
            "Answer for unknown hosts.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=answer,
            directive="return",
            context="location",
            example="302 https://example.com/",
        ),
    ] = Words(("404",))
    external_status_address: Annotated[
        str | None,
        setting(
            "external-status-address",
            "Address written to the status of Ingresses, before that of -external-service.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=_address,
            empty=True,
            directive="",
            context="",
            example="lb.example.com",
            narrow=True,
            differs="Removing the key takes effect immediately; the incumbent keeps the address until it is restarted.",
        ),
    ] = None
