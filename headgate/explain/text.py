"""An answer for people: one sentence first, then the path that the request takes, then what holds at its end."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from headgate.explain.answer import Answer, EndpointAnswer, InForce, ServerAnswer, Step
from headgate.explain.provenance import whence
from headgate.explain.reference import Entry

WIDTH = 110
SHOWN = 60
"""Characters of a value that a line has room for."""
_LABEL = 11

_PROTOCOLS = {"http": "HTTP", "https": "HTTPS", "grpc": "gRPC", "grpcs": "gRPC over TLS", "fastcgi": "FastCGI"}

Row = tuple[str, str]
"""A label, empty where the one above goes on, and a text."""


def text(answer: Answer) -> str:
    """Return *answer* in words, lines of about ``WIDTH`` characters, with a final newline."""
    parts = [
        [answer.url, *_wrapped("  ", "  ", answer.summary.split())],
        list(_rows(_path(answer))),
        list(_settings(answer)),
        list(_around(answer)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def entry_text(entry: Entry) -> str:
    """Return a reference entry in words, with a final newline."""
    width = max(map(len, entry.rows), default=0)
    rows = [line for label, value in entry.rows.items() for line in _lines(f"  {label:<{width}}  ", value)]
    return "\n".join([entry.name, *textwrap.wrap(entry.meaning, WIDTH, initial_indent="  ", subsequent_indent="  "),
                      *([""] if rows else []), *rows, ""])  # fmt: skip


def _path(answer: Answer) -> Iterator[Row]:
    """Yield what the request meets, in order."""
    if listener := answer.listener:
        proxy = ", behind the PROXY protocol" if listener.proxy_protocol else ""
        protocol = listener.protocol or ("HTTPS" if listener.tls else "HTTP")
        protocol += " and HTTP/3" if listener.http3 else ""
        yield "Listener", f"{listener.port} ({protocol}{proxy}): {listener.why}"
    if tls := answer.tls:
        shown = f"Secret {tls.secret}" if tls.secret else "accepted"
        yield "TLS", f"{shown}: {tls.why}" if tls.accepted else f"refused: {tls.why}"
    if server := answer.server:
        yield from _server(server)
    yield from _steps("Redirect", (step for step in answer.steps if step.redirects))
    if location := answer.location:
        yield "Location", f"{location.name}: {location.why}"
        if location.object:
            yield "", f"from {location.object}, {location.rule}"
        yield from (("", f"not {other.name}: {other.why}") for other in location.others)
    yield from _steps("Then", (step for step in answer.steps if not step.redirects))
    if upstream := answer.upstream:
        yield "Upstream", f"{upstream.name}, {upstream.method}" if upstream.endpoints else upstream.name
        yield from (("", _address(each)) for each in upstream.endpoints)
        if upstream.why_none:
            result = "backup" if upstream.backup else upstream.refusal if upstream.url else "closed"
            yield "", f"{result}: {upstream.why_none}"
        if upstream.url:
            yield "Request", f"{upstream.path} over {_PROTOCOLS[upstream.url.partition('://')[0]]}"
    yield from _error_pages(answer)


def _address(endpoint: EndpointAnswer) -> str:
    return " ".join(filter(None, (endpoint.address, endpoint.pod, "(backup)" if endpoint.backup else "")))


def _server(server: ServerAnswer) -> Iterator[Row]:
    yield "Server", f"{server.host or 'default server'}: {server.why}"
    if server.object:
        yield "", f"from {server.object}, {f'in {server.file}' if server.file else 'routed at run time (no file)'}"
    if server.dedicated:
        yield "", f"not routed at run time: {server.dedicated}"
    yield from (("", f"not {other.name}: {other.why}") for other in server.others)


def _error_pages(answer: Answer) -> Iterator[Row]:
    for page in answer.error_pages:
        yield "Errors", f"{', '.join(map(str, page.codes))}: {page.what}"
        yield "", f"because {page.object}: {page.field}"


def _steps(label: str, steps: Iterable[Step]) -> Iterator[Row]:
    for step in steps:
        yield label, step.what
        yield from (("", f"because {reason}") for reason in step.because)


def _settings(answer: Answer) -> Iterator[str]:
    """Yield what somebody chose, one a line, and where a backend is asked what nobody did, close together."""
    chosen = [setting for setting in answer.settings if setting.chosen]
    width = max((len(setting.name) for setting in chosen), default=0)
    values = max((len(_short(setting.value)) for setting in chosen), default=0)
    if chosen:
        yield "Chosen"
    for setting in chosen:
        yield f"  {setting.name:<{width}}  {_short(setting.value):<{values}}  {_where(setting)}".rstrip()
    rest = [setting for setting in answer.settings if setting.value and not setting.chosen]
    here = [f"{setting.name}={_short(setting.value)}" for setting in rest if setting.annotation]
    if here and answer.upstream:
        yield "Default"
        yield from _wrapped("  ", "  ", here)
        yield f"  and {len(rest) - len(here)} that apply to all of nginx (-o json)"


def _where(setting: InForce) -> str:
    return " and ".join(f"{whence(origin)}: {origin.key}" for origin in setting.origins)


def _short(value: str) -> str:
    return value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…"


def _around(answer: Answer) -> Iterator[str]:
    """Yield what is wrong nearby, and what may have been meant."""
    if answer.nearby:
        yield "Nearby"
    for found in answer.nearby:
        yield from _lines("  ", f"{found.severity}: {found.object}: {found.text}")
    yield from (line for hint in answer.hints for line in _lines("", hint))


def _rows(rows: Iterable[Row]) -> Iterator[str]:
    for label, value in rows:
        yield from _lines(f"{label:<{_LABEL}}", value)


def _lines(first: str, value: str) -> list[str]:
    """Wrap *value* behind *first*, later lines below its beginning."""
    return _wrapped(first, " " * (len(first) + 2 * (not first.strip())), value.split())


def _wrapped(first: str, later: str, words: Iterable[str]) -> list[str]:
    """Fill lines with *words*, none of which is broken."""
    lines, line = [], first
    for word in words:
        if line.strip() and len(line) + len(word) + 1 > WIDTH:
            lines.append(line.rstrip())
            line = later
        line += word + " "
    return [*lines, line.rstrip()]
