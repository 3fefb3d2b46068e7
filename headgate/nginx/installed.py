"""What is installed beside an nginx binary: its dynamic modules, and the Lua libraries that the live state needs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from headgate.ir.live import LuaModules, NjsModule

OWN: Final = Path(__file__).parent / "lua"
"""Headgate's own Lua modules."""
NJS: Final = "ngx_stream_js_module.so"
STREAMS: Final = Path(__file__).parent / "js" / "streams.js"
"""What njs runs."""
NEEDED: Final = ("ndk_http_module.so", "ngx_http_lua_module.so")
SHARED: Final = ("usr/share/lua/5.1", "usr/share/lua/common", "usr/share/luajit-2.1")
LIBRARIES: Final = ("usr/lib/*/lua/5.1", "usr/lib/lua/5.1", "usr/lib64/lua/5.1")


class Installed(msgspec.Struct, frozen=True):
    """Files beside a binary.

    Attributes:
        modules: absolute paths of its dynamic modules.
        lua: how its Lua module is loaded, ``None`` if something of it is absent.
        lacking: what is absent of a Lua module that is there; empty if nothing is.
    """

    modules: tuple[str, ...] = ()
    lua: LuaModules | None = None
    lacking: str = ""


def installed(binary: str, modules_path: str) -> Installed:
    """Look around *binary*, which says that its modules are in *modules_path*.

    A binary that was unpacked below another directory (``ROOT/usr/sbin/nginx``) finds what lies there.
    """
    root = _root(binary, modules_path)
    modules = _listing(root / modules_path.lstrip("/")) if modules_path else ()
    paths = [path for name in NEEDED if (path := module(name, modules))]
    if len(paths) < len(NEEDED):
        return Installed(modules)
    core = _first(root, SHARED, "resty/core.lua")
    cjson = _first(root, LIBRARIES, "cjson.so")
    if core is None or cjson is None:
        lacking = [name for name, found in (("lua-resty-core", core), ("lua-cjson", cjson)) if found is None]
        return Installed(modules, lacking=" and ".join(lacking))
    path = f"{OWN}/?.lua;{OWN}/?/init.lua;{core.parent.parent}/?.lua;;"
    return Installed(modules, LuaModules(tuple(paths), path, f"{cjson.parent}/?.so;;"))


def njs(modules: Iterable[str]) -> NjsModule | None:
    """Return how the njs module for ``stream {}`` among *modules* is loaded, ``None`` if it is absent."""
    path = module(NJS, modules)
    return NjsModule(path, str(STREAMS)) if path else None


def module(name: str, modules: Iterable[str]) -> str | None:
    """Return the path of the dynamic module *name* among *modules*, ``None`` if it is absent."""
    return next((path for path in modules if path.endswith(f"/{name}")), None)


def _root(binary: str, modules_path: str) -> Path:
    """Return the directory that ``/`` stands for: that of a binary which was unpacked with its modules."""
    place = Path(binary).parents
    own = place[2] if len(place) > 2 else Path("/")  # noqa: PLR2004 - ROOT/usr/sbin/nginx
    return own if modules_path and (own / modules_path.lstrip("/")).is_dir() else Path("/")


def _first(root: Path, folders: Iterable[str], name: str) -> Path | None:
    return next((found for folder in folders for found in sorted(root.glob(f"{folder}/{name}"))), None)


def _listing(directory: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(entry.path for entry in os.scandir(directory)))
    except OSError:
        return ()
