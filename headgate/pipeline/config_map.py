"""What the ConfigMap decides for every resource: the common settings and the templates."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from headgate.api import ConfigMap
from headgate.problems import ObjectRef, Problem
from headgate.render import HTTP, MAIN, BadTemplate, Renderer
from headgate.settings import ConfigParams, read_configmap
from headgate.translate import Environment, unsupported_keys

InForce = tuple[ConfigParams, Renderer]
"""What a ConfigMap decides, and nothing else."""

KEYS = {MAIN: "main-template", HTTP: "ingress-template"}
"""The ConfigMap keys of templates."""
KEPT = "the templates that were in force stay"


def read(
    found: ConfigMap | None, ref: ObjectRef, env: Environment, current: Renderer, flags: Mapping[str, str]
) -> tuple[Environment, Renderer, list[Problem]]:
    """Read the ConfigMap *ref*.

    Args:
        found: the object, ``None`` if it is not there.
        ref: its identity.
        env: what translations share so far.
        current: the templates in force; they stay where one of the ConfigMap is not Jinja2.
        flags: the templates that flags name; those of the ConfigMap lie over them.

    Returns:
        what translations share, the templates, and a Problem for each key that cannot be used.
    """
    params, problems = read_configmap((found and found.data) or {}, ref, env.gates)
    env = structs.replace(env, params=params)
    snippets = params.snippets
    own = {MAIN: snippets.main_template, HTTP: snippets.ingress_template}
    overrides = {**flags, **{name: text for name, text in own.items() if text}}
    renderer = current
    if overrides != current.overrides:
        try:
            renderer = Renderer(overrides)
        except BadTemplate as error:
            problems.append(template_problem(ref, error))
    return env, renderer, [*problems, *unsupported_keys(env, ref)]


def template_problem(ref: ObjectRef, error: BadTemplate) -> Problem:
    """Return the Problem of a template that cannot be used."""
    return Problem(ref, KEYS[error.template], "", str(error), KEPT)
