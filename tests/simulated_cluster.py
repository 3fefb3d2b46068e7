"""The pipeline over a handful of objects: add and delete some, process them, and look at what nginx would have."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from headgate.api import ConfigMap, Ingress, TopLevel
from headgate.controller.environment import environment, templates
from headgate.controller.fake_certificate import fallback
from headgate.controller.kinds import CLAIMANTS
from headgate.controller.reporter import Reporter, Sinks
from headgate.ir import ApplyResult, Capabilities, FileSet, Layout, Outcome
from headgate.ir.addons import ADDONS, Addon
from headgate.options import Options, parse
from headgate.pipeline import Generation, Pipeline
from headgate.problems import ObjectRef
from headgate.reporting.sentences import UNKNOWN, Occasion
from headgate.reporting.verdicts import Subject, Verdict
from headgate.watch import WATCHED

CURRENT = Capabilities(
    version=(1, 31, 3), keepalive_min_timeout=True, keepalive_by_default=True, ssl_certificate_cache=True,
    http2_directive=True, http3=True, stream="", add_header_inherit=True, upstream_resolve=True, sticky=True,
    protocols_by_host=True, stream_hosts=True,
    addons=tuple(Addon(name, f"/usr/lib/nginx/modules/{name}.so") for name in ADDONS),
)  # fmt: skip
"""The nginx that cases are written for."""
APPLIED = ApplyResult(outcome=Outcome.APPLIED, version=1)
POD = Subject(ObjectRef("Pod", "nginx-ingress", "headgate"))


def flags(argv: Iterable[str]) -> Options:
    """Read flags as ``headgate run`` does."""
    options = parse(list(argv), {})
    assert isinstance(options, Options), options
    return options


class RecordedEvents:
    """The last Verdict about each object, and how many were recorded."""

    def __init__(self) -> None:
        self.last: dict[ObjectRef, Verdict] = {}
        self.count = 0
        self.occasions: dict[ObjectRef, Occasion] = {}

    def record(self, *verdicts: Verdict, occasion: Occasion = UNKNOWN) -> None:
        self.occasions.update((verdict.ref, occasion) for verdict in verdicts)
        self.count += len(verdicts)
        self.last.update((verdict.ref, verdict) for verdict in verdicts)

    def forget(self, ref: ObjectRef, why: str = "removed") -> None:
        del why
        self.last.pop(ref, None)


class RecordedStatuses:
    """The Verdict that the status of each object shows."""

    def __init__(self) -> None:
        self.current: dict[ObjectRef, Verdict] = {}

    def report(self, verdict: Verdict) -> None:
        self.current[verdict.ref] = verdict

    def forget(self, ref: ObjectRef) -> None:
        self.current.pop(ref, None)


class SimulatedCluster:
    """A cluster of frozen objects and the Pipeline that serves it; nginx accepts everything here."""

    def __init__(
        self,
        argv: Sequence[str] = ("--manifests=.",),
        capabilities: Capabilities = CURRENT,
        layout: Layout | None = None,
    ) -> None:
        """Begin empty, with the flags *argv*."""
        options = flags(argv)
        env = environment(
            options, capabilities, layout or Layout.container(), user=None, ipv6=True, stdout=True
        )  # fmt: skip
        self.collections: dict[type[TopLevel], dict[ObjectRef, TopLevel]] = {row.model: {} for row in WATCHED}
        self.pipeline = Pipeline(CLAIMANTS, options, env, templates(options), lambda: 0.0, fallback(options))
        self.generation: Generation | None = None
        self.events, self.statuses = RecordedEvents(), RecordedStatuses()
        config_maps = tuple(ConfigMap.KIND.ref(each.namespace, each.name) for each in options.config_maps)
        sinks = Sinks(self.events, self.statuses)
        self._reporter = Reporter(CLAIMANTS, self.pipeline.known, sinks, POD, config_maps)
        self._pending: set[ObjectRef] = set()

    def introduce(self, **labels: str) -> None:
        """Have Pods of the own namespace with *labels* counted as replicas."""
        self.pipeline.introduce(labels)

    def put(self, *objects: TopLevel) -> None:
        """Add or replace *objects*."""
        for item in objects:
            if type(item) in self.collections:
                self.collections[type(item)][item.ref] = item
                self._pending.add(item.ref)

    def delete(self, *refs: ObjectRef) -> None:
        """Delete what *refs* name."""
        for ref in refs:
            for objects in self.collections.values():
                objects.pop(ref, None)
            self._pending.add(ref)

    def objects(self) -> list[TopLevel]:
        """Return everything that is there."""
        return [item for objects in self.collections.values() for item in objects.values()]

    def process_batch(self, meanwhile: Callable[[], None] = lambda: None) -> Generation:
        """Process what changed since the last batch as one batch, and report to the owners.

        *meanwhile* is called before that report: it may change objects, which the next batch has.
        """
        everything = {item.ref: item for item in self.objects()}
        changes = {ref: everything.get(ref) for ref in self._pending}
        self._pending = set()
        self.generation = self.pipeline.advance(changes, datetime.now(UTC))
        assert not self.generation.bugs
        self.pipeline.judge(APPLIED)
        meanwhile()
        self._reporter.report(self.generation, APPLIED, frozenset(changes))
        return self.generation

    @property
    def files(self) -> FileSet:
        """What nginx would have after the last batch."""
        assert self.generation
        return self.generation.files

    def texts(self) -> dict[str, bytes]:
        """Return the content of every file."""
        return {name: file.data for name, file in self.files.items()}

    def reported(self) -> dict[str, str]:
        """Return what the owner of each Ingress was told last: its reason and message."""
        return {
            ref.key: f"{verdict.reason}: {verdict.message}"
            for ref, verdict in sorted(self.statuses.current.items())
            if ref.kind == Ingress.KIND.name
        }


def api_object(model: type[TopLevel], **fields: object) -> TopLevel:
    """Make an object of *model* from the fields of its JSON."""
    return msgspec.convert(fields, model)
