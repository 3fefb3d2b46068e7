"""What a session of OpenID Connect costs nginx for each request, beside the same host without a Policy.

    python benchmarks/sessions.py [--rounds 9] [--seconds 2]

Three controllers serve the same hosts at the same time, each with one worker; the workers share one processor, their
clients and the backend the other, so that whatever else the machine does concerns all of them. The sessions are sealed
with the keys of each controller; no provider is asked. It needs wrk, and an nginx with Lua (``tools/lua_nginx.sh``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import time

from live import IMAGE, ONE_WORKER, with_lua
from stage import requests, shop
from stage.controller import Controller, place, running
from stage.engine import version
from stage.table import machine, median, table

from headgate.api.nginx_org import Policy
from headgate.nginx.capabilities import Binary
from headgate.oidc import Keyring
from headgate.oidc.cookies import divided, session_name
from headgate.oidc.keyring import NGINX
from headgate.routes.policies import Oidc

WAYS = ("none", "session", "session, token")
TOKEN_BYTES = 1200
"""Of an access token that is passed to endpoints: what Keycloak gives a user with a few roles."""
HEAD = ("rounds", *(f"{way} us" for way in WAYS), *(f"none / {way}" for way in WAYS[1:]))
ISSUER = "https://login.example.com"


def manifests(port: int) -> list[shop.Json]:
    """Return a Service with two endpoints, and a host for each way."""
    _, service, _, _ = shop.shop(0, "127.0.0.1")
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    found: list[shop.Json] = [service, shop.endpoints(0, ["127.1.0.1", "127.1.0.2"], port)]
    for way in WAYS:
        label = _label(way)
        meta = {"name": label, "namespace": namespace}
        spec = {"issuer": ISSUER, "clientID": "cafe", "pkceEnable": True, "accessTokenEnable": "token" in way}
        api = {"apiVersion": "k8s.nginx.org/v1", "metadata": meta}
        found.append({**api, "kind": "Policy", "spec": {"oidc": spec}})
        upstream = {"name": "u", "service": name, "port": service["spec"]["ports"][0]["port"]}
        policies = [] if way == "none" else [{"name": label}]
        found.append({**api, "kind": "VirtualServer", "spec": {
            "host": f"{label}.example.com", "policies": policies, "upstreams": [upstream],
            "routes": [{"path": "/", "action": {"pass": "u"}}],
        }})  # fmt: skip
    return found


def _label(way: str) -> str:
    return way.replace(", ", "-")


def cookies(controller: Controller, way: str, namespace: str) -> str:
    """Return the header Cookie of a client that is logged in."""
    policy = Oidc(policy=Policy.KIND.ref(namespace, _label(way)), issuer=ISSUER, client="cafe", passes="token" in way)
    keys = Keyring.decode((controller.prefix / "run/live/session-keys.json").read_bytes())
    now = int(time.time())
    text = f"{now + 3600}\nr\nalice\n{'x' * TOKEN_BYTES if policy.passes else ''}"
    purpose = f"session\n{policy.identity}\n{_label(way)}.example.com"
    sealed = keys.seal(text.encode(), NGINX, purpose, now)
    return "; ".join(f"{name}={value}" for name, value in divided(session_name(policy.identity, secure=False), sealed))


class Client(requests.Requests):
    """wrk, which asks for one host, with cookies."""

    def __init__(self, host: str, header: str, processor: int) -> None:
        """Ask for *host* with the header Cookie *header*, from *processor*."""
        super().__init__(0, processor)
        lines = f"GET / HTTP/1.1\r\nHost: {host}\r\n" + (f"Cookie: {header}\r\n" if header else "") + "\r\n"
        self._script.write_text(f"local text = {json.dumps(lines)}\nrequest = function() return text end\n")


def costs(rounds: int, seconds: int, binary: Binary) -> tuple[object, ...]:
    """Measure; the medians, and of each ratio the median with the lowest and highest."""
    where = requests.processors()
    with contextlib.ExitStack() as stack:
        folder = place() / "manifests"
        port = stack.enter_context(requests.backend(binary, where.others))
        objects = manifests(port)
        namespace = str(objects[0]["metadata"]["namespace"])
        shop.write(folder, [shop.config_map(ONE_WORKER), *shop.shops(0, ""), *objects])
        flags = (f"--manifests={folder}", f"-nginx-configmaps={shop.CONFIG_MAP}", "-enable-oidc", "--data-plane=live",
                 "--live-routes=false")  # fmt: skip
        controllers = {way: stack.enter_context(running(binary.path, *flags)) for way in WAYS}
        for controller in controllers.values():
            controller.wait_ready()
        workers = {way: requests.pinned_worker(each, where.worker) for way, each in controllers.items()}
        clients = {
            way: Client(
                f"{_label(way)}.example.com", "" if way == "none" else cookies(each, way, namespace), where.others
            )
            for way, each in controllers.items()
        }
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(rounds + 1):
            for way in WAYS:  # in turn: workers beside each other would share the caches of the processor
                spent = clients[way].cost(controllers[way], workers[way], seconds)
                if number:  # the first round opens connections and compiles
                    found[way].append(spent)
    ratios = [[a / b for a, b in zip(found["none"], found[way], strict=True)] for way in WAYS[1:]]
    spread = (f"{median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in ratios)
    return (rounds, *(median(each) for each in found.values()), *spread)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of requests")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of one round")
    parser.add_argument("--nginx", nargs="+", help="an nginx with the Lua module; default: tools/lua_nginx.sh")
    arguments = parser.parse_args()
    binary = with_lua(arguments.nginx or [str(IMAGE)])
    if binary is None or not shutil.which("wrk"):
        print("skipped: it needs wrk, and an nginx with the Lua module (tools/lua_nginx.sh)", file=sys.stderr)
        return
    print(f"{machine()}; nginx {version(binary)}\n")
    print(table(HEAD, [costs(arguments.rounds, arguments.seconds, binary)]))


if __name__ == "__main__":
    main()
