"""What is removed from texts by its form, and what is not."""

from __future__ import annotations

import base64
import json

import pytest
import yaml

from headgate.bundle.secrecy import Concealment


@pytest.mark.parametrize(
    "text",
    [
        "proxy_set_header X-Api-Key canary;".replace("canary", '"canary"'),
        'proxy_set_header Authorization "Basic canary";',
        "Authorization: Bearer canary",
        "curl https://ann:canary@a.test/",
        "?token=canary&x=1",
        '{"password": "canary of words"}',
        "ann:$apr1$canary$abc",
        "ann:{SHA}canary",
        "-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ncanary",
        "cookie eyJhbGciOi.canary.sig",
    ],
)
def test_what_has_the_form_of_a_secret_is_removed(text: str) -> None:
    assert "canary" not in Concealment().clean(text)
    assert "[removed]" in Concealment().clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "nginx.org/basic-auth-secret: login",
        "proxy_set_header Authorization $http_authorization;\nproxy_pass http://default-tea;",
        "proxy_pass_header Authorization;\nroot /srv;",
        "ssl_password_file /etc/nginx/x;",
        "automountServiceAccountToken: true",
        "basic authentication is required",
        "https://a.test/path?x=1@b",
        "password: '[removed]: 28 characters'",
    ],
)
def test_what_a_bug_needs_is_left(text: str) -> None:
    assert Concealment().clean(text) == text


def test_a_value_that_a_message_has_cut_off_is_removed() -> None:
    concealment = Concealment()
    value = "abcdefghijklmnopqrstuvwxyz0123456789"
    concealment.learn({"kind": "Secret", "data": {"k": base64.b64encode(value.encode()).decode()}})
    assert concealment.clean(f"field: '{value[:20]}...' is wrong") == "field: '[removed]' is wrong"
    assert concealment.clean(f"{value}\n") == "[removed]\n"


def test_a_value_is_removed_however_it_is_escaped() -> None:
    concealment = Concealment()
    value = """pa"ss-word-1 it's \\ é"""
    concealment.learn({"kind": "Secret", "stringData": {"a": value}})
    for text in (value, f"a\t{value}", f"{value} ", f"it's {value}"):
        (cleaned,) = [concealment.cleaned({"a": [text]})]
        assert cleaned == {"a": [text.replace(value, "[removed]")]}
        for dumped in (yaml.safe_dump({"a": text}, width=120), json.dumps([text]), repr(text), repr([text])):
            assert "ss-word-1" not in concealment.clean(dumped)


def test_what_a_key_calls_a_password_is_removed_whole() -> None:
    document = {"a.test/password": "correct horse", "token": "$http_token", "basic-auth-secret": "login", "pin": 1}
    assert Concealment().cleaned(document) == {**document, "a.test/password": "[removed]"}
