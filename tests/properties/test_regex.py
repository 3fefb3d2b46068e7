"""What is refused as no regular expression, every nginx refuses, whichever library it is linked with.

Expressions come from a grammar of what PCRE knows, and of slips.
"""

from __future__ import annotations

import contextlib
import random
import re
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

import headgate.render
from headgate.ir import latency
from headgate.nginx.expressions import refused
from headgate.settings.regex import OURS, group_count, regex_fault
from headgate.settings.variables import unknown_variable
from headgate.translate.variables import RESOURCE_VARIABLES
from headgate.validation.text import path_fault
from tests.examples import examples
from tests.nginx_binaries import BINARIES
from tests.processor_time import limited_processor_time

ATOMS = (
    "a", "/", ".", "-", "]", "}", "{", "{,", "{x}", '"', "'", ";", "#", "$", "^", " ", "|", "||", ")", "(", "(?", "\\",
    r"\d", r"\w+", r"\.", r"\(", r"\)", r"\[", r"\\", r"\/", r"\t", r"\n", r"\b", r"\A", r"\z", r"\Z", r"\R", r"\h",
    r"\K", r"\x41", r"\x{41}", r"\p{L}", r"\pL", r"\cA", r"\c)", r"\c[", r"\1", r"\k<n>", r"\g{1}", r"\g{-1}", r"\N",
    r"\Q(\E", r"\Q[", r"\E", r"\X", r"\N{U+41}", r"\o{101}", "é", "☃",
    "[a-z]", "[]a]", "[^]a]", "[[:alnum:]_-]", "[[:^digit:]]", "[[a]", r"[\]\[]", r"[\w.-]", "[a", "[", "[)]", "[(]",
    "[\\", r"[\Q]\E]", r"[\c]]", "(?#note)", "(?#no(te)", "(?i)", "(?s-m)", "(?x)", "(?^i)", "(?J)", "(*ACCEPT)",
    "(*MARK:a)", "(*COMMIT)", "(?R)", "(?1)", "(?P>n)", "(?&n)", "(?C1)", "(?C",
)  # fmt: skip
QUANTIFIERS = (
    "*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{2,}", "{2,3}", "{2}+", "{,3}", "{a}",
    "**", "+*", "?*", "*{2}",
)  # fmt: skip
GROUPS = (
    "({})", "(?:{})", "(?i:{})", "(?<n>{})", "(?P<n>{})", "(?'n'{})", "(?={})", "(?!{})", "(?<={})", "(?<!{})",
    "(?>{})", "(?|{})", "(?(1){})", "(?(<n>){}|b)", "(?(?=a){})", "(?(DEFINE){})", "(?x:{})", "(*pla:{})",
    "(*atomic:{})", "(?*{})", "[{}]", "[^{}]", "({}", "{})", "[{}",
)  # fmt: skip
CASES = Path(__file__).parents[1]
"""Below it are files that nginx gets, by case and by field."""
OF_SNIPPETS = {"all", "level", "mine", "where", "who"}
"""Variables that the users of those cases define."""
EXPRESSIONS = examples(100)
"""How many that are refused are taken to each nginx: a run of it each."""


@pytest.fixture(params=sorted(BINARIES))
def binary(request: pytest.FixtureRequest) -> str:
    return BINARIES[request.param]


def expression(source: random.Random, depth: int = 3) -> str:
    parts = []
    for _ in range(source.randint(1, 3)):
        group = depth and source.random() < 0.4
        part = source.choice(GROUPS).replace("{}", expression(source, depth - 1)) if group else source.choice(ATOMS)
        parts.append(part + (source.choice(QUANTIFIERS) if source.random() < 0.4 else ""))
    return source.choice(["", "", "", "|"]).join(parts)


def refused_here(seed: int) -> Iterator[str]:
    source = random.Random(seed)
    while True:
        if regex_fault(made := expression(source)):
            yield made


async def test_nginx_refuses_what_is_refused(binary: str) -> None:
    patterns = list(dict.fromkeys(islice(refused_here(seed=11), EXPRESSIONS)))
    said = await refused(binary, patterns)
    assert [pattern for pattern in patterns if pattern not in said] == []
    assert all("pcre" in words for words in said.values())


TAKEN = (
    "/(?i)shop/", "/(?!api|auth)(.*)", "/[A-Z0-9]{3,5}/x$", r"/v\d+(?:\.\d+)?/", r"/.*(?<!\.png|\.jpeg)$",
    r"/(?<name>[a-z]+)/(?P<id>\d+)", r"/end\z", "/[[:alnum:]_-]+/docs", "/a++b", r"/\p{Lu}", r"/\x{41}", "/a;b", "/a b",
    "/../x", r"/a\..", '/a"b', r"/a\"b", r"/[^\r\n]+", r"/\n", "/a{2}", "/{id}", "/(?#a note)x", r"/\Q[\E", "/a|b",
    "/(?>a|b)c", "/(a)?(?(1)b|c)", r"/(?:\R)", "/x#y", "/$", "/[]a]", "/[^]a]", "/'", "/(?x)a b", "/a{,3}", "/\\\\",
)  # fmt: skip


async def test_valid_expressions_are_taken(binary: str) -> None:
    assert {path: fault for path in TAKEN if (fault := path_fault(path, regex=True))} == {}
    assert await refused(binary, [f"^{path}" for path in TAKEN]) == {}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("/(a", "a ( is not closed"), ("/a)", "a ) closes nothing"), ("/[a-", "a [ is not closed"),
        ("/a\\", "ends with a backslash"), ("/files/**", "write .* for any text"), ("/(?<args>x)", "called args"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_expression_is_described(pattern: str, words: str) -> None:
    assert words in path_fault(pattern, regex=True)


VARIABLES = """
    ancient_browser arg_x args binary_remote_addr body_bytes_sent bytes_sent connection connection_requests
    connection_time content_length content_type cookie_x date_gmt date_local document_root document_uri
    fastcgi_path_info fastcgi_script_name gzip_ratio host hostname http2 http_cookie http_host http_upgrade
    http_user_agent http_x https invalid_referer is_args jwt_claims jwt_claim_x limit_conn_status limit_rate
    limit_req_status modern_browser msec msie nginx_version pid pipe proxy_add_x_forwarded_for proxy_host proxy_port
    proxy_protocol_addr proxy_protocol_tlv_x query_string realip_remote_addr realpath_root remote_addr remote_port
    remote_user request request_body request_body_file request_completion request_filename request_id request_length
    request_method request_time request_uri scheme secure_link secure_link_expires sent_http_content_type
    sent_http_x sent_trailer_x server_addr server_name server_port server_protocol ssl_alpn_protocol ssl_cipher
    ssl_ciphers ssl_client_cert ssl_client_escaped_cert ssl_client_fingerprint ssl_client_i_dn ssl_client_raw_cert
    ssl_client_s_dn ssl_client_serial ssl_client_v_end ssl_client_verify ssl_curve ssl_early_data ssl_protocol
    ssl_server_name ssl_session_id ssl_session_reused status tcpinfo_rtt time_iso8601 time_local uid_got uid_reset
    uid_set upstream_addr upstream_bytes_sent upstream_cookie_x upstream_http_grpc_status upstream_response_time
    upstream_status upstream_trailer_grpc_status uri
""".split()  # noqa: SIM905 - so many strings in a list read worse
"""Variables of nginx (https://nginx.org/en/docs/varindex.html), one of each family."""
SPELLINGS = ("(?<{}>x)", "(?P<{}>x)", "(?'{}'x)")


async def test_no_group_takes_a_variable_of_nginx_away(binary: str) -> None:
    groups = [spelling.format(name) for name in VARIABLES for spelling in SPELLINGS]
    groups += [SPELLINGS[0].format(name.upper()) for name in VARIABLES]
    left = [group for group in groups if not regex_fault(group)]
    said = await refused(binary, left)
    assert [group for group in left if group not in said] == []


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_of_nginx_are_known_as_such(name: str) -> None:
    assert unknown_variable(f"${name}") == ""
    assert unknown_variable(f"${{{name.upper()}}}") == ""


def test_another_variable_is_reported_with_what_was_meant() -> None:
    assert unknown_variable("$scheme$reqest_uri") == (
        "has the variable $reqest_uri, which nginx does not have by itself; did you mean request_uri?"
    )


def test_no_named_group_overwrites_a_variable_of_headgate() -> None:
    folder = Path(headgate.render.__file__).parent / "templates"
    text = "\n".join(path.read_text() for path in folder.rglob("*.j2"))
    found = set(re.findall(r"(?m)^\s*(?:set|map [^{;\n]*) \$([a-z_]+)", text))
    assert {"secret_dir_path", "connection_upgrade", "hsts_header_val"} <= found
    assert found | {"service", latency.VARIABLE, *RESOURCE_VARIABLES} <= OURS


def test_no_group_takes_away_a_variable_of_an_object() -> None:
    texts = "\n".join(path.read_text() for path in CASES.rglob("out*/*") if path.suffix == ".conf")
    defined = r"(?m)^ *(?:set|auth_request_set|split_clients [^{;\n]*|(?:map|geo) [^{;\n]*) \$([A-Za-z0-9_]+)"
    found = set(re.findall(defined, texts)) - OF_SNIPPETS
    assert {name.partition("_")[0] for name in found} >= {"apikey", "certified", "cors", "ext", "ingress", "vs", "vsr"}
    assert [name for name in found if not regex_fault(f"/(?<{name}>x)")] == []


def test_groups_are_counted_as_another_engine_counts_them() -> None:
    source, counted = random.Random(13), 0
    for pattern in (expression(source) for _ in range(4_000)):
        with warnings.catch_warnings(action="ignore"), contextlib.suppress(re.error, OverflowError):
            wanted, found = re.compile(pattern).groups, group_count(pattern)
            assert found in (wanted, None), pattern
            counted += found is not None and wanted > 0
    assert counted


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"^/(a)/(?<name>b)/(?'other'c)/(?P<third>d)", 4), (r"\(a\)[(](?:b)(?=c)(?!d)(?<=e)(?<!f)(?>g)(?#(note)h", 0),
        (r"(?|(a)|(b))", None), (r"\Q(\E", None), (r"(?x) # (", None), ("/", 0),
    ],
)  # fmt: skip
def test_groups_that_capture_are_counted(pattern: str, groups: int | None) -> None:
    assert group_count(pattern) == groups


@pytest.mark.parametrize("text", ["(", "[", "\\", "[\\", "(?#", "(?<a>", "**", "[[:", "a", "(?i", "\\c", "[^]"])
def test_a_long_expression_is_judged_in_linear_time(text: str) -> None:
    with limited_processor_time():
        regex_fault(text * 100_000)
