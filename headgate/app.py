"""The composition root of ``headgate run``: builds every object, one TaskGroup, and ends them in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from headgate import __version__
from headgate.api import ConfigMap, Pod, TopLevel
from headgate.commit import commit, version
from headgate.controller.checks import found_by_checks
from headgate.controller.control_writes import ControlWrites
from headgate.controller.controller import WHOLE, Controller
from headgate.controller.environment import environment, layout, templates
from headgate.controller.fake_certificate import fallback
from headgate.controller.flag_secrets import ListenerSecrets
from headgate.controller.gauges import Gauges
from headgate.controller.kinds import CLAIMANTS
from headgate.controller.leadership import Leadership
from headgate.controller.logins import CurrentProviders, SessionKeys, longest
from headgate.controller.own_pod import OwnPod
from headgate.controller.reporter import Reporter, Sinks
from headgate.controller.shutdown import Shutdown
from headgate.controller.status import Identity, RunningStatus
from headgate.controller.webhook import Judging, Webhook
from headgate.ir.layout import CONTROL_SOCKET, LOGIN_SOCKET
from headgate.k8s import FILE, Client, Fixed, Folder, LeaseTiming, Resources, Source, WorkQueue, load
from headgate.k8s.undecodable import NOT_USED
from headgate.key_sets import Fetcher
from headgate.nginx.capabilities import Binary, find_binary, require_lua
from headgate.nginx.directories import prepare, worker_group, worker_user
from headgate.nginx.error_pipe import ErrorPipe
from headgate.nginx.latency import LatencyReceiver
from headgate.nginx.lock import locked
from headgate.nginx.machine import can_open_stdout, has_ipv6
from headgate.nginx.manager import LocalManager, ManagerOptions
from headgate.nginx.module_check import with_working_addons, with_working_lua, with_working_njs
from headgate.nginx.privileges import pass_on_low_ports
from headgate.oidc import serving_logins
from headgate.options import DataPlane, Options, listeners
from headgate.pipeline import Generation, Pipeline
from headgate.pipeline.main_template import suited
from headgate.problems import Problem
from headgate.reporting.community import CommunityMetrics, Who
from headgate.reporting.control import serving_control
from headgate.reporting.events import USUAL, EventRecorder, Limits
from headgate.reporting.http import HttpPort, metrics_app, probes_app, serving, with_metrics
from headgate.reporting.logs import folds_notices, style
from headgate.reporting.metrics import Metrics
from headgate.reporting.verdicts import Subject, nginx_restarted
from headgate.translate import Environment, unsupported_flags
from headgate.translate.unsupported import BY_RELOADS, LACKS_LIVE
from headgate.uds import Access
from headgate.watch import Selection, Watches, access
from headgate.watch.drained import Drained
from headgate.watch.replicas import labels_of

log = logging.getLogger(__name__)

M = TypeVar("M", bound=TopLevel)
EXPIRY_CHECK_S = 3660.0
"""A minute more than the pipeline lets pass between two looks at certificates."""
MOMENT_S = 1.0
"""Delay, without a cluster, of a warning that may resolve itself: the author of the files waits for it."""
STARTING = "Headgate is starting"
STOPPING = "Headgate is stopping"


class App:
    """Everything that one ``headgate run`` consists of."""

    def __init__(
        self,
        options: Options,
        binary: Binary,
        source: Client | Folder | Fixed,
        *,
        lease: LeaseTiming | None = None,
        on_ready: Callable[[], object] = lambda: None,
    ) -> None:
        """Build, but start nothing.

        Args:
            options: the flags.
            binary: the nginx.
            source: the cluster, the folder, or objects in memory.
            lease: another pace of leadership.
            on_ready: called once, when nginx serves the first configuration.
        """
        self._began = time.monotonic()
        self._nginx_errors = ErrorPipe() if folds_notices(options, style(options)) else None
        self._options = options
        self._binary = binary
        self._started = datetime.now(UTC)
        self._source = source
        self._on_ready = on_ready
        self._client = source if isinstance(source, Client) else None
        self._layout = layout(options)
        self._queue = WorkQueue()
        self._metrics = Metrics(
            options.ingress_class, latency=options.enable_latency_metrics, community=_community(options)
        )
        self._watches = Watches(options, self._sources, self._queue)
        self._drained = Drained(self._watches, self._queue)
        self._manager = LocalManager(self._manager_options(binary), self._restarted, self._nginx_errors)
        env = self._environment(binary)
        renderer = templates(options)
        if options.main_template_path and suited(env, renderer).main_without_live:
            sentence = f"-main-template-path {options.main_template_path} {LACKS_LIVE} ({BY_RELOADS})"
            log.warning("endpoints change by reloads", extra={"fields": {"what": sentence}, "sentence": sentence})
        self._pipeline = Pipeline(CLAIMANTS, options, env, renderer, time.perf_counter, fallback(options))
        self._subject = Subject(Pod.KIND.ref(options.pod_namespace, options.pod_name or "headgate"))
        writable = None if options.read_only else self._client
        limits = USUAL if self._client else Limits(moment=MOMENT_S)
        self._events = EventRecorder(writable, pod=self._subject.ref, limits=limits)
        self._leadership = (
            Leadership(options, writable, self._watches, self._metrics, self._events, lease) if writable else None
        )
        self._gauges = Gauges(self._metrics, self._generation, self._manager, self._queue, self._watches)
        latency = options.enable_latency_metrics
        self._latency = LatencyReceiver(self._layout, self._gauges.observe) if latency else None
        self._own_pod = (
            OwnPod(self._client, self._subject.ref, self._introduce) if self._client and options.pod_name else None
        )
        self._reporter = self._new_reporter()
        self._listener_secrets = ListenerSecrets(source, options, lambda: self._subject, self._events.record)
        self._key_sets = Fetcher(self._queue.add)
        self._session_keys = (
            SessionKeys(options, self._client, self._layout, self._manager.share_session_keys, self._kept_s)
            if options.enable_oidc
            else None
        )
        self._controller: Controller | None = None
        self._shutdown = Shutdown(options.shutdown_grace_period, options.drain_timeout)

    def begin_shutdown(self, end: Callable[[], object]) -> None:
        """Become not ready at once, and call *end*, which cancels ``run``, after the grace period.

        Everything else continues, but another replica leads from now on. Without a cluster nothing watches
        readiness: there is no grace period.
        """
        self._shutdown.begin(end, serving=self._client is not None and not self._unready())
        if self._leadership:
            self._leadership.leave()

    async def run(self) -> None:
        """Serve until cancelled; then say not ready, drain nginx, and stop.

        Raises:
            ExceptionGroup: an edge that cannot be retried (a port of ours that is taken, a folder that is not there).
        """
        if self._own_pod:
            await self._own_pod.read()
        reporter = self._reporter
        self._controller = controller = Controller(
            self._queue, self._drained, self._pipeline, self._manager, reporter, self._metrics,
            key_sets=self._key_sets, config_safety=self._options.enable_config_safety, began=self._began,
        )  # fmt: skip
        gather = functools.partial(
            self._gauges.gather, self._layout, reporter, self._events, self._latency, controller.behind
        )
        self._metrics.before_scrape(gather)
        async with contextlib.AsyncExitStack() as stack:
            await self._serve(stack, controller)
            if self._nginx_errors:
                self._nginx_errors.open()
                stack.callback(self._nginx_errors.close)
            if self._latency:
                self._latency.open()
                stack.callback(self._latency.close)
            try:
                await self._run(controller)
            finally:
                await self._drain()

    async def _drain(self) -> None:
        """End nginx; return when it has ended, also if this is cancelled, which only ends the wait for requests."""
        seconds = self._shutdown.remaining()
        sentence = f"draining nginx: requests in flight have up to {seconds:.0f} s"
        log.info("draining nginx", extra={"fields": {"seconds": round(seconds, 1)}, "sentence": sentence})
        quitting = asyncio.ensure_future(self._manager.quit(seconds))
        while not quitting.done():
            try:
                await asyncio.shield(quitting)
            except asyncio.CancelledError:
                sentence = "stopping nginx, because another signal arrived"
                log.info("stopping nginx", extra={"fields": {"why": "another signal arrived"}, "sentence": sentence})
                quitting = asyncio.ensure_future(self._manager.quit(0))

    async def _run(self, controller: Controller) -> None:
        async with asyncio.TaskGroup() as tasks:
            if not isinstance(self._source, Client):
                tasks.create_task(self._source.run())
            tasks.create_task(self._watches.run())
            if self._own_pod:
                tasks.create_task(self._own_pod.run())
            tasks.create_task(self._events.run())
            if self._leadership:
                tasks.create_task(self._leadership.run())
            tasks.create_task(self._manager.run())
            tasks.create_task(self._key_sets.run())
            tasks.create_task(self._control(controller))
            tasks.create_task(self._announce(controller))
            tasks.create_task(self._watch_expiry())
            if self._session_keys:
                tasks.create_task(self._session_keys.run())
            if self._options.enable_prometheus_metrics:
                tasks.create_task(self._listener_secrets.run())
            judging = Judging(controller, self._pipeline, self._watches)
            tasks.create_task(Webhook(self._options, judging, self._metrics.count_admission, self._client).run())

    async def _control(self, controller: Controller) -> None:
        """Wait until everything is listed, then work: the start is a batch like any other."""
        await self._watches.synced()
        self._queue.add(WHOLE)
        await controller.run()

    async def _announce(self, controller: Controller) -> None:
        await controller.ready.wait()
        self._on_ready()
        gc.freeze()  # what a start made stays: with 5000 hosts, looking through it for cycles takes 150 ms each time

    async def _watch_expiry(self) -> None:
        """Have a batch now and then though nothing changes, so that certificates near their end are seen."""
        while True:
            await asyncio.sleep(EXPIRY_CHECK_S)
            self._queue.add(WHOLE)

    # --- parts ----------------------------------------------------------------------------------------

    def _sources(self, model: type[M], selection: Selection) -> Source[M]:
        if not isinstance(self._source, Client):
            return self._source.source(model)
        return Resources(
            self._source, model, selection.namespace, field_selector=selection.fields, label_selector=selection.labels
        )

    def _manager_options(self, binary: Binary) -> ManagerOptions:
        return ManagerOptions(
            layout=self._layout,
            binary=binary,
            reload_timeout_s=self._options.nginx_reload_timeout / 1000,
            min_spacing_s=self._options.reload_spacing / 1000,
            flags={port: flag for flag, port in listeners(self._options).items()},
        )

    def _environment(self, binary: Binary) -> Environment:
        """Return what translations share, and warn of what the binary cannot do."""
        env = environment(
            self._options,
            binary.capabilities,
            self._layout,
            user=worker_user(self._layout),
            ipv6=has_ipv6(),
            stdout=can_open_stdout(),
        )
        for line in unsupported_flags(env):
            log.warning("nginx cannot", extra={"fields": {"what": line}, "sentence": line})
        return env

    def _new_reporter(self) -> Reporter:
        addresses = self._leadership.report_addresses if self._leadership else lambda _: None
        seen = self._leadership.look_at if self._leadership else lambda _: None
        sinks = Sinks(self._events, self._leadership, addresses, seen)
        config_maps = tuple(ConfigMap.KIND.ref(each.namespace, each.name) for each in self._options.config_maps)
        folder = str(self._options.manifests or "")
        return Reporter(CLAIMANTS, self._pipeline.known, sinks, self._subject, config_maps, folder=folder)

    def _serving_logins(self, keys: SessionKeys) -> contextlib.AbstractAsyncContextManager[None]:
        """Serve logins where nginx's workers ask for them, and no other user."""
        group = worker_group(worker_user(self._layout))
        access = Access(0o600) if group is None else Access(0o660, str(group))
        current = CurrentProviders(self._generation, self._layout)
        return serving_logins(
            self._layout.socket(LOGIN_SOCKET), access, current, lambda: keys.keyring,
            allow_loopback=self._options.manifests is not None,
        )  # fmt: skip

    def _kept_s(self) -> int:
        """Return for how long sealed cookies count, in seconds."""
        return longest(self._generation())

    def _generation(self) -> Generation | None:
        return self._controller.generation if self._controller else None

    def _introduce(self, subject: Subject, replicas: str) -> None:
        """Take note of our own Pod, once it could be read, and watch its like."""
        self._subject = subject
        self._reporter.pod = subject
        if replicas:
            self._pipeline.introduce(labels_of(replicas))
            self._watches.follow_replicas(replicas)

    def _restarted(self, message: str) -> None:
        """Report that the nginx master died, on our own Pod, and on each object that had to be left out."""
        self._events.record(nginx_restarted(self._subject, message))
        if self._controller:
            self._controller.look_again()

    # --- what others ask us ---------------------------------------------------------------------------

    def _unready(self) -> str:
        """Return why no new connections should come, empty if they should."""
        if self._shutdown.begun:
            return STOPPING
        return self._controller.unready if self._controller else STARTING

    def _status(self, controller: Controller) -> RunningStatus:
        binary, leadership = self._binary, self._leadership
        identity = Identity(
            version=version(),
            source=_described(self._source),
            nginx=f"{'.'.join(map(str, binary.capabilities.version))} ({binary.path})",
            started=self._started,
        )
        return RunningStatus(
            identity, controller, self._queue, self._manager, self._watches, self._drained, self._reporter,
            self._unready, leadership.leads if leadership else None,
            self._source.problems if isinstance(self._source, Folder) else tuple,
            lambda: found_by_checks(self._layout, self._generation()),
        )  # fmt: skip

    async def _serve(self, stack: contextlib.AsyncExitStack, controller: Controller) -> None:
        options = self._options
        writes = (
            ControlWrites(options.log_level, self._drained, self._events, lambda: self._subject)
            if options.control_writes
            else None
        )
        if self._session_keys:
            await self._session_keys.read()
            await stack.enter_async_context(self._serving_logins(self._session_keys))
        socket = self._layout.socket(CONTROL_SOCKET)
        await stack.enter_async_context(serving_control(self._status(controller), socket, writes))
        if options.ready_status:
            flag = "--healthz-port" if options.community else "-ready-status-port"
            health = options.health_check_path if options.community else ""
            app = probes_app(self._unready, controller.stuck, health)
            if options.enable_prometheus_metrics and options.metrics_beside_probes:
                app = with_metrics(app, self._metrics)
            at = HttpPort(options.ready_status_port, flag, options.healthz_host)
            await stack.enter_async_context(serving(app, at))
        if options.enable_prometheus_metrics and not options.metrics_beside_probes:
            secrets = self._listener_secrets
            await secrets.read()
            app = metrics_app(self._metrics, lambda: secrets.login)
            port, flag = options.prometheus_metrics_listen_port, "-prometheus-metrics-listen-port"
            await stack.enter_async_context(serving(app, HttpPort(port, flag, tls=secrets.tls)))


def _community(options: Options) -> CommunityMetrics | None:
    """Return the metrics of ingress-nginx, if its flag asks for them."""
    if not (options.community and options.enable_metrics):
        return None
    return CommunityMetrics(
        Who(
            namespace=options.pod_namespace,
            controller_class=options.controller_class,
            pod=options.pod_name,
            election=options.leader_election_lock_name,
            release=__version__,
            build=commit(),
            per_host=options.metrics_per_host,
            undefined=options.metrics_per_undefined_host,
            classes=options.report_status_classes,
            excluded=frozenset(options.exclude_socket_metrics),
        )
    )


def _described(source: Client | Folder | Fixed) -> str:
    """Return where the objects come from, in words."""
    if isinstance(source, Folder):
        return f"the folder {source.path}"
    return "the command line" if isinstance(source, Fixed) else f"the cluster {source.config.server}"


@contextlib.asynccontextmanager
async def _opened(options: Options, objects: Fixed | None) -> AsyncIterator[Client | Folder | Fixed]:
    """Open the cluster or the folder, unless there are *objects*.

    Raises:
        ConfigError: there is none.
    """
    if objects is not None:
        yield objects
        return
    if options.manifests is not None:
        yield Folder(options.manifests, on_problems=FileLog(options.manifests).tell)
        return
    config = load(str(options.kubeconfig or ""), options.context)
    async with Client(config, read_only=options.read_only) as client:
        yield client


class FileLog:
    """Logs what is wrong with the files of the folder: each Problem once, and when a file has none any more."""

    def __init__(self, folder: Path) -> None:
        """Begin without Problems of *folder*."""
        self._folder = folder
        self._known: frozenset[Problem] = frozenset()

    def tell(self, problems: tuple[Problem, ...]) -> None:
        """Take the present Problems."""
        for problem in problems:
            # What does not decode, and of which no earlier version is used, its Informer logs.
            if problem not in self._known and problem.effect != NOT_USED:
                about_file = problem.origin.kind == FILE
                name = problem.origin.key if about_file else str(problem.origin)
                fields = {"file" if about_file else "object": name, "problem": str(problem)}
                extra = {"fields": fields, "sentence": f"{name}: {problem}"}
                log.warning("manifest", extra=extra)
        mended = _files(self._known) - _files(problems)
        for name in sorted(mended):
            if (self._folder / name).exists():
                extra = {"fields": {"file": name}, "sentence": f"{name}: decodes again"}
                log.info("manifest decodes again", extra=extra)
        self._known = frozenset(problems)


def _files(problems: Iterable[Problem]) -> set[str]:
    return {problem.origin.key for problem in problems if problem.origin.kind == FILE}


async def serve(options: Options, objects: Fixed | None = None, on_ready: Callable[[], object] = lambda: None) -> None:
    """Run until a signal ends it in order, see ``_handle_signals``.

    Args:
        options: the flags.
        objects: what is served instead of the folder or the cluster that the flags name.
        on_ready: called once, when nginx serves the first configuration.

    Raises:
        ConfigError, LayoutError, ServeError and their kin: what the operator must mend before it can start.
    """
    for warning in options.warnings:
        log.warning("flag", extra={"fields": {"problem": str(warning)}})
    pass_on_low_ports()
    binary = await find_binary(str(options.nginx) if options.nginx else None, debug=options.nginx_debug)
    place = layout(options)
    with locked(place):
        prepare(place)
        binary = await with_working_addons(binary, place)
        if options.data_plane is not DataPlane.FILES:
            binary = await with_working_njs(await with_working_lua(binary, place), place)
        if options.data_plane is DataPlane.LIVE:
            require_lua(binary)
        async with _opened(options, objects) as source:
            if isinstance(source, Client):
                _announce(options, source)
            app = App(options, binary, source, on_ready=on_ready)
            _handle_signals(app)
            fields = {"version": __version__, "nginx": binary.path, "configuration": place.conf}
            if not options.enable_custom_resources:
                off = "custom resources are not read: -enable-custom-resources=false"
                log.info("custom resources are off", extra={"fields": {}, "sentence": off})
            log.info(
                "starting", extra={"fields": fields, "sentence": f"starting, with the configuration in {place.conf}"}
            )
            await app.run()


def _announce(options: Options, client: Client) -> None:
    """Log which cluster this is and what will be written there, before the first request.

    On a terminal it is printed as sentences too, whatever the log level; not in a Pod, which has one cluster only.
    """
    if client.config.context and sys.stderr and sys.stderr.isatty():
        sys.stderr.write(access.notice(options, client.config))
        sys.stderr.flush()
    log.info("cluster", extra={"fields": access.log_fields(options, client.config)})


def _handle_signals(app: App) -> None:
    """Have signals cancel the current task, which ``app.run`` runs in; none of them may leave nginx without its parent.

    After SIGTERM the grace period comes first, as after SIGQUIT, by which some images are stopped, and SIGHUP, which a
    terminal sends that is closed. SIGINT comes from a person at a terminal: no load balancer is in between.
    """
    running, loop = asyncio.current_task(), asyncio.get_running_loop()

    def end() -> None:
        if running:
            running.cancel()

    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup(1)
            loop.add_signal_handler(number, app.begin_shutdown, end)
    loop.add_signal_handler(signal.SIGINT, end)
