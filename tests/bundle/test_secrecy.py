"""What is removed from texts by its form, and what is not."""

from __future__ import annotations

import base64
import json

import pytest
import yaml

from headgate.bundle.secrecy import Concealment

CONFIDENTIAL = (
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
    "proxy_set_header X-Api-Key canary0123456789;",
    "set $token canary;",
    "set $aws_secret_access_key canary ;",
    "proxy_set_header X-Api-Key\n    canary;",
    'proxy_set_header X-Api-Key "of \\"canary\\" quotes";',
    '{"snippet": "proxy_set_header X-Api-Key \\"a canary\\";"}',
    "proxy_set_header X-Api-Key 'it \"is\" a canary';",
    "field: 'proxy_set_header X-Api-Key \"a canary...",
    "secret_key=canary",
    "client_secret: canary",
    "X-Secret: canary",
    "GET /?a=1&secret=canary&pwd=canary&b=2",
    'proxy_set_header Cookie "session=canary; b=canary";',
    "Set-Cookie: session=1; b=canary; Path=/",
    'proxy_set_header Authorization   \\"Token canary\\";',
    "otel-exporter-header-value: 'canary of words' is text",
    "    otel_exporter {\n        header X-One canary;\n    }",
    '    otel_exporter {\n        header X-One "a \\"canary";\n    }',
    "cookie eyJhbGciOi.canary.sig",
)


@pytest.mark.parametrize("text", CONFIDENTIAL)
def test_what_has_the_form_of_a_secret_is_removed(text: str) -> None:
    assert "canary" not in Concealment().clean(text)
    assert "[removed]" in Concealment().clean(text)


@pytest.mark.parametrize("text", [each for each in CONFIDENTIAL if "otel_exporter" not in each])
def test_it_is_removed_from_messages_and_json_which_escape_it(text: str) -> None:
    tabs = text if "KEY---" in text else text.replace(" ", "\t")
    for each in (f"a\t{text}", f"a;\n{text}", f"\t{tabs}"):
        for escaped in (repr(each), json.dumps(each), json.dumps(repr(each))):
            assert "canary" not in Concealment().clean(escaped)


@pytest.mark.parametrize(
    "text",
    [
        "nginx.org/basic-auth-secret: login",
        "auth-type: basic\nnginx.ingress.kubernetes.io/auth-secret: login",
        "-default-server-tls-secret=nginx/cert",
        "tls:\n  secret: cert\n",
        "Secret default/login; it does not exist",
        "hash $cookie_token consistent;\nlimit_req_zone $http_token zone=a:1m rate=1r/s;",
        "limit_conn_zone $http_token zone=a:1m;",
        'auth_request_set $token $upstream_http_token;\nproxy_set_header X-Token "$token";',
        'log_format main \'"$http_cookie" "$http_user_agent"\';',
        "proxy_hide_header Set-Cookie;\nproxy_pass http://a;",
        "proxy_cookie_path / /a;\nproxy_set_header Cookie $http_cookie;",
        "sticky cookie srv_id expires=1h;",
        "sessionCookie:\n  enable: true\n",
        "conditions: [{cookie: user, value: a}]",
        '{"cookie": {"name": "a"}}',
        "password:\n  size: 8",
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


def knowing(*documents: object, **data: str) -> Concealment:
    """Return what knows the *documents*, and a Secret with *data*."""
    concealment = Concealment()
    for document in ({"kind": "Secret", "metadata": {"name": "a"}, "stringData": data}, *documents):
        concealment.learn(document)
    return concealment


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("default hunter2;", "default [removed];"),
        ("a=hunter2&b", "a=[removed]&b"),
        ('"ann:hunter2"', '"ann:[removed]"'),
        ("hunter2.", "[removed]."),
        ("hunter22 a-hunter2 hunter2.test hunter2_a", "hunter22 a-hunter2 hunter2.test hunter2_a"),
        ("a wonderful wonderfully-named", "a [removed] wonderfully-named"),
        (r"a\thunter2\nb \\nhunter2", r"a\t[removed]\nb \\n[removed]"),
        ("ab12cd34ef", "[removed]ef"),
    ],
)
def test_short_values_and_words_are_removed_as_whole_words(text: str, cleaned: str) -> None:
    known = knowing(a="hunter2", b="wonderful", c="ab12cd34")
    assert known.clean(text) == cleaned


def test_ordinary_words_and_names_of_objects_are_left() -> None:
    host, service = "a-rather-long-host.test", "a-rather-long-service"
    rule = {"host": host, "http": {"paths": [{"path": "/", "backend": {"service": {"name": service}}}]}}
    ingress = {"kind": "Ingress", "metadata": {"name": "blue-green", "namespace": "shop"}, "spec": {"rules": [rule]}}
    pod = {"kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "only-in-the-pod"}]}}
    values = [host, service, "blue-green", "shop", "default", "true", "http", "proxy_http_version", "ingressClassName"]
    known = knowing(ingress, pod, **{f"k{at}": value for at, value in enumerate([*values, "only-in-the-pod"])})
    for value in values:
        assert known.clean(f"x {value} y") == f"x {value} y"
    assert known.clean("x only-in-the-pod y") == "x [removed] y"


def test_a_yaml_file_in_a_secret_removes_no_ordinary_word() -> None:
    known = knowing(config="env: default\nscheme: http\npass: hunter22\n")
    assert known.clean("default http hunter22") == "default http [removed]"
