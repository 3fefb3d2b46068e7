"""What annotations of ingress-nginx do: the answer that ``explain`` names is the one that a real nginx gives."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.explain import Question, explain
from tests.explain.test_guards_like_nginx import answered
from tests.explain.test_like_nginx import LOGIN, LOOPBACK, MarkedNginx, ingress, marked_nginx, surroundings
from tests.properties.cluster_objects import self_signed_pair

HERE, ELSEWHERE = "127.0.0.0/8", "192.0.2.0/24"
ASKS = {"auth-type": "basic", "auth-secret": "plain"}
SAID: dict[str, dict[str, str]] = {
    "any": {**ASKS, "satisfy": "any", "allowlist-source-range": ELSEWHERE},
    "here": {**ASKS, "satisfy": "any", "allowlist-source-range": HERE},
    "all": {**ASKS, "allowlist-source-range": HERE},
    "denied": {**ASKS, "satisfy": "any", "denylist-source-range": ELSEWHERE},
    "limited": {"limit-connections": "5", "limit-rps": "500", "limit-allowlist": ELSEWHERE},
    "forced": {"force-ssl-redirect": "true"},
    "kept": {"force-ssl-redirect": "true", "preserve-trailing-slash": "true"},
    "ported": {"force-ssl-redirect": "true", "use-port-in-redirects": "true"},
    "certified": {"auth-tls-secret": "shop/authority"},
    "named": {
        "auth-tls-secret": "shop/authority",
        "auth-tls-match-cn": "CN=ann",
        "auth-tls-verify-client": "optional",
        "ssl-redirect": "false",
    },
    "closed": {"auth-tls-secret": "shop/gone"},
    "empty": {},
    "pages": {"default-backend": "coffee", "custom-http-errors": "404"},
}
"""Annotations by the host that has them."""


def objects(ports: dict[str, int]) -> Iterator[dict[str, Any]]:
    yield {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"},
           "spec": {"controller": "k8s.io/ingress-nginx"}}  # fmt: skip
    yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain", "namespace": "shop"},
           "data": {"auth": b64encode(b"x:{PLAIN}y").decode()}}  # fmt: skip
    yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "authority", "namespace": "shop"},
           "data": {"ca.crt": self_signed_pair()["tls.crt"]}}  # fmt: skip
    for name, said in SAID.items():
        service = "none" if name in {"empty", "pages"} else "tea"
        paths = [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}]
        spec: dict[str, Any] = {"rules": [{"host": f"{name}.test", "http": {"paths": paths}}]}
        if name in {"certified", "named"}:
            spec["tls"] = [{"hosts": [f"{name}.test"], "secretName": "cert-a"}]
        yield ingress(name, spec, {f"nginx.ingress.kubernetes.io/{key}": text for key, text in said.items()})
    yield from surroundings(ports)


@pytest.fixture(scope="module")
def nginx() -> Iterator[MarkedNginx]:
    yield from marked_nginx(objects)


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("http://any.test/", (), 401),
        ("http://here.test/", (), 200),
        ("http://all.test/", (), 401),
        ("http://denied.test/", (), 401),
        ("http://limited.test/", (), 200),
        ("http://empty.test/", (), 503),
        ("https://certified.test/", (), 400),
        ("http://named.test/", (), 403),
        ("http://closed.test/", (), 500),
    ],
)
def test_explain_names_the_status(nginx: MarkedNginx, url: str, headers: tuple[str, ...], status: int) -> None:
    answer = explain(nginx.view, Question.of(url, headers, address=LOOPBACK))
    assert (answer.status or 200, answered(nginx, url, headers)) == (status, status), answer.summary
    assert answer.summary.startswith(("Service",) if status == 200 else (f"nginx answers {status}",)), answer.summary


@pytest.mark.parametrize(
    ("host", "headers", "words"),
    [
        (
            "any",
            (LOGIN,),
            ", if the client's address is in 192.0.2.0/24 or the password is the right one (otherwise 40",
        ),
        ("any", (), ", if the client's address is in 192.0.2.0/24 (otherwise 401 or 403)."),
        ("denied", (LOGIN,), ", if the password is the right one (otherwise 401)."),
    ],
)
def test_the_first_sentence_names_what_is_not_known(
    nginx: MarkedNginx, host: str, headers: tuple[str, ...], words: str
) -> None:
    assert words in explain(nginx.view, Question.of(f"http://{host}.test/", headers)).summary


@pytest.mark.parametrize("path", ["/", "/a/", "/a/?b=/", "/a?b"])
@pytest.mark.parametrize("host", ["forced", "kept", "ported", "certified"])
def test_explain_names_the_target_of_a_redirect(nginx: MarkedNginx, host: str, path: str) -> None:
    url = f"http://{host}.test{path}"
    response = nginx.ask(nginx.ports["http"], path, {"Host": f"{host}.test"}, None)
    assert response
    assert explain(nginx.view, Question.of(url)).target == response.headers["Location"]


def test_explain_names_the_service_that_answers_for_one_without_endpoints(nginx: MarkedNginx) -> None:
    answer = explain(nginx.view, Question.of("http://pages.test/"))
    words = "nginx answers 503: Service shop/none has no endpoints. An error page replaces 503 with the response of"
    assert answer.summary == f"{words} Service shop/coffee."
    response = nginx.ask(nginx.ports["http"], "/", {"Host": "pages.test"}, None)
    assert response
    assert (response.status, response.body) == (200, "coffee /")
