"""One look at a folder or a cluster, to answer a question about it: nothing is changed, and no nginx runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from headgate.api import ConfigMap, EndpointSlice, Ingress, TopLevel, Undecodable, VirtualServer, VirtualServerRoute
from headgate.api.networking import IngressSpec
from headgate.controller.kinds import CLAIMANTS
from headgate.explain import ClusterView, ResourceView
from headgate.ir import Capabilities
from headgate.k8s import ApiError, Client, Folder, Resources, Source, Unreachable, WorkQueue, load
from headgate.offline import found, generate
from headgate.options import Options
from headgate.pipeline import Generation
from headgate.problems import Problem
from headgate.routes import Layer
from headgate.settings import read_keys
from headgate.settings.community import read_community_config
from headgate.status import Cluster, Status
from headgate.status import hosts as served_hosts
from headgate.status import streams as served_streams
from headgate.status.objects import by_object, faulty, ignored, in_order
from headgate.translate import translate
from headgate.validation.ingress import hosts
from headgate.watch import Selection, Watches

M = TypeVar("M", bound=TopLevel)

PATIENCE_S = 30.0
"""How long a cluster may take to list what is watched."""


def look(options: Options, capabilities: Capabilities | None = None) -> ClusterView:
    """Return what there is now, in the folder of ``--manifests`` or in the cluster, and what becomes of it.

    Args:
        options: the flags of ``headgate run``, which decide what is watched and under which settings.
        capabilities: of the nginx that serves; if not given, the one that ``run`` would take is asked.

    Raises:
        ConfigError: there is neither folder nor cluster.
        K8sError: the cluster does not answer.
        NginxError: ``--nginx`` names a binary that cannot be asked what it can.
    """
    objects, faults, broken = _read(options)
    return view(options, objects, generate(options, objects, capabilities=capabilities, broken=broken), faults)


def status(options: Options, capabilities: Capabilities | None = None) -> Status:
    """Return the hosts and routes that there are now, and the objects with problems; for the rest see ``look``."""
    objects, faults, broken = _read(options)
    generation = generate(options, objects, capabilities=capabilities, broken=broken)
    by_ref = {item.ref: item for item in objects}
    slices = (item for item in objects if isinstance(item, EndpointSlice))
    cluster = Cluster.of(lambda _, ref: by_ref.get(ref), slices)
    return Status(
        now=datetime.now(UTC),
        hosts=served_hosts(generation, cluster, [kind.model for kind in CLAIMANTS]),
        streams=served_streams(generation, cluster, [kind.model for kind in CLAIMANTS]),
        objects=in_order((*faulty((*faults, *found(generation))), *ignored(generation.update.ignored))),
    )


def read(options: Options) -> tuple[Sequence[TopLevel], Sequence[Problem]]:
    """Return the objects of the folder or the cluster, and what is wrong with the files of a folder."""
    return _read(options)[:2]


def _read(options: Options) -> tuple[Sequence[TopLevel], Sequence[Problem], Sequence[Undecodable[Any]]]:
    """Return the same, and the objects of a folder that do not decode."""
    if options.manifests is None:
        return asyncio.run(_list(options)), (), ()
    folder = Folder(options.manifests)
    objects = folder.load()
    return objects, folder.problems(), tuple(folder.refused.values())


def view(
    options: Options, objects: Iterable[TopLevel], generation: Generation, faults: Iterable[Problem] = ()
) -> ClusterView:
    """Return what ``explain`` looks at.

    Args:
        options: the flags.
        objects: everything that there is.
        generation: what became of it.
        faults: what is wrong with objects that could not be read.
    """
    problems = by_object(dict.fromkeys((*faults, *found(generation))))
    served = [generated.served for _, generated in sorted(generation.resources.items()) if generated.served]
    default, named = generation.default_certificate, options.default_server_tls_secret
    return ClusterView(
        env=generation.env,
        resources=tuple(
            ResourceView(
                rendered.table,
                translate(rendered.table, generation.env, rendered.salt),
                rendered.routed.keys(),
                rendered.dedicated,
            )
            for rendered in served
        ),
        routes=not generation.unrouted,
        config_map=_config_map(options, objects, generation),
        default_secret=default.ref if default and named else None,
        hosts={item.ref: _hosts(item) for item in objects},
        problems={ref: tuple(found) for ref, found in problems.items()},
        ignored=generation.update.ignored,
        tokens=generation.live.tokens if generation.live else {},
        now=datetime.now(UTC).timestamp(),
    )


def _hosts(item: TopLevel) -> tuple[str, ...]:
    """Return the hosts that *item* asks for, valid or not."""
    if isinstance(item, Ingress):
        return hosts(item.spec or IngressSpec())
    if isinstance(item, VirtualServer | VirtualServerRoute) and item.spec:
        return (item.spec.host,)
    return ()


def _config_map(options: Options, objects: Iterable[TopLevel], generation: Generation) -> Layer | None:
    """Return what the ConfigMap that decides about all of nginx says, key by key, if it is there."""
    named = options.main_config_map
    ref = ConfigMap.KIND.ref(named.namespace, named.name) if named else None
    item = next((item for item in objects if item.ref == ref), None)
    if not isinstance(item, ConfigMap):
        return None
    if not options.nginx_configmaps:
        return Layer(item.ref, read_community_config(item.data or {}, item.ref, sole=True)[0].said)
    return Layer(item.ref, read_keys(item.data or {}, item.ref, generation.env.gates)[0])


async def _list(options: Options) -> list[TopLevel]:
    """List what ``run`` would watch, and let the cluster alone again."""
    async with Client(load(str(options.kubeconfig or ""), options.context)) as client:

        def source(model: type[M], selection: Selection) -> Source[M]:
            fields, labels = selection.fields, selection.labels
            return Resources(client, model, selection.namespace, field_selector=fields, label_selector=labels)

        watches = Watches(options, source, WorkQueue())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await _ask(client)
                async with asyncio.TaskGroup() as tasks:
                    running = tasks.create_task(watches.run())
                    await watches.synced()
                    await watches.know(item for objects in watches.collections.values() for item in objects.values())
                    running.cancel()
        except TimeoutError:
            raise Unreachable(f"the cluster did not list everything within {PATIENCE_S:g} s") from None
        return [item for objects in watches.collections.values() for item in objects.values()]


async def _ask(client: Client) -> None:
    """Return if the cluster answers, however; an Informer would ask again and again.

    Raises:
        K8sError: it cannot be reached, or does not accept the credentials.
    """
    try:
        with contextlib.suppress(ApiError):
            await client.request("GET", "/version")
    except Unreachable as error:
        raise Unreachable(f"{error}; start it, name another with --kubeconfig or --context, or use -m DIR") from error
