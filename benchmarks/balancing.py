"""How long a removed endpoint gets requests, and what numbers cost that workers share.

    python benchmarks/balancing.py [--changes 200] [--clients 8]

Clients ask without a pause over connections of their own while an endpoint is removed and added again. Their times are
taken before a request is sent and when its answer is there, so both are upper bounds. The second table is the processor
time of operations on numbers: of a table of Lua, which a worker has for itself, and of a dict that workers share.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from live import IMAGE, with_lua
from msgspec import structs
from showcase.ports import free_ports
from stage.table import machine, quantile, table

from headgate.ir import File, FileSet, Layout, Release
from headgate.ir.live import LiveObjects, LiveUpstream, Peer
from headgate.nginx import LocalManager, ManagerOptions
from headgate.nginx.capabilities import Binary
from headgate.nginx.directories import worker_user
from headgate.problems import ObjectRef
from headgate.render import Renderer
from headgate.translate import Environment
from headgate.translate.main import translate_main

KEPT, REMOVED = "127.0.0.2", "127.0.0.3"
WINDOW_HEAD = ("changes", "requests", "push p50 ms", "p99 ms", "last request sent p50 ms", "p99 ms", "max ms",
               "last answer p50 ms", "p99 ms", "max ms", "sent after it, to the removed one")  # fmt: skip
COUNTER_HEAD = ("operation", "ns")
COUNTERS: Final = """location = /counters { content_by_lua_block {
    local counts, keys, own, N = ngx.shared.headgate_counts, {}, { active = 0 }, 300000
    for i = 1, 5 do keys[i] = "n:vs_shop_cafe_tea|10.244.1." .. i .. ":8080" counts:set(keys[i], 0) end
    local function clock(name, run)
        run(1000)
        local began = os.clock()
        run(N)
        ngx.say(name, "\\t", (os.clock() - began) / N * 1e9)
    end
    clock("count a request in a table, and take it back", function(n)
        for i = 1, n do own.active = own.active + 1 own.active = own.active - 1 end
    end)
    clock("the same in the dict", function(n)
        for i = 1, n do counts:incr(keys[1], 1) counts:incr(keys[1], -1) end
    end)
    clock("the same, so that a worker that dies leaves nothing (max-conns)", function(n)
        for i = 1, n do
            counts:incr(keys[1], 1) counts:incr(keys[2], 1) counts:incr(keys[1], -1) counts:incr(keys[2], -1)
        end
    end)
    clock("read the numbers of two servers in the dict", function(n)
        for i = 1, n do counts:get(keys[1]) counts:get(keys[2]) end
    end)
    clock("read those of five", function(n) for i = 1, n do for k = 1, 5 do counts:get(keys[k]) end end end)
} }"""


class Push(NamedTuple):
    """When an endpoint began to be removed, when that was done, and when it was to come again."""

    began: float
    done: float
    ends: float


class Client(threading.Thread):
    """Asks one request after the other; ``seen`` are those that the removed endpoint answered: sent, answered."""

    def __init__(self, port: int) -> None:
        """Ask at *port*."""
        super().__init__(daemon=True)
        self._port = port
        self.seen: list[tuple[float, float]] = []
        self.count = 0
        self.stops = False

    def run(self) -> None:
        """Ask until it ``stops``."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        while not self.stops:
            sent = time.monotonic()
            connection.request("GET", "/")
            answer = connection.getresponse().read().decode()
            self.count += 1
            if answer == REMOVED:
                self.seen.append((sent, time.monotonic()))


def site(port: int, backends: int) -> File:
    """Return one upstream, the server in front of it, and those behind it."""
    behind = "".join(
        f"server {{ listen {at}:{backends}; access_log off; return 200 {at}; }}\n" for at in (KEPT, REMOVED)
    )
    text = (
        'upstream tea { server 0.0.0.1; balancer_by_lua_block { return headgate.balance("tea") } keepalive 32; }\n'
        f"server {{ listen 127.0.0.1:{port} default_server; access_log off; keepalive_requests 1000000;\n{COUNTERS}\n"
        f"location / {{ proxy_set_header Connection ''; proxy_pass http://tea; }} }}\n{behind}"
    )
    claims = frozenset({"upstream tea", "server any"})
    return File("conf.d/default-shop.conf", text.encode(), origin=ObjectRef("Ingress", "shop", "tea"), claims=claims)


class Bench:
    """nginx with two workers, and one upstream whose endpoints are pushed."""

    def __init__(self, layout: Layout, binary: Binary) -> None:
        """Choose ports, and prepare the files of nginx."""
        self.port, self._backends = free_ports(2)
        env = Environment(layout=layout, capabilities=binary.capabilities, user=worker_user(layout), data_plane="live")
        main = structs.replace(env.params.main, worker_processes="2")
        env = structs.replace(env, params=structs.replace(env.params, main=main))
        self._files = [Renderer().main(translate_main(env, names=1, longest=10)), site(self.port, self._backends)]
        self.manager = LocalManager(ManagerOptions(layout=layout, binary=binary))

    def release(self, *addresses: str) -> Release:
        """Return the files, and the endpoints *addresses*."""
        tea = LiveUpstream(peers=tuple(Peer(address, self._backends) for address in addresses))
        return Release(FileSet(self._files), LiveObjects(upstreams={"tea": tea}))

    async def windows(self, changes: int, clients: int) -> list[object]:
        """Remove an endpoint as often as there are *changes*, and return a row."""
        asking = [Client(self.port) for _ in range(clients)]
        for client in asking:
            client.start()
        pushes: list[Push] = []
        for _ in range(changes):
            await self.manager.apply(self.release(KEPT, REMOVED))
            await asyncio.sleep(0.02)
            began = time.monotonic()
            assert (await self.manager.apply(self.release(KEPT))).ok
            done = time.monotonic()
            await asyncio.sleep(0.05)
            pushes.append(Push(began, done, time.monotonic()))
        for client in asking:
            client.stops = True
        for client in asking:
            client.join()
        seen = sorted(each for client in asking for each in client.seen)
        return [changes, sum(client.count for client in asking), *_row(pushes, seen)]

    async def counters(self) -> list[list[object]]:
        """Return what nginx measures."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/counters")
        lines = connection.getresponse().read().decode().splitlines()
        return [[name, float(number)] for name, number in (line.split("\t") for line in lines)]


def _row(pushes: list[Push], seen: list[tuple[float, float]]) -> list[object]:
    last_sent, last_answer, late = [], [], 0
    for push in pushes:  # what is answered when the endpoint is there again says nothing
        of_this = [each for each in seen if push.began < each[1] < push.ends]
        last_sent.append(max([0.0, *(sent - push.began for sent, _ in of_this)]))
        last_answer.append(max([0.0, *(answered - push.began for _, answered in of_this)]))
        late += sum(sent > push.done for sent, _ in of_this)
    took = [push.done - push.began for push in pushes]
    cells: list[object] = [quantile(took, 0.5) * 1000, quantile(took, 0.99) * 1000]
    for values in (last_sent, last_answer):
        cells += [quantile(values, share) * 1000 for share in (0.5, 0.99, 1.0)]
    return [*cells, late]


async def measure(bench: Bench, changes: int, clients: int) -> None:
    """Measure and print both tables."""
    started = await bench.manager.start(bench.release(KEPT, REMOVED))
    if not started.ok:
        sys.exit(f"nginx did not start: {started}")
    try:
        print(table(WINDOW_HEAD, [await bench.windows(changes, clients)]))
        print("", table(COUNTER_HEAD, await bench.counters()), sep="\n")
    finally:
        await bench.manager.quit(0.2)


def main() -> None:
    """Measure with the nginx of the image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=200, help="how often an endpoint is removed")
    parser.add_argument("--clients", type=int, default=8)
    arguments = parser.parse_args()
    sys.setswitchinterval(0.0002)  # the thread that pushes must not wait for clients
    binary = with_lua([str(IMAGE)])
    if binary is None:
        print("skipped: no nginx with the Lua module (tools/lua_nginx.sh unpacks that of the image)", file=sys.stderr)
        return
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory(prefix="hg", dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # the workers' user looks for sockets there
        asyncio.run(measure(Bench(Layout.under(folder), binary), arguments.changes, arguments.clients))


if __name__ == "__main__":
    main()
