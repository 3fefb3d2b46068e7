"""What stands beside a snippet: nginx inherits a list whole or not at all, so that one line of it would end a list.

A place whose snippet has a list of its own therefore says the list of the places around it once more. A setting of the
server that the server's snippet repeats moves into the locations, and of two single directives in one block the
snippet's stays (``render``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.ir import latency
from headgate.ir.http import Line
from headgate.ir.snippets import Directives
from headgate.settings import NOTHING, REGISTRY, ConfigParams, Delta, Header, Quoted, Words
from headgate.translate.environment import Environment

HOST = Header("Host", Quoted("$proxy_host"))
CLOSE = Header("Connection", Quoted("close"))


def without(headers: Iterable[Header], snippet: Directives, directive: str) -> tuple[Header, ...]:
    """Return *headers* but those that *snippet* sets itself with *directive*."""
    own = snippet.subjects(directive)
    return tuple(header for header in headers if header.name.lower() not in own)


def ends_list(snippet: Directives) -> bool:
    """Whether *snippet* adds response headers and does not ask for those of the places around it itself."""
    return snippet.has("add_header") and not snippet.has("add_header_inherit")


def restated(params: ConfigParams, snippet: Directives) -> Delta:
    """Return the settings that are lists and that a list in *snippet* would end."""
    return params.only(["proxy_pass_headers"]) if snippet.has("proxy_pass_header") else NOTHING


def repeated(snippet: Directives) -> tuple[str, ...]:
    """Return the fields of settings whose directives *snippet* says too."""
    names = snippet.names
    if not names:
        return ()
    return tuple(field.name for field in REGISTRY.fields if not names.isdisjoint(field.directive.split(", ")))


def untouched(env: Environment) -> tuple[Header, ...]:
    """Return the request headers that nginx sends by default (ngx_http_proxy_module).

    They are for a server whose snippet has locations of its own: these must not inherit Headgate's request headers.
    """
    return (HOST,) if env.capabilities.keepalive_by_default else (HOST, CLOSE)


def access_rules(*snippets: Directives) -> tuple[Line, ...]:
    """Return ``allow`` and ``deny`` of the first of *snippets* that has them: the list that nginx inherits."""
    for snippet in snippets:
        rules = tuple(each for each in snippet.found if each.name in {"allow", "deny"})
        if rules:
            return tuple((each.name, Words(map(Quoted, each.arguments))) for each in rules)
    return ()


def common_lists(env: Environment, snippet: Directives) -> Iterator[Line]:
    """Yield the lists of ``http {}`` that a list in *snippet* would end; those of headers are the caller's."""
    client = env.params.client
    if snippet.has("set_real_ip_from") and env.capabilities.realip:
        yield from (("set_real_ip_from", Words((network,))) for network in client.set_real_ip_from)
    targets = snippet.subjects("access_log")
    if not targets or "off" in targets:
        return
    # A snippet that writes to the same target replaces the log, perhaps with another format.
    if not env.params.logging.access_log_off and env.access_log_target[0].lower() not in targets:
        yield "access_log", env.access_log_target
    if env.sends_lines:
        yield "access_log", Words((latency.destination(env.layout), latency.LOG_NAME))
