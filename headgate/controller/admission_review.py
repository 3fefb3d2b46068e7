"""AdmissionReviews (``admission.k8s.io/v1``): what the API server asks about an object, and the answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from headgate.api import Ingress, TopLevel, Undecodable
from headgate.api.base import Model
from headgate.configuration import Candidate, Standing
from headgate.configuration.community import is_duplicate
from headgate.controller.kinds import CLAIMANTS, ClaimantKind
from headgate.k8s.undecodable import remains, undecodable
from headgate.problems import Problem
from headgate.reporting.verdicts import Subject, refusal

API_VERSION = "admission.k8s.io/v1"
BAD_REQUEST = 400
"""The code of a denial, with which kubectl shows the message as it is."""
WARNING_LENGTH = 256
"""Characters of a warning, of which the API server wants no more (AdmissionResponse)."""
MOST_WARNINGS = 12
"""The API server leaves out what is beyond 4096 characters."""
JUDGED = frozenset({"CREATE", "UPDATE"})
DUPLICATE = "other Ingresses have all of its paths"
_NULL = msgspec.Raw(b"null")
_KINDS = {(kind.model.KIND.group, kind.model.KIND.name): kind for kind in CLAIMANTS}


class GroupVersionKind(Model):
    """The kind of an object."""

    group: str = ""
    version: str = ""
    kind: str = ""


class AdmissionRequest(Model):
    """What is to be done to an object; ``object`` is JSON as it would be stored, ``old_object`` as it is."""

    uid: str
    kind: GroupVersionKind = GroupVersionKind()
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    operation: str = ""
    object: msgspec.Raw = _NULL
    old_object: msgspec.Raw = _NULL


class AdmissionReview(Model):
    """The envelope."""

    request: AdmissionRequest


class Answer(msgspec.Struct, frozen=True):
    """Whether an object is admitted.

    Attributes:
        denied: why it is not, ``""`` if it is.
        warnings: what its owner reads besides.
        checked: whether everything was looked at that is to be.
    """

    denied: str = ""
    warnings: tuple[str, ...] = ()
    checked: bool = True


def read(body: bytes) -> AdmissionRequest:
    """Read the body of a request.

    Raises:
        msgspec.MsgspecError: it is no AdmissionReview.
    """
    return msgspec.json.decode(body, type=AdmissionReview).request


def written(uid: str, answer: Answer) -> bytes:
    """Return the body of the answer to the request *uid*."""
    response: dict[str, object] = {"uid": uid, "allowed": not answer.denied}
    if answer.denied:
        response["status"] = {"code": BAD_REQUEST, "reason": "BadRequest", "message": answer.denied}
    if warnings := shortened(answer.warnings):
        response["warnings"] = warnings
    return msgspec.json.encode({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response})


def shortened(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return *warnings* as far as the API server passes them on, each on one line."""
    lines = tuple(dict.fromkeys(" ".join(warning.split()) for warning in warnings))
    kept = tuple(line if len(line) <= WARNING_LENGTH else f"{line[: WARNING_LENGTH - 1]}…" for line in lines)
    more = len(kept) - MOST_WARNINGS
    return kept if more <= 0 else (*kept[:MOST_WARNINGS], f"and {more} more; see the events of the object")


def kind_of(request: AdmissionRequest) -> ClaimantKind | None:
    """Return the kind of the object if it is to be judged: it is created or changed, and not only its status."""
    if request.operation not in JUDGED or request.sub_resource:
        return None
    return _KINDS.get((request.kind.group, request.kind.kind))


def decoded(kind: ClaimantKind, raw: msgspec.Raw) -> TopLevel | Undecodable[TopLevel]:
    """Decode an object of *kind* as Informers do."""
    try:
        return kind.model.decode(bytes(raw))
    except msgspec.ValidationError as error:
        value = msgspec.json.decode(raw)
        metadata = value.get("metadata") if isinstance(value, dict) else None
        named = metadata if isinstance(metadata, dict) else {}
        ref = kind.model.KIND.ref(str(named.get("namespace", "")), str(named.get("name", "")))
        return Undecodable(undecodable(kind.model, ref, value, error), remains(kind.model, value))


def is_same(request: AdmissionRequest, kind: ClaimantKind, item: TopLevel) -> bool:
    """Whether nothing is changed of what Headgate reads in *item*, for example only who manages which field."""
    if request.operation != "UPDATE":
        return False
    old = decoded(kind, request.old_object)
    if isinstance(old, Undecodable):
        return False
    spec = getattr(old, "spec", None) == getattr(item, "spec", None)
    return spec and old.annotations == item.annotations and old.metadata.labels == item.metadata.labels


def refused(kind: ClaimantKind, item: TopLevel, problems: Iterable[Problem]) -> str:
    """Return why *item* is not served, in the words of its event, ``""`` if *problems* do not refuse it."""
    found = tuple(problems)
    if not any(problem.refuses for problem in found):
        return ""
    verdict = kind.verdict(Subject(item.ref), found, (), None)
    return refusal(verdict) or verdict.message


def lost(candidate: Candidate, standing: Standing) -> str:
    """Return why an Ingress of ingress-nginx is not admitted, ``""`` if others leave it anything."""
    if not isinstance(candidate.item, Ingress) or not is_duplicate(candidate, standing.problems):
        return ""
    return "; ".join((DUPLICATE, *dict.fromkeys(map(str, standing.problems))))


def softened(denial: str) -> Answer:
    """Return the answer for an object that would be denied if it was not as wrong before."""
    return Answer(warnings=(f"not served: {denial}",))
