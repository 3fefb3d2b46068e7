"""Whether nginx can load the modules that are installed: they may be of another build, or too old."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import structs

from headgate.ir import Layout
from headgate.ir.addons import Addon
from headgate.ir.live import LuaModules
from headgate.nginx.bare import bare
from headgate.nginx.blame import blame
from headgate.nginx.capabilities import Binary
from headgate.nginx.errors import NginxError
from headgate.nginx.process import test
from headgate.settings import Quoted

log = logging.getLogger(__name__)

PATIENCE_S: Final = 30.0
POOL: Final = "upstream pool { server 0.0.0.1; balancer_by_lua_block { return } balancer_keepalive 1; keepalive 0; }"
"""What hosts without a server block need, which older Lua modules do not understand."""

NJS: Final = (
    "stream {{ js_import headgate from {code}; js_shared_dict_zone zone=one:64k;"
    " js_shared_dict_zone zone=two:64k type=number timeout=1h evict; js_var $headgate_upstream x;"
    " js_set $headgate_ended headgate.ended nocache; }}"
)
"""What servers of TCP and UDP need; ``nocache`` came with njs 0.8.6, and times of entries in dicts shortly before."""


async def with_working_lua(binary: Binary, place: Layout) -> Binary:
    """Return *binary*, without its Lua module if nginx cannot load that, which is logged.

    Files are made in the directory for temporary files of *place*, for no other need be writable; they are gone
    afterwards, also if this is cancelled.
    """
    lua = binary.capabilities.lua
    if lua is None:
        return binary
    if binary.capabilities.keepalive_by_default:
        if not await _fault(binary.path, lua, place, POOL):
            return binary
        lua = structs.replace(lua, pools=False)
    reason = await _fault(binary.path, lua, place)
    if not reason:
        return Binary(binary.path, structs.replace(binary.capabilities, lua=lua))
    sentence = f"the Lua module of nginx cannot be used, so that endpoints change by reloads: {reason}"
    log.warning("Lua module unusable", extra={"fields": {"reason": reason}, "sentence": sentence})
    return Binary(binary.path, structs.replace(binary.capabilities, lua=None))


async def with_working_njs(binary: Binary, place: Layout) -> Binary:
    """Return *binary*, without its njs module for ``stream {}`` if nginx cannot load that, which is logged.

    *place* and cancellation are as for ``with_working_lua``.
    """
    njs, stream = binary.capabilities.stream_js, binary.capabilities.stream
    if njs is None or stream is None:
        return binary
    modules = "".join(f"load_module {Quoted(module).spelled}; " for module in (stream, njs.module) if module)
    code = NJS.format(code=Quoted(njs.code).spelled)
    reason = await _refusal(binary.path, place, lambda layout: bare(layout, "", main=modules, after=code))
    if not reason:
        return binary
    sentence = f"the njs module of nginx cannot be used, so that servers of TCP and UDP change by reloads: {reason}"
    log.warning("njs module unusable", extra={"fields": {"reason": reason}, "sentence": sentence})
    return Binary(binary.path, structs.replace(binary.capabilities, stream_js=None))


async def with_working_addons(binary: Binary, place: Layout) -> Binary:
    """Return *binary*, without those of its further modules that nginx cannot load, which is logged.

    *place* and cancellation are as for ``with_working_lua``.
    """
    addons = binary.capabilities.addons
    if not addons or not await _unloadable(binary.path, place, addons):
        return binary
    working = []
    for addon in addons:
        if reason := await _unloadable(binary.path, place, (addon,)):
            sentence = f"the module {addon.name} of nginx cannot be used: {reason}"
            log.warning("module unusable", extra={"fields": {"reason": reason}, "sentence": sentence})
        else:
            working.append(addon)
    return Binary(binary.path, structs.replace(binary.capabilities, addons=tuple(working)))


async def _unloadable(path: str, place: Layout, addons: Iterable[Addon]) -> str:
    modules = "".join(f"load_module {Quoted(addon.path).spelled}; " for addon in addons)
    return await _refusal(path, place, lambda layout: bare(layout, "", main=modules))


async def _fault(path: str, lua: LuaModules, place: Layout, more: str = "") -> str:
    """Return the error of nginx about the module, lua-resty-core, which it loads even for ``nginx -t``, and *more*."""
    modules = "".join(f"load_module {Quoted(module).spelled}; " for module in lua.modules)
    libraries = f"lua_package_path {Quoted(lua.path).spelled}; lua_package_cpath {Quoted(lua.cpath).spelled}; {more}"
    return await _refusal(path, place, lambda layout: bare(layout, libraries, main=modules))


async def _refusal(path: str, place: Layout, text: Callable[[Layout], str]) -> str:
    """Return the error of nginx about a main file with *text*, ``""`` if it has none."""
    with tempfile.TemporaryDirectory(dir=place.temp) as folder:
        layout = Layout.under(folder)
        await asyncio.to_thread(_write, layout, text(layout))
        try:
            tested = await test(path, layout, PATIENCE_S)
        except NginxError as error:
            return str(error)
        return blame(tested.failure, layout.conf).message


def _write(layout: Layout, text: str) -> None:
    """Write a configuration that only loads a module; not all directories of *layout* are needed."""
    for directory in (layout.conf, layout.run, layout.temp):
        Path(directory).mkdir()
    Path(layout.main).write_text(text)
