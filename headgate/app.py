"""The composition root of ``headgate run``: builds every object, one TaskGroup, and ends them in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from headgate import __version__
from headgate.api import Ingress, Pod, Secret, Service, TopLevel
from headgate.controller.controller import Controller
from headgate.controller.environment import environment, layout, template_overrides
from headgate.controller.herald import Herald
from headgate.controller.rooms import Rooms
from headgate.controller.watches import Selection, Watches
from headgate.k8s import (
    Client,
    ConfigError,
    Folder,
    K8sError,
    LeaderElector,
    LeaseTiming,
    Resources,
    Source,
    WorkQueue,
    load,
)
from headgate.nginx.capabilities import Binary, find_binary
from headgate.nginx.directories import prepare, worker_user
from headgate.nginx.latency import LatencyReceiver, Sample
from headgate.nginx.manager import LocalManager, ManagerOptions
from headgate.nginx.stats import status as stub_status
from headgate.options import NamespacedName, Options
from headgate.problems import ObjectRef, Problem
from headgate.render import Renderer
from headgate.reporting.events import EventRecorder
from headgate.reporting.http import Listener, Login, metrics_app, probes_app, serving, tls_context
from headgate.reporting.metrics import Metrics, Server
from headgate.reporting.status import StatusWriter, addresses
from headgate.reporting.verdicts import Subject, nginx_restarted
from headgate.translate import lacks_of_flags

log = logging.getLogger(__name__)

M = TypeVar("M", bound=TopLevel)
EXPIRY_CHECK_S = 3600.0


class App:
    """Everything that one ``headgate run`` consists of."""

    def __init__(
        self, options: Options, binary: Binary, source: Client | Folder, *, lease: LeaseTiming | None = None
    ) -> None:
        """Build, but start nothing; *source* is the cluster or the folder, *lease* another pace of leadership."""
        self._options = options
        self._lease = lease
        self._source = source
        self._client = source if isinstance(source, Client) else None
        self._layout = layout(options)
        self._queue = WorkQueue()
        self._metrics = Metrics(options.ingress_class, latency=options.enable_latency_metrics)
        self._watches = Watches(options, self._sources, self._queue)
        self._manager = LocalManager(
            ManagerOptions(
                layout=self._layout,
                binary=binary,
                reload_timeout_s=options.nginx_reload_timeout / 1000,
                min_spacing_s=options.reload_spacing / 1000,
            ),
            on_restart=self._restarted,
        )
        env = environment(
            options, binary.capabilities, self._layout, user=worker_user(self._layout), ipv6=has_ipv6(),
            stdout=can_open_stdout(),
        )  # fmt: skip
        for line in lacks_of_flags(env):
            log.warning("nginx cannot", extra={"fields": {"what": line}})
        self._rooms = Rooms(options, env, self._watches.collections, Renderer(template_overrides(options)))
        self._subject = Subject(ObjectRef(Pod.KIND.name, options.pod_namespace, options.pod_name or "headgate"))
        self._events = EventRecorder(self._client, instance=options.pod_name)
        self._status = self._status_writer()
        self._elector = self._leader_elector()
        self._latency = LatencyReceiver(self._layout, self._observe) if options.enable_latency_metrics else None

    async def run(self) -> None:
        """Serve until cancelled; then say not ready, drain nginx, and stop.

        Raises:
            ExceptionGroup: an edge that cannot be retried (a port of ours that is taken, a folder that is not there).
        """
        self._subject = await self._pod()
        herald = Herald(
            self._rooms, self._watches.find, self._events, self._status, self._subject, self._report_addresses
        )
        controller = Controller(
            self._queue, self._rooms, self._manager, herald, self._metrics,
            config_safety=self._options.enable_config_safety,
        )  # fmt: skip
        self._metrics.before_scrape(self._gather)
        self._metrics.before_scrape(functools.partial(self._count_refused, herald))
        async with contextlib.AsyncExitStack() as stack:
            await self._serve(stack, controller)
            if self._latency:
                self._latency.open()
                stack.callback(self._latency.close)
            try:
                await self._run(controller)
            finally:
                controller.unready = "Headgate is stopping"
                log.info("draining nginx", extra={"fields": {"seconds": self._options.drain_timeout}})
                await asyncio.shield(self._manager.quit(self._options.drain_timeout))

    async def _run(self, controller: Controller) -> None:
        async with asyncio.TaskGroup() as tasks:
            if isinstance(self._source, Folder):
                tasks.create_task(self._source.run())
            tasks.create_task(self._watches.run())
            tasks.create_task(self._events.run())
            if self._status:
                tasks.create_task(self._status.run())
            if self._elector:
                tasks.create_task(self._elector.run())
            tasks.create_task(self._manager.run())
            tasks.create_task(self._control(controller))
            tasks.create_task(self._watch_expiry())

    async def _control(self, controller: Controller) -> None:
        """Wait for the whole picture, then work: the start is a batch like any other."""
        await self._watches.synced()
        for ref in self._rooms.always:
            self._queue.add(ref)
        await controller.run()

    async def _watch_expiry(self) -> None:
        """Look at the age of certificates once an hour: those that speak up now have their users told."""
        while True:
            since = self._rooms.now()
            await asyncio.sleep(EXPIRY_CHECK_S)
            for ref in self._rooms.secrets.aged(since, self._rooms.now()):
                self._queue.add(ref)

    # --- parts ----------------------------------------------------------------------------------------

    def _sources(self, model: type[M], selection: Selection) -> Source[M]:
        if isinstance(self._source, Folder):
            return self._source.source(model)
        return Resources(
            self._source, model, selection.namespace, field_selector=selection.fields, label_selector=selection.labels
        )

    def _status_writer(self) -> StatusWriter | None:
        if self._client is None or not self._options.report_ingress_status:
            return None
        writer = StatusWriter(self._client, self._ingress)
        if not self._options.enable_leader_election:
            writer.lead()
        return writer

    def _ingress(self, ref: ObjectRef) -> Ingress | None:
        found = self._watches.find(Ingress, ref)
        return found if isinstance(found, Ingress) else None

    def _leader_elector(self) -> LeaderElector | None:
        options = self._options
        if self._client is None or not options.enable_leader_election:
            return None
        identity = options.pod_name or f"{socket.gethostname()}-{os.getpid()}"
        return LeaderElector(
            self._client,
            options.pod_namespace,
            options.leader_election_lock_name,
            identity,
            started=self._lead,
            stopped=self._follow,
            timing=self._lease,
        )

    def _lead(self) -> None:
        self._metrics.set_leader(leading=True)
        if self._status:
            self._status.lead(lambda: self._elector is None or self._elector.is_leader)

    def _follow(self) -> None:
        self._metrics.set_leader(leading=False)
        if self._status:
            self._status.follow()

    def _report_addresses(self) -> None:
        """Give the addresses of Ingresses to the status writer; called after each batch."""
        if self._status is None:
            return
        options = self._options
        service = None
        if options.external_service:
            ref = ObjectRef(Service.KIND.name, options.pod_namespace, options.external_service)
            service = self._watches.find(Service, ref)
        configured = self._rooms.configurator.env.params.main.external_status_address or ""
        self._status.set_addresses(addresses(service if isinstance(service, Service) else None, configured))

    async def _pod(self) -> Subject:
        """Return our own Pod as the subject of Events; a Pod that cannot be read is named all the same."""
        ref = self._subject.ref
        if self._client is None or not self._options.pod_name:
            return self._subject
        try:
            found = await self._client.get(Pod.KIND, ref.namespace, ref.name)
        except K8sError as error:
            log.warning("own Pod unknown", extra={"fields": {"pod": ref.key, "error": str(error)}})
            return self._subject
        return Subject(ref, str(found.get("metadata", {}).get("uid", "")))

    def _restarted(self, message: str) -> None:
        """Report that the nginx master died, on our own Pod."""
        self._events.record(nginx_restarted(self._subject, message))

    # --- what others ask us ---------------------------------------------------------------------------

    async def _serve(self, stack: contextlib.AsyncExitStack, controller: Controller) -> None:
        options = self._options
        if options.ready_status:
            app = probes_app(lambda: controller.unready, self._dead)
            await stack.enter_async_context(serving(app, Listener(options.ready_status_port, "-ready-status-port")))
        if options.enable_prometheus_metrics:
            login, certificate = await self._login(), await self._metrics_certificate()
            listener = Listener(
                options.prometheus_metrics_listen_port, "-prometheus-metrics-listen-port", tls=certificate
            )
            await stack.enter_async_context(serving(metrics_app(self._metrics, login), listener))

    def _dead(self) -> str:
        """Say why the process should be restarted; an event loop that answers is alive."""
        return ""

    async def _login(self) -> Login | None:
        named = self._options.prometheus_basic_auth_secret
        if named is None:
            return None
        secret = await self._secret(named, "-prometheus-basic-auth-secret")
        name, word = secret.value("username"), secret.value("password")
        if name is None or word is None:
            raise ConfigError(f"-prometheus-basic-auth-secret: {named} needs the keys username and password")
        return Login(name, word)

    async def _metrics_certificate(self) -> Any:
        named = self._options.prometheus_tls_secret
        if named is None:
            return None
        secret = await self._secret(named, "-prometheus-tls-secret")
        certificate, key = secret.value("tls.crt"), secret.value("tls.key")
        if certificate is None or key is None:
            raise ConfigError(f"-prometheus-tls-secret: {named} needs the keys tls.crt and tls.key")
        return tls_context(certificate, key)

    async def _secret(self, named: NamespacedName, flag: str) -> Secret:
        """Read a Secret that must be there at the start.

        Raises:
            ConfigError: it cannot be read; the message names *flag*.
        """
        ref = ObjectRef(Secret.KIND.name, named.namespace, named.name)
        if isinstance(self._source, Folder):
            found = next((item for item in self._source.load() if item.ref == ref), None)
            if isinstance(found, Secret):
                return found
            raise ConfigError(f"{flag}: the folder has no Secret {named}")
        try:
            return Secret.convert(await self._source.get(Secret.KIND, named.namespace, named.name))
        except K8sError as error:
            raise ConfigError(f"{flag}: the Secret {named} cannot be read: {error}") from error

    async def _gather(self) -> None:
        """Set the numbers that are asked for, not told."""
        metrics, generations = self._metrics, self._manager.generations()
        metrics.set_reloads(self._manager.stats)
        metrics.set_workers(current=generations.current, old=generations.leaving)
        metrics.set_queue_depth(self._queue.depth)
        metrics.set_ingresses(**self._rooms.configuration.census())
        metrics.set_events_dropped(self._events.dropped)
        metrics.set_connections(await stub_status(self._layout))
        if self._latency:
            metrics.set_latency_lost(self._latency.malformed)

    async def _count_refused(self, herald: Herald) -> None:
        self._metrics.set_refused(herald.census().refused)

    def _observe(self, sample: Sample) -> None:
        """Count the latency of one try at a server of an upstream that we made."""
        labels = self._rooms.configurator.labels(sample.upstream, sample.server)
        if labels is None:
            return
        server = Server(upstream=sample.upstream, server=sample.server, code=sample.code, **labels)
        self._metrics.observe_latency(server, sample.milliseconds)


def has_ipv6() -> bool:
    """Whether this machine can listen on IPv6 at all; containers often cannot."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        log.info("no IPv6 here", extra={"fields": {"effect": "nginx listens on IPv4 only"}})
        return False
    return True


def can_open_stdout() -> bool:
    """Whether nginx can open ``/dev/stdout`` anew, which it cannot where that is a socket or another user's pipe."""
    try:
        os.close(os.open("/dev/stdout", os.O_WRONLY | os.O_APPEND))
    except OSError as error:
        if error.errno not in {errno.ENXIO, errno.EACCES, errno.EPERM, errno.ENOENT}:
            raise
        return False
    return True


@contextlib.asynccontextmanager
async def _opened(options: Options) -> AsyncIterator[Client | Folder]:
    """Open the cluster or the folder.

    Raises:
        ConfigError: there is none.
    """
    if options.manifests is not None:
        yield Folder(options.manifests, on_problems=tell_problems)
        return
    config = load(str(options.kubeconfig or ""), options.context)
    async with Client(config) as client:
        yield client


def tell_problems(problems: tuple[Problem, ...]) -> None:
    """Log what is wrong with the files of the folder."""
    for problem in problems:
        log.warning("manifest", extra={"fields": {"file": problem.origin.key, "problem": str(problem)}})


async def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT, which end it in order.

    Raises:
        ConfigError, LayoutError, ServeError and their kin: what the operator must mend before it can start.
    """
    binary = await find_binary(str(options.nginx) if options.nginx else None, debug=options.nginx_debug)
    prepare(layout(options))
    async with _opened(options) as source:
        app = App(options, binary, source)
        running = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: running and running.cancel())
        log.info(
            "starting",
            extra={"fields": {"version": __version__, "nginx": binary.path, "configuration": layout(options).conf}},
        )
        await app.run()
