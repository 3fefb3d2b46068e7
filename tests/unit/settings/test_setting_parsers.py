"""Every setting takes what it should, as a value of its type, and refuses everything else with a reason."""

import pytest

from headgate.settings import REGISTRY, Setting, Unfit
from headgate.settings.parsers import Parser
from tests.processor_time import limited_processor_time
from tests.unit.settings.setting_samples import SAMPLES

FIELDS = {field.name: field for field in REGISTRY.fields}


def test_every_setting_has_samples() -> None:
    assert SAMPLES.keys() == FIELDS.keys()
    assert all(sample.taken and sample.refused for sample in SAMPLES.values())


@pytest.mark.parametrize("name", SAMPLES)
def test_every_accepted_sample_has_its_value(name: str) -> None:
    for text, expected in SAMPLES[name].taken.items():
        value = FIELDS[name].parse(text)
        assert value == expected, text
        assert type(value) is type(expected), text


def reason(name: str, text: str) -> str:
    """Return why *text* is refused, ``""`` if it is taken."""
    try:
        FIELDS[name].parse(text)
    except Unfit as unfit:
        return str(unfit)
    return ""


@pytest.mark.parametrize("name", SAMPLES)
def test_every_refused_sample_has_a_reason(name: str) -> None:
    assert [text for text in SAMPLES[name].refused if not reason(name, text)] == []


@pytest.mark.parametrize("field", REGISTRY.fields, ids=lambda field: field.spec.key)
def test_a_long_hostile_text_is_refused_in_linear_time(field: Setting) -> None:
    for text in (
        "1y" + " " * 500_000,
        "a" * 500_000,
        "$a" * 250_000,
        "a." * 250_000,
        "/" * 500_000,
        "~" + "(" * 500_000,
    ):
        with limited_processor_time(), pytest.raises(Unfit):
            field.parse(text + "\x00;{")


@pytest.mark.parametrize("field", REGISTRY.fields, ids=lambda field: field.spec.key)
def test_every_setting_is_documented(field: Setting) -> None:
    assert isinstance(field.parse, Parser)
    assert field.parse.words
    assert field.spec.doc.endswith(".") or "such as" in field.spec.doc
    assert field.spec.doc[0].isupper() or field.spec.doc.split()[0].islower()


WITH_DEFAULT = [field for field in REGISTRY.fields if isinstance(field.default, bool | int | str) and field.usual]


@pytest.mark.parametrize("field", WITH_DEFAULT, ids=lambda field: field.spec.key)
def test_the_default_is_a_value_of_the_type(field: Setting) -> None:
    assert field.parse(field.usual) == field.default
