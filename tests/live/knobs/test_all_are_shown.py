"""Every knob has a live test that shows what it does to traffic, or a reason why traffic cannot tell."""

import re
from pathlib import Path

import pytest

from headgate.settings import REGISTRY

BACKENDS = {
    "lb-method": "test_knobs_balancing.py::test_least_conn_spares_the_busy",
    "max-conns": "test_knobs_balancing.py::test_max_conns",
    "max-fails": "test_knobs_balancing.py::test_max_fails_takes_a_backend_out",
    "fail-timeout": "test_knobs_balancing.py::test_fail_timeout_brings_it_back",
    "sticky-cookie-services": "test_knobs_balancing.py::test_a_sticky_cookie_keeps_a_client_with_its_backend",
    "upstream-zone-size": "test_knobs_process.py::test_workers_share_the_state_of_an_upstream_in_its_zone",
    "keepalive": "test_knobs_proxying.py::test_connections_to_backends_are_kept",
    "use-cluster-ip": "test_knobs_proxying.py::test_the_cluster_ip_is_asked",
    "proxy-connect-timeout": "test_knobs_proxying.py::test_a_backend_that_takes_no_connection_is_given_up",
    "proxy-send-timeout": "test_knobs_proxying.py::test_a_backend_that_reads_nothing_is_given_up",
    "proxy-read-timeout": "test_knobs_proxying.py::test_a_backend_that_says_nothing_is_given_up",
    "proxy-next-upstream": "test_knobs_proxying.py::test_the_next_backend_is_asked_on_these_conditions",
    "proxy-next-upstream-tries": "test_knobs_proxying.py::test_only_so_many_tries",
    "proxy-next-upstream-timeout": "test_knobs_proxying.py::test_no_next_backend_when_the_time_is_over",
    "proxy-redirect-from": "test_knobs_proxying.py::test_where_a_backend_sends_clients",
    "proxy-redirect-to": "test_knobs_proxying.py::test_where_a_backend_sends_clients",
    "proxy-buffering": "test_knobs_proxying.py::test_an_answer_that_is_not_buffered_arrives_in_parts",
    "proxy-buffers": "test_knobs_proxying.py::test_what_the_client_does_not_take_goes_to_a_file",
    "proxy-buffer-size": "test_knobs_proxying.py::test_headers_larger_than_a_buffer",
    "proxy-max-temp-file-size": "test_knobs_proxying.py::test_what_the_client_does_not_take_goes_to_a_file",
    "ssl-services": "test_knobs_protocols.py::test_a_backend_that_speaks_tls",
    "grpc-services": "test_knobs_protocols.py::test_a_grpc_call_comes_through_with_its_trailers",
    "websocket-services": "test_knobs_protocols.py::test_a_websocket_is_echoed",
    "set-real-ip-from": "test_knobs_addresses.py::test_believed_proxies_name_the_client",
    "real-ip-recursive": "test_knobs_addresses.py::test_believed_proxies_name_the_client",
    "real-ip-header": "test_knobs_addresses.py::test_another_header_names_the_client",
    "resolver-addresses": "test_knobs_resolver.py::test_the_name_server_is_asked",
    "resolver-ipv6": "test_knobs_resolver.py::test_the_name_server_is_asked",
    "resolver-valid": "test_knobs_resolver.py::test_an_answer_counts_only_so_long",
    "resolver-timeout": "test_knobs_resolver.py::test_a_name_server_that_says_nothing_is_given_up",
    "main-snippets": "test_knobs_process.py::test_text_of_the_main_context",
    "http-snippets": "test_knobs_process.py::test_text_of_http_servers_and_locations",
    "server-snippets": "test_knobs_process.py::test_text_of_http_servers_and_locations",
    "location-snippets": "test_knobs_process.py::test_text_of_http_servers_and_locations",
    "stream-snippets": "test_knobs_process.py::test_text_of_stream",
    "worker-processes": "test_knobs_process.py::test_there_are_as_many_workers_as_are_asked_for",
    "worker-cpu-affinity": "test_knobs_process.py::test_workers_are_bound_to_cpus",
    "worker-rlimit-nofile": "test_knobs_process.py::test_workers_may_open_so_many_files",
    "worker-shutdown-timeout": "test_knobs_process.py::test_old_workers_close_what_is_left_in_time",
    "worker-connections": "test_knobs_process.py::test_a_worker_has_so_many_connections",
    "limit-req-scale": "../test_live_replicas.py::test_each_replica_lets_its_share_through",
}
"""Knobs between nginx and backends → ``file::test`` in this folder."""
CLIENTS = {
    "add-header": "test_knobs_headers.py::test_added_headers_stand_on_errors_only_with_always",
    "add-header-inherit": "test_knobs_headers.py::test_headers_of_the_configmap_are_inherited_as_is_said",
    "proxy-hide-headers": "test_knobs_headers.py::test_hidden_headers_of_a_backend_do_not_come_through",
    "proxy-pass-headers": "test_knobs_headers.py::test_passed_headers_are_the_backend_s_own",
    "server-tokens": "test_knobs_headers.py::test_the_version_is_told_unless_it_is_not_to_be",
    "proxy-set-headers": "test_knobs_headers.py::test_backends_are_sent_what_is_set",
    "disable-forwarded-headers": "test_knobs_headers.py::test_forwarded_headers_can_be_left_alone",
    "ssl-redirect": "test_knobs_tls.py::test_the_redirect_can_be_turned_off",
    "http-redirect-code": "test_knobs_tls.py::test_the_status_of_the_redirects_is_chosen",
    "redirect-to-https": "test_knobs_tls.py::test_a_proxy_s_plain_http_is_sent_to_https",
    "listen-ports-ssl": "test_knobs_tls.py::test_https_ports_of_its_own_are_the_only_ones_and_redirects_lead_there",
    "hsts": "test_knobs_tls.py::test_hsts_is_sent_on_tls_only",
    "hsts-max-age": "test_knobs_tls.py::test_hsts_has_the_age_and_the_subdomains_that_are_asked_for",
    "hsts-include-subdomains": "test_knobs_tls.py::test_hsts_has_the_age_and_the_subdomains_that_are_asked_for",
    "hsts-behind-proxy": "test_knobs_tls.py::test_behind_a_proxy_its_word_decides_hsts",
    "ssl-protocols": "test_knobs_tls.py::test_only_protocols_of_the_list_are_spoken",
    "ssl-ciphers": "test_knobs_tls.py::test_only_ciphers_of_the_list_are_spoken",
    "ssl-prefer-server-ciphers": "test_knobs_tls.py::test_whose_order_of_ciphers_counts",
    "http2": "test_knobs_tls.py::test_http2_is_agreed_and_spoken_where_it_is_on",
    "ssl-dhparam-file": "test_knobs_tls.py::test_ciphers_of_the_configmap_and_its_diffie_hellman_group",
    "limit-req-rate": "test_knobs_limits.py::test_requests_above_the_rate_are_refused",
    "limit-req-burst": "test_knobs_limits.py::test_a_burst_waits_for_its_turn",
    "limit-req-delay": "test_knobs_limits.py::test_a_part_of_the_burst_need_not_wait",
    "limit-req-no-delay": "test_knobs_limits.py::test_the_whole_burst_need_not_wait",
    "limit-req-key": "test_knobs_limits.py::test_each_value_of_the_key_is_counted_for_itself",
    "limit-req-zone-size": "test_knobs_limits.py::test_a_small_zone_forgets_the_oldest",
    "limit-req-dry-run": "test_knobs_limits.py::test_a_dry_run_refuses_nothing_and_says_what_it_would",
    "limit-req-reject-code": "test_knobs_limits.py::test_the_status_of_a_refusal_is_chosen",
    "limit-req-log-level": "test_knobs_limits.py::test_the_level_of_the_log_line_is_chosen",
    "client-max-body-size": "test_knobs_limits.py::test_a_body_above_the_size_is_refused",
    "client-body-buffer-size": "test_knobs_limits.py::test_a_body_beyond_its_buffer_goes_through_a_file",
    "basic-auth-secret": "test_knobs_access.py::test_only_those_who_have_the_password_come_in",
    "basic-auth-realm": "test_knobs_access.py::test_only_those_who_have_the_password_come_in",
    "custom-http-errors": "test_knobs_access.py::test_chosen_errors_get_the_page_of_the_default_backend",
    "app-root": "test_knobs_paths.py::test_the_root_leads_to_the_application",
    "rewrites": "test_knobs_paths.py::test_each_service_gets_its_path_in_place_of_the_matched_one",
    "rewrite-target": "test_knobs_paths.py::test_the_whole_path_is_replaced_captures_included",
    "path-regex": "test_knobs_paths.py::test_paths_are_read_as_is_said",
    "listen-ports": "test_knobs_paths.py::test_ports_of_a_host_take_the_place_of_the_usual_one",
    "access-log": "test_knobs_logs.py::test_the_access_log_goes_where_it_is_sent_in_its_format",
    "access-log-off": "test_knobs_logs.py::test_the_access_log_can_be_off",
    "log-format": "test_knobs_logs.py::test_lines_have_the_format_that_is_asked_for",
    "log-format-escaping": "test_knobs_logs.py::test_values_are_escaped_as_is_asked_for",
    "stream-log-format": "test_knobs_logs.py::test_values_are_escaped_as_is_asked_for",
    "stream-log-format-escaping": "test_knobs_logs.py::test_values_are_escaped_as_is_asked_for",
    "default-server-access-log-off": "test_knobs_logs.py::test_the_default_server_can_be_left_out_of_the_access_log",
    "error-log-level": "test_knobs_logs.py::test_the_error_log_holds_what_is_as_grave_as_its_level",
    "keepalive-requests": "test_knobs_connections.py::test_a_connection_is_kept_for_so_many_requests",
    "keepalive-timeout": "test_knobs_connections.py::test_an_idle_connection_is_kept_for_so_long",
    "proxy-protocol": "test_knobs_connections.py::test_the_proxy_protocol_names_the_client",
    "default-server-return": "test_knobs_default_server.py::test_unknown_hosts_get_the_answer_that_is_asked_for",
    "main-template": "test_knobs_templates.py::test_whole_templates_take_the_place_of_ours",
    "ingress-template": "test_knobs_templates.py::test_whole_templates_take_the_place_of_ours",
}
"""Knobs between clients and nginx → ``file::test`` in this folder."""
UNSEEN = {
    "external-status-address": "it is written to the status of Ingresses: tests/live/test_live_status.py",
    "server-names-hash-bucket-size": "a table's layout; nginx starts or does not, and Headgate lets it grow",
    "server-names-hash-max-size": "a table's layout; nginx starts or does not, and Headgate lets it grow",
    "map-hash-bucket-size": "a table's layout; nginx starts or does not, and Headgate lets it grow",
    "map-hash-max-size": "a table's layout; nginx starts or does not, and Headgate lets it grow",
    "variables-hash-bucket-size": "a table's layout, which costs a warning where it is small",
    "variables-hash-max-size": "a table's layout, which costs a warning where it is small",
    "proxy-busy-buffers-size": "what of the buffers waits for the client; the bytes and their order are the same",
    "otel-exporter-endpoint": "neither nginx here has the module: tests/unit/translate/test_telemetry.py",
    "otel-exporter-header-name": "neither nginx here has the module: tests/unit/translate/test_telemetry.py",
    "otel-exporter-header-value": "neither nginx here has the module: tests/unit/translate/test_telemetry.py",
    "otel-service-name": "neither nginx here has the module: tests/unit/translate/test_telemetry.py",
    "otel-trace-in-http": "neither nginx here has the module: tests/unit/translate/test_telemetry.py",
}
"""Knobs that traffic cannot tell → why; what nginx is given is shown by their cases in ``tests/cases``."""

SHOWN = {**BACKENDS, **CLIENTS}
NAMES = sorted({key.rpartition("/")[2] for key in (*REGISTRY.annotations, *REGISTRY.keys)})
"""Annotations and keys of one name are one knob."""


@pytest.mark.parametrize("name", NAMES)
def test_a_live_test_shows_it_or_a_reason_is_given(name: str) -> None:
    assert (name in SHOWN) != (name in UNSEEN)


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_the_test_is_there_and_about_it(name: str) -> None:
    file, _, test = SHOWN[name].partition("::")
    text = (Path(__file__).parent / file).read_text()
    assert re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE)
    assert re.search(rf"\b{re.escape(name).replace(chr(92) + '-', '[-_]')}\b", text)


def test_the_table_holds_no_others() -> None:
    assert {*SHOWN, *UNSEEN} <= set(NAMES)
    assert not BACKENDS.keys() & CLIENTS.keys()
    assert all(len(reason.split()) > 3 for reason in UNSEEN.values())
