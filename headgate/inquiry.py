"""One look at a folder or a cluster, to answer a question about it: nothing is changed, and no nginx runs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TypeVar, cast

from headgate.api import ConfigMap, Ingress, TopLevel
from headgate.controller.rooms import Collections, Rooms, Walk
from headgate.controller.watches import Selection, Watches
from headgate.explain import Picture, Site
from headgate.ir import Capabilities
from headgate.k8s import Client, Folder, Resources, Source, Unreachable, WorkQueue, load
from headgate.offline import collected, found, walk_objects
from headgate.options import Options
from headgate.problems import ObjectRef, Problem

M = TypeVar("M", bound=TopLevel)

PATIENCE_S = 30.0
"""How long a cluster may take to list what is watched."""


def look(options: Options, capabilities: Capabilities | None = None) -> Picture:
    """Return what there is now, in the folder of ``--manifests`` or in the cluster, and what becomes of it.

    Args:
        options: the flags of ``headgate run``, which decide what is watched and under which settings.
        capabilities: of the nginx that serves; if not given, the one that ``run`` would take is asked.

    Raises:
        ConfigError: there is neither folder nor cluster.
        K8sError: the cluster does not answer.
        NginxError: ``--nginx`` names a binary that cannot be asked what it can.
    """
    folder = Folder(options.manifests) if options.manifests else None
    collections = collected(folder.load()) if folder else asyncio.run(_list(options))
    rooms, walk = walk_objects(options, collections, capabilities=capabilities)
    return _picture(rooms, walk, collections, folder.problems() if folder else ())


async def _list(options: Options) -> Collections:
    """List what ``run`` would watch, and let the cluster alone again."""
    async with Client(load(str(options.kubeconfig or ""), options.context)) as client:

        def source(model: type[M], selection: Selection) -> Source[M]:
            fields, labels = selection.fields, selection.labels
            return Resources(client, model, selection.namespace, field_selector=fields, label_selector=labels)

        watches = Watches(options, source, WorkQueue())
        try:
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(watches.run())
                await watches.synced()
                running.cancel()
        except TimeoutError:
            raise Unreachable(f"the cluster did not list everything within {PATIENCE_S:g} s") from None
        return {model: dict(objects) for model, objects in watches.collections.items()}


def _picture(rooms: Rooms, walk: Walk, collections: Collections, faults: tuple[Problem, ...]) -> Picture:
    """Gather what the rooms made of everything."""
    configurator, resources = rooms.configurator, rooms.configuration.resources
    problems: defaultdict[ObjectRef, list[Problem]] = defaultdict(list)
    for problem in (*faults, *found(rooms, walk)):
        problems[problem.origin].append(problem)
    made = {ref: (configurator.resolved(ref), configurator.translated(ref)) for ref in sorted(resources)}
    config_map = collections[ConfigMap].get(rooms.config_map) if rooms.config_map else None
    default = rooms.secrets.default
    return Picture(
        env=configurator.env,
        sites=tuple(Site(resolved.ex, translated) for resolved, translated in made.values() if resolved and translated),
        config_map=cast("ConfigMap | None", config_map),
        default_secret=default.ref if default and not default.error else None,
        ingresses=cast("tuple[Ingress, ...]", tuple(collections[Ingress].values())),
        problems={ref: tuple(found) for ref, found in problems.items()},
        ignored=walk.update.ignored,
    )
