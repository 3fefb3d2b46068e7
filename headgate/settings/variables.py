"""The variables of nginx that texts of users may read (https://nginx.org/en/docs/varindex.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headgate.problems import meant
from headgate.settings.parsers import VARIABLE

KNOWN = frozenset(
    """
    ancient_browser args binary_remote_addr body_bytes_sent bytes_sent connection connection_requests connection_time
    connections_active connections_reading connections_waiting connections_writing content_length content_type date_gmt
    date_local document_root document_uri fastcgi_path_info fastcgi_script_name gzip_ratio host hostname http2 http3
    https invalid_referer is_args is_request_port limit_conn_status limit_rate limit_req_status memcached_key
    modern_browser msec msie nginx_version pid pipe proxy_add_x_forwarded_for proxy_host proxy_port proxy_protocol_addr
    proxy_protocol_port proxy_protocol_server_addr proxy_protocol_server_port query_string realip_remote_addr
    realip_remote_port realpath_root remote_addr remote_port remote_user request request_body request_body_file
    request_completion request_filename request_id request_length request_method request_port request_time request_uri
    scheme secure_link secure_link_expires server_addr server_name server_port server_protocol slice_range status
    tcpinfo_rcv_space tcpinfo_rtt tcpinfo_rttvar tcpinfo_snd_cwnd time_iso8601 time_local uid_got uid_reset uid_set
    upstream_addr upstream_bytes_received upstream_bytes_sent upstream_cache_status upstream_connect_time
    upstream_header_time upstream_last_server_name upstream_response_length upstream_response_time upstream_status uri
    """.split()  # noqa: SIM905 - so many strings in a list read worse
)
FAMILIES = (
    "arg_", "cookie_", "geoip_", "http_", "jwt_", "otel_", "proxy_protocol_tlv_", "sent_http_", "sent_trailer_",
    "ssl_", "upstream_cookie_", "upstream_http_", "upstream_trailer_",
)  # fmt: skip
"""How the names of many variables begin; those of ``ssl_`` differ by version."""
OURS = frozenset(
    {"apikey_auth_token", "apikey_client_name", "resource_name", "resource_namespace", "resource_type", "service"}
)
"""Variables that Headgate sets in every location of a host where something reads them."""
_NAME = re.compile(VARIABLE)


def read_by(text: str) -> Iterator[str]:
    """Yield the names of the variables in *text*."""
    yield from (found.strip("${}") for found in _NAME.findall(text))


def unknown_variable(text: str) -> str:
    """Return that *text* has a variable which nginx does not have by itself, or ``""`` if it has none.

    A snippet, or a named group of a path, may define it for all hosts.
    """
    for name in read_by(text):
        lower = name.lower()  # the case of letters does not count (ngx_http_get_variable_index)
        if lower not in KNOWN | OURS and not any(lower.startswith(each) and lower != each for each in FAMILIES):
            return f"has the variable ${name}, which nginx does not have by itself{meant(name, KNOWN | OURS)}"
    return ""
