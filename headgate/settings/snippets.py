"""Text of users' own: snippets and templates."""

from __future__ import annotations

from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Parser, Unfit, accepts
from headgate.settings.registry import Settings, SettingSpec, Where, setting
from headgate.settings.values import Snippet


@accepts("lines of nginx configuration")
def snippet(text: str) -> Snippet:
    """Take lines of configuration as they are; only a NUL byte is refused. Blank ones are no snippet."""
    if "\x00" in text:
        raise Unfit("text with a NUL byte")
    return Snippet(text if text.strip() else "")


def jinja_template(builtin: str) -> Parser[str]:
    """Return the parser of a template in place of *builtin*: a Go template is answered with how to write it here."""

    @accepts("Jinja2 template")
    def template(text: str) -> str:
        if "\x00" in text:
            raise Unfit("text with a NUL byte")
        if "{{" in text and (mark := next((mark for mark in _GO_MARKS if mark in text), "")):
            line = text[: text.index(mark)].count("\n") + 1
            raise Unfit(
                f"a Go template (line {line}); Headgate reads Jinja2: write {{{{ server.name }}}} for {{{{.Name}}}},"
                " {% for … %}{% endfor %} for {{range}}{{end}},"
                f' or change one block with {{% extends "builtin/{builtin}" %}}{{% block … %}}'
            )
        return text

    return template


_GO_MARKS = ("{{.", "{{ .", "{{-", "{{range", "{{ range", "{{ end", "{{end")
_AS_MAIN = "A Jinja2 template, as main-template; for a Go template the error explains how to convert it."


def _template(key: str, of: str, builtin: str, example: str, differs: str = _AS_MAIN) -> SettingSpec:
    """Declare the key of the ConfigMap that replaces the template *of* a file."""
    return setting(
        key,
        f"Jinja2 template of {of}.",
        Scope.SERVER,
        Where.CONFIGMAP,
        parse=jinja_template(builtin),
        directive="",
        context="",
        example=example,
        differs=differs,
    )


def _extended(name: str) -> str:
    return f'{{% extends "builtin/{name}.conf.j2" %}}{{% block server_extra %}}{{% endblock %}}'


class SnippetSettings(Settings):
    """Lines printed verbatim into the contexts of nginx."""

    main_snippets: Annotated[
        Snippet | None,
        setting(
            "main-snippets",
            "Lines of the main context.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=snippet,
            empty=True,
            directive="",
            context="main",
            example="worker_priority -5;",
        ),
    ] = None
    http_snippets: Annotated[
        Snippet | None,
        setting(
            "http-snippets",
            "Lines of http.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=snippet,
            empty=True,
            directive="",
            context="http",
            example="map $http_x_beta $beta { default off; 1 on; }",
        ),
    ] = None
    stream_snippets: Annotated[
        Snippet | None,
        setting(
            "stream-snippets",
            "Lines of stream.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=snippet,
            empty=True,
            directive="",
            context="stream",
            example="tcp_nodelay on;",
        ),
    ] = None
    server_snippets: Annotated[
        Snippet | None,
        setting(
            "server-snippets",
            "Lines of every server.",
            Scope.SERVER,
            parse=snippet,
            empty=True,
            gate="enable-snippets",
            directive="",
            context="server",
            example="deny 192.0.2.0/24;",
        ),
    ] = None
    location_snippets: Annotated[
        Snippet | None,
        setting(
            "location-snippets",
            "Lines of every location.",
            parse=snippet,
            empty=True,
            gate="enable-snippets",
            directive="",
            context="location",
            example="expires 1h;",
            differs="A snippet with `add_header` keeps HSTS, which nginx would otherwise remove.",
        ),
    ] = None
    main_template: Annotated[
        str | None,
        _template(
            "main-template",
            "nginx.conf",
            "main.conf.j2",
            '{% extends "builtin/main.conf.j2" %}',
            "A Jinja2 template, which replaces the whole file or single blocks; for a Go template the "
            "error explains how to convert it. If a template fails, the last valid one stays in force.",
        ),
    ] = None
    ingress_template: Annotated[
        str | None,
        _template("ingress-template", "an Ingress", "http.conf.j2", _extended("http")),
    ] = None
    virtualserver_template: Annotated[
        str | None,
        _template("virtualserver-template", "a VirtualServer", "http.conf.j2", _extended("http")),
    ] = None
    transportserver_template: Annotated[
        str | None,
        _template("transportserver-template", "a TransportServer", "stream.conf.j2", _extended("stream")),
    ] = None
