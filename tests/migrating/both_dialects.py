"""One folder of Ingresses and what ``headgate migrate convert`` made of it, each served by a real nginx."""

from __future__ import annotations

import asyncio
import io
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from showcase.ports import free_ports

from headgate.cli import run
from headgate.ir import Layout
from headgate.migrating import community_tables
from headgate.offline import generate_folder
from headgate.probing import Comparison, compare, controller, probes
from headgate.viewing import look
from tests.directories import short_directory
from tests.nginx_binaries import capabilities, prepare
from tests.simulated_cluster import flags
from tests.waiting import wait_until

LOOPBACK = "127.0.0.1"
ECHO = """daemon off; master_process off; pid echo.pid; error_log stderr crit;
events {}
http {
  access_log off; client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .; uwsgi_temp_path .; scgi_temp_path .;
  server { listen %d; client_max_body_size 0;
    return 200 "$server_addr $request_uri host=$http_host scheme=$http_x_scheme prefix=$http_x_forwarded_prefix"; }
  server { listen %d; client_max_body_size 0; return 200 "$server_addr $request_uri"; }
}
"""
"""Answers with its address, which stands for the Service, and what it was asked for: one with headers, one without."""

Json = dict[str, Any]


class Ports(NamedTuple):
    """Ports of one nginx."""

    http: int
    https: int

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.http},https://{LOOPBACK}:{self.https}"


@contextmanager
def echo(binary: str) -> Iterator[dict[str, int]]:
    """Serve backends; yields their ports by what is converted to, which are open on all loopback addresses.

    Ingresses of nginx.org cannot set the headers of ingress-nginx, so that these backends do not look at them.
    """
    ports = free_ports(2)
    with short_directory() as folder:
        (folder / "echo.conf").write_text(ECHO % tuple(ports))
        process = subprocess.Popen([binary, "-p", str(folder), "-c", "echo.conf", "-e", "stderr"])
        try:
            yield dict(zip(("virtualserver", "nginx.org"), ports, strict=True))
        finally:
            process.kill()
            process.wait()


def with_backends(objects: Iterable[Json], port: int) -> list[Json]:
    """Return *objects* with an address of this machine behind each Service."""
    found, services = [], []
    for item in objects:
        if item["kind"] == "EndpointSlice":
            continue
        found.append(item)
        if item["kind"] == "Service" and "externalName" not in (item.get("spec") or {}):
            services.append(item)
    return [*found, *(_slice(item, i, port) for i, item in enumerate(services))]


def _slice(service: Json, index: int, port: int) -> Json:
    metadata = service["metadata"]
    ports = [{"name": each.get("name", ""), "port": port} for each in service["spec"]["ports"]]
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": metadata["name"], "namespace": metadata.get("namespace", "default"),
            "labels": {"kubernetes.io/service-name": metadata["name"]},
        },
        "ports": ports, "endpoints": [{"addresses": [f"127.0.1.{index + 1}"]}],
    }  # fmt: skip


@contextmanager
def served(binary: str, manifests: Path, more: Sequence[str]) -> Iterator[Ports]:
    """Serve *manifests* with the flags *more*."""
    http, https, status = free_ports(3)
    with short_directory() as folder:
        options = flags([
            f"--manifests={manifests}", f"--prefix={folder / 'p'}", "-disable-ipv6", "-data-plane=files",
            f"-default-http-listener-port={http}", f"-default-https-listener-port={https}",
            f"-nginx-status-port={status}", *more,
        ])  # fmt: skip
        place = Layout.under(str(folder / "p"))
        prepare(place)
        generate_folder(options, place, capabilities(binary)).write(Path(place.conf))
        command = [binary, "-e", "stderr", "-p", place.conf, "-c", place.main, "-g", "daemon off; master_process off;"]
        with (folder / "log").open("w+") as log:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
            try:
                wait_until(lambda: _answers(http, process, folder / "log"))
                yield Ports(http, https)
            finally:
                process.kill()
                process.wait()


def _answers(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        socket.create_connection((LOOPBACK, port), 1).close()
    except OSError:
        return False
    return True


class Moved(NamedTuple):
    """What came of it: the differences, the summary of the conversion, and its exit status."""

    comparisons: list[Comparison]
    summary: str
    status: int

    @property
    def noted(self) -> set[str]:
        """The Ingresses that the summary names."""
        return {word.rstrip(":") for word in self.summary.split() if "/" in word}


def moved(binary: str, port: int, objects: Iterable[Json], more: Sequence[str], target: str) -> Moved:
    """Convert *objects* to *target*, serve both, and compare what both answer."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_directory())
        made = with_backends(objects, port)
        before, after = folder / "before", folder / "after"
        before.mkdir()
        (before / "in.yaml").write_text(yaml.safe_dump_all(made))
        words = stack.enter_context(redirect_stderr(io.StringIO()))
        argv = ["migrate", "convert", f"--to={target}", str(before), f"--output={after}", *more]
        status = run(argv, {})
        rest = [item for item in made if item["kind"] not in {"Ingress", "IngressClass"}]
        after.mkdir(exist_ok=True)
        (after / "rest.yaml").write_text(yaml.safe_dump_all(rest))
        dialect = "-ingress-dialect=ingress-nginx"
        a = stack.enter_context(served(binary, before, [dialect, *more]))
        snippets = [each for each in more if each == "-enable-snippets"]
        b = stack.enter_context(served(binary, after, ["-nginx-configmaps=nginx-ingress/nginx-config", *snippets]))
        view = look(flags([f"--manifests={before}", dialect, *more]), capabilities(binary))
        tables = community_tables([resource.table for resource in view.resources])
        hosts = tuple(host for table in tables for host in table.hosts)
        asked = probes(hosts, (), ("http", "https"), view.env.params)
        found = asyncio.run(compare(asked, controller(a.address), controller(b.address), 10_000, 10))
        return Moved(found, words.getvalue(), status)
