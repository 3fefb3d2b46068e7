"""ConfigMaps that annotations and keys of ingress-nginx name: what of them cannot be a header or a parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from headgate.settings.community.references import fastcgi_params, referred, request_headers, response_headers
from headgate.settings.parsers import Unfit

Read = Callable[[Mapping[str, str]], object]
LINES = ("a\r\nX-Evil: 1", "a\nb", "a\x00b")


@pytest.mark.parametrize("text", [*LINES, "$uri", "a$document_uri", "$remote_user", "5$", "$nobody_defines", "$1"])
def test_values_of_requests_that_are_refused(text: str) -> None:
    with pytest.raises(Unfit):
        request_headers({"X-A": text})


@pytest.mark.parametrize("text", [*LINES, "$host", "5$", 'a"b', "a\\"])
def test_values_of_responses_that_are_refused(text: str) -> None:
    with pytest.raises(Unfit):
        response_headers({"X-A": text})


@pytest.mark.parametrize("text", [*LINES, "a;b", "$nobody_defines", "5$", '"', "a b"])
def test_values_of_parameters_that_are_refused(text: str) -> None:
    with pytest.raises(Unfit):
        fastcgi_params({"A": text})


@pytest.mark.parametrize("read", [request_headers, response_headers, fastcgi_params])
@pytest.mark.parametrize("name", ["", "a b", "a;", "a:", "a\n", '"', "$a", "a" * 300])
def test_names_that_are_refused(read: Read, name: str) -> None:
    with pytest.raises(Unfit):
        read({name: "1"})


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_framing_is_left_to_nginx(name: str) -> None:
    with pytest.raises(Unfit):
        request_headers({name: "1"})
    with pytest.raises(Unfit):
        response_headers({name: "1"})


def test_what_is_read() -> None:
    assert [str(each) for each in request_headers({"X-B": " $req_id ", "X-A": ""})] == ["X-A:", "X-B:$request_id"]
    assert [str(each) for each in response_headers({"x-a": "1"}, {"x-a"})] == ["x-a:1:always"]
    assert fastcgi_params({"A.b": "/x${host}"}) == (("A.b", "/x${host}"),)
    assert request_headers({}) == response_headers({}) == fastcgi_params({}) == ()
    with pytest.raises(Unfit, match="X-A, which global-allowed-response-headers does not name"):
        response_headers({"X-A": "1"}, frozenset())


@pytest.mark.parametrize(
    ("text", "found"),
    [("a", ("own", "a")), ("b/a", ("b", "a")), (" a ", ("own", "a")), ("", None), ("a/b/c", None), ("../a", None)],
)
def test_names_of_config_maps(text: str, found: tuple[str, str] | None) -> None:
    assert referred(text, "own") == found
