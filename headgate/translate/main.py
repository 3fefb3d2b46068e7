"""The main file, ``nginx.conf``."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from headgate.ir import latency
from headgate.ir.addons import BROTLI, GEOIP2, mentioned
from headgate.ir.main import Main
from headgate.ir.snippets import read
from headgate.settings import Quoted
from headgate.translate.environment import Environment
from headgate.translate.geoip import databases
from headgate.translate.logs import CLOCK, CLOCKS, with_log_formats
from headgate.translate.policies.jwt import reads_claims

BUCKET_OVERHEAD = 32
"""Bytes of a hash bucket that are not the name, with a margin (ngx_hash_elt_t and alignment)."""
LARGEST_POOL = 8192


def translate_main(
    env: Environment, *, names: int, longest: int, streams: bool = True, addons: Collection[str] = ()
) -> Main:
    """Translate ``nginx.conf`` for *names* host names, the longest of *longest* characters.

    Hash tables grow with the configuration: nginx refuses to start when a name does not fit into a bucket. Without
    *streams*, routes of TCP or UDP, njs is not loaded. *addons* are the modules that files of resources need.
    """
    main = env.params.main
    snippets = env.params.snippets
    capabilities = env.capabilities
    table = _power(2 * names)
    bucket = _power(longest + BUCKET_OVERHEAD)
    loaded = loaded_by(snippets.main_snippets)
    needed = {*addons, *_needed(env)}
    return Main(
        layout=env.layout,
        capabilities=capabilities,
        settings=with_log_formats(env).everything(),
        user=env.user,
        request_headers=env.request_headers if env.shares_headers else (),
        response_headers=env.params.headers.add_header,
        hide_headers=env.params.headers.proxy_hide_headers,
        status=env.status if capabilities.stub_status else None,
        status_socket=env.metrics and capabilities.stub_status,
        latency_name=latency.LOG_NAME if env.sends_lines else "",
        latency_variable=latency.VARIABLE,
        latency_format=Quoted(latency.LOG_FORMAT.replace(r"\t", "\t")),
        latency_log=latency.destination(env.layout),
        measured=latency.Measured() if env.latency and env.live else None,
        access_log=env.access_log_target,
        live=env.live,
        live_memory=env.live_memory,
        pool=_pool(env) if env.routes else 0,
        claims=reads_claims((*env.params.logging.log_format, snippets.http_snippets)),
        sessions="enable-oidc" in env.gates,
        clock=CLOCKS.get(env.json_time, ()),
        clock_variable=CLOCK,
        stream=capabilities.stream is not None,
        stream_module=capabilities.stream or "",
        stream_js=env.stream_js if streams else None,
        addons=tuple(each for each in capabilities.addons if each.name in needed - loaded),
        own_addons=loaded,
        databases=databases(env),
        passthrough=env.https_port if env.passthrough else 0,
        server_names_hash_max_size=max(main.server_names_hash_max_size, table),
        server_names_hash_bucket_size=max(main.server_names_hash_bucket_size, bucket),
        map_hash_max_size=max(main.map_hash_max_size, table),
        map_hash_bucket_size=max(main.map_hash_bucket_size, bucket),
        main_snippet=snippets.main_snippets,
        http_snippet=snippets.http_snippets,
        stream_snippet=snippets.stream_snippets,
    )


def _needed(env: Environment) -> Iterator[str]:
    """Yield the modules that the ConfigMap asks for."""
    if env.params.addons.brotli:
        yield BROTLI
    if databases(env):
        yield GEOIP2
    for snippet in (env.params.snippets.main_snippets, env.params.snippets.http_snippets):
        yield from mentioned((snippet or "").encode())


def loaded_by(snippet: str | None) -> frozenset[str]:
    """Return the modules that *snippet* loads by itself; nginx refuses to load one twice."""
    paths = (directive.arguments[0] for directive in read(snippet).named("load_module") if directive.arguments)
    return frozenset(path.rpartition("/")[2].removesuffix(".so") for path in paths)


def _pool(env: Environment) -> int:
    """Return how many idle connections a worker keeps, for all Services together."""
    return max(1, min(int(env.params.main.worker_connections) // 4, LARGEST_POOL))


def _power(least: int) -> int:
    """Return the smallest power of two that is not below *least*, so that tables seldom change."""
    return 1 << max(least - 1, 1).bit_length()
