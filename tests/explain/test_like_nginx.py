"""The proof: what ``explain`` says of a request is what a real nginx does with it.

Configurations and URLs are generated from a fixed seed. Every server and location of the rendered files is marked, in
the test only, with a response header that names it; the backends answer what they were asked for.
"""

from __future__ import annotations

import random
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from showcase.ports import free_ports

from headgate.explain import Answer, ClusterView, Question, explain
from headgate.explain.answer import RequestOutcome
from headgate.ir import Layout
from headgate.offline import generate_folder
from headgate.options import Options
from headgate.translate.naming import server_name
from headgate.viewing import look
from tests.nginx_binaries import BINARIES, capabilities, prepare
from tests.properties.cluster_objects import self_signed_pair
from tests.simulated_cluster import flags
from tests.waiting import wait_until

SEEDS, URLS = (10, 11, 12, 19, 33, 36), 110
LOCATIONS = 6
"""Different locations that each configuration's URLs must have reached, at least."""
LOOPBACK = "127.0.0.1"
MARK = "X-Served"
Objects = Callable[[dict[str, int]], Iterable[dict[str, Any]]]
"""Makes the objects of a configuration with the ports of this run."""
LOGIN = "Authorization: Basic " + b64encode(b"x:y").decode()

HOSTS = ["a.test", "b.a.test", "*.a.test", "*.test", "c.test", "*.b.a.test"]
PATHS = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/",
    "/ab",
    "/a.b",
    "/A",
    "/x/y",
    "/x",
    "/a%20b",
    "/ä",
    "/a b",
    "/x//y",
    "/tea/green",
]
PATTERNS = ["/a/.*", "/(a|x)/b?", "/[a-z]+$", "/x", "/tea/(?<kind>gr.*)", "/A", ".*\\.b$", "/ä"]
REACHED = [
    "/a/zz",
    "/a",
    "/ab",
    "/xb",
    "/x",
    "/X",
    "/abc",
    "/tea/green",
    "/TEA/grey",
    "/b.b",
    "/a.bb",
    "/ä",
    "/%C3%A4x",
]
"""Paths that those patterns match, more or less."""
KINDS = ["Prefix", "Prefix", "Exact", "ImplementationSpecific", "ImplementationSpecific"]
ASKED_HOSTS = ["a.test", "A.Test", "a.test.", "b.a.test", "q.a.test", "x.y.a.test", "q.test", "c.test", "C.TEST.",
               "z.b.a.test", "nobody.example", "127.0.0.1", "a..test", "_"]  # fmt: skip
BITS = ["a", "b", "x", "y", "ab", "A", "a.b", "tea", "green", "%61", "%2F", "%2f", "%20", "a%20b", "%C3%A4", ".", "..",
        "", "%2e", "%2E%2e", "...", "%25", "%3F", "%23", "..a", "a+b", "%FF"]  # fmt: skip


class Response(NamedTuple):
    """What nginx answered; ``certificate`` is what it showed."""

    status: int
    headers: dict[str, str]
    body: str
    certificate: bytes = b""


# --- what is served -----------------------------------------------------------------------------------


def backend(service: str) -> dict[str, Any]:
    return {"service": {"name": service, "port": {"number": 80}}}


def rule(chance: random.Random, host: str, *, pattern: bool) -> dict[str, Any]:
    pool = PATTERNS if pattern else PATHS
    chosen = chance.sample(pool, chance.randint(1, 5))
    services = ["tea", "coffee", "none"]
    paths = [
        {"path": path, "pathType": chance.choice(KINDS), "backend": backend(chance.choice(services))} for path in chosen
    ]
    for path in paths:
        if not path["path"].startswith("/") or pattern:
            path["pathType"] = "ImplementationSpecific"
    return {"host": host, "http": {"paths": paths}} if host else {"http": {"paths": paths}}


def ingress(name: str, spec: dict[str, Any], annotations: dict[str, str]) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": "shop",
        "annotations": annotations,
        "creationTimestamp": "2024-01-01T00:00:00Z",
    }
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata,
            "spec": {"ingressClassName": "nginx", **spec}}  # fmt: skip


def annotations(chance: random.Random, ports: dict[str, int]) -> dict[str, str]:
    found = {}
    if chance.random() < 0.4:
        found["nginx.org/path-regex"] = chance.choice(["case_sensitive", "case_insensitive", "exact"])
    if chance.random() < 0.3:
        found["nginx.org/app-root"] = "/a"
    if chance.random() < 0.4:
        found["nginx.org/rewrite-target"] = chance.choice(["/new", "/new/$1", "/new?x=1"])
    if chance.random() < 0.2:
        found["nginx.org/listen-ports"] = str(ports["extra"])
    if chance.random() < 0.2:
        found["nginx.org/listen-ports-ssl"] = str(ports["extra-tls"])
    if chance.random() < 0.3:
        found["nginx.org/redirect-to-https"] = "true"
    if chance.random() < 0.3:
        found["nginx.org/basic-auth-secret"] = chance.choice(["users", "users", "gone"])
    if chance.random() < 0.7:
        found["nginx.org/ssl-redirect"] = "false"
    return found


def manifests(chance: random.Random, ports: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a configuration."""
    hosts = [*chance.sample(HOSTS, 4), *(chance.sample([""], chance.randint(0, 1)))]
    for number, host in enumerate(hosts):
        noted = annotations(chance, ports) if host else {}
        regex = noted.get("nginx.org/path-regex", "").startswith("case")
        spec: dict[str, Any] = {"rules": [rule(chance, host, pattern=regex)]}
        if chance.random() < 0.3:
            spec["defaultBackend"] = backend("coffee")
        if host and chance.random() < 0.7:
            spec["tls"] = [
                {"hosts": [host], "secretName": chance.choice(["cert-a", "cert-b", "cert-a", "cert-b", "broken"])}
            ]
        if chance.random() < 0.4:
            used = spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
            noted["nginx.org/rewrites"] = f"serviceName={used} rewrite={chance.choice(['/r', '/r/', '/'])}"
        yield ingress(f"i{number}", spec, noted)
    host = next(host for host in HOSTS if host not in hosts)
    yield ingress("master", {"rules": [{"host": host}]}, {"nginx.org/mergeable-ingress-type": "master"})
    for number in range(2):
        noted = {"nginx.org/mergeable-ingress-type": "minion"}
        if chance.random() < 0.5:
            noted["nginx.org/path-regex"] = "case_insensitive"
        yield ingress(f"minion{number}", {"rules": [rule(chance, host, pattern=len(noted) > 1)]}, noted)
    yield from surroundings(ports)


def surroundings(ports: dict[str, int]) -> Iterator[dict[str, Any]]:
    for service in ("tea", "coffee", "none"):
        yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": "shop"},
               "spec": {"ports": [{"port": 80}]}}  # fmt: skip
    for service in ("tea", "coffee"):
        labels = {"kubernetes.io/service-name": service}
        yield {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
               "metadata": {"name": service, "namespace": "shop", "labels": labels},
               "ports": [{"port": ports[service]}], "endpoints": [{"addresses": [LOOPBACK]}]}  # fmt: skip
    for name in ("cert-a", "cert-b", "default"):
        yield {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
               "metadata": {"name": name, "namespace": "shop"}, "data": self_signed_pair()}  # fmt: skip
    yield {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "nginx.org/htpasswd",
        "metadata": {"name": "users", "namespace": "shop"},
        "data": {"htpasswd": b64encode(b"x:{PLAIN}y").decode()},
    }


# --- nginx --------------------------------------------------------------------------------------------


def lexed(argument: str) -> str:
    """Return what nginx reads from an argument."""
    if not argument.startswith('"'):
        return argument
    return re.sub(
        r"\\([\"'\\trn])", lambda found: {"t": "\t", "r": "\r", "n": "\n"}.get(found[1], found[1]), argument[1:-1]
    )


def marked(file: str, text: str) -> str:
    """Have every server and every location of *text* name itself in a response header."""
    lines, server = [], ""
    for line in text.splitlines():
        lines.append(line)
        if found := re.fullmatch(r" {4}server_name (.*);", line):
            server = lexed(found[1])
            lines.append(f"    add_header {MARK} {mark(file, server, '')} always;")
        elif found := re.fullmatch(r" {4}location (?:(=|~\*?) )?([^@].*) \{", line):
            name = f"{found[1] or ''} {lexed(found[2])}".strip() or '""'
            lines.append(f"        add_header {MARK} {mark(file, server, name)} always;")
    return "\n".join(lines) + "\n"


def included(text: str) -> str:
    """Put what *text* includes in its place."""

    def content(found: re.Match[str]) -> str:
        path = Path(found[1].replace("[s]", "s"))
        return included(path.read_text()) if path.exists() else ""

    return re.sub(r" *include (.*);\n", content, text)


def mark(file: str, server: str, location: str) -> str:
    return "-".join(part.encode().hex() for part in (file, server, location))


ECHO = """server {{ listen {ip}:{tea}; return 200 "tea $request_uri"; }}
server {{ listen {ip}:{coffee}; return 200 "coffee $request_uri"; }}
"""


def marked_nginx(objects: Objects, *flags: str) -> Iterator[MarkedNginx]:
    """Serve *objects* as a fixture does, with the last nginx that there is."""
    if not BINARIES:
        pytest.skip("no nginx here")
    found = MarkedNginx(objects, list(BINARIES.values())[-1], flags=flags)
    yield found
    found.stop()


class MarkedNginx:
    """One configuration, served."""

    def __init__(self, objects: Objects, binary: str, *, special: bool = False, flags: tuple[str, ...] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hg", dir="/tmp"))
        self.folder.chmod(0o755)
        names = ("http", "https", "extra", "extra-tls", "tea", "coffee", "status")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        made = list(objects(self.ports))
        rules = [rule for item in made if item["kind"] == "Ingress" for rule in item["spec"]["rules"]]
        self.named = [
            (rule.get("host", ""), path["path"]) for rule in rules for path in rule.get("http", {}).get("paths", ())
        ]
        self.options = self._options(made, special=special, more=flags)
        able = capabilities(binary)
        self.view: ClusterView = look(self.options, able)
        place = Layout.under(str(self.folder / "p"))
        prepare(place)
        outcome = generate_folder(self.options, place, able)
        outcome.write(Path(place.conf))
        for file in Path(place.conf, "conf.d").glob("*.conf"):
            file.write_text(marked(f"conf.d/{file.name}", included(file.read_text())))
        Path(place.conf, "conf.d", "~echo.conf").write_text(ECHO.format(ip=LOOPBACK, **self.ports))
        command = [binary, "-e", "stderr", "-p", place.conf, "-c", place.main, "-g", "daemon off; master_process off;"]
        self._log = (self.folder / "log").open("w+")
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self._log)
        wait_until(self._ready)

    def _options(self, objects: list[dict[str, Any]], *, special: bool, more: tuple[str, ...]) -> Options:
        path = self.folder / "in.yaml"
        path.write_text(yaml.safe_dump_all(objects))
        secret = ["-default-server-tls-secret=shop/default"] if special else []
        ports = {
            "-default-http-listener-port": "http",
            "-default-https-listener-port": "https",
            "-nginx-status-port": "status",
        }
        chosen = [f"{flag}={self.ports[name]}" for flag, name in ports.items()]
        where = [f"--manifests={path}", f"--prefix={self.folder / 'p'}", "-allow-empty-ingress-host", "-disable-ipv6"]
        return flags([*where, *chosen, *secret, *more])

    def _ready(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            socket.create_connection((LOOPBACK, self.ports["http"]), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, port: int, target: str, headers: dict[str, str], sni: str | None) -> Response | None:
        """Send one request byte for byte; ``None`` if the connection or the handshake fails."""
        try:
            plain = socket.create_connection((LOOPBACK, port), 5)
        except OSError:
            return None
        try:
            with plain if sni is None else self._secured(plain, sni) as stream:
                return self._exchange(stream, target, headers)
        except (ssl.SSLError, ConnectionError):
            return None
        finally:
            plain.close()

    @staticmethod
    def _secured(plain: socket.socket, sni: str) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain, server_hostname=sni or None)

    @staticmethod
    def _exchange(stream: socket.socket, target: str, headers: dict[str, str]) -> Response:
        lines = [
            f"GET {target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
            "Connection: close",
        ]
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        data = b"".join(iter(lambda: stream.recv(65536), b""))
        head, _, body = data.decode("utf-8", "surrogateescape").partition("\r\n\r\n")
        first, *rest = head.split("\r\n")
        response = dict(line.split(": ", 1) for line in rest)
        shown = stream.getpeercert(binary_form=True) if isinstance(stream, ssl.SSLSocket) else b""
        if response.get("Transfer-Encoding") == "chunked":
            body = "".join(body.split("\r\n")[1::2])
        return Response(int(first.split()[1]), response, body, shown or b"")


# --- what is asked ------------------------------------------------------------------------------------


def url(chance: random.Random, nginx: MarkedNginx) -> tuple[str, list[str]]:
    """Return a URL, and perhaps a header: most often near a path that an Ingress names, sometimes far from any."""
    host, path = chance.choice(nginx.named) if chance.random() < 0.85 else (chance.choice(ASKED_HOSTS), strange(chance))
    host = host.replace("*", chance.choice(["q", "q", "Q", "x.y"])) or chance.choice(ASKED_HOSTS)
    host = chance.choice([host, host, host, host.upper(), host.removesuffix(".") + "."])
    scheme = "http" if ".." in host else chance.choice(["http", "http", "https"])  # no TLS library sends such a name
    extra = nginx.ports["extra" if scheme == "http" else "extra-tls"]
    port = f":{extra}" if chance.random() < 0.15 else ""
    query = chance.choice(["", "", "?", "?x=/a/../b", "?q=%2F&r"])
    headers = ["X-Forwarded-Proto: http"] if chance.random() < 0.05 else []
    headers += [LOGIN] if chance.random() < 0.5 else []
    return f"{scheme}://{host}{port}{near(chance, path)}{query}", headers


def strange(chance: random.Random) -> str:
    return "/" + "/".join(chance.choice(BITS) for _ in range(chance.randint(1, 4)))


def near(chance: random.Random, path: str) -> str:
    """Return *path* as somebody might spell it, or one close to it."""
    path = chance.choice(REACHED) if path in PATTERNS else path
    path = path.replace(" ", "%20")
    bare = path.rstrip("/") or "/"
    after = [f"{path}{end}" for end in ("", "", "/", "/more", "x", "%2E%2e", "/.", "%zz")]
    instead = [path.replace("/", slash) for slash in ("//", "/./")]
    coded = [path.replace("a", "%61"), path[:1] + path[1:].replace("/", "%2F"), path.swapcase()]
    around = [path.replace("/", "/z/../", 1), f"{strange(chance)}/..{path}"]
    spelled = [*after, bare, bare, bare, *instead, *coded, *around]
    return chance.choice(spelled)


@pytest.mark.skipif(not BINARIES, reason="no nginx here")
@pytest.mark.parametrize("seed", SEEDS)
def test_explain_predicts_what_nginx_does(seed: int) -> None:
    binary = list(BINARIES.values())[SEEDS.index(seed) % len(BINARIES)]
    nginx = MarkedNginx(partial(manifests, random.Random(seed)), binary, special=bool(seed % 2))
    try:
        chance = random.Random(1000 + seed)
        answers = []
        for asked, headers in [url(chance, nginx) for _ in range(URLS)]:
            answer = explain(nginx.view, Question.of(asked, headers))
            compare(nginx, asked, headers, answer)
            answers.append(answer)
        assert sum(answer.upstream is not None for answer in answers) > URLS // 4
        assert len({answer.location.name for answer in answers if answer.location}) > LOCATIONS
    finally:
        nginx.stop()


def compare(nginx: MarkedNginx, asked: str, headers: list[str], answer: Answer) -> None:
    """Ask nginx the same, and hold its answer against *answer*."""
    found = re.fullmatch(r"(https?)://([^/:]*)(?::(\d+))?(/.*)", asked)
    assert found
    scheme, host, port, target = found.groups()
    sent = {"Host": host + (f":{port}" if port else ""), **dict(header.split(": ") for header in headers)}
    sni = None if scheme == "http" else "" if host[0].isdigit() else host.lower().rstrip(".")
    target = target.replace("ä", "%C3%A4").replace("Ä", "%C3%84")  # as every client sends it
    response = nginx.ask(int(port or nginx.ports[scheme]), target, sent, sni)
    details = f"{asked} {headers}: nginx {response}\nexplain {answer}"
    if answer.outcome in {RequestOutcome.REFUSED, RequestOutcome.UNREACHABLE}:
        assert response is None, details
        return
    assert response is not None, details
    assert response.status == (answer.status or 200), details
    if answer.status == 400:
        return
    assert response.headers[MARK] == expected_mark(answer), details
    if answer.target:
        assert response.headers["Location"] == answer.target, details
    if answer.upstream and answer.status is None:
        assert response.body == f"{answer.upstream.service.removeprefix('shop/')} {answer.upstream.path}", details
    if answer.tls and answer.tls.accepted:
        assert response.certificate == certificate(nginx, answer.tls.secret), details


def expected_mark(answer: Answer) -> str:
    assert answer.server
    name = str(server_name(answer.server.host))
    return mark(answer.server.file, name, answer.location.name if answer.location else "")


def certificate(nginx: MarkedNginx, secret: str) -> bytes:
    """Return the certificate of a Secret as the handshake shows it."""
    for item in yaml.safe_load_all((nginx.folder / "in.yaml").read_text()):
        if "tls.crt" in item.get("data", {}) and f"shop/{item['metadata']['name']}" == secret:
            return ssl.PEM_cert_to_DER_cert(b64decode(item["data"]["tls.crt"]).decode())
    raise AssertionError(secret)
