"""Entries of a list that do not decode and are left out, where each entry counts by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

import msgspec

from headgate.api import GlobalConfiguration, TopLevel
from headgate.api.nginx_org.transportserver import UnreadListener
from headgate.k8s.undecodable import undecodable
from headgate.problems import ObjectRef, Problem
from headgate.validation.globalconfiguration import LEFT_OUT

_ENTRY: Final = re.compile(r"spec\.listeners\[([0-9]+)\]")


def without_unread(
    model: type[TopLevel], ref: ObjectRef, value: Mapping[str, Any], error: msgspec.ValidationError
) -> tuple[TopLevel, tuple[Problem, ...]]:
    """Return the object without the entries that do not decode, and why they do not; *error* is the first reason.

    Raises:
        msgspec.ValidationError: the object does not decode without them either, or its kind has no such list.
    """
    problems: list[Problem] = []
    unread: list[int] = []
    rest: Any = deepcopy(value)
    while True:
        problem = undecodable(model, ref, rest, error)
        entry = _ENTRY.match(problem.field) if model is GlobalConfiguration else None
        if entry is None:
            raise error
        problems.append(msgspec.structs.replace(problem, effect=LEFT_OUT))
        unread.append(int(entry[1]))
        rest["spec"]["listeners"][unread[-1]] = {}
        try:
            found = GlobalConfiguration.convert(rest)
        except msgspec.ValidationError as another:
            error = another
        else:
            return _marked(found, unread), tuple(problems)


def _marked(item: GlobalConfiguration, unread: list[int]) -> GlobalConfiguration:
    assert item.spec is not None  # noqa: S101 - it has entries
    listeners = list(item.spec.listeners or ())
    for index in unread:
        listeners[index] = UnreadListener()
    spec = msgspec.structs.replace(item.spec, listeners=tuple(listeners))
    return msgspec.structs.replace(item, spec=spec)
