"""ConfigMaps that annotations of ingress-nginx name: headers of responses, and of the request to auth-url."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from headgate.problems import Problem
from headgate.resolve.search import Search
from headgate.routes.backends import FastCgi
from headgate.settings import COMMUNITY, Header
from headgate.settings.community import references
from headgate.settings.parsers import Unfit
from headgate.validation.community import ValidCommunityIngress

T = TypeVar("T")
CLOSED = "its requests are answered 500"
MISSING = "is of a ConfigMap that does not exist, or that is of a namespace that is not watched"
FOREIGN = "is of another namespace, which is not allowed"


def response_headers(search: Search, valid: ValidCommunityIngress) -> tuple[tuple[Header, ...], str]:
    """Return the headers of ``custom-headers``, or why they cannot be sent, which is reported.

    As in ingress-nginx the ConfigMap may be of another namespace; the names of its headers must be permitted.
    """
    allowed = search.community.allowed_headers
    name = valid.annotations.custom_headers
    return found(
        search, valid, "custom-headers", name, lambda data: references.response_headers(data, allowed), everywhere=True
    )


def auth_headers(search: Search, valid: ValidCommunityIngress) -> tuple[tuple[Header, ...], str]:
    """Return the headers of ``auth-proxy-set-headers``, or why they cannot be sent, which is reported."""
    name = valid.annotations.auth_proxy_set_headers if valid.annotations.auth_url else None
    return found(search, valid, "auth-proxy-set-headers", name, references.request_headers)


def fastcgi(search: Search, valid: ValidCommunityIngress) -> tuple[FastCgi | None, str]:
    """Return how the backends of *valid* speak FastCGI, ``None`` if they do not; or why they cannot, reported."""
    said = valid.annotations
    if said.backend_protocol != "fcgi":
        return None, ""
    name = said.fastcgi_params_configmap
    params, fault = found(search, valid, "fastcgi-params-configmap", name, references.fastcgi_params)
    return FastCgi(params, said.fastcgi_index), fault


def found(  # noqa: PLR0913 - what is named, by whom, and how it is read
    search: Search,
    valid: ValidCommunityIngress,
    annotation: str,
    name: str | None,
    read: Callable[[Mapping[str, str]], tuple[T, ...]],
    *,
    everywhere: bool = False,
) -> tuple[tuple[T, ...], str]:
    """Return what *read* takes from the ConfigMap *name*, or why it cannot be used, which is reported.

    *everywhere*: whether it may be of another namespace than the Ingress.
    """
    named = references.referred(name, valid.ingress.ref.namespace) if name else None
    if named is None:
        return (), ""
    fault = ""
    if named[0] != valid.ingress.ref.namespace and not everywhere:
        fault = FOREIGN
    elif (data := search.config_map(*named)) is None:
        fault = MISSING
    else:
        try:
            return read(data), ""
        except Unfit as unfit:
            fault = f"is {unfit}"
    key = f"{COMMUNITY.prefix}{annotation}"
    search.report(Problem(valid.ingress.ref, key, name or "", fault, CLOSED))
    return (), f"{key} {fault}"
