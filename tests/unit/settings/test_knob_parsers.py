"""Every knob takes what it should, as a value of its type, and refuses everything else with a reason."""

import time

import pytest

from headgate.settings import REGISTRY, Field, Unfit
from headgate.settings.parsers import Parser
from tests.unit.settings.knob_samples import SAMPLES

FIELDS = {field.name: field for field in REGISTRY.fields}
TAKEN = [(name, text) for name, sample in SAMPLES.items() for text in sample.taken]
REFUSED = [(name, text) for name, sample in SAMPLES.items() for text in sample.refused]


def test_every_knob_has_samples() -> None:
    assert SAMPLES.keys() == FIELDS.keys()
    assert all(sample.taken and sample.refused for sample in SAMPLES.values())


@pytest.mark.parametrize(("name", "text"), TAKEN, ids=lambda text: text[:40])
def test_taken(name: str, text: str) -> None:
    value, expected = FIELDS[name].parse(text), SAMPLES[name].taken[text]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("name", "text"), REFUSED, ids=lambda text: text[:40])
def test_refused_with_a_reason(name: str, text: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(Unfit) as refusal:
        FIELDS[name].parse(text)
    assert str(refusal.value)
    assert time.perf_counter() - begun < 5, "seconds"


@pytest.mark.parametrize("field", REGISTRY.fields, ids=lambda field: field.setting.key)
def test_a_long_hostile_text_is_answered_in_linear_time(field: Field) -> None:
    pieces = ("1y" + " " * 50_000, "a" * 50_000, "$a" * 25_000, "a." * 25_000, "/" * 50_000, "~" + "(" * 50_000)
    begun = time.perf_counter()
    for text in pieces:
        try:
            field.parse(text + "\x00;{")
        except Unfit:
            continue
        pytest.fail(f"took {text[:20]!r}…")
    assert time.perf_counter() - begun < 5, "seconds"


@pytest.mark.parametrize("field", REGISTRY.fields, ids=lambda field: field.setting.key)
def test_says_what_it_is(field: Field) -> None:
    assert isinstance(field.parse, Parser)
    assert field.parse.words
    assert field.setting.doc.endswith(".") or "such as" in field.setting.doc
    assert field.setting.doc[0].isupper() or field.setting.doc.split()[0].islower()


@pytest.mark.parametrize("field", REGISTRY.fields, ids=lambda field: field.setting.key)
def test_the_default_is_a_value_of_the_type(field: Field) -> None:
    if isinstance(field.default, bool | int | str) and field.usual:
        assert field.parse(field.usual) == field.default
