"""What happens to a request: the parts that VirtualServers and VirtualServerRoutes have in common."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from headgate.api.base import Model
from headgate.api.nginx_org.fields import Codes, Field, Form, OneOf, Range

REDIRECTS: Final = OneOf((301, 302, 307, 308))
ANSWERS: Final = Codes((2, 4, 5))

ANY_OF_REQUEST: Final = ("arg_*", "http_*", "cookie_*")
"""Variables that end with a name from the request."""
IN_REDIRECT: Final = ("scheme", "http_x_forwarded_proto", "request_uri", "host")
IN_RETURN: Final = (
    "request_uri", "request_method", "request_body", "scheme", "args", "host", "request_time", "request_length",
    "nginx_version", "pid", "connection", "remote_addr", "remote_port", "time_iso8601", "time_local", "server_addr",
    "server_port", "server_name", "server_protocol", "connections_active", "connections_reading",
    "connections_writing", "connections_waiting", *ANY_OF_REQUEST,
)  # fmt: skip
IN_HEADER: Final = (
    *IN_RETURN,
    "ssl_cipher", "ssl_ciphers", "ssl_client_cert", "ssl_client_escaped_cert", "ssl_client_fingerprint",
    "ssl_client_i_dn", "ssl_client_i_dn_legacy", "ssl_client_raw_cert", "ssl_client_s_dn", "ssl_client_s_dn_legacy",
    "ssl_client_serial", "ssl_client_v_end", "ssl_client_v_remain", "ssl_client_v_start", "ssl_client_verify",
    "ssl_curves", "ssl_early_data", "ssl_protocol", "ssl_server_name", "ssl_session_id", "ssl_session_reused",
    "jwt_claim_*", "jwt_header_*", "apikey_client_name",
)  # fmt: skip
IGNORED_HEADERS: Final = OneOf(
    ("X-Accel-Redirect", "X-Accel-Expires", "X-Accel-Limit-Rate", "X-Accel-Buffering", "X-Accel-Charset", "Expires",
     "Cache-Control", "Set-Cookie", "Vary"),
)  # fmt: skip


class Header(Model):
    """A header with its value."""

    name: Annotated[str, Field(Form.HEADER, "Name of the header.", required=True)] = ""
    value: Annotated[str, Field(Form.TEXT, "Value of the header; empty removes it.", variables=IN_HEADER)] = ""


class AddedHeader(Model):
    """A header that is added to responses."""

    name: Annotated[str, Field(Form.HEADER, "Name of the header.", required=True)] = ""
    value: Annotated[str, Field(Form.TEXT, "Value of the header.", variables=IN_HEADER)] = ""
    always: Annotated[bool, Field(None, "Whether the header is added regardless of the status code.")] = False


class PlainHeader(Model):
    """A header of an answer of nginx's own, without variables."""

    name: Annotated[str, Field(Form.HEADER, "Name of the header.", required=True)] = ""
    value: Annotated[str, Field(Form.PLAIN, "Value of the header.")] = ""


class ErrorPageHeader(Model):
    """A header of an error page."""

    name: Annotated[str, Field(Form.HEADER, "Name of the header.", required=True)] = ""
    value: Annotated[str, Field(Form.TEXT, "Value of the header.", variables=("upstream_status",))] = ""


class ActionRedirect(Model):
    """A redirect of the client."""

    url: Annotated[str, Field(Form.URL, "URL of the redirect.", required=True, variables=IN_REDIRECT)] = ""
    code: Annotated[int | None, Field(REDIRECTS, "Status code.", default="301")] = None


class ActionReturn(Model):
    """A response of nginx itself."""

    code: Annotated[int | None, Field(ANSWERS, "Status code.", default="200")] = None
    type: Annotated[str | None, Field(Form.MEDIA_TYPE, "Media type of the body.", default="text/plain")] = None
    body: Annotated[str, Field(Form.BODY, "The body.", required=True, variables=IN_RETURN)] = ""
    headers: Annotated[tuple[PlainHeader, ...] | None, Field(None, "Headers of the response.")] = None


class ProxyRequestHeaders(Model):
    """Headers of requests to the upstream."""

    pass_: Annotated[bool | None, Field(None, "Whether headers of the client are passed.", default="true")] = (
        msgspec.field(default=None, name="pass")
    )
    set: Annotated[tuple[Header, ...] | None, Field(None, "Headers that are set.")] = None


class ProxyResponseHeaders(Model):
    """Headers of responses from the upstream."""

    hide: Annotated[tuple[str, ...] | None, Field(Form.HEADER, "Headers that are removed from the response.")] = None
    pass_: Annotated[
        tuple[str, ...] | None,
        Field(Form.HEADER, "Headers that are passed to clients although nginx hides them by default."),
    ] = msgspec.field(default=None, name="pass")
    ignore: Annotated[tuple[str, ...] | None, Field(IGNORED_HEADERS, "Headers whose effect on nginx is disabled.")] = (
        None
    )
    add: Annotated[tuple[AddedHeader, ...] | None, Field(None, "Headers that are added.")] = None


class ActionProxy(Model):
    """Requests go to an upstream with changes."""

    upstream: Annotated[str, Field(Form.LABEL, "Name of an upstream of the same object.", required=True)] = ""
    rewrite_path: Annotated[str | None, Field(Form.REWRITE, "Path that replaces the matched part of the path.")] = None
    request_headers: Annotated[ProxyRequestHeaders | None, Field(None, "Headers of requests to the upstream.")] = None
    response_headers: Annotated[ProxyResponseHeaders | None, Field(None, "Headers of its responses.")] = None


class Action(Model):
    """Exactly one of four."""

    pass_: Annotated[str | None, Field(Form.LABEL, "Name of an upstream of the same object: requests go there.")] = (
        msgspec.field(default=None, name="pass")
    )
    redirect: Annotated[ActionRedirect | None, Field(None, "A redirect of the client.")] = None
    return_: Annotated[ActionReturn | None, Field(None, "A response of nginx itself.")] = msgspec.field(
        default=None, name="return"
    )
    proxy: Annotated[ActionProxy | None, Field(None, "Requests go to an upstream, with changes.")] = None


class Split(Model):
    """A part of the requests."""

    weight: Annotated[int | None, Field(Range(0, 100), "Share in percent.", required=True)] = None
    action: Annotated[Action | None, Field(None, "Action for these requests.", required=True)] = None


CONDITION_VARIABLES: Final = OneOf(
    ("$args", "$http2", "$https", "$remote_addr", "$remote_port", "$query_string", "$request", "$request_body",
     "$request_uri", "$request_method", "$scheme"),
    prefixes=("$jwt_claim_", "$jwt_header_"),
)  # fmt: skip


class Condition(Model):
    """A property of a request and the value that it must have; exactly one of the four sources."""

    header: Annotated[str | None, Field(Form.HEADER, "Name of a header.")] = None
    cookie: Annotated[str | None, Field(Form.COOKIE, "Name of a cookie.")] = None
    argument: Annotated[str | None, Field(Form.COOKIE, "Name of a query parameter.")] = None
    variable: Annotated[str | None, Field(CONDITION_VARIABLES, "A variable of nginx.")] = None
    value: Annotated[
        str, Field(Form.CONDITION, "The value, regardless of case; ! in front negates, ~ makes a regular expression.")
    ] = ""


class Match(Model):
    """Requests that meet all conditions."""

    conditions: Annotated[tuple[Condition, ...] | None, Field(None, "The conditions.", required=True)] = None
    action: Annotated[Action | None, Field(None, "Action for these requests.")] = None
    splits: Annotated[tuple[Split, ...] | None, Field(None, "Actions by weight, instead of one action.")] = None


class ErrorPageReturn(Model):
    """An answer of nginx's own in place of an error."""

    code: Annotated[int | None, Field(ANSWERS, "Status code.", default="the code of the error")] = None
    type: Annotated[str | None, Field(Form.MEDIA_TYPE, "Media type of the body.", default="text/html")] = None
    body: Annotated[str, Field(Form.BODY, "The body.", required=True, variables=("upstream_status",))] = ""
    headers: Annotated[tuple[ErrorPageHeader, ...] | None, Field(None, "Headers of the response.")] = None


class ErrorPageRedirect(Model):
    """A redirect of the client in place of an error."""

    url: Annotated[
        str, Field(Form.URL, "URL of the redirect.", required=True, variables=("scheme", "http_x_forwarded_proto"))
    ] = ""
    code: Annotated[int | None, Field(REDIRECTS, "Status code.", default="301")] = None


class ErrorPage(Model):
    """What clients get instead of errors: exactly one of the two."""

    codes: Annotated[tuple[int, ...] | None, Field(Range(300, 599), "The codes of the errors.", required=True)] = None
    return_: Annotated[ErrorPageReturn | None, Field(None, "A response of nginx itself.")] = msgspec.field(
        default=None, name="return"
    )
    redirect: Annotated[ErrorPageRedirect | None, Field(None, "A redirect of the client.")] = None


class PolicyReference(Model):
    """A Policy by name."""

    name: Annotated[str, Field(Form.NAME, "Name of the Policy.", required=True)] = ""
    namespace: Annotated[
        str | None, Field(Form.NAMESPACE, "Namespace of the Policy.", default="that of the object")
    ] = None


class MatchExpression(Model):
    """A requirement of labels, as selectors of Kubernetes have it."""

    key: Annotated[str, Field(Form.FREE, "Label.")] = ""
    operator: Annotated[str, Field(Form.FREE, "In, NotIn, Exists or DoesNotExist.")] = ""
    values: Annotated[tuple[str, ...] | None, Field(Form.FREE, "Values.")] = None


class LabelSelector(Model):
    """Objects by their labels."""

    match_labels: Annotated[dict[str, str] | None, Field(Form.FREE, "Labels that are required.", required=True)] = None
    match_expressions: Annotated[tuple[MatchExpression, ...] | None, Field(None, "Accepted, but has no effect.")] = None
