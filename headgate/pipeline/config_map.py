"""What the ConfigMap decides for every resource: the common settings and the templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import structs

from headgate.pipeline.main_template import suited
from headgate.problems import ObjectRef, Problem
from headgate.render import HTTP, MAIN, TRANSPORT_SERVER, VIRTUAL_SERVER, BadTemplate, Renderer
from headgate.settings import REGISTRY, ConfigParams, read_configmap
from headgate.settings.community import CommunityConfig, CommunityHosts, read_community_config
from headgate.settings.community.references import ConfigMaps
from headgate.translate import Environment, unsupported_keys

KEYS = {
    MAIN: "main-template",
    HTTP: "ingress-template",
    VIRTUAL_SERVER: "virtualserver-template",
    TRANSPORT_SERVER: "transportserver-template",
}
"""The ConfigMap keys of templates."""
KEPT = "the templates that were in force stay"
DEFINING = (
    "main-template",
    "ingress-template",
    "virtualserver-template",
    "transportserver-template",
    "main-snippets",
    "http-snippets",
    "stream-snippets",
    "main-snippet",
    "http-snippet",
    "stream-snippet",
)
"""Keys in which something may be defined that others need: a log format, a variable, a zone."""
INVALID = "InvalidValue"


class ConfigInForce(msgspec.Struct, frozen=True):
    """What a ConfigMap decides.

    Attributes:
        data: its keys, without templates that fail for some resource.
        params: the common settings.
        renderer: the templates.
        problems: what is wrong with its keys.
        community: what it says besides, if it is the one of ingress-nginx.
    """

    data: Mapping[str, str]
    params: ConfigParams
    renderer: Renderer
    problems: tuple[Problem, ...] = ()
    community: CommunityConfig | None = None

    def decides_as(self, other: ConfigInForce) -> bool:
        """Whether *other* decides the same."""
        return (self.params, self.renderer, self.hosts) == (other.params, other.renderer, other.hosts)

    @property
    def hosts(self) -> CommunityHosts | None:
        """What it says of the hosts of ingress-nginx, if it is the one of ingress-nginx."""
        return self.community.hosts if self.community else None

    def with_keys_of(self, other: ConfigInForce, keys: Iterable[str]) -> dict[str, str]:
        """Return the data with *keys* as they are in *other*, there or not."""
        data = dict(self.data)
        for key in keys:
            data.pop(key, None)
            if key in other.data:
                data[key] = other.data[key]
        return data


class ConfigChange(msgspec.Struct, frozen=True):
    """A ConfigMap that changed.

    Attributes:
        old: what was in force.
        new: its current values.
        read: reads other keys.
    """

    old: ConfigInForce
    new: ConfigInForce
    read: Callable[[Mapping[str, str]], ConfigInForce]

    @property
    def texts(self) -> dict[str, str]:
        """The keys that were changed, added or removed, and their current values; those first that define something."""
        keys = {key for key in self.old.data.keys() | self.new.data.keys()
                if self.old.data.get(key) != self.new.data.get(key)}  # fmt: skip
        order = sorted(keys, key=lambda key: (key not in DEFINING, key))
        return {key: self.new.data.get(key, "") for key in order}

    def having(self, keys: frozenset[str]) -> ConfigInForce:
        """Return what is in force if of the changed keys only these *keys* are taken."""
        if not keys:
            return self.old
        if keys == self.texts.keys():
            return self.new
        found = self.read(self.old.with_keys_of(self.new, keys))
        faults = (problem for problem in self.new.problems if problem.field in KEYS.values())
        return structs.replace(found, problems=tuple(dict.fromkeys((*found.problems, *faults))))

    def refused(self, ref: ObjectRef, key: str, words: str) -> Problem:
        """Return the Problem of a *key* of the ConfigMap *ref* that nginx refuses with *words*."""
        reason = f"is refused by nginx: {words}" if key in self.new.data else f"cannot be left out: {words}"
        return Problem(ref, key, self._shown(key), reason, self._kept(key), code=INVALID)

    def untried(self, ref: ObjectRef, key: str, words: str) -> Problem:
        """Return the Problem of a *key* that was left out without a try of its own."""
        why = f"nginx refuses it or a key beside it ({words}), and the search for it timed out"
        reason, effect = f"was not checked separately: {why}", f"{self._kept(key)} until it is retried"
        return Problem(ref, key, self._shown(key), reason, effect, code=INVALID)

    def _shown(self, key: str) -> str:
        return "" if key in KEYS.values() else self.new.data.get(key, "")

    def _kept(self, key: str) -> str:
        usual = REGISTRY.keys[key].usual if key in REGISTRY.keys else ""
        return f"{'the previous value' if key in self.old.data else usual or 'the default'} stays in force"


def read(
    data: Mapping[str, str], ref: ObjectRef, env: Environment, current: Renderer, flags: Renderer
) -> ConfigInForce:
    """Read the ConfigMap *ref*.

    Args:
        data: its keys, none if it is not there.
        ref: its identity.
        env: what translations share so far.
        current: the templates in force; they stay where one of the ConfigMap is not Jinja2.
        flags: has the templates that flags name; those of the ConfigMap lie over them.
    """
    params, problems = read_configmap(data, ref, env.gates)
    snippets = params.snippets
    own = {
        MAIN: snippets.main_template,
        HTTP: snippets.ingress_template,
        VIRTUAL_SERVER: snippets.virtualserver_template,
        TRANSPORT_SERVER: snippets.transportserver_template,
    }
    keys = {name: text for name, text in own.items() if text}
    overrides = {**flags.overrides, **keys}
    renderer = current
    if overrides != current.overrides:
        try:
            renderer = Renderer(overrides, {**flags.sources, **{name: KEYS[name] for name in keys}})
        except BadTemplate as error:
            problems.append(template_problem(ref, error))
    problems += unsupported_keys(suited(structs.replace(env, params=params), renderer), ref)
    return ConfigInForce(data, params, renderer, tuple(problems))


def read_community(
    data: Mapping[str, str], ref: ObjectRef, env: Environment, current: Renderer, others: ConfigMaps
) -> ConfigInForce:
    """Read the ConfigMap *ref* of ingress-nginx, which decides about all of nginx.

    The arguments are those of ``read``; *others* are the ConfigMaps that its keys name.
    """
    routed = env.routing and not env.unable_to_route
    config, problems = read_community_config(data, ref, sole=True, routed=routed, others=others)
    params = config.whole.over(ConfigParams())
    for problem in unsupported_keys(suited(structs.replace(env, params=params), current), ref):
        key = config.whole.keys.get(problem.field.replace("-", "_"))
        if key:
            problems.append(structs.replace(problem, field=key))
    return ConfigInForce(data, params, current, tuple(dict.fromkeys(problems)), config)


def with_known_guards(data: Mapping[str, str], known: Mapping[str, str], unusable: Iterable[str]) -> dict[str, str]:
    """Return *data* with the *known* values of keys that keep clients out and are *unusable* now."""
    return {**data, **{key: known[key] for key in unusable if key in known}}


def without_templates(read_: ConfigInForce, before: ConfigInForce, problem: Problem) -> ConfigInForce:
    """Return what is in force if the templates of *read_* fail with *problem*, and those of *before* stay."""
    data = read_.with_keys_of(before, KEYS.values())
    return ConfigInForce(data, read_.params, before.renderer, (*read_.problems, problem))


def template_problem(ref: ObjectRef, error: BadTemplate) -> Problem:
    """Return the Problem of a template that cannot be used."""
    key = KEYS[error.template]
    of_key = error.source in {key, ""}
    return Problem(ref, key if of_key else "", "", error.reason if of_key else str(error), KEPT)
