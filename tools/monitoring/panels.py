"""What the dashboard has: rows of panels, each with its queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from headgate.reporting.reference import CHECK_METRICS
from headgate.reporting.rows import CONTROLLER, NGINX, PLUS
from monitoring.queries import EXPIRY, UP, latency, of_class, of_process, quantile, rate, requests, total

STATE, CHECKED, FAILED, UNHEALTHY = CHECK_METRICS
GREEN, ORANGE, RED = "green", "orange", "red"


class Query(NamedTuple):
    """An expression, and the name of its series, in which ``{{label}}`` stands for a label."""

    expr: str
    legend: str


class Panel(NamedTuple):
    """A panel.

    Attributes:
        title: what it shows.
        queries: what it shows.
        unit: of all values, as Grafana names it.
        kind: ``timeseries``, ``stat`` (one number) or ``table`` (the present values of one query).
        width: in 24ths of the page.
        height: in steps of 30 pixels.
        levels: from which value on a stat or a table cell has another colour than green.
        columns: label → title, of a table.
        hint: a sentence after those about its metrics.
    """

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 7
    levels: tuple[tuple[float | None, str], ...] = ((None, GREEN),)
    columns: Mapping[str, str] = {}
    hint: str = ""


class Row(NamedTuple):
    """A heading with its panels, which fill lines of 24."""

    title: str
    panels: tuple[Panel, ...]


def stat(title: str, expr: str, unit: str = "short", *levels: tuple[float | None, str], hint: str = "") -> Panel:
    """Return a panel of one number, an eighth of the page wide."""
    return Panel(title, (Query(expr, ""),), unit, "stat", 3, 4, levels or ((None, GREEN),), hint=hint)


def zero_if_none(expr: str) -> str:
    """Return *expr*, or 0 where it has no series: a class of status that no answer had yet has none."""
    return f"({expr} or vector(0))"


def share(part: str, *by: str) -> str:
    """Return the share of requests that *part* selects, by labels."""
    wanted, all_of_them = total(requests(part), *by), total(requests(), *by)
    return f"{wanted} / {all_of_them}" if by else f"{zero_if_none(wanted)} / {all_of_them}"


def mean(histogram: str, *by: str) -> str:
    """Return the mean of the values of *histogram*, by labels."""
    return f"{total(of_class(f'{histogram}_sum'), *by)} / {total(of_class(f'{histogram}_count'), *by)}"


def zones(name: str) -> str:
    """Select what workers count of hosts."""
    return of_class(f"{PLUS}server_zone_{name}", 'server_zone=~"$host"')


def servers(name: str, *more: str) -> str:
    """Select what workers count of the servers of upstreams."""
    return of_class(f"{PLUS}upstream_server_{name}", 'service=~"$service"', *more)


_POD = 'server!~"unix:.*"'
_LIMITS = ((None, GREEN), (0.01, ORANGE), (0.05, RED))
_LAST_STATUS = f"{CONTROLLER}nginx_last_reload_status"
_ENDS = of_class(EXPIRY, 'host=~"$host|_"')
_DAYS = f"(min by (host, secret_namespace, secret_name) ({_ENDS}) - time()) / 86400"

OVERVIEW = Row("Overview", (
    stat("Requests", total(of_class(f"{NGINX}http_requests_total")), "reqps",
         hint="Those that nginx sends to itself are part of it: for its status, and for Services without endpoints."),
    stat("5xx of all answers", share('code="5xx"'), "percentunit", *_LIMITS),
    stat("p99 latency of upstreams", quantile(0.99), "ms", (None, GREEN), (500, ORANGE), (1000, RED)),
    stat("nginx serves", f"sum({of_class(UP)})", "short", (None, RED), (1, GREEN),
         hint="The number of Pods whose nginx answers."),
    stat("Last reload succeeded", f"min({of_class(_LAST_STATUS)})", "bool_yes_no", (None, RED), (1, GREEN)),
    stat("Configuration behind", f"max({of_class('headgate_configuration_behind_seconds')})", "s",
         (None, GREEN), (60, ORANGE), (300, RED)),
    stat("Objects refused", f"max({of_class('headgate_objects_refused')})", "short", (None, GREEN), (1, ORANGE),
         hint="Their events name the reason: kubectl get events -A --field-selector reason=Rejected."),
    stat("Next certificate expires", f"min({_DAYS})", "d", (None, RED), (7, ORANGE), (30, GREEN)),
))  # fmt: skip

TRAFFIC = Row("Traffic", (
    Panel("Requests by host", (Query(total(requests(), "host"), "{{host}}"),), "reqps",
          hint="The host _ is the default server."),
    Panel("Requests by Service",
          (Query(total(requests('service!=""'), "resource_namespace", "service"), "{{resource_namespace}}/{{service}}"),
           Query(total(requests('service=""')), "answered by nginx")), "reqps"),
    Panel("Answers by class of status", (Query(total(requests(), "code"), "{{code}}"),), "reqps"),
    Panel("Connections",
          tuple(Query(f"sum({of_class(f'{NGINX}connections_{state}')})", state)
                for state in ("active", "reading", "writing", "waiting"))),
    Panel("Connections accepted and dropped",
          (Query(total(of_class(f"{NGINX}connections_accepted")), "accepted"),
           Query(f"{total(of_class(f'{NGINX}connections_accepted'))} - "
                 f"{total(of_class(f'{NGINX}connections_handled'))}", "dropped")), "cps"),
    Panel("Requests by Pod of Headgate", (Query(rate(of_class(f"{NGINX}http_requests_total")), "{{instance}}"),),
          "reqps"),
))  # fmt: skip

ERRORS = Row("Errors", (
    Panel("5xx by host", (Query(share('code="5xx"', "host"), "{{host}}"),), "percentunit",
          hint="The share of all answers of the host."),
    Panel("5xx by Service",
          (Query(total(requests('code="5xx"'), "host", "resource_namespace", "service"),
                 "{{host}} {{resource_namespace}}/{{service}}"),), "reqps"),
    Panel("4xx by host", (Query(total(requests('code="4xx"'), "host"), "{{host}}"),), "reqps"),
))  # fmt: skip

LATENCY_ROW = Row("Latency of upstream servers", (
    Panel("All Services", tuple(Query(quantile(q), f"p{q * 100:.0f}") for q in (0.5, 0.9, 0.99)), "ms"),
    Panel("p99 by Service",
          (Query(quantile(0.99, "resource_namespace", "service"), "{{resource_namespace}}/{{service}}"),), "ms"),
    Panel("Average by server, the ten slowest",
          (Query(f"topk(10, {total(latency('sum', _POD), 'service', 'server')} / "
                 f"({total(latency('count', _POD), 'service', 'server')} > 0))", "{{service}} {{server}}"),), "ms",
          hint="Without the internal server that answers for Services without endpoints."),
))  # fmt: skip

_OBJECT = ("resource_namespace", "resource_name")
_BY_OBJECT = "{{resource_namespace}}/{{resource_name}}"
_CONNECTS = of_class("headgate_stream_upstream_connect_seconds_bucket")

STREAMS = Row("TCP and UDP", (
    Panel("Sessions by TransportServer",
          (Query(total(of_class("headgate_stream_sessions_total"), *_OBJECT), _BY_OBJECT),), "cps",
          hint="A session is counted when it ends."),
    Panel("Sessions by class of status",
          (Query(total(of_class("headgate_stream_sessions_total"), "code"), "{{code}}"),), "cps",
          hint="5xx: no server could be connected, or nginx failed."),
    Panel("Bytes from and to clients",
          (Query(total(of_class("headgate_stream_received_bytes_total")), "received"),
           Query(total(of_class("headgate_stream_sent_bytes_total")), "sent")), "Bps"),
    Panel("Average duration of a session",
          (Query(mean("headgate_stream_session_seconds", *_OBJECT), _BY_OBJECT),), "s"),
    Panel("p99 of the time to connect",
          (Query(f"histogram_quantile(0.99, {total(_CONNECTS, *_OBJECT, 'le')})", _BY_OBJECT),), "s"),
    Panel("Servers that could not be connected",
          (Query(total(of_class("headgate_stream_upstream_failures_total"), *_OBJECT, "server"),
                 f"{_BY_OBJECT} {{{{server}}}}"),), "cps"),
))  # fmt: skip

CHECKS = Row("Health checks", (
    Panel("Servers by state",
          (Query(f"count({of_class(STATE)} == 1)", "up"), Query(f"count({of_class(STATE)} == 5)", "checking"),
           Query(f"count({of_class(STATE)} == 6)", "unhealthy")),
          hint="Each Pod of Headgate checks for itself."),
    Panel("Checks and failed checks, in a minute",
          (Query(f"{total(of_class(CHECKED))} * 60", "checks"), Query(f"{total(of_class(FAILED))} * 60", "failed"))),
    Panel("Servers that became unhealthy, by Service, in a minute",
          (Query(f"{total(of_class(UNHEALTHY), 'resource_namespace', 'service')} * 60",
                 "{{resource_namespace}}/{{service}}"),)),
))  # fmt: skip

COUNTED = Row("Hosts and upstream servers, live data plane", (
    Panel("Responses by host, and requests without one",
          (Query(total(zones("responses"), "server_zone", "code"), "{{server_zone}} {{code}}"),
           Query(total(zones("discarded"), "server_zone"), "{{server_zone}} none")), "reqps"),
    Panel("Requests by host", (Query(total(zones("requests"), "server_zone"), "{{server_zone}}"),), "reqps"),
    Panel("Bytes by host",
          (Query(total(zones("received"), "server_zone"), "{{server_zone}} received"),
           Query(total(zones("sent"), "server_zone"), "{{server_zone}} sent")), "Bps"),
    Panel("Tries and responses by server, the ten busiest",
          (Query(f"topk(10, {total(servers('requests', _POD), 'service', 'server')})", "{{service}} {{server}}"),
           Query(f"topk(10, {total(servers('responses', _POD), 'service', 'server', 'code')})",
                 "{{service}} {{server}} {{code}}")), "reqps"),
    Panel("Tries without a response, and retries",
          (Query(total(servers("fails"), "service", "server"), "{{service}} {{server}} failed"),
           Query(total(of_class("headgate_http_retries_total", 'host=~"$host"', 'service=~"$service"'), "host",
                       "service"), "{{host}} {{service}} retried")), "reqps"),
    Panel("Requests at servers now, and their limit",
          (Query(f"topk(10, sum by (service, server) ({servers('active', _POD)}))", "{{service}} {{server}}"),
           Query(f"topk(10, max by (service, server) ({servers('limit', _POD)}) > 0)",
                 "{{service}} {{server}} limit"))),
    Panel("Mean times of servers, the ten slowest",
          (Query(f"topk(10, max by (service, server) ({servers('header_time', _POD)}))",
                 "{{service}} {{server}} header"),
           Query(f"topk(10, max by (service, server) ({servers('response_time', _POD)}))",
                 "{{service}} {{server}} response")), "ms"),
))  # fmt: skip

CONFIGURATION = Row("Configuration and reloads", (
    Panel("Reloads in a minute",
          (Query(f"sum by (reason) (rate({of_class(f'{CONTROLLER}nginx_reloads_total')}[$__rate_interval])) * 60",
                 "{{reason}}"),
           Query(f"{total(of_class(f'{CONTROLLER}nginx_reload_errors_total'))} * 60", "errors"))),
    Panel("Duration of the last reload",
          (Query(of_class(f"{CONTROLLER}nginx_last_reload_milliseconds"), "{{instance}}"),), "ms"),
    Panel("Seconds of a batch by stage",
          (Query(mean("headgate_batch_stage_seconds", "stage"), "{{stage}}"),), "s"),
    Panel("Work queue",
          (Query(f"sum by (instance) ({of_class(f'{CONTROLLER}workqueue_depth')})", "keys waiting {{instance}}"),)),
    Panel("Work queue, mean of the wait and of a batch",
          (Query(mean(f"{CONTROLLER}workqueue_queue_duration_seconds"), "wait of a key"),
           Query(mean(f"{CONTROLLER}workqueue_work_duration_seconds"), "batch")), "s",
          hint="Not a quantile: the first bucket, 0.1 s, is longer than most waits."),
    Panel("Configuration behind", (Query(of_class("headgate_configuration_behind_seconds"), "{{instance}}"),), "s"),
    Panel("Ingresses",
          (Query(f"max by (type) ({of_class(f'{CONTROLLER}ingress_resources_total')})", "{{type}}"),
           Query(f"max({of_class('headgate_objects_refused')})", "refused"))),
    Panel("Custom resources",
          (Query(f"max({of_class(f'{CONTROLLER}virtualserver_resources_total')})", "VirtualServers"),
           Query(f"max({of_class(f'{CONTROLLER}virtualserverroute_resources_total')})", "VirtualServerRoutes"),
           Query(f"max by (type) ({of_class(f'{CONTROLLER}transportserver_resources_total')})", "{{type}}"))),
    Panel("Watches that fail, by resource",
          (Query(f"sum by (resource) ({of_class('headgate_watches_failing')})", "{{resource}}"),)),
    Panel("Endpoint changes without a reload, in a minute",
          (Query(f"sum(rate({of_class('headgate_live_changes_total')}[$__rate_interval])) * 60", "upstreams"),),
          hint="With -data-plane=files they are reloads."),
    Panel("Hosts without a server block",
          (Query(f"max({of_class('headgate_routed_hosts')})", "routed at run time"),)),
    Panel("Memory of nginx for servers of upstreams and for hosts",
          (Query(f"max by (state) ({of_class('headgate_live_memory_bytes')})", "{{state}}"),), "bytes"),
    Panel("Worker processes",
          (Query(f"sum by (generation) ({of_class(f'{CONTROLLER}nginx_worker_processes_total')})",
                 "{{generation}}"),)),
))  # fmt: skip

CERTIFICATES = Row("Certificates", (
    Panel("Expiry of certificates", (Query(f"sort({_DAYS})", ""),), "d", "table", 24, 5,
          ((None, RED), (7, ORANGE), (30, GREEN)),
          {"host": "Host", "secret_namespace": "Namespace", "secret_name": "Secret", "Value": "Days left"}),
))  # fmt: skip

CONTROLLER_ROW = Row("Controller", (
    Panel("Processor time", (Query(of_process(rate("process_cpu_seconds_total")), "{{instance}}"),), "percentunit",
          width=6, hint="1 is one core; without nginx."),
    Panel("Memory", (Query(of_process("process_resident_memory_bytes"), "{{instance}}"),), "bytes", width=6,
          hint="Without nginx."),
    Panel("Leader", (Query(of_class("headgate_leader"), "{{instance}}"),), width=6),
    Panel("Events and latency lines that were lost",
          (Query(rate(of_class("headgate_events_dropped_total")), "events {{instance}}"),
           Query(rate(of_class("headgate_latency_lines_unreadable_total")), "latency lines {{instance}}")),
          "cps", width=6),
    Panel("Answers of the admission webhook",
          (Query(total(of_class("headgate_admission_requests_total"), "result"), "{{result}}"),), "cps", width=6,
          hint="Failed: the object was admitted without a complete check."),
))  # fmt: skip

ROWS = (OVERVIEW, TRAFFIC, ERRORS, LATENCY_ROW, COUNTED, CHECKS, STREAMS, CONFIGURATION, CERTIFICATES, CONTROLLER_ROW)
