"""Every setting has a live test that shows what it does to traffic, or a reason why traffic cannot tell."""

import re
from pathlib import Path

import pytest

from headgate.settings import REGISTRY

BACKENDS = {
    "lb-method": "test_settings_balancing.py::test_least_conn_avoids_busy_backends",
    "max-conns": "test_settings_balancing.py::test_max_conns_limits_the_connections_to_a_backend",
    "max-fails": "test_settings_balancing.py::test_max_fails_takes_a_backend_out",
    "fail-timeout": "test_settings_balancing.py::test_a_failed_backend_is_asked_again_after_fail_timeout",
    "sticky-cookie-services": "test_settings_balancing.py::test_a_sticky_cookie_keeps_a_client_with_its_backend",
    "health-checks": "../test_live_checks.py::test_an_ingress_has_its_endpoints_checked_as_their_pods_say",
    "health-checks-mandatory": "../test_live_checks.py::test_an_ingress_has_its_endpoints_checked_as_their_pods_say",
    "health-checks-mandatory-queue": "../test_live_checks.py::test_requests_of_an_ingress_wait_until_one_passes",
    "slow-start": "../../nginx/test_nginx_live_shares.py::test_the_share_of_a_server_that_was_added_grows",
    "upstream-zone-size": "test_settings_process.py::test_workers_share_the_state_of_an_upstream_in_its_zone",
    "keepalive": "test_settings_proxying.py::test_connections_to_backends_are_kept_alive",
    "use-cluster-ip": "test_settings_proxying.py::test_the_cluster_ip_is_used_as_backend",
    "proxy-connect-timeout": "test_settings_proxying.py::test_a_backend_that_accepts_no_connection_times_out",
    "proxy-send-timeout": "test_settings_proxying.py::test_a_backend_that_reads_nothing_times_out",
    "proxy-read-timeout": "test_settings_proxying.py::test_a_backend_that_does_not_answer_times_out",
    "proxy-next-upstream": "test_settings_proxying.py::test_the_next_backend_is_asked_on_the_configured_conditions",
    "proxy-next-upstream-tries": "test_settings_proxying.py::test_the_number_of_tries_is_limited",
    "proxy-next-upstream-timeout": "test_settings_proxying.py::test_no_next_backend_is_asked_after_the_timeout",
    "proxy-redirect-from": "test_settings_proxying.py::test_redirects_of_a_backend_are_rewritten",
    "proxy-redirect-to": "test_settings_proxying.py::test_redirects_of_a_backend_are_rewritten",
    "proxy-buffering": "test_settings_proxying.py::test_an_unbuffered_response_arrives_in_parts",
    "proxy-buffers": "test_settings_proxying.py::test_a_response_that_is_not_read_goes_to_a_file",
    "proxy-buffer-size": "test_settings_proxying.py::test_response_headers_must_fit_the_buffer",
    "proxy-max-temp-file-size": "test_settings_proxying.py::test_a_response_that_is_not_read_goes_to_a_file",
    "ssl-services": "test_settings_protocols.py::test_a_backend_can_be_asked_over_tls",
    "grpc-services": "test_settings_protocols.py::test_a_grpc_call_is_proxied_with_its_trailers",
    "websocket-services": "test_settings_protocols.py::test_a_websocket_is_echoed",
    "set-real-ip-from": "test_settings_addresses.py::test_trusted_proxies_name_the_client",
    "real-ip-recursive": "test_settings_addresses.py::test_trusted_proxies_name_the_client",
    "real-ip-header": "test_settings_addresses.py::test_another_header_names_the_client",
    "resolver-addresses": "test_settings_resolver.py::test_the_name_server_is_asked",
    "resolver-ipv6": "test_settings_resolver.py::test_the_name_server_is_asked",
    "resolver-valid": "test_settings_resolver.py::test_a_name_is_resolved_again_after_resolver_valid",
    "resolver-timeout": "test_settings_resolver.py::test_a_name_server_that_does_not_answer_times_out",
    "main-snippets": "test_settings_process.py::test_main_snippets_are_used",
    "http-snippets": "test_settings_process.py::test_http_server_and_location_snippets_are_used",
    "server-snippets": "test_settings_process.py::test_http_server_and_location_snippets_are_used",
    "location-snippets": "test_settings_process.py::test_http_server_and_location_snippets_are_used",
    "stream-snippets": "test_settings_process.py::test_stream_snippets_are_used",
    "worker-processes": "test_settings_process.py::test_there_are_as_many_workers_as_configured",
    "worker-cpu-affinity": "test_settings_process.py::test_workers_are_bound_to_cpus",
    "worker-rlimit-nofile": "test_settings_process.py::test_workers_may_open_as_many_files_as_configured",
    "worker-shutdown-timeout": "test_settings_process.py::test_old_workers_close_after_the_shutdown_timeout",
    "worker-connections": "test_settings_process.py::test_a_worker_has_as_many_connections_as_configured",
    "limit-req-scale": "../test_live_replicas.py::test_each_replica_allows_its_share",
}
"""Settings between nginx and backends → ``file::test`` in this folder."""
CLIENTS = {
    "add-header": "test_settings_headers.py::test_added_headers_are_on_errors_only_with_always",
    "add-header-inherit": "test_settings_headers.py::test_headers_of_the_configmap_are_inherited_as_configured",
    "proxy-hide-headers": "test_settings_headers.py::test_hidden_headers_of_a_backend_are_removed",
    "proxy-pass-headers": "test_settings_headers.py::test_passed_headers_are_those_of_the_backend",
    "server-tokens": "test_settings_headers.py::test_server_tokens_shows_or_hides_the_version",
    "proxy-set-headers": "test_settings_headers.py::test_configured_request_headers_reach_the_backend",
    "disable-forwarded-headers": "test_settings_headers.py::test_forwarded_headers_can_be_left_unchanged",
    "ssl-redirect": "test_settings_tls.py::test_the_redirect_can_be_turned_off",
    "http-redirect-code": "test_settings_tls.py::test_the_status_of_the_redirects_is_chosen",
    "redirect-to-https": "test_settings_tls.py::test_plain_http_behind_a_proxy_is_redirected_to_https",
    "listen-ports-ssl": "test_settings_tls.py::test_listen_ports_ssl_replace_the_default_port_and_redirects_lead_there",
    "hsts": "test_settings_tls.py::test_hsts_is_sent_on_tls_only",
    "hsts-max-age": "test_settings_tls.py::test_hsts_has_the_configured_age_and_subdomains",
    "hsts-include-subdomains": "test_settings_tls.py::test_hsts_has_the_configured_age_and_subdomains",
    "hsts-behind-proxy": "test_settings_tls.py::test_behind_a_proxy_x_forwarded_proto_decides_hsts",
    "ssl-protocols": "test_settings_tls.py::test_only_configured_tls_protocols_are_accepted",
    "ssl-ciphers": "test_settings_tls.py::test_only_configured_ciphers_are_accepted",
    "ssl-prefer-server-ciphers": "test_settings_tls.py::test_ssl_prefer_server_ciphers_decides_the_order",
    "http3": "test_settings_http3.py::test_a_request_is_answered_as_over_the_other_protocols",
    "http3-advertised-port": "test_settings_http3.py::test_clients_of_https_are_told_and_nobody_else",
    "http2": "test_settings_tls.py::test_http2_is_negotiated_where_it_is_on",
    "ssl-dhparam-file": "test_settings_tls.py::test_dhe_ciphers_need_the_configured_diffie_hellman_group",
    "limit-req-rate": "test_settings_limits.py::test_requests_above_the_rate_are_refused",
    "limit-req-burst": "test_settings_limits.py::test_requests_of_a_burst_are_delayed",
    "limit-req-delay": "test_settings_limits.py::test_part_of_a_burst_is_not_delayed",
    "limit-req-no-delay": "test_settings_limits.py::test_the_whole_burst_can_pass_without_delay",
    "limit-req-key": "test_settings_limits.py::test_each_value_of_the_key_is_counted_separately",
    "limit-req-zone-size": "test_settings_limits.py::test_a_small_zone_forgets_the_oldest",
    "limit-req-dry-run": "test_settings_limits.py::test_a_dry_run_rejects_nothing_and_logs_what_it_would",
    "limit-req-reject-code": "test_settings_limits.py::test_the_status_of_a_refusal_is_chosen",
    "limit-req-log-level": "test_settings_limits.py::test_the_level_of_the_log_line_is_chosen",
    "client-max-body-size": "test_settings_limits.py::test_a_body_above_the_size_is_refused",
    "client-body-buffer-size": "test_settings_limits.py::test_a_body_larger_than_its_buffer_is_written_to_a_file",
    "jwt-key": "../test_live_jwt.py::test_ingresses_ask_for_tokens",
    "jwt-realm": "../test_live_jwt.py::test_ingresses_ask_for_tokens",
    "jwt-token": "../test_live_jwt.py::test_ingresses_ask_for_tokens",
    "jwt-login-url": "../test_live_jwt.py::test_ingresses_ask_for_tokens",
    "basic-auth-secret": "test_settings_access.py::test_only_requests_with_the_password_are_served",
    "basic-auth-realm": "test_settings_access.py::test_only_requests_with_the_password_are_served",
    "custom-http-errors": "test_settings_access.py::test_chosen_errors_get_the_page_of_the_default_backend",
    "app-root": "test_settings_paths.py::test_the_root_redirects_to_app_root",
    "rewrites": "test_settings_paths.py::test_each_service_gets_its_rewrite_in_place_of_the_matched_path",
    "rewrite-target": "test_settings_paths.py::test_rewrite_target_replaces_the_whole_path_with_captures",
    "path-regex": "test_settings_paths.py::test_paths_match_as_path_regex_says",
    "listen-ports": "test_settings_paths.py::test_listen_ports_replace_the_default_port",
    "access-log": "test_settings_logs.py::test_the_access_log_goes_to_the_configured_target_in_its_format",
    "access-log-off": "test_settings_logs.py::test_the_access_log_can_be_off",
    "log-format": "test_settings_logs.py::test_access_log_lines_have_the_configured_format",
    "log-format-escaping": "test_settings_logs.py::test_log_values_are_escaped_as_configured",
    "stream-log-format": "test_settings_logs.py::test_log_values_are_escaped_as_configured",
    "stream-log-format-escaping": "test_settings_logs.py::test_log_values_are_escaped_as_configured",
    "default-server-access-log-off": "test_settings_logs.py::test_the_default_server_can_be_left_out_of_the_access_log",
    "error-log-level": "test_settings_logs.py::test_the_error_log_holds_messages_of_its_level_and_above",
    "keepalive-requests": "test_settings_connections.py::test_a_connection_is_kept_for_keepalive_requests",
    "keepalive-timeout": "test_settings_connections.py::test_an_idle_connection_is_kept_for_keepalive_timeout",
    "proxy-protocol": "test_settings_connections.py::test_the_proxy_protocol_names_the_client",
    "default-server-return": "test_settings_default_server.py::test_unknown_hosts_get_the_configured_answer",
    "main-template": "test_settings_templates.py::test_whole_templates_replace_the_builtin_ones",
    "oidc-access-tokens-timeout": "../../oidc/test_lifetimes.py::test_timeouts_of_the_configmap",
    "oidc-id-tokens-timeout": "../../oidc/test_lifetimes.py::test_timeouts_of_the_configmap",
    "oidc-pkce-timeout": "../../oidc/test_lifetimes.py::test_timeouts_of_the_configmap",
    "oidc-refresh-tokens-timeout": "../../oidc/test_lifetimes.py::test_timeouts_of_the_configmap",
    "policies": "../test_live_policies.py::test_ingresses_refer_to_policies",
    "transportserver-template": "test_settings_templates.py::test_transport_servers_have_a_template_of_their_own",
    "virtualserver-template": "test_settings_templates.py::test_virtual_servers_have_a_template_of_their_own",
    "ingress-template": "test_settings_templates.py::test_whole_templates_replace_the_builtin_ones",
}
"""Settings between clients and nginx → ``file::test`` in this folder."""
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
"""Settings that traffic cannot tell → why; what nginx is given is shown by their cases in ``tests/cases``."""

SHOWN = {**BACKENDS, **CLIENTS}
NAMES = sorted({key.rpartition("/")[2] for key in (*REGISTRY.annotations, *REGISTRY.keys)})
"""Annotations and keys of one name are one setting."""


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_live_test_or_a_reason_for_none(name: str) -> None:
    assert (name in SHOWN) != (name in UNSEEN)


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_the_named_live_test_exists_and_uses_the_setting(name: str) -> None:
    file, _, test = SHOWN[name].partition("::")
    text = (Path(__file__).parent / file).read_text()
    assert re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE)
    assert re.search(rf"\b{re.escape(name).replace(chr(92) + '-', '[-_]')}\b", text)


def test_the_tables_hold_known_settings_only() -> None:
    assert {*SHOWN, *UNSEEN} <= set(NAMES)
    assert not BACKENDS.keys() & CLIENTS.keys()
    assert all(len(reason.split()) > 3 for reason in UNSEEN.values())
