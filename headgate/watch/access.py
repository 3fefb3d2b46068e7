"""What one run does in its cluster, in words for its operator: who asks which API server, what is read and written."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from headgate.k8s.config import ClusterConfig
from headgate.options import Options
from headgate.watch.kinds import DEPENDENTS


def log_fields(options: Options, config: ClusterConfig) -> dict[str, str]:
    """Return the fields of the log line; in a Pod there is neither a context nor the name of a user."""
    names = {"context": config.context, "user": config.user_name}
    return {
        "server": _server(config),
        **{key: name for key, name in names.items() if name},
        "namespaces": _namespaces(options),
        "writes": ", ".join(_writes(options)) or "nothing (--read-only)",
    }


def notice(options: Options, config: ClusterConfig) -> str:
    """Return the same as sentences, for a person who may have another cluster in mind; ends with a newline."""
    user = f" as user {config.user_name}" if config.user_name else ""
    written = ", ".join(_writes(options))
    rest = f"writes there: {written} (--read-only writes nothing)" if written else "writes nothing there (--read-only)"
    return (
        f"headgate: uses the cluster of context {config.context} ({_server(config)}){user},"
        f" watches {_namespaces(options, ' namespaces')}\n"
        f"headgate: {rest}\n"
    )


def _writes(options: Options) -> Iterator[str]:
    if options.read_only:
        return
    if options.enable_leader_election:
        yield f"Lease {options.pod_namespace}/{options.leader_election_lock_name}"
    yield "events"
    kinds = [name for name, on in _statuses(options) if on]
    if kinds:
        yield f"statuses of {' and '.join(kinds)}"
    made = dict.fromkeys(f"{each.row.kind}s" for each in DEPENDENTS if each.wanted(options))
    if made:
        yield f"{' and '.join(made)} of VirtualServers"


def _statuses(options: Options) -> Iterator[tuple[str, bool]]:
    yield "Ingresses", options.report_ingress_status
    yield "custom resources", options.enable_custom_resources


def _namespaces(options: Options, noun: str = "") -> str:
    if options.watch_namespace_label:
        return f"{noun.lstrip()} labelled {options.watch_namespace_label}".lstrip()
    if options.watch_namespace:
        return f"{noun.lstrip()} {', '.join(options.watch_namespace)}".lstrip()
    return f"all{noun}"


def _server(config: ClusterConfig) -> str:
    """Return the URL without a password that may stand in it."""
    parts = urlsplit(config.server)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
