"""For every setting: texts that are taken, with the value where it is not obvious, and texts that are refused."""

from typing import Any, NamedTuple

from headgate.settings import (
    REGISTRY,
    Duration,
    Header,
    HeaderName,
    Offset,
    Quoted,
    Seconds,
    Setting,
    Size,
    Snippet,
    Where,
    Words,
)
from headgate.settings.diffie_hellman import FFDHE2048
from headgate.settings.routing import Rewrite
from headgate.settings.upstream import Sticky
from headgate.settings.values import Buffers


class Sample(NamedTuple):
    taken: dict[str, Any]
    refused: tuple[str, ...]


PEM = FFDHE2048

SWITCH = Sample(
    {"true": True, "1": True, "T": True, "False": False, "f": False, "0": False, " true ": True},
    ("yes", "on", "tRue", "truefalse", "2", "enabled"),
)
TIME = Sample(
    {
        "60": Duration("60s"),
        "500ms": Duration("500ms"),
        "1h 30m": Duration("1h30m"),
        "1y2M3w4d5h6m7s8ms": Duration("3w429d5h6m7s8ms"),
        " 0 ": Duration("0s"),
        "007": Duration("7s"),
        "1h 5 20ms": Duration("1h5s20ms"),
    },
    ("soon", "-1", "1.5s", "1m1h", "1s1s", "5 5", "1h;", "101y", "9" * 5000, "٣s", "s", "1 hour", "60\x00"),
)
SIZE = Sample(
    {"4096": Size("4096"), "8K": Size("8k"), "1m": Size("1m"), " 16k ": Size("16k"), "0": Size("0")},
    ("", "1g", "1 k", "-1", "1kk", "k", "1.5m", "٣k", "9" * 13, "9999999999m", "8k;"),
)
ZONE = Sample({"32k": Size("32k"), "32768": Size("32768"), "1024m": Size("1024m")}, ("31k", "1", "1025m", "1g", "x"))
NUMBER = Sample({"0": 0, "7": 7, " 12 ": 12, "2147483647": 2**31 - 1}, ("-1", "2147483648", "1.0", "1e3", "x", "٣"))
BUCKET = Sample({"32": 32, "256": 256, "65408": 65_408}, ("31", "65536", "x", "64k"))
TABLE = Sample({"32": 32, "1048576": 2**20}, ("31", "1048577", "x"))
SERVICES = Sample(
    {"coffee": ("coffee",), "coffee, tea-svc": ("coffee", "tea-svc"), "0a-b": ("0a-b",), "a" * 63: ("a" * 63,)},
    ("coffee,", ",", "Coffee", "a b", "a;b", "-a", "a-", "a..b", "a" * 64, "a.b", "a/../b", "$a"),
)
NAMES = Sample(
    {"X-A": (HeaderName("X-A"),), "X-A , b9": (HeaderName("X-A"), HeaderName("b9"))},
    ("X_A", "X A", "X:A", "a,,b", "a;", "ä", "$a", "a\nb"),
)
PORTS = Sample({"80": (80,), "80, 8080": (80, 8080)}, ("0", "65536", "80,80", "80,", "http", "80;"))
SNIPPET = Sample({"deny all;\n": Snippet("deny all;\n"), "": Snippet(), " \n\n": Snippet()}, ("a\x00b",))
TEMPLATE = Sample(
    {"{{ server.name }}": "{{ server.name }}", "{% if x %}{% endif %}": "{% if x %}{% endif %}"},
    ("server_name {{.Name}};", "{{range $x := .Servers}}{{end}}", "{{- if x}}{{ end }}"),
)
FORMAT = Sample(
    {
        "$remote_addr": (Quoted("$remote_addr"),),
        "a ${host}\r\n\nb": (Quoted("a ${host}"), Quoted(" b")),
        '{"a":"$host"}': (Quoted('{"a":"$host"}'),),
        r"tab\t\"": (Quoted('tab\t"'),),
    },
    ("cost: 5$", "$", "$1", "${host", "$-x", "a\x00", "\n"),
)
ESCAPING = Sample({"json": "json", "None": "none", "default": "default"}, ("xml", "", "json;"))

SPAN = Sample({"shop": "shop", " a_b-1 ": "a_b-1"}, ("", "a b", "$x", "a;", "a" * 256))

SAMPLES: dict[str, Sample] = {
    "proxy_request_buffering": SWITCH,
    "proxy_http_version": Sample({"1.0": "1.0", " 1.1": "1.1"}, ("2", "1.1;", "", "1.1 1.0")),
    "proxy_cookie_domain": Sample(
        {
            "off": Words(("off",)),
            "a.internal  shop.test": Words(("a.internal", "shop.test")),
        },
        ("a", "a b c", "off off2 x", "a; b", "$host b", "a {", "a #", '"a" b', "a\\ b", "../a b", "~a b"),
    ),
    "proxy_cookie_path": Sample(
        {"off": Words(("off",)), "/one/  /": Words(("/one/", "/")), "/a?b=1 /,": Words(("/a?b=1", "/,"))},
        ("/", "/a /b /c", "/a; /", "/$1 /", "/a/../b /", "~? /", "/a '/'"),
    ),
    "limit_rate": Sample({"0": Size("0k"), "500": Size("500k"), "-1": Size("0k")}, ("1k", "1.5", "x", "9" * 12)),
    "limit_rate_after": Sample({"0": Size("0k"), "7": Size("7k")}, ("1m", ";")),
    "brotli": SWITCH,
    "brotli_comp_level": Sample({"0": 0, "11": 11}, ("12", "-1", "4;", "")),
    "brotli_min_length": Sample({"0": 0, "256": 256}, ("1k", "-1", "1;")),
    "brotli_types": Sample(
        {"text/css": Words(("text/css",)), " a/b  c/*": Words(("a/b", "c/*"))},
        ("text/css;", "$x", "a b {", '"text/css"', "a\nb", ""),
    ),
    "geoip2": SWITCH,
    "geoip2_autoreload": Sample({"0": 0, "60": 60}, ("1h", "-1", "1;")),
    "logged": SWITCH,
    "rewrite_log": SWITCH,
    "traced": SWITCH,
    "trace_context": Sample({"true": "propagate", "0": "inject"}, ("yes", "", "propagate")),
    "traced_name": SPAN,
    "otel_span_name": SPAN,
    "otel_trace_context": Sample({"extract": "extract", "Ignore": "ignore"}, ("on", "")),
    "otel_sampled_percent": Sample({"0": "0", "12.5": "12.5", "100": "100"}, ("101", "-1", "1.234", "x", "")),
    "otel_parent_sampled": SWITCH,
    "otel_exporter_interval": TIME,
    "otel_exporter_batch_size": Sample({"1": 1, " 512 ": 512}, ("0", "-1", "x")),
    "relative_redirects": SWITCH,
    "port_in_redirect": SWITCH,
    "proxy_connect_timeout": TIME,
    "proxy_read_timeout": TIME,
    "proxy_send_timeout": TIME,
    "proxy_next_upstream": Sample(
        {"error timeout": Words(("error", "timeout")), "http_500": Words(("http_500",)), "off": Words(("off",))},
        ("denied", "error error", "http_501", "error;", "error,timeout"),
    ),
    "proxy_next_upstream_timeout": TIME,
    "proxy_next_upstream_tries": NUMBER,
    "proxy_redirect_from": Sample(
        {
            "off": "off",
            "default": "default",
            "http://$host:8080/": "http://$host:8080/",
            r"~^http://(?<name>[^/]+)\.test/(.*)$": Quoted(r"~^http://(?<name>[^/]+)\.test/(.*)$"),
            "~*x": Quoted("~*x"),
            r"~^http://a{1};#\"": Quoted(r"~^http://a{1};#\""),
        },
        ("~(", "~" + "(" * 9999, "a b", "~a b", "a;b", "a{", "a#", 'a"', "a'", "a`", "a\\", "5$", "~"),
    ),
    "proxy_redirect_to": Sample(
        {"https://$host/": "https://$host/", "/$1": "/$1", "${scheme}://x/": "${scheme}://x/"},
        ("a b", "a;", "a{b", "$", "a$;", "${a", "a\\b", "a}"),
    ),
    "client_max_body_size": Sample(
        {"0": Offset("0"), "10m": Offset("10m"), "2G": Offset("2g")}, ("1t", "-1", "999999999999g", "10 m", "m")
    ),
    "client_body_buffer_size": Sample({"16K": Size("16k"), "1": Size("1")}, (*SIZE.refused, "0", "0k", "00m")),
    "proxy_buffering": SWITCH,
    "proxy_buffers": Sample(
        {"8 4k": Buffers(8, Size("4k")), "4  8K": Buffers(4, Size("8k")), "2 4096": Buffers(2, Size("4096"))},
        ("8", "4k", "0 4k", "8 4g", "8,4k", "x 4k", "8 4k 2", "100000 4k"),
    ),
    "proxy_buffer_size": SIZE,
    "proxy_busy_buffers_size": Sample(SIZE.taken | {"": None}, SIZE.refused[1:]),
    "proxy_max_temp_file_size": SIZE,
    "ssl_protocols": Sample(
        {"TLSv1.2 TLSv1.3": Words(("TLSv1.2", "TLSv1.3")), "TLSv1.3 TLSv1.3": Words(("TLSv1.3",))},
        ("TLSv1.4", "tlsv1.2", "TLSv1.2,TLSv1.3", "TLSv1.2;"),
    ),
    "ssl_ciphers": Sample(
        {"HIGH:!aNULL:!MD5\n": Quoted("HIGH:!aNULL:!MD5"), "ALL:@SECLEVEL=0": Quoted("ALL:@SECLEVEL=0"), "": None},
        ("HIGH;}", 'HIGH"', "HIGH\nLOW", "$x", "a\\", "#", "{", "NONSENSE", "ALL:@SECLEVEL=0HIGH"),
    ),
    "ssl_prefer_server_ciphers": SWITCH,
    "ssl_dhparam": Sample(
        {PEM: PEM, f"{PEM}\n": PEM}, ("x", PEM.replace("DH", "RSA"), PEM.replace("+", ";"), PEM.replace("MIIB", "MIIC"))
    ),
    "http2": SWITCH,
    "http3": SWITCH,
    "http3_advertised_port": Sample({"443": 443, " 65535": 65_535}, ("0", "65536", "-1", "x", "443;")),
    "ssl_redirect": SWITCH,
    "redirect_to_https": SWITCH,
    "http_redirect_code": Sample({"301": 301, " 308": 308}, ("303", "300", "x", "٣٠١", "301;")),
    "proxy_hide_headers": NAMES,
    "proxy_pass_headers": NAMES,
    "proxy_set_headers": Sample(
        {
            "X-A": (Header("X-A", Quoted("$http_x_a")),),
            'X-A: a;b {#} \\"q\\",X-B:': (Header("X-A", Quoted('a;b {#} "q"')), Header("X-B", Quoted(""))),
        },
        (
            "X-A:$host",
            "Content-Length",
            "transfer-encoding:chunked",
            'X-A:"',
            "X-A:a\nb",
            r"X-A:a\nX-B: c",
            r"X-A:a\rb",
            "X-A:a\\",
            "X A:b",
            ":b",
            "X-A:a\x00",
            "a:b,",
        ),
    ),
    "add_header": Sample(
        {
            "X-A:b": (Header("X-A", Quoted("b")),),
            "X-A: b : always": (Header("X-A", Quoted("b"), always=True),),
            "X-A:b:": (Header("X-A", Quoted("b")),),
            "X-A:http://x:80": (Header("X-A", Quoted("http://x:80")),),
        },
        ("X-A", "X-A:$host", 'X-A:"', r"X-A:a\nX-B: c", "X-A:\x7f", "X;A:b", "X-A:\\", "Content-Length:5"),
    ),
    "add_header_inherit": Sample({"on": "on", "OFF": "off", "merge": "merge"}, ("true", "on;", "merged")),
    "disable_forwarded_headers": SWITCH,
    "hsts": SWITCH,
    "hsts_max_age": Sample({"0": 0, "31536000": 31_536_000}, ("-1", "1y", "x", str(2**54))),
    "hsts_include_subdomains": SWITCH,
    "hsts_behind_proxy": SWITCH,
    "lb_method": Sample(
        {
            "round_robin": None,
            "random two  least_conn": Words(("random", "two", "least_conn")),
            "least_time  last_byte inflight": Words(("least_time", "last_byte", "inflight")),
            "random two least_time=header": Words(("random", "two", "least_time=header")),
            "ewma": Words(("ewma",)),
            "hash $request_uri consistent": Words(("hash", "$request_uri", "consistent")),
            "hash ${cookie_x}$uri": Words(("hash", "${cookie_x}$uri")),
        },
        (
            "least_time",
            "least_time connect",
            "least_time inflight",
            "random two least_time",
            "hash",
            "hash key",
            "hash $a b",
            "hash {$x;",
            "hash $a}",
            "hash $",
            "hash ${x",
            "random three",
            "ip_hash;",
            "hash " + "$aaaaaaaa" * 5000 + ";",
        ),
    ),
    "keepalive": Sample({"0": 0, "32": 32, "65535": 65_535}, ("-1", "65536", "x")),
    "upstream_keepalive_requests": NUMBER,
    "upstream_keepalive_time": TIME,
    "upstream_keepalive_timeout": TIME,
    "max_fails": NUMBER,
    "fail_timeout": Sample({"10s": Seconds("10s"), "1m": Seconds("1m"), "5": Seconds("5s")}, ("500ms", "1s1ms", "x")),
    "max_conns": NUMBER,
    "health_checks": SWITCH,
    "health_checks_mandatory": SWITCH,
    "health_checks_mandatory_queue": NUMBER,
    "slow_start": Sample(
        {"30s": Duration("30s"), "1m 30s": Duration("1m30s"), "5": Duration("5s")}, ("x", "-1", "1s1m")
    ),
    "upstream_zone_size": Sample(ZONE.taken | {"0": Size("0")}, ZONE.refused),
    "sticky_cookie_services": Sample(
        {
            "serviceName=tea srv": (Sticky("tea", Words(("cookie", "srv"))),),
            "serviceName=tea srv expires=1h domain=.x.test path=/a secure httponly samesite=Lax;serviceName=b-c x;": (
                Sticky(
                    "tea",
                    Words(
                        (
                            "cookie",
                            "srv",
                            "expires=1h",
                            "domain=.x.test",
                            "path=/a",
                            "secure",
                            "httponly",
                            "samesite=Lax",
                        )
                    ),
                ),
                Sticky("b-c", Words(("cookie", "x"))),
            ),
        },
        (
            "tea srv",
            "serviceName=tea",
            "serviceName=tea srv expires=1h expires=2h",
            "serviceName=tea srv expires=1y1",
            "serviceName=tea srv{",
            "serviceName=tea srv; }",
            "serviceName=tea $srv",
            "serviceName=tea srv path=/a;b",
            "serviceName=tea srv samesite=$x",
            "serviceName=T srv",
            "serviceName=tea srv learn",
        ),
    ),
    "ssl_services": SERVICES,
    "grpc_services": SERVICES,
    "websocket_services": SERVICES,
    "use_cluster_ip": SWITCH,
    "path_regex": Sample(
        {"case_sensitive": "case_sensitive", "case_insensitive": "case_insensitive", "exact": "exact"},
        ("true", "prefix"),
    ),
    "rewrites": Sample(
        {
            "serviceName=tea rewrite=/a": (Rewrite("tea", "/a"),),
            "serviceName=tea rewrite=/a/;serviceName=b-c rewrite=/;": (Rewrite("tea", "/a/"), Rewrite("b-c", "/")),
        },
        (
            "tea /a",
            "serviceName=tea",
            "serviceName=tea rewrite=a",
            "serviceName=tea rewrite=/$1",
            "serviceName=tea rewrite=/a/../b",
            "serviceName=tea rewrite=//evil",
            "serviceName=T rewrite=/",
            "serviceName=tea rewrite=/a{",
            ";",
            "serviceName=tea rewrite=/a#",
        ),
    ),
    "rewrite_target": Sample(
        {"/": "/", "/a/$1": "/a/$1", "/a?b=c": "/a?b=c"},
        ("a", "//a", "/../a", "/a/..", "/$host", "/$", "/a b", "/a;", "/${a}", "/a\\b", '/"', "/a#", "http://a", "/$٣"),
    ),
    "app_root": Sample(
        {"/a": "/a", "/a/b?c=d": "/a/b?c=d"}, ("/", "a", "//a", "/a/", "/../a", "/a;", "/~a", "/$a", "/a b", "/a'")
    ),
    "listen_ports": PORTS,
    "listen_ports_ssl": PORTS,
    "policies": Sample(
        {"office": ("office",), "a, b/c.d": ("a", "b/c.d")},
        ("", "a,,b", "A", "a/b/c", "-a", "a b", "/a", "a/", "a;b", "$a", "a/b_c"),
    ),
    "basic_auth_secret": Sample(
        {"htpasswd": "htpasswd", "a.b-c": "a.b-c", "a" * 253: "a" * 253},
        ("A", "a/b", "../a", "a b", "a;", "a" * 254, "$a", "-"),
    ),
    "jwt_key": Sample(
        {"keys": "keys", "a.b-c": "a.b-c", "a" * 253: "a" * 253},
        ("A", "a/b", "../a", "a b", "a;", "a" * 254, "$a", "-"),
    ),
    "jwt_realm": Sample(
        {"Members; only {#}": Quoted("Members; only {#}"), r"\"x\"": Quoted(r"\"x\"")},
        ('a"', "$a", "a\nb", r"a\nb", "a\\", "off"),
    ),
    "jwt_token": Sample(
        {"$http_x_token": "$http_x_token", "$arg_t": "$arg_t", "$cookie_T1": "$cookie_T1"},
        ("", "token", "$host", "$http_", "$http_a-b", "$cookie_a b", "$arg_a;", "${arg_a}", "$http_ä"),
    ),
    "jwt_login_url": Sample(
        {"https://login.example.com": "https://login.example.com", "http://a/b?c=d&e=f": "http://a/b?c=d&e=f"},
        (
            "",
            "login",
            "/login",
            "ftp://a",
            "https://",
            "https://a b",
            'https://a"',
            "https://a;",
            "https://a$b",
            "https://a#b",
            "https://a\\b",
            "https://a{b}",
            "https://a`b",
            "https://a\nb",
        ),
    ),
    "basic_auth_realm": Sample(
        {
            "Members; only {#}": Quoted("Members; only {#}"),
            r"\"x\"": Quoted(r"\"x\""),
            r"a\b": Quoted(r"a\\b"),
            "": Quoted(),
        },
        ('a"', "$a", "a\nb", r"a\nb", "a\\", "off"),
    ),
    "limit_req_rate": Sample(
        {"10r/s": "10r/s", "030r/m": "030r/m"}, ("0r/s", "10", "10r/h", "-1r/s", "1.5r/s", "٣r/s")
    ),
    "limit_req_key": Sample(
        {"${binary_remote_addr}": "${binary_remote_addr}", "$host$uri": "$host$uri"},
        ("host", "$host;", "${host", "$1", "$", "$a{", "a$b"),
    ),
    "limit_req_zone_size": Sample(ZONE.taken, (*ZONE.refused, "0")),
    "limit_req_delay": NUMBER,
    "limit_req_no_delay": SWITCH,
    "limit_req_burst": NUMBER,
    "limit_req_dry_run": SWITCH,
    "limit_req_log_level": Sample({"info": "info", "ERROR": "error"}, ("debug", "x", "warn;")),
    "limit_req_scale": SWITCH,
    "custom_http_errors": Sample(
        {
            "404, 500": (404, 500),
            "404,404": (404,),
            "5XX": tuple(range(500, 600)),
            "4xx": tuple(code for code in range(400, 500) if code != 499),
            "300,599": (300, 599),
        },
        ("299", "600", "499", "3xx", "404;", "40x", "404 500", "404,", "٤٠٤", "-404", "4xxx"),
    ),
    "resolver_addresses": Sample(
        {
            "10.96.0.10": ("10.96.0.10",),
            "kube-dns.kube-system.svc.cluster.local, [fd00::a]:53": (
                "kube-dns.kube-system.svc.cluster.local",
                "[fd00::a]:53",
            ),
            "10.0.0.1:5353": ("10.0.0.1:5353",),
        },
        (
            "10.0.0",
            "999.0.0.1",
            "0x7f.1",
            "fd00::a",
            "a:0",
            "a:99999",
            "a b",
            "a;",
            "$a",
            "[::1",
            "a,",
            "unix:/x",
            "-a",
        ),
    ),
    "resolver_ipv6": SWITCH,
    "resolver_valid": Sample({"5s": Seconds("5s"), "1m": Seconds("1m")}, ("500ms", "soon", "5;")),
    "resolver_timeout": TIME,
    **dict.fromkeys(
        ("oidc_pkce_timeout", "oidc_id_tokens_timeout", "oidc_access_tokens_timeout", "oidc_refresh_tokens_timeout"),
        Sample({"5s": Seconds("5s"), "1h 30m": Seconds("1h30m")}, ("500ms", "soon", "5;")),
    ),
    "otel_exporter_endpoint": Sample(
        {
            "otel:4317": "http://otel:4317",
            "https://otel.example.com": "https://otel.example.com:4317",
            " http://10.0.0.1:1/ ": "http://10.0.0.1:1",
        },
        ("http://u@otel", "http://[::1]:1", "otel:0", "otel:65536", "otel/path", "grpc://otel", "otel;", "$otel", "-a"),
    ),
    "otel_exporter_header_name": Sample({"X-Token": HeaderName("X-Token")}, ("X_A", "X A", "X:A", "$a", "a;")),
    "otel_exporter_header_value": Sample(
        {"Bearer a;b": Quoted("Bearer a;b"), r"\"x\"": Quoted('"x"')}, ('a"', "$a", "a\nb", r"a\nb", "a\\")
    ),
    "otel_service_name": Sample({"edge": "edge", "a/b:c": "a/b:c"}, ("a b", "a;", "$a", '"', "a" * 256)),
    "otel_trace_in_http": SWITCH,
    "limit_req_status": Sample({"400": 400, "599": 599}, ("399", "600", "x")),
    "error_log_level": Sample({"debug": "debug", "Emerg": "emerg"}, ("loud", "info;", "info debug")),
    "access_log": Sample(
        {
            "syslog:server=10.0.0.1:514,facility=local7,tag=a_b,severity=info main": Words(
                ("syslog:server=10.0.0.1:514,facility=local7,tag=a_b,severity=info", "main")
            ),
            "syslog:server=[::1]:514": Words(("syslog:server=[::1]:514",)),
            "syslog:server=unix:/dev/log,nohostname": Words(("syslog:server=unix:/dev/log,nohostname",)),
            "/dev/stdout main": Words(("/dev/stdout", "main")),
        },
        (
            "/etc/passwd",
            "syslog:",
            "syslog:server=a;b",
            "syslog:server=unix:/a/../b",
            "syslog:server=a:0",
            "/dev/stdout a b",
            "syslog:server=a:99999",
            "syslog:server=a,tag=b-c",
            "syslog:server=$host",
            "/dev/stdout $a",
            "/dev/stdout/../x",
        ),
    ),
    "access_log_off": SWITCH,
    "log_format": FORMAT,
    "log_format_escaping": ESCAPING,
    "stream_log_format": FORMAT,
    "stream_log_format_escaping": ESCAPING,
    "default_server_access_log_off": SWITCH,
    "keepalive_timeout": TIME,
    "keepalive_requests": NUMBER,
    "proxy_protocol": SWITCH,
    "real_ip_header": Sample(
        {"X-Real-IP": "X-Real-IP", "proxy_protocol": "proxy_protocol"}, ("a b", "a;", "$a", "a\nb")
    ),
    "set_real_ip_from": Sample(
        {
            "10.0.0.0/8, ::1": ("10.0.0.0/8", "::1"),
            "10.1.2.3/8": ("10.0.0.0/8",),
            "::ffff:10.0.0.0/104": ("10.0.0.0/8",),
            "unix:": ("unix:",),
        },
        ("10.0.0.0/33", "a.test", "fe80::1%a;b{", "fe80::%x/64", "10.0.0.1;", "", "unix:/a"),
    ),
    "real_ip_recursive": SWITCH,
    "worker_processes": Sample({"auto": "auto", "4": "4"}, ("0", "-1", "many", "auto;", "1025")),
    "worker_cpu_affinity": Sample(
        {"auto": Words(("auto",)), "auto 0101": Words(("auto", "0101")), "01 10": Words(("01", "10"))},
        ("auto 01 10", "12", "01;", "auto auto", "01 auto"),
    ),
    "worker_shutdown_timeout": TIME,
    "worker_connections": Sample({"16": 16, "1048576": 2**20}, ("15", "1048577", "x")),
    "worker_rlimit_nofile": Sample({"64": 64, "65536": 65_536}, ("63", "x", str(2**31))),
    "server_names_hash_bucket_size": BUCKET,
    "server_names_hash_max_size": TABLE,
    "map_hash_bucket_size": BUCKET,
    "map_hash_max_size": TABLE,
    "variables_hash_bucket_size": BUCKET,
    "variables_hash_max_size": TABLE,
    "server_tokens": Sample({"on": True, "off": False, "true": True, "F": False}, ("build", "custom text", "on;")),
    "default_server_return": Sample(
        {
            "444": Words(("444",)),
            "302 https://a.test/?b=$arg_b": Words(("302", "https://a.test/?b=$arg_b")),
            "301 $scheme://$host$request_uri": Words(("301", "$scheme://$host$request_uri")),
        },
        ("40", "999", "404 a b", "404;", "302 a;b", "302 $", "302 {", "٤٠٤", "https://a.test"),
    ),
    "external_status_address": Sample(
        {"10.0.0.1": "10.0.0.1", "lb.test": "lb.test", "::1": "::1", "": ""}, ("a b", "a;", "a/b", "$a")
    ),
    "main_snippets": SNIPPET,
    "http_snippets": SNIPPET,
    "stream_snippets": SNIPPET,
    "server_snippets": SNIPPET,
    "location_snippets": SNIPPET,
    "main_template": TEMPLATE,
    "ingress_template": TEMPLATE,
    "virtualserver_template": TEMPLATE,
    "transportserver_template": TEMPLATE,
}


def companions(field: Setting, place: Where) -> dict[str, str]:
    """Return what must stand beside the setting at *place*, so that it means something."""
    prefix, known = ("nginx.org/", REGISTRY.annotations) if place is Where.ANNOTATION else ("", REGISTRY.keys)
    others = "proxy-redirect-to" if field.name == "proxy_redirect_from" else field.spec.requires
    keys = [*others.split(", "), "limit-req-rate" if field.group == "limits" else ""]
    names = [(REGISTRY.annotation_of(key) if prefix else key) for key in keys if key and key != field.spec.key]
    return {name: known[name].example for name in names}
