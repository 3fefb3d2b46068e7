"""The usual layout of generated nginx configuration: a TLS context per host, all directives in each location.

Servers, paths and upstreams are those of Headgate; only the places of the directives differ.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from headgate.ir import Layout

MAP = "_certificates.conf"
REPEATED = """
        proxy_http_version 1.1;
        proxy_connect_timeout 60s;
        proxy_read_timeout 60s;
        proxy_send_timeout 60s;
        client_max_body_size 1m;
        proxy_buffering on;
        proxy_buffers 8 4k;
        proxy_buffer_size 4k;
        proxy_max_temp_file_size 1024m;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Host $host;
        proxy_set_header X-Forwarded-Port $server_port;
        proxy_set_header X-Forwarded-Proto $scheme;
"""
_LOCATION = re.compile(r"(?<=\n)    location [^{]+\{\n")
_NAME = re.compile(r"    server_name (\S+);\n")


def copy(source: Layout, target: Layout) -> None:
    """Copy the files of one nginx to another layout."""
    shutil.copytree(source.conf, target.conf)
    for folder in (target.run, target.temp, target.logs):
        Path(folder).mkdir(parents=True)
    old, new = (str(Path(layout.conf).parent) for layout in (source, target))
    for path in Path(target.conf).rglob("*.conf"):
        text = path.read_text().replace(old, new)
        path.write_text(text.replace("error_log stderr notice;", "error_log stderr error;"))


def rearrange(layout: Layout) -> None:
    """Rewrite the files of *layout* to the usual layout."""
    names = dict(re.findall(r"^    (\S+) (\S+);$", Path(layout.conf, "conf.d", MAP).read_text(), re.MULTILINE))
    for path in Path(layout.conf, "conf.d").glob("team-*.conf"):
        text = _LOCATION.sub(lambda found: found[0] + REPEATED.lstrip("\n"), path.read_text())
        path.write_text(_NAME.sub(lambda found: found[0] + _certificate(layout, names[found[1]]), text))


def _certificate(layout: Layout, file: str) -> str:
    path = f"{layout.secrets}/{file}"
    return f"    ssl_certificate {path};\n    ssl_certificate_key {path};\n"
