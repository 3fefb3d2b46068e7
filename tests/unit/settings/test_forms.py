"""The declarations keep what they promise; values in odd forms are taken as meant, or refused with a reason."""

from collections.abc import Callable

import pytest
from crossplane import analyzer

from headgate.api import Ingress
from headgate.problems import ObjectRef, Severity
from headgate.settings import REGISTRY, Setting, Unfit, Where, read_annotations, read_configmap
from headgate.settings.declined import absence, absences, guards
from tests.processor_time import limited_processor_time
from tests.unit.settings.setting_samples import companions

INGRESS = Ingress.KIND.ref("default", "cafe")
CONFIGMAP = ObjectRef("ConfigMap", "nginx-ingress", "nginx-config")
GATES = frozenset({"enable-snippets"})
VERBATIM = {
    "main_snippets", "http_snippets", "stream_snippets", "server_snippets", "location_snippets",
    "main_template", "ingress_template", "virtualserver_template", "transportserver_template",
    "log_format", "stream_log_format",
}  # fmt: skip
"""Settings whose text is taken as it stands, spaces included."""
CONTEXTS = {
    "main": analyzer.NGX_MAIN_CONF, "events": analyzer.NGX_EVENT_CONF, "http": analyzer.NGX_HTTP_MAIN_CONF,
    "server": analyzer.NGX_HTTP_SRV_CONF, "location": analyzer.NGX_HTTP_LOC_CONF,
    "upstream": analyzer.NGX_HTTP_UPS_CONF, "stream": analyzer.NGX_STREAM_MAIN_CONF,
}  # fmt: skip
NEWER = {"http2", "otel_exporter", "otel_service_name", "otel_trace"}
"""Directives that the table of crossplane does not have yet."""


def by_key(chosen: Callable[[Setting], bool]) -> pytest.MarkDecorator:
    """Try the test with each setting that is *chosen*."""
    fields = [field for field in REGISTRY.fields if field.spec.where and chosen(field)]
    return pytest.mark.parametrize("field", fields, ids=lambda field: field.annotation or field.spec.key)


BY_KEY = by_key(lambda _: True)


def takes_any_text(field: Setting) -> bool:
    return field.name in VERBATIM or "Quoted" in str(field.kind)


def problems_of(field: Setting, text: str) -> list[str]:
    """Return the Problems of the setting with *text* and what it needs, wherever it may stand."""
    problems = []
    if Where.ANNOTATION in field.spec.where:
        data = {**companions(field, Where.ANNOTATION), field.annotation: text}
        problems += read_annotations(data, INGRESS, gates=GATES)[1]
    if Where.CONFIGMAP in field.spec.where:
        problems += read_configmap({**companions(field, Where.CONFIGMAP), field.spec.key: text}, CONFIGMAP, GATES)[1]
    return [str(problem) for problem in problems if "deprecated" not in problem.reason]


def value(field: Setting, text: str) -> object:
    try:
        return field.parse(text)
    except Unfit as unfit:
        return f"refused: {unfit}"


@BY_KEY
def test_the_example_can_be_copied(field: Setting) -> None:
    assert field.example
    assert problems_of(field, field.example) == []
    assert value(field, field.example) != field.default


@BY_KEY
def test_the_directives_exist_and_may_stand_there(field: Setting) -> None:
    for name in filter(None, field.directive.split(", ")):
        if name in NEWER:
            continue
        masks = analyzer.DIRECTIVES[name]
        for context in field.context.split(", "):
            assert any(mask & CONTEXTS[context] for mask in masks), (name, context)
    assert bool(field.directive) <= bool(field.context)


@by_key(lambda field: field.name not in VERBATIM)
def test_spaces_around_a_value_do_not_count(field: Setting) -> None:
    assert value(field, f" \t{field.example} ") == value(field, field.example)


@BY_KEY
def test_another_case_is_taken_or_refused_with_a_reason(field: Setting) -> None:
    for form in (str.upper, str.lower, str.title):
        text = form(field.example)
        problems = problems_of(field, text)
        assert all(text[:20].split("\n", maxsplit=1)[0].replace("\\", "")[:10] in problem for problem in problems)
        assert problems or not str(value(field, text)).startswith("refused: ")


def arabic(text: str) -> str:
    """Return *text* with Arabic-Indic digits in place of the ASCII ones."""
    return "".join(chr(0x660 + int(char)) if char.isdigit() else char for char in text)


@by_key(lambda field: arabic(field.example) != field.example and not takes_any_text(field))
def test_digits_of_other_scripts_are_no_digits(field: Setting) -> None:
    assert str(value(field, arabic(field.example))).startswith("refused: ")


@by_key(lambda field: not field.spec.empty)
def test_an_empty_text_is_no_value(field: Setting) -> None:
    assert all("empty" in problem for problem in problems_of(field, "  "))
    assert problems_of(field, "  ")


@BY_KEY
def test_a_megabyte_is_refused_with_a_short_problem_in_linear_time(field: Setting) -> None:
    for text in ("x", "1", "$a ", "/a", "a,", "\n", "(", "8 "):
        with limited_processor_time():
            problems = problems_of(field, text * (1_000_000 // len(text)))
        assert all(len(problem) < 1000 for problem in problems), text
        assert problems or field.name in VERBATIM or (field.spec.empty and not text.strip()), text


@pytest.mark.parametrize(("key", "_"), list(absences("annotation")))
def test_an_unsupported_annotation_is_reported(key: str, _) -> None:
    key = key.replace("*", "app-protect-x")
    said, (problem,) = read_annotations({key: "true"}, INGRESS)
    found = absence("annotation", key)
    assert found
    assert not said
    assert found.reason in problem.reason
    assert (problem.severity is Severity.ERROR) is guards(key)


@pytest.mark.parametrize(("key", "_"), list(absences("configmap")))
def test_an_unsupported_key_is_reported(key: str, _) -> None:
    _, (problem,) = read_configmap({key.replace("*", "-x"): "true"}, CONFIGMAP)
    assert problem.code == "InvalidValue"
    assert problem.reason.startswith("is ")
    assert "it has no effect" in problem.effect


@pytest.mark.parametrize(
    ("annotations", "loser", "winner"),
    [
        ({"nginx.org/limit-req-delay": "5", "nginx.org/limit-req-no-delay": "true"}, "limit-req-delay", "no-delay"),
        ({"nginx.com/sticky-cookie-services": "serviceName=a b", "nginx.org/sticky-cookie-services": "serviceName=a c"},
         "nginx.com/sticky-cookie-services", "nginx.org/sticky-cookie-services"),
    ],
)  # fmt: skip
def test_of_two_contradicting_keys_the_one_in_use_is_reported(annotations, loser: str, winner: str) -> None:
    _, (problem,) = read_annotations(annotations, INGRESS)
    assert problem.field.endswith(loser)
    assert problem.reason.startswith("is overruled by nginx.org/")
    assert problem.reason.endswith(winner)


def test_two_keys_that_do_not_contradict_are_accepted() -> None:
    assert (
        read_annotations({"nginx.org/limit-req-delay": "5", "nginx.org/limit-req-no-delay": "false"}, INGRESS)[1] == []
    )
    data = {"access-log": "/dev/stdout main", "access-log-off": "false"}
    assert read_configmap(data, CONFIGMAP)[1] == []
    _, (problem,) = read_configmap(data | {"access-log-off": "true"}, CONFIGMAP)
    assert problem.reason == "is overruled by access-log-off"
