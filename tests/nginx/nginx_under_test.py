"""Hand-written files for a real nginx below a short temporary directory."""

import asyncio
import contextlib
from collections.abc import Collection
from pathlib import Path

from showcase.ports import free_port

from headgate.ir import ApplyResult, File, FileSet, Layout, Release
from headgate.nginx import LocalManager, procfs
from headgate.nginx.directories import worker_user
from headgate.nginx.manager import Reason
from headgate.problems import ObjectRef
from tests.waiting import eventually


def origin(name: str, kind: str = "Ingress") -> ObjectRef:
    return ObjectRef(kind, "default", name)


class FileManager(LocalManager):
    """Takes a FileSet for a Release: nothing is pushed to workers."""

    async def start(self, release: Release | FileSet) -> ApplyResult:
        return await super().start(_release(release))

    async def apply(
        self, release: Release | FileSet, *, reason: Reason = "other", retry: Collection[ObjectRef] = ()
    ) -> ApplyResult:
        return await super().apply(_release(release), reason=reason, retry=retry)


def _release(files: Release | FileSet) -> Release:
    return files if isinstance(files, Release) else Release(files)


class NginxUnderTest:
    """Ports, directories and configuration text of one test."""

    def __init__(self, prefix: Path) -> None:
        self.layout = Layout.under(str(prefix))
        self.port = free_port()

    def main(self, extra: str = "", worker_processes: int = 2) -> File:
        """``nginx.conf`` with a default server on ``self.port`` that answers ``default``."""
        run, temp = self.layout.run, self.layout.temp
        user = worker_user(self.layout)
        lines = [
            f"user {user};" if user else "",
            f"worker_processes {worker_processes};",
            f"pid {self.layout.pid};",
            f"lock_file {run}/nginx.lock;",
            f"error_log {self.layout.error_log} notice;",
            "worker_shutdown_timeout 10s;",
            "events { worker_connections 256; }",
            "http {",
            "    access_log off;",
            *(f"    {kind}_temp_path {temp}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")),
            f"    {extra}",
            f"    server {{ listen 127.0.0.1:{self.port} default_server; return 200 default; }}",
            f"    include {self.layout.conf}/config-version.conf;",
            f"    include {self.layout.conf}/conf.d/*.conf;",
            "}",
        ]
        return File("nginx.conf", "\n".join(lines).encode())

    def server(
        self, name: str, body: str = "", *, before: str = "", listen: int | None = None, tls: bool = False
    ) -> File:
        """A server called NAME.test that answers its name, or has *body*; *before* stands in front of it."""
        address = f"127.0.0.1:{listen or self.port}{' ssl' if tls else ''}"
        text = (
            f"{before}\nserver {{\n    listen {address};\n    server_name {name}.test;\n"
            f"    {body or f'return 200 {name};'}\n}}\n"
        )
        return File(f"conf.d/default-{name}.conf", text.encode(), origin=origin(name))

    def files(self, *files: File, extra: str = "") -> FileSet:
        return FileSet([self.main(extra), *files])

    async def get(self, host: str, path: str = "/", port: int | None = None) -> str:
        """The body that *host* is answered with, ``""`` if nobody does."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        except OSError:
            return ""
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}.test\r\n\r\n".encode())
            answer = await reader.read()
        except OSError:
            return ""
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return answer.partition(b"\r\n\r\n")[2].decode()

    async def wait_closed(self) -> None:
        """Wait until nobody accepts connections any more."""
        await eventually(lambda: self.get("any"), lambda answer: not answer)

    def conf_d(self) -> list[str]:
        """Names in ``conf.d``, hidden ones included."""
        return sorted(path.name for path in Path(self.layout.conf, "conf.d").iterdir())

    def write_file(self, name: str, text: str | bytes) -> None:
        """Put a file under the configuration directory, as somebody else might have."""
        path = Path(self.layout.conf, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def read_file(self, name: str) -> bytes | None:
        path = Path(self.layout.conf, name)
        return path.read_bytes() if path.exists() else None


async def both_workers(master: int | None) -> frozenset[int]:
    """The pids of the two workers of *master*, as soon as it has started both (the first one answers earlier)."""
    assert master is not None
    await eventually(lambda: len(procfs.workers(master)) == 2)
    return procfs.workers(master)
