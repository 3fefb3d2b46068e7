"""What is in the image and what is not, seen from a Pod of it under another command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from headgate import __version__
from tests.e2e.node.backend import RESTRICTED
from tests.e2e.node.installation import Installation
from tests.waiting import eventually

Note = Callable[[str, object], None]

LEAST_NGINX = (1, 27, 4)
"""The first with keepalive_min_timeout."""
LARGEST = 400 << 20
"""Bytes; what the runtime reports is unpacked in some, packed in others."""

IDLE = ["python3", "-c", "import time; time.sleep(3600)"]
TOOLS = ("pip", "pip3", "gcc", "cc", "make", "git", "curl", "wget")

MODULES = """
load_module modules/ndk_http_module.so;
load_module modules/ngx_http_lua_module.so;
load_module modules/ngx_http_js_module.so;
load_module modules/ngx_stream_module.so;
load_module modules/ngx_stream_js_module.so;
pid /tmp/probe.pid;
master_process off;
events {}
http {
    js_path /tmp;
    js_import probe from probe.js;
    server {
        listen unix:/tmp/http.sock;
        location /lua { content_by_lua_block { ngx.say(jit.version) } }
        location /js { js_content probe.answer; }
    }
}
stream {
    js_path /tmp;
    js_import probe from probe.js;
    server {
        listen unix:/tmp/stream.sock;
        js_set $word probe.say;
        return $word;
    }
}
"""
SCRIPT = "export default { answer: r => r.return(200, 'js'), say: s => 'stream js' }"
ASK = """
import json, os, pathlib, socket, subprocess, sys, time

pathlib.Path("/tmp/probe.conf").write_text(sys.argv[1])
pathlib.Path("/tmp/probe.js").write_text(sys.argv[2])
command = ["/usr/sbin/nginx", "-e", "stderr", "-p", "/usr/share/nginx", "-c", "/tmp/probe.conf", "-g", "daemon off;"]
nginx = subprocess.Popen(command)

def ask(path, question):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        if question:
            connection.sendall(question)
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode().rpartition("\\r\\n")[2].strip()

def get(name):
    return ask("/tmp/http.sock", f"GET /{name} HTTP/1.0\\r\\n\\r\\n".encode())

try:
    while not os.path.exists("/tmp/probe.pid") and nginx.poll() is None:
        time.sleep(0.05)
    print(json.dumps([get("js"), get("lua"), ask("/tmp/stream.sock", b"")]))
finally:
    nginx.kill()
"""
LOOK = """
import json, os, re, stat, subprocess, time, importlib.util, pathlib

def files():
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if not os.path.ismount(os.path.join(folder, name))]
        for name in names + folders:
            path = os.path.join(folder, name)
            try:
                yield path, os.lstat(path).st_mode
            except OSError:
                pass

modes = [(path, mode) for path, mode in files() if not stat.S_ISLNK(mode)]
began = time.monotonic()
version = subprocess.run(["headgate", "version"], capture_output=True, text=True).stdout
took = time.monotonic() - began
packages = pathlib.Path(importlib.util.find_spec("headgate").origin).parents[1]
sources = [path for path in packages.rglob("*.py")]
print(json.dumps({
    "setuid": [path for path, mode in modes if mode & (stat.S_ISUID | stat.S_ISGID) and stat.S_ISREG(mode)],
    "open": [path for path, mode in modes if mode & stat.S_IWOTH and not mode & stat.S_ISVTX],
    "capable": [path for path, mode in modes if stat.S_ISREG(mode) and "security.capability" in os.listxattr(path)],
    "uncompiled": [str(path) for path in sources if not os.path.exists(importlib.util.cache_from_source(str(path)))],
    "version": version, "took": took, "commit": os.environ["HEADGATE_COMMIT"],
    "user": [os.getuid(), os.getgid()], "nginx": subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr,
    "writable": [path for path in ("/etc/nginx", "/var/lib/nginx", "/var/cache/nginx", "/var/log/nginx", "/opt", "/usr")
                 if os.access(path, os.W_OK)],
}))
"""


@pytest.fixture
async def idle(installation: Installation) -> Installation:
    """A Pod ``idle`` of the image in which nothing of Headgate runs, with nothing said about its user."""
    security = RESTRICTED | {"runAsNonRoot": False}
    container = {"name": "idle", "image": installation.image, "command": IDLE, "securityContext": security}
    meta = {"namespace": installation.namespace, "name": "idle", "labels": {"app": "idle"}}
    spec = {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
    await installation.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    async def phase() -> str:
        ((pod),) = await installation.pods("idle")
        found: str = pod["status"].get("phase", "")
        return found

    await eventually(phase, lambda found: found == "Running")
    return installation


async def python(installation: Installation, script: str, *arguments: str) -> Any:
    """What a script prints as JSON in the Pod ``idle``."""
    return json.loads(await installation.execute("idle", "python3", "-c", script, *arguments))


async def test_the_image_contains_what_it_needs_and_nothing_else(idle: Installation, record_property: Note) -> None:
    found = await python(idle, LOOK)
    assert found["user"][0] == 101
    assert found["writable"] == ["/etc/nginx", "/var/lib/nginx", "/var/cache/nginx", "/var/log/nginx"]
    assert found["setuid"] == []
    assert [path for path in found["open"] if not path.startswith(("/dev/", "/proc/"))] == []
    assert sorted(found["capable"]) == ["/opt/headgate/bin/python3", "/usr/local/sbin/nginx"]
    assert found["uncompiled"] == []
    assert re.fullmatch(rf"Headgate {re.escape(__version__)} \({found['commit']}\)\n", found["version"])
    version = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", found["nginx"])
    assert version
    assert tuple(map(int, version.groups())) >= LEAST_NGINX
    tools = await idle.execute("idle", "sh", "-c", f"command -v {' '.join(TOOLS)} || true")
    assert tools == ""
    size = await packed_size(idle)
    record_property("size_mib", size >> 20)
    record_property("nginx", found["nginx"].strip())
    record_property("headgate_version_s", found["took"])
    assert size < LARGEST


async def packed_size(installation: Installation) -> int:
    """Bytes of the image as the node counts them; 0 if it does not tell."""
    nodes = await installation.cluster.objects("Node")
    images = [image for node in nodes for image in node["status"].get("images", ())]
    return max((image["sizeBytes"] for image in images if installation.image in (image.get("names") or ())), default=0)


async def test_the_modules_of_nginx_work(idle: Installation) -> None:
    js, lua, stream = await python(idle, ASK, MODULES, SCRIPT)
    assert (js, stream) == ("js", "stream js")
    assert lua.startswith("LuaJIT")
