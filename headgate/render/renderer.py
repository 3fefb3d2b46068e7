"""``ir`` becomes text, by templates that users may replace whole or block by block."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any, Final

import jinja2
from jinja2.runtime import BlockReference, Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import structs

from headgate.ir import File
from headgate.ir.http import Certificate, HttpConfig, Location, Server
from headgate.ir.http3 import Http3
from headgate.ir.layout import (
    EMPTY_SOCKET,
    HTTP_FOLDER,
    LIVE_SOCKET,
    NO_ENDPOINTS_SOCKET,
    PASSTHROUGH_HOSTS,
    REPLACED_SOCKET,
    STATUS_SOCKET,
    STREAM_FOLDER,
    STREAMS_SOCKET,
    VERSION_FILE,
)
from headgate.ir.main import Main
from headgate.ir.stream import Passthrough, PassthroughEntry, StreamConfig
from headgate.render.beside import beside
from headgate.render.guard import argument, guard
from headgate.settings import NOTHING, Header, Snippet

MAIN = "main.conf.j2"
HTTP = "http.conf.j2"
VIRTUAL_SERVER = "virtualserver.conf.j2"
"""The template of VirtualServers and VirtualServerRoutes; the built-in one is that of Ingresses."""
CERTIFICATES = "certificates.conf.j2"
HTTP3 = "http3.conf.j2"
STREAM = "stream.conf.j2"
TRANSPORT_SERVER = "transportserver.conf.j2"
"""The template of TransportServers; the built-in one is ``STREAM``."""
PASSTHROUGH = "passthrough.conf.j2"
PASSTHROUGH_ENTRIES = "passthrough-hosts.conf.j2"
LEFT_OUT = b"# Left out, for nginx refuses it.\n"

_OPTIONS = {
    "undefined": jinja2.StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "autoescape": False,
    "auto_reload": False,  # or Jinja asks the disk at every include whether the template changed
    "finalize": guard,
}


_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.~/-]+")
_CACHE = f"{__file__.rpartition('/')[0]}/__pycache__"
_LINE = re.compile(r"^(?=.)", re.MULTILINE)


UNCHECKED: Final = (
    "the template does not check JSON Web Tokens, which a Policy of type jwt requires; take the lines with"
    " headgate.check from the built-in template"
)
UNGUARDED: Final = (
    "the template does not check sessions, which a Policy of type oidc requires; take the lines with"
    " headgate.session from the built-in template"
)


class BadTemplate(Exception):  # noqa: N818 - what it is
    """A template of the user's cannot be used; the text is the reason, ``template`` which one.

    Attributes:
        template: its name (``MAIN``, for example).
        source: the flag with its file, or the key of the ConfigMap, that has it.
        reason: why it cannot be used, and in which line.
    """

    def __init__(self, template: str, reason: str, source: str = "") -> None:
        """Keep the parts; the text is for people."""
        super().__init__(f"{source or template.removesuffix('.j2')}: {reason}")
        self.template = template
        self.source = source
        self.reason = reason


@lru_cache(maxsize=4096)
def headers(found: tuple[Header, ...], directive: str) -> Snippet:
    """Return the lines by which a location has a list of headers; many locations have the same."""
    lines = (
        f"        {directive} {guard(header.name)} {guard(header.value)}{' always' if header.always else ''};"
        for header in found
    )
    return Snippet("\n".join(lines))


class _Context(Context):
    """Lets an override print ``{{ super() }}``: what a block of ours rendered has passed the guard already."""

    def super(self, name: str, current: Any) -> Any:
        block = super().super(name, current)
        return (lambda: Snippet(block())) if isinstance(block, BlockReference) else block


class _Bytecode(jinja2.FileSystemBytecodeCache):
    """Keeps compiled templates beside the bytecode of this module, if that directory is there and can be written."""

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        with contextlib.suppress(OSError):
            super().dump_bytecode(bucket)


class _Environment(jinja2.Environment):
    """Asks structs for their fields without Jinja's detour: our templates read no item as an attribute."""

    getattr = staticmethod(getattr)  # type: ignore[assignment]


class Renderer:
    """Templates, compiled once. A Renderer is immutable; other overrides make another Renderer."""

    def __init__(self, overrides: Mapping[str, str] | None = None, sources: Mapping[str, str] | None = None) -> None:
        """Compile the built-in templates and *overrides* (template name → text).

        *sources* has the origin of each, for messages.

        An override runs in Jinja's sandbox and may extend the original as ``builtin/NAME``.

        Raises:
            BadTemplate: an override is not Jinja2.
        """
        self._templates = dict(_builtin())
        self._overrides = dict(overrides or {})
        self._sources = dict(sources or {})
        if self._overrides:
            sandbox = ImmutableSandboxedEnvironment(loader=_loader(), **_OPTIONS)
            sandbox.context_class = _Context
            sandbox.filters.update(_FILTERS)
            sandbox.globals["extensible"] = True
            for name, text in self._overrides.items():
                self._templates[name] = _compiled(sandbox, name, text, self._sources.get(name, ""))

    @property
    def overrides(self) -> Mapping[str, str]:
        """The overrides in force."""
        return self._overrides

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each of them comes from."""
        return self._sources

    def main(self, main: Main) -> File:
        """Render ``nginx.conf``."""
        text = self._render(MAIN, {"main": main, "s": main.settings, "path": _paths(main)})
        return File("nginx.conf", text)

    def http(self, config: HttpConfig) -> File:
        """Render one file of ``conf.d``, or one that a server includes.

        Raises:
            BadTemplate: an override fails, prints what would not stay one argument, or lets in requests without a token
                or a session that Policies require.
            Injection: a value would not stay one argument.
        """
        name = _template(config)
        text = self._render(name, {"config": config})
        if name in self._overrides and (lacking := _unguarded(config, text.decode())):
            raise BadTemplate(name, lacking, self._sources.get(name, ""))
        return File(
            config.file,
            text,
            origin=config.origin,
            fallback=self._standby(config),
            closed=_closed(config),
            partial=_partial(config),
            claims=config.claims,
            within=config.place,
            opens=config.opens,
            follows=config.follows,
            guards=config.guards,
        )

    def profile(self, location: Location) -> str:
        """Render a location that belongs to no host.

        Raises:
            BadTemplate, Injection: as for ``http``.
        """
        within = Server(name="_", origin=None, listens=(), locations=(), own=NOTHING)
        return self.http(HttpConfig(file="", origin=None, within=within, locations=(location,))).data.decode()

    def _standby(self, config: HttpConfig) -> bytes | None:
        """Render the replacement of a file that nginx refuses; one that a server includes must exist."""
        if config.standby:
            return self._render(_template(config), {"config": structs.replace(config, members=config.standby)})
        return LEFT_OUT if config.within else None

    def stream(self, config: StreamConfig) -> File:
        """Render one file of ``stream-conf.d``; errors as for ``http``."""
        name = TRANSPORT_SERVER if config.origin else STREAM
        standby = structs.replace(config, upstreams=(), snippet=None, servers=config.standby, standby=())
        return File(
            config.file,
            self._render(name, {"config": config}),
            origin=config.origin,
            fallback=self._render(STREAM, {"config": standby}) if config.standby else None,
            claims=config.claims,
            opens=config.opens,
            follows=config.follows,
        )

    def passthrough(self, file: str, passthrough: Passthrough) -> File:
        """Render the server that passes TLS connections on."""
        return File(file, self._render(PASSTHROUGH, {"passthrough": passthrough}))

    def passthrough_entries(self, entries: Iterable[PassthroughEntry]) -> File:
        """Render the entries of its map."""
        return File(PASSTHROUGH_HOSTS, self._render(PASSTHROUGH_ENTRIES, {"entries": entries}))

    def certificates(self, file: str, entries: Iterable[Certificate], default: str | None) -> File:
        """Render the map from server names to certificates; *default* answers for every other name."""
        text = self._render(CERTIFICATES, {"entries": entries, "default": default})
        return File(file, text)

    def http3(self, file: str, http3: Http3) -> File:
        """Render what HTTP/3 needs once."""
        return File(file, self._render(HTTP3, {"http3": http3}))

    def _render(self, name: str, context: Mapping[str, object]) -> bytes:
        try:
            return self._templates[name].render(context).encode()
        except Exception as error:
            if name not in self._overrides:
                raise
            reason = f"{_failing_line(error)}the template fails: {error}"
            raise BadTemplate(name, reason, self._sources.get(name, "")) from error


def _checks_tokens(config: HttpConfig, text: str) -> bool:
    """Whether each location of *config* that needs a token asks for it in *text*; a template may be an older one."""
    servers = (server.jwt for server, _ in config.blocks if not config.within)
    locations = (each.jwt for _, found in config.blocks for each in found)
    blocks = [*filter(None, (*servers, *locations))]
    for name in set(blocks):
        called = [f'headgate.{function}("{lua_string(name)}")' for function in ("check", "admit")]
        if sum(map(text.count, called)) < blocks.count(name):
            return False
    return True


def _unguarded(config: HttpConfig, text: str) -> str:
    """Return why *text* of a user's template lets in requests that *config* keeps out, empty if it does not."""
    if not _checks_tokens(config, text):
        return UNCHECKED
    return "" if _checks_sessions(config, text) else UNGUARDED


def _checks_sessions(config: HttpConfig, text: str) -> bool:
    """Whether each server and location of *config* that needs a session asks for it in *text*."""
    servers = (server.session for server, _ in config.blocks if not config.within)
    locations = (each.session for _, found in config.blocks for each in found)
    policies = [session.policy for session in (*servers, *locations) if session]
    calls = {name: text.count(f'headgate.session("{lua_string(name)}"') for name in policies}
    return all(calls[name] >= policies.count(name) for name in calls)


def _closed(config: HttpConfig) -> bytes | None:
    """Render the servers that refuse all requests; no template of the user's has a part in that."""
    if not config.closed:
        return None
    return _plain(HttpConfig(file=config.file, origin=None, servers=config.closed))


def _partial(config: HttpConfig) -> bytes | None:
    """Render what stands in for the file where nginx accepts that; no template of the user's has a part in it."""
    if config.shut:
        return _plain(HttpConfig(file=config.file, origin=None, within=config.within, locations=config.shut))
    return _plain(HttpConfig(file=config.file, origin=None, servers=config.shell)) if config.shell else None


def _plain(config: HttpConfig) -> bytes:
    return _builtin()[HTTP].render({"config": config}).encode()


def nested(text: str) -> str:
    """Return *text*, which passed the guard, one level deeper; unlike Jinja's ``indent`` nothing stays nothing."""
    return _LINE.sub("    ", text)


def lua_string(text: str) -> Snippet:
    """Return any *text* as it stands between double quotes in Lua: all but letters, digits and ``_.~/-`` as numbers."""
    return Snippet(_NOT_PLAIN.sub(lambda found: "".join(f"\\{byte:03}" for byte in found[0].encode()), text))


_NAMES = (MAIN, HTTP, HTTP3, CERTIFICATES, STREAM, PASSTHROUGH, PASSTHROUGH_ENTRIES)
_FILTERS = {"nested": nested, "beside": beside, "headers": headers, "lua": lua_string}


def _loader() -> jinja2.BaseLoader:
    package = jinja2.PackageLoader("headgate.render")
    return jinja2.ChoiceLoader([package, jinja2.PrefixLoader({"builtin": package})])


@cache
def _builtin() -> Mapping[str, jinja2.Template]:
    """Compile our own templates, once a process: 95 ms, which each new ConfigMap template would cost again."""
    plain = _Environment(loader=_loader(), bytecode_cache=_Bytecode(_CACHE), **_OPTIONS)  # type: ignore[arg-type]
    plain.filters.update(_FILTERS)
    plain.globals["extensible"] = False
    found = {name: plain.get_template(name) for name in _NAMES}
    return {**found, VIRTUAL_SERVER: found[HTTP], TRANSPORT_SERVER: found[STREAM]}


def _template(config: HttpConfig) -> str:
    custom = config.origin and config.origin.kind in {"VirtualServer", "VirtualServerRoute"}
    return VIRTUAL_SERVER if custom else HTTP


def _compiled(sandbox: jinja2.Environment, name: str, text: str, source: str) -> jinja2.Template:
    try:
        return sandbox.from_string(text)
    except jinja2.TemplateSyntaxError as error:
        raise BadTemplate(name, f"line {error.lineno}: {error.message}", source) from error
    except jinja2.TemplateError as error:
        raise BadTemplate(name, str(error), source) from error


def _failing_line(error: Exception) -> str:
    """Return the line of the user's template in which *error* was raised, ``""`` if it is not known."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == "<template>"]
    return f"line {lines[-1]}: " if lines else ""


def _paths(main: Main) -> SimpleNamespace:
    """Return every path of the main file, quoted where it must be."""
    layout, live = main.layout, main.live
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return SimpleNamespace(
        pid=argument(layout.pid),
        error_log=argument(layout.error_log),
        secrets=argument(layout.secrets),
        conf_d=argument(f"{layout.conf}/{HTTP_FOLDER}/*.conf"),
        stream_conf_d=argument(f"{layout.conf}/{STREAM_FOLDER}/*.conf"),
        version=argument(f"{layout.conf}/{VERSION_FILE}"),
        dhparam=argument(f"{layout.secrets}/dhparam.pem"),
        status_socket=argument(f"unix:{layout.socket(STATUS_SOCKET)}"),
        nobody_socket=argument(f"unix:{layout.socket(NO_ENDPOINTS_SOCKET)}"),
        empty_socket=argument(f"unix:{layout.socket(EMPTY_SOCKET)}"),
        replaced_socket=argument(f"unix:{layout.socket(REPLACED_SOCKET)}"),
        lua=argument(live.path) if live else "",
        lua_libraries=argument(live.cpath) if live else "",
        live_state=layout.live_state,
        streams_code=argument(main.stream_js.code) if main.stream_js else "",
        streams_state=argument(layout.live_streams),
        streams_socket_file=layout.socket(STREAMS_SOCKET),
        streams_socket=argument(f"unix:{layout.socket(STREAMS_SOCKET)}"),
        live_secrets=layout.secrets,
        live_socket=argument(f"unix:{layout.socket(LIVE_SOCKET)}"),
        temporary=[(f"{name}_temp_path", argument(f"{layout.temp}/{name}")) for name in temporary],
    )
