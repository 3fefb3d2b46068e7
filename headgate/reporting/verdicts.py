"""The result for an object, as its owner reads it in events and statuses. Pure.

Reasons and the beginnings of messages are those of the incumbent, for which scripts of operators look.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

import msgspec

from headgate.problems import ObjectRef, Problem, some


class State(enum.Enum):
    """The state of an object."""

    VALID = "Valid"
    WARNING = "Warning"
    INVALID = "Invalid"


class EventType(enum.Enum):
    """The two types of core/v1 Events."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Subject(msgspec.Struct, frozen=True):
    """The object of a Verdict, as an Event refers to it; ``generation`` is that of the spec that was judged."""

    ref: ObjectRef
    uid: str = ""
    api_version: str = "v1"
    generation: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """Why nginx does not serve the new configuration of an object.

    Attributes:
        message: nginx's error about this object, or why the whole apply failed.
        kept: whether nginx still serves an earlier configuration of the object.
        closed: whether its requests are answered 500, if it does not.
    """

    message: str
    kept: bool = True
    closed: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """One report about one object.

    Attributes:
        subject: the object.
        state: for a status.
        reason: the event's reason; one word.
        type: the event's type.
        message: one line.
        served: whether requests reach the object; decides if an Ingress shows addresses.
        passing: whether it may be over in a moment by itself.
        owner: the object that serves it, if that is another one.
    """

    subject: Subject
    state: State
    reason: str
    type: EventType
    message: str
    served: bool = True
    passing: bool = False
    owner: ObjectRef | None = None

    @property
    def ref(self) -> ObjectRef:
        """The object's identity."""
        return self.subject.ref


def added_or_updated(key: str) -> str:
    """Return how the message about a served object begins."""
    return f"Configuration for {key} was added or updated"


def rejected(key: str) -> str:
    """Return how the message about a refused object begins."""
    return f"{key} was rejected: with error:"


def refused(ref: ObjectRef) -> str:
    """Return how the message about a refused custom resource begins."""
    return f"{ref} was rejected with error:"


def invalid(ref: ObjectRef) -> str:
    """Return how the message about a refused Policy begins."""
    return f"{ref} is invalid and was rejected:"


def refusal(verdict: Verdict) -> str | None:
    """Return what follows if the message begins with the object and that it was rejected, else ``None``."""
    for lead in (rejected(verdict.ref.key), refused(verdict.ref), invalid(verdict.ref)):
        if verdict.message.startswith(lead):
            return verdict.message.removeprefix(lead).strip()
    return None


def for_ingress(
    subject: Subject,
    found: Sequence[Problem] = (),
    generated: Sequence[Problem] = (),
    refusal: Refusal | None = None,
) -> Verdict:
    """Return the Verdict for a regular Ingress, a master or a minion.

    Args:
        subject: the Ingress.
        found: Problems of validation, of the choice between resources, and of resolve.
        generated: Problems of translate and render.
        refusal: why nginx refused it; None if it serves the object.
    """
    if any(problem.refuses for problem in (*found, *generated)):
        return _rejected(subject, (*found, *generated), rejected(subject.ref.key))
    return _accepted(subject, found, generated, refusal)


def for_custom(
    subject: Subject,
    found: Sequence[Problem] = (),
    generated: Sequence[Problem] = (),
    refusal: Refusal | None = None,
) -> Verdict:
    """Return the Verdict for a custom resource; the arguments are those of ``for_ingress``.

    One that is valid and lost what it claims, or that nothing refers to, is in state Warning.
    """
    problems = (*found, *generated)
    if not any(problem.refuses for problem in problems):
        return _accepted(subject, found, generated, refusal)
    verdict = _rejected(subject, problems, refused(subject.ref))
    valid = all(problem.code for problem in problems if problem.refuses)
    return msgspec.structs.replace(verdict, state=State.WARNING) if valid else verdict


def _accepted(
    subject: Subject, found: Sequence[Problem], generated: Sequence[Problem], refusal: Refusal | None
) -> Verdict:
    """Return the Verdict for an object that nothing in it refuses."""
    problems = (*found, *generated)
    lead = added_or_updated(subject.ref.key)
    if refusal is not None:
        beside = _warnings(" ; with", problems)
        return _not_applied(subject, lead, "AddedOrUpdatedWithError", refusal, beside)
    # The incumbent has a semicolon where only the generation found something; the words are written once here.
    message = f"{lead}{_warnings(' with' if found else ' ; with', problems)}"
    if problems:
        passing = all(problem.passing for problem in problems)
        reason = "AddedOrUpdatedWithWarning"
        return Verdict(subject, State.WARNING, reason, EventType.WARNING, message, passing=passing)
    return Verdict(subject, State.VALID, "AddedOrUpdated", EventType.NORMAL, message)


def for_global_configuration(
    subject: Subject,
    found: Sequence[Problem] = (),
    generated: Sequence[Problem] = (),
    refusal: Refusal | None = None,
) -> Verdict:
    """Return the Verdict for the GlobalConfiguration, whose valid listeners are used; no request is for it."""
    del refusal
    lead = f"GlobalConfiguration {subject.ref.key}"
    if problems := (*found, *generated):
        message = f"{lead} is updated with errors: {_joined(problems)}"
        return Verdict(subject, State.WARNING, "AddedOrUpdatedWithError", EventType.WARNING, message, served=False)
    message = f"{lead} was added or updated"
    return Verdict(subject, State.VALID, "Updated", EventType.NORMAL, message, served=False)


def for_policy(
    subject: Subject,
    found: Sequence[Problem] = (),
    generated: Sequence[Problem] = (),
    _: Refusal | None = None,
) -> Verdict:
    """Return the Verdict for a Policy; arguments as for an Ingress. It answers no request by itself."""
    problems = (*found, *generated)
    lead = f"Policy {subject.ref.key}"
    if any(problem.refuses for problem in problems):
        message = f"{invalid(subject.ref)} {_joined(problems)}"
        return Verdict(subject, State.INVALID, "Rejected", EventType.WARNING, message, served=False)
    message = f"{lead} was added or updated{_warnings(' with', problems)}"
    if problems:
        reason = "AddedOrUpdatedWithWarning"
        return Verdict(subject, State.WARNING, reason, EventType.WARNING, message, served=False)
    return Verdict(subject, State.VALID, "AddedOrUpdated", EventType.NORMAL, message, served=False)


def _rejected(subject: Subject, problems: Sequence[Problem], lead: str) -> Verdict:
    """Return the Verdict for an object that is not served.

    A single Problem with a code (a lost host, a minion without master) is the whole message, in the words that scripts
    look for; other Problems are listed after *lead*.
    """
    refusing = [problem for problem in problems if problem.refuses]
    coded = next((problem for problem in refusing if problem.code), None)
    if coded is not None and len(refusing) == 1:
        effect = f" ({coded.effect})" if coded.effect else ""
        message, reason = f"{coded.reason}{effect}", coded.code
    else:
        message, reason = f"{lead} {_joined(refusing)}", "Rejected"
    return Verdict(subject, State.INVALID, reason, EventType.WARNING, message, served=False)


def _not_applied(subject: Subject, lead: str, reason: str, refusal: Refusal, warnings: str = "") -> Verdict:
    after = "its requests are answered 500, not served unguarded" if refusal.closed else "nothing is served for it"
    after = "the previous configuration is kept" if refusal.kept else after
    message = f"{lead} but was not applied: {_line(refusal.message)}; {after}{warnings}"
    return Verdict(subject, State.INVALID, reason, EventType.WARNING, message, served=refusal.kept)


def for_config_map(
    subject: Subject, problems: Sequence[Problem] = (), refusal: Refusal | None = None
) -> tuple[Verdict, ...]:
    """Return the Verdicts for the main ConfigMap: one for each invalid key, then one for the whole."""
    keys = [
        Verdict(subject, State.WARNING, "InvalidValue", EventType.WARNING, _line(str(problem))) for problem in problems
    ]
    if refusal is not None:
        lead = f"ConfigMap {subject.ref.key} was updated"
        return (*keys, _not_applied(subject, lead, "UpdatedWithError", refusal))
    message = f"ConfigMap {subject.ref.key} updated without error"
    if problems:
        message = f"ConfigMap {subject.ref.key} updated with errors. Ignoring invalid values"
        return (*keys, Verdict(subject, State.WARNING, "UpdatedWithError", EventType.WARNING, message))
    return (Verdict(subject, State.VALID, "Updated", EventType.NORMAL, message),)


def secret_updated(pod: Subject, secret: ObjectRef) -> Verdict:
    """Report on the controller's Pod that a Secret named by a flag is used."""
    message = f"Secret {secret.key}, which a flag names, was updated and is in use"
    return Verdict(pod, State.VALID, "SecretUpdated", EventType.NORMAL, message)


def secret_deleted(pod: Subject, secret: ObjectRef) -> Verdict:
    """Report on the controller's Pod that a Secret named by a flag was deleted and its last content is still used."""
    message = f"Secret {secret.key}, which a flag names, was deleted; its last content stays in use"
    return Verdict(pod, State.WARNING, "SecretDeleted", EventType.WARNING, message)


def secret_rejected(pod: Subject, secret: ObjectRef, problems: Sequence[Problem]) -> Verdict:
    """Report on the controller's Pod why a Secret named by a flag is not used."""
    message = f"{secret} was rejected with error: {_joined(problems)}; its last valid content stays in use"
    return Verdict(pod, State.WARNING, "Rejected", EventType.WARNING, message)


def nginx_restarted(pod: Subject, message: str) -> Verdict:
    """Report on the controller's Pod that nginx ended and was restarted."""
    return Verdict(pod, State.WARNING, "NginxRestarted", EventType.WARNING, _line(message))


def log_level_set(pod: Subject, before: str, now: str) -> Verdict:
    """Report on the controller's Pod that an operator set its log level."""
    message = f"the log level was set to {now} over the control socket; it was {before}"
    return Verdict(pod, State.VALID, "LogLevelSet", EventType.NORMAL, message)


def endpoints_drained(pod: Subject, names: Sequence[str], count: int, *, undo: bool) -> Verdict:
    """Report on the controller's Pod that an operator drained the *count* endpoints with *names*, or took that back."""
    reason, what = ("EndpointsUndrained", "no longer drained") if undo else ("EndpointsDrained", "drained")
    endpoints = f"{count} {'endpoint is' if count == 1 else 'endpoints are'}"
    message = f"{endpoints} {what}, as asked over the control socket: {some(names)}"
    return Verdict(pod, State.VALID, reason, EventType.NORMAL, message)


def _warnings(lead: str, problems: Sequence[Problem]) -> str:
    return f"{lead} warning(s): {_joined(problems)}" if problems else ""


def _joined(problems: Iterable[Problem]) -> str:
    return "; ".join(dict.fromkeys(_line(str(problem)) for problem in problems))


def _line(text: str) -> str:
    """Return *text* on one line: messages of nginx and values of users may contain newlines."""
    return " ".join(text.split())
