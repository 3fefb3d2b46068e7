"""What checking JSON Web Tokens costs nginx: no Policy, a token that a worker knows, and one that it does not.

    python benchmarks/tokens.py [--rounds 7] [--seconds 2]

One controller serves a host without a Policy and one for each algorithm. wrk asks for one after the other, from one
processor; the worker has the other. A known token is one of 100; of tokens that are not known each request has another
one, and the worker forgets those that are half a MiB ago. It needs wrk, and an nginx with Lua (``tools/lua_nginx.sh``).
"""

from __future__ import annotations

import argparse
import contextlib
import hmac
import json
import shutil
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from live import IMAGE, ONE_WORKER, with_lua
from stage import requests, shop
from stage.controller import place, running
from stage.engine import version
from stage.processes import processor_s
from stage.table import machine, median, table

from headgate.nginx.capabilities import Binary

KNOWN, UNKNOWN = 100, 20_000
"""How many tokens there are; of the second number a worker has forgotten each one when its turn comes again."""
Sign = Callable[[bytes], bytes]
SCRIPT = """
local turn, tokens = 0, {{}}
for line in io.lines("{tokens}") do tokens[#tokens + 1] = line end
request = function()
  turn = turn % #tokens + 1
  return "GET / HTTP/1.1\\r\\nHost: {host}\\r\\nAuthorization: Bearer " .. tokens[turn] .. "\\r\\n\\r\\n"
end
"""


def text(data: bytes) -> str:
    """Return *data* in base64url."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int = 32) -> str:
    """Return *value* in base64url."""
    return text(value.to_bytes(max(size, (value.bit_length() + 7) // 8) if size > 3 else size))


def keys() -> Iterator[tuple[str, dict[str, str], Sign]]:
    """Yield each algorithm with a key that verifies it, and what signs."""
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e, 3)}
    yield "RS256", jwk, lambda data: private.sign(data, padding.PKCS1v15(), hashes.SHA256())
    curve = ec.generate_private_key(ec.SECP256R1())
    point = curve.public_key().public_numbers()

    def sign(data: bytes) -> bytes:
        return b"".join(each.to_bytes(32) for each in decode_dss_signature(curve.sign(data, ec.ECDSA(hashes.SHA256()))))

    yield "ES256", {"kty": "EC", "crv": "P-256", "x": number(point.x), "y": number(point.y)}, sign
    edwards = ed25519.Ed25519PrivateKey.generate()
    yield "EdDSA", {"kty": "OKP", "crv": "Ed25519", "x": text(edwards.public_key().public_bytes_raw())}, edwards.sign
    secret = b"a secret of thirty-two bytes ...."
    yield "HS256", {"kty": "oct", "k": text(secret)}, lambda data: hmac.digest(secret, data, "sha256")


def tokens(algorithm: str, sign: Sign, count: int) -> Iterator[str]:
    """Yield *count* different tokens."""
    head = text(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    for each in range(count):
        claims = {"iss": "https://login.example.com", "aud": "cafe", "sub": f"user-{each}", "exp": 4_102_444_800}
        body = f"{head}.{text(json.dumps(claims).encode())}"
        yield f"{body}.{text(sign(body.encode()))}"


def guarded(name: str, jwk: dict[str, str], port: int) -> list[dict[str, Any]]:
    """Return a shop with a Policy."""
    at = {"name": name.lower(), "namespace": "default"}
    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": at, "type": "nginx.org/jwk"}
    rule = {"realm": "cafe", "secret": at["name"], "issuer": "https://login.example.com", "audience": ["cafe"]}
    policy = {"kind": "Policy", "apiVersion": "k8s.nginx.org/v1", "metadata": at, "spec": {"jwt": rule}}
    upstream = {"name": "tea", "service": at["name"], "port": 80}
    routes = [{"path": "/", "action": {"pass": "tea"}}]
    spec: dict[str, Any] = {"host": f"{name.lower()}.test", "upstreams": [upstream], "routes": routes}
    if jwk:
        spec["policies"] = [{"name": at["name"]}]
    server = {"kind": "VirtualServer", "apiVersion": "k8s.nginx.org/v1", "metadata": at, "spec": spec}
    service = {"kind": "Service", "apiVersion": "v1", "metadata": at, "spec": {"ports": [{"port": 80}]}}
    slice_ = {
        "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4", "ports": [{"port": port}],
        "metadata": {**at, "labels": {"kubernetes.io/service-name": at["name"]}},
        "endpoints": [{"addresses": ["127.0.0.1"]}],
    }  # fmt: skip
    shown = [{**secret, "stringData": {"jwk": json.dumps({"keys": [jwk]})}}, policy] if jwk else []
    return [*shown, server, service, slice_]


def costs(rounds: int, seconds: int, binary: Binary) -> Iterator[tuple[object, ...]]:
    """Measure; yield the rows of the table."""
    where = requests.processors()
    with contextlib.ExitStack() as stack:
        folder = place() / "manifests"
        port = stack.enter_context(requests.backend(binary, where.others))
        known = [*keys()]
        names = [("none", {}), *((name, jwk) for name, jwk, _ in known)]
        items = [each for name, jwk in names for each in guarded(name, jwk, port)]
        shop.write(folder, [shop.config_map(ONE_WORKER), *shop.shops(0, ""), *items])
        flags = (f"--manifests={folder}", f"-nginx-configmaps={shop.CONFIG_MAP}", "--data-plane=live")
        controller = stack.enter_context(running(binary.path, *flags, "-live-routes=false"))
        controller.wait_ready()
        worker = requests.pinned_worker(controller, where.worker)

        def cost(host: str, file: str) -> float:
            script = place() / "tokens.lua"
            script.write_text(SCRIPT.format(tokens=file, host=host))
            before = processor_s(worker)
            answered = requests.sent(where.others, script, f"http://127.0.0.1:{controller.http}/", seconds)
            return (processor_s(worker) - before) * 1e6 / answered

        files: dict[tuple[str, int], str] = {}
        for name, _, sign in known:
            for count in (KNOWN, UNKNOWN):
                path = place() / "tokens"
                path.write_text("".join(f"{token}\n" for token in tokens(name, sign, count)))
                files[name, count] = str(path)
        for name, _, _ in known:
            found: dict[str, list[float]] = {"none": [], "known": [], "new": []}
            for turn in range(rounds + 1):
                spent = {
                    "none": cost("none.test", files[name, KNOWN]),
                    "known": cost(f"{name.lower()}.test", files[name, KNOWN]),
                    "new": cost(f"{name.lower()}.test", files[name, UNKNOWN]),
                }
                for way in found if turn else ():
                    found[way].append(spent[way])
            ratios = [
                median([a / b for a, b in zip(found["none"], found[way], strict=True)]) for way in ("known", "new")
            ]
            yield (name, *map(median, found.values()), *(f"{ratio:.2f}" for ratio in ratios))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of requests")
    parser.add_argument("--seconds", type=int, default=1, help="seconds of one round")
    parser.add_argument("--nginx", nargs="+", help="an nginx with the Lua module; default: tools/lua_nginx.sh")
    arguments = parser.parse_args()
    binary = with_lua(arguments.nginx or [str(IMAGE)])
    if binary is None or not shutil.which("wrk"):
        print("skipped: it needs wrk, and an nginx with the Lua module (tools/lua_nginx.sh)", file=sys.stderr)
        return
    print(f"{machine()}; nginx {version(binary)}\n")
    head = ("algorithm", "none us", "known token us", "new token us", "none / known", "none / new")
    print(table(head, [*costs(arguments.rounds, arguments.seconds, binary)]))


if __name__ == "__main__":
    main()
