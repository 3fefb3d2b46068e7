"""Snippets of ingress-nginx that are not permitted: those that would keep clients out close the paths."""

from __future__ import annotations

import pytest

from headgate.problems import ObjectRef
from headgate.settings import COMMUNITY
from headgate.settings.community import read_community_annotations

INGRESS = ObjectRef("Ingress", "default", "cafe", "networking.k8s.io")


def closed(snippet: str) -> bool:
    key = f"{COMMUNITY.prefix}configuration-snippet"
    return bool(read_community_annotations({key: snippet}, INGRESS)[0].closed)


@pytest.mark.parametrize(
    "snippet",
    [
        "deny all;",
        '"deny" all;',
        "etag off;\n  'deny' all;",
        'if ($arg_k != "#1") { return 403; }',
        "if ($arg_k != '#1') { return 403; }",
        "if ($arg_k = a#b) { return 403; }",
        r"if ($arg_k = \#1) { return 403; }",
        "set $a ${arg_b}#; deny all;",
        "set $a it's; # isn't\ndeny all;",
        'return "403";',
        "return '503';",
        "if ($a){return 403;}",
        "return 444;",
        "auth_digest x;",
        "auth_digest_user_file x;",
        "secure_link_md5 x;",
        "modsecurity_rules_file x;",
        "limit_req_status 429;",
        "limit_except GET { deny all; }",
        "js_access guard.check;",
        "include /etc/nginx/guards.conf;",
        "allow 192.0.2.1;",
        *(f"{phase}_by_lua{form} x" for phase in ("server_rewrite", "content", "access", "header_filter")
          for form in ("", "_block {", "_file")),
    ],
)  # fmt: skip
def test_guards(snippet: str) -> None:
    assert closed(snippet)


@pytest.mark.parametrize(
    "snippet",
    [
        "# deny all;",
        "etag off; # return 403;",
        "add_header A b;# deny all;\n",
        'add_header A "b"; # "deny all;',
        "proxy_set_header X-Tea green;",
        'add_header X-Denied "auth_basic";',
        "return 301 https://example.com;",
        'more_set_headers "access-control-allow-origin: *";',
    ],
)
def test_what_keeps_nobody_out(snippet: str) -> None:
    assert not closed(snippet)
