"""What settings take, each nginx takes: times, sizes, balancing, and the rule for buffers that must fit together."""

import itertools
from pathlib import Path

import pytest

from headgate.render.guard import guard
from headgate.settings import Duration, Offset, Seconds, Size
from headgate.settings.buffers import BufferSettings
from headgate.settings.main import LARGEST_BUCKET
from headgate.settings.values import LEAST_ZONE, MOST_ZONE, Buffers
from headgate.translate.live import in_files
from tests.unit.settings.nginx_syntax_check import refusal, servers
from tests.unit.settings.setting_samples import SAMPLES

TIMES = [
    "".join(f"{count}{unit}" for unit in units)
    for length in (1, 2, 3, 8)
    for units in itertools.combinations(Duration.SECONDS, length)
    for count in (0, 7)
]
SIZES = [f"{count}{unit}" for count in (0, 1, 7, 4096, 99_999) for unit in ("", "k", "K", "m", "M")]


def test_every_time_is_accepted_by_nginx(nginx: str, folder: Path) -> None:
    times = [Duration.parse(text) for text in [*TIMES, "100y", "60", "0"]]
    directives = ("proxy_read_timeout", "proxy_next_upstream_timeout", "keepalive_timeout")
    bodies = ["".join(f"{directive} {time};" for directive in directives) for time in times]
    assert refusal(nginx, folder, servers(bodies), f"worker_shutdown_timeout {times[-4]};") == ""


def test_every_time_in_whole_seconds_is_accepted_by_nginx(nginx: str, folder: Path) -> None:
    times = [Seconds.parse(text) for text in [*TIMES, "100y"] if not text.endswith("ms")]
    lines = "".join(f"upstream u{i} {{ server 127.0.0.1:1 fail_timeout={time}; }}\n" for i, time in enumerate(times))
    assert refusal(nginx, folder, lines) == ""
    assert refusal(nginx, folder, "upstream u { server 127.0.0.1:1 fail_timeout=500ms; }")


def test_every_size_is_accepted_by_nginx(nginx: str, folder: Path) -> None:
    bodies = [f"client_body_buffer_size {Size.parse(text)};" for text in [*SIZES, f"{1 << 20}m"]]
    bodies += [f"client_max_body_size {Offset.parse(text)};" for text in [*SIZES, "3g", "3G", f"{1 << 30}g"]]
    assert refusal(nginx, folder, servers(bodies)) == ""


def test_bounds_of_zones_and_tables_are_those_of_nginx(nginx: str, folder: Path) -> None:
    tables = "".join(
        f"{kind}_hash_bucket_size {size};{kind}_hash_max_size {most};"
        for kind, size, most in (("map", LARGEST_BUCKET, 32), ("server_names", 32, 2**20), ("variables", 64, 2**20))
    )
    zones = "".join(f"upstream {name} {{ zone {name} {size}; server 127.0.0.1:1; keepalive 65535; }}\n"
                    for name, size in (("least", LEAST_ZONE), ("most", MOST_ZONE)))  # fmt: skip
    assert refusal(nginx, folder, tables + zones) == ""
    assert "too small" in refusal(nginx, folder, "upstream u { zone u 31k; server 127.0.0.1:1; }")


def test_every_sample_of_a_directive_is_accepted_by_nginx(nginx: str, folder: Path) -> None:
    def printed(name: str) -> list[str]:
        return [guard(value) for value in SAMPLES[name].taken.values() if value is not None]

    single = {name: printed(name) for name in ("proxy_next_upstream", "ssl_protocols", "ssl_ciphers", "real_ip_header")}
    single["return"] = printed("default_server_return")
    single["access_log"] = printed("access_log")
    single["set_real_ip_from"] = [guard(net) for nets in SAMPLES["set_real_ip_from"].taken.values() for net in nets]
    pairs = [f"proxy_redirect {first}{'' if first in {'off', 'default'} else ' /$1'};"
             for first in printed("proxy_redirect_from")]  # fmt: skip
    bodies = [f"{name} {text};" for name, texts in single.items() for text in texts]
    bodies += [f"location /{i} {{ proxy_pass http://u0; {pair} }}" for i, pair in enumerate(pairs)]
    balancing = [guard(method) for each in SAMPLES["lb_method"].taken.values() if (method := in_files(each))]
    methods = "".join(f"upstream u{i} {{ {method}; server 127.0.0.1:1; }}\n" for i, method in enumerate(balancing))
    formats = "log_format main x;" + "".join(
        f"log_format f{i} {' '.join(map(guard, lines))};"
        for i, lines in enumerate(SAMPLES["log_format"].taken.values())
    )
    assert refusal(nginx, folder, "map $uri $a { default 1; }" + formats + methods + servers(bodies)) == ""


GRID = [
    BufferSettings(
        proxy_buffers=buffers and Buffers(buffers[0], Size(buffers[1])),
        proxy_buffer_size=first and Size(first),
        proxy_busy_buffers_size=busy and Size(busy),
        proxy_max_temp_file_size=file and Size(file),
    )
    for buffers in (None, (1, "4k"), (2, "4k"), (3, "4k"), (8, "1k"), (4, "64k"))
    for first in (None, "1k", "12k", "64k")
    for busy in (None, "4k", "8k", "64k")
    for file in (None, "0", "8k")
]


def printed(buffers: BufferSettings) -> str:
    sizes = {
        "proxy_buffers": buffers.proxy_buffers and buffers.proxy_buffers.spelled,
        "proxy_buffer_size": buffers.proxy_buffer_size,
        "proxy_busy_buffers_size": buffers.proxy_busy_buffers_size,
        "proxy_max_temp_file_size": buffers.proxy_max_temp_file_size,
    }
    return "".join(f"{directive} {guard(size)};" for directive, size in sizes.items() if size is not None)


def test_buffers_without_conflict_are_taken(nginx: str, folder: Path) -> None:
    fitting = [printed(buffers) for buffers in GRID if not buffers.conflict()]
    assert len(fitting) > 50
    assert refusal(nginx, folder, servers(fitting)) == ""


def test_buffers_in_conflict_are_refused(nginx: str, folder: Path) -> None:
    in_conflict = [buffers for buffers in GRID if buffers.conflict()]
    assert len(in_conflict) > 100
    taken = [buffers for buffers in in_conflict if not refusal(nginx, folder, servers([printed(buffers)]))]
    assert taken == []


def test_adjusted_buffers_are_taken(nginx: str, folder: Path) -> None:
    assert refusal(nginx, folder, servers([printed(buffers.adjusted()) for buffers in GRID])) == ""


def test_nginx_listens_on_a_port_once(nginx: str, folder: Path) -> None:
    assert "duplicate" in refusal(nginx, folder, "server { listen 127.0.0.1:65001; listen 127.0.0.1:65001 ssl; }")


@pytest.mark.parametrize("size", ["0"])
def test_a_first_buffer_of_no_size_is_in_conflict_though_nginx_takes_it(nginx: str, folder: Path, size: str) -> None:
    buffers = BufferSettings(proxy_buffer_size=Size(size))
    assert "size 0" in buffers.conflict()
    assert refusal(nginx, folder, servers([printed(buffers)])) == ""
