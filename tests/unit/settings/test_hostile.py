"""Whatever a setting takes stays one argument in a file; the check reads the file as nginx's lexer does."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.render.guard import guard
from headgate.settings import REGISTRY, Header, Quoted, Snippet, Unfit, Words
from headgate.settings.routing import Rewrite
from headgate.settings.upstream import Sticky
from headgate.settings.values import Buffers
from tests.examples import examples
from tests.nginx_lexer import Punctuation, lexed
from tests.unit.settings.setting_samples import SAMPLES

VERBATIM = {"main_template", "ingress_template", "virtualserver_template", "transportserver_template", "ssl_dhparam"}
"""Fields that are files of their own, or templates; snippets are known by their type."""
NOT_IN_FILES = {"external_status_address"}

FRAGMENTS = (";", "{", "}", "\n", "\r", "#", "\\", "$", "../", "/../", '"', "'", "`", "\x00", " ", "\t", "\x7f", "${",
             "; } server {", "\\\n;", '";', "\\n", "\u2028;", "%;{")  # fmt: skip
FIELDS = {field.name: field for field in REGISTRY.fields if field.name not in VERBATIM | NOT_IN_FILES}


def test_the_lexer_itself() -> None:
    tokens = lexed('a "b;{\\"" c\\;d ${e}f#g; # x;\nh { }')
    assert tokens == ["a", 'b;{"', "c\\;d", "${e}f#g", Punctuation(";"), "h", Punctuation("{"), Punctuation("}")]


def arguments(value: Any) -> Iterator[Any]:
    """Yield the printed parts of a setting's value, as templates print them."""
    if isinstance(value, Header):
        yield from (value.name, value.value)
    elif isinstance(value, Rewrite):
        yield from (value.service, value.path)
    elif isinstance(value, Buffers):
        yield value.spelled
    elif isinstance(value, Sticky):
        yield from (value.service, value.cookie)
    elif isinstance(value, tuple) and not isinstance(value, Words):
        for part in value:
            yield from arguments(part)
    elif value is not None and not isinstance(value, Snippet):
        yield value


def assert_stays_in_place(name: str, text: str) -> None:
    try:
        value = FIELDS[name].parse(text)
    except Unfit:
        return
    for part in arguments(value):
        wanted = list(part) if isinstance(part, Words) else ["on" if part is True else "off" if part is False else part]
        assert lexed(f"directive {guard(part)};\n") == ["directive", *map(str, wanted), Punctuation(";")], (text, value)
        if not isinstance(part, Quoted):
            assert not any(".." in str(word).split("/") for word in wanted), (text, value)


@pytest.mark.parametrize("name", FIELDS)
def test_no_hostile_string_leaves_its_argument(name: str) -> None:
    for text in SAMPLES[name].taken:
        for fragment in FRAGMENTS:
            for cut in {0, len(text) // 2, len(text)}:
                assert_stays_in_place(name, text[:cut] + fragment + text[cut:])


more_examples = settings(max_examples=examples(600))
"""The same examples in every run."""

HOSTILE = st.text(st.sampled_from("ab1~/:,=.-_ \t\n\r;{}#\\\"'$`%\x00é\u2028"), max_size=30)


@more_examples
@given(st.sampled_from(sorted(FIELDS)), HOSTILE, st.data())
def test_no_made_up_string_leaves_its_argument(name: str, noise: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(sorted(SAMPLES[name].taken)))
    cut = data.draw(st.integers(0, len(text)))
    assert_stays_in_place(name, text[:cut] + noise + text[cut:])
    assert_stays_in_place(name, noise)


def test_values_are_frozen() -> None:
    for field in REGISTRY.fields:
        hash(field.default)
        if isinstance(field.default, msgspec.Struct):
            assert field.default.__struct_config__.frozen
