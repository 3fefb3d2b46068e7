"""Policies about certificates: of clients and of endpoints, and HSTS; with real certificates and handshakes."""

from __future__ import annotations

import http.client
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.k8s.certificates import BEGIN, END, Authority
from tests.live.headgate_process import LOOPBACK, HeadgateProcess, StartHeadgate, trusting
from tests.live.json_objects import Json, ManifestFolder, endpoints, secret, service, tls_secret
from tests.live.test_live_policies import NOBODY, TEA, policy
from tests.live.test_live_virtual_servers import HOST, answer, virtual_server
from tests.nginx_binaries import LUA
from tests.waiting import wait_until

OPEN = "open.test"
STATE = "nginx_ingress_nginxplus_upstream_server_state"


def client(directory: Path, authority: Authority | None) -> ssl.SSLContext:
    """Return the TLS side of a client, with a certificate of *authority*."""
    context = trusting()
    if authority:
        certificate, key = authority.issue("client")
        file = directory / "client.pem"
        file.write_bytes(certificate + key)
        context.load_cert_chain(file)
    return context


def get(
    headgate: HeadgateProcess, context: ssl.SSLContext, name: str | None = HOST, session: ssl.SSLSession | None = None
) -> int:
    """Return the status of ``/`` of HOST, asked with the server name *name*; 0 if nothing comes back."""
    connection = http.client.HTTPConnection(LOOPBACK, headgate.https, timeout=10)
    try:
        plain = socket.create_connection((LOOPBACK, headgate.https), timeout=10)
        connection.sock = context.wrap_socket(plain, server_hostname=name, session=session)
        connection.request("GET", "/", headers={"Host": HOST})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def session_with(headgate: HeadgateProcess, context: ssl.SSLContext, name: str) -> ssl.SSLSession | None:
    """Return a session that the server *name* gave."""
    with (
        socket.create_connection((LOOPBACK, headgate.https), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        secure.sendall(b"GET / HTTP/1.0\r\nHost: open.test\r\n\r\n")
        while secure.recv(4096):
            pass
        return secure.session


def revocations(authority: Authority) -> bytes:
    """Return a list that revokes nothing, as *authority* signs it."""
    issuer = x509.load_pem_x509_certificate(authority.pem).subject
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(BEGIN).next_update(END)
    return builder.sign(authority._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_clients_show_a_certificate_whatever_they_try(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, directory: Path, nginx_binary: str
) -> None:
    ours, others = Authority(), Authority()
    open_server = virtual_server("open", {"path": "/", "action": answer("open")}, tls={"secret": "open"})
    open_server["spec"]["host"] = OPEN
    trusted = secret("clients", kind="nginx.org/ca", ca_crt=ours.pem)
    manifests.put(
        tls_secret("cafe", HOST),
        tls_secret("open", OPEN),
        trusted,
        policy("certified", ingressMTLS={"clientCertSecret": "clients"}),
        virtual_server(
            "cafe", {"path": "/", "action": answer("in")}, tls={"secret": "cafe"}, policies=[{"name": "certified"}]
        ),
        open_server,
    )
    headgate = serve_manifests(nginx=nginx_binary)
    known, unknown, stranger = client(directory, ours), client(directory, None), client(directory, others)
    assert get(headgate, known) == 200
    assert get(headgate, unknown) == 400
    assert get(headgate, stranger) == 400
    assert headgate.get(HOST).status == 403
    # With the server name of another host, with none, and with a session of another host.
    for name in (OPEN, None, "nobody.test"):
        assert get(headgate, unknown, name) in {0, 400, 421}, name
        assert get(headgate, known, name) in {0, 400, 421}, name
    session = session_with(headgate, unknown, OPEN)
    assert get(headgate, unknown, HOST, session) in {0, 400, 421}
    manifests.put(secret("clients", kind="nginx.org/ca", ca_crt=ours.pem, ca_crl=revocations(others)))
    wait_until(lambda: get(headgate, known) == 400)
    manifests.put(secret("clients", kind="nginx.org/ca", ca_crt=ours.pem, ca_crl=revocations(ours)))
    wait_until(lambda: get(headgate, known) == 200)
    file = headgate.prefix / "etc" / "secrets" / "strangers.crl"
    file.write_bytes(revocations(others))
    manifests.put(policy("certified", ingressMTLS={"clientCertSecret": "clients", "crlFileName": file.name}))
    wait_until(lambda: get(headgate, known) == 400)
    assert file.exists()
    manifests.delete(trusted)
    wait_until(lambda: get(headgate, known) == 500)
    wait_until(lambda: get(headgate, unknown) == 500)
    wait_until(lambda: headgate.get(HOST).status == 500)


class _Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def demanding(directory: Path, authority: Authority, *names: str) -> Iterator[int]:
    """Yield the port of a backend that demands a certificate of *authority* and shows one for *names*."""
    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), _Hello)
    server.socket = authority.server_context(directory, *names, clients=True).wrap_socket(
        server.socket, server_side=True
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_endpoints_get_a_certificate_and_are_held_against_an_authority(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, directory: Path, nginx_binary: str
) -> None:
    ours, others = Authority(), Authority()
    certificate, key = ours.issue("headgate")

    def egress(name: str, **more: object) -> Json:
        usual = {"tlsSecret": "own", "trustedCertSecret": "trusted", "verifyServer": True, "sslName": "secure.test"}
        return policy(name, egressMTLS={**usual, "serverName": True, "protocols": "TLSv1.2 TLSv1.3", **more})

    def to(path: str, *names: str) -> Json:
        return {"path": path, "action": {"pass": "secure"}, "policies": [{"name": name} for name in names]}

    with demanding(directory, ours, "secure.test") as port:
        manifests.put(
            service("secure"),
            endpoints("secure", LOOPBACK, port=port),
            secret("own", kind="kubernetes.io/tls", tls_crt=certificate, tls_key=key),
            secret("trusted", kind="nginx.org/ca", ca_crt=ours.pem),
            secret("others", kind="nginx.org/ca", ca_crt=others.pem),
            egress("right"),
            egress("wrong-name", sslName="other.test"),
            egress("wrong-authority", trustedCertSecret="others"),
            egress("nameless", tlsSecret="missing"),
            virtual_server(
                "cafe",
                to("/none"), to("/right", "right"), to("/name", "wrong-name"), to("/authority", "wrong-authority"),
                to("/missing", "nameless"),
                upstreams=({"name": "secure", "service": "secure", "port": 80, "tls": {"enable": True}},),
            ),
        )  # fmt: skip
        headgate = serve_manifests(nginx=nginx_binary)
        found = {
            path: headgate.get(HOST, path).status for path in ("/right", "/none", "/name", "/authority", "/missing")
        }
        again = [headgate.get(HOST, path).status for path in ("/right", "/name", "/authority", "/right")]
    assert found == {"/right": 200, "/none": 502, "/name": 502, "/authority": 502, "/missing": 500}
    assert again == [200, 502, 502, 200]


def test_browsers_are_told_to_use_https(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(
        tls_secret("cafe", HOST),
        policy("strict", hsts={"maxAge": 31536000, "includeSubDomains": True, "preload": True}),
        policy("nobody", accessControl=NOBODY),
        virtual_server(
            "cafe",
            {"path": "/", "action": TEA},
            {"path": "/answer", "action": answer("in", headers=[{"name": "X-Own", "value": "1"}])},
            {"path": "/closed", "action": TEA, "policies": [{"name": "nobody"}]},
            tls={"secret": "cafe"},
            policies=[{"name": "strict"}],
        ),
    )
    headgate = serve_manifests()
    for path in ("/", "/answer", "/closed"):
        value = headgate.get_tls(HOST, path).headers["Strict-Transport-Security"]
        assert value == "max-age=31536000; includeSubDomains; preload", path
        assert "Strict-Transport-Security" not in headgate.get(HOST, path).headers


def test_a_host_whose_revocation_list_is_missing_is_closed_and_no_other(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, directory: Path, nginx_binary: str
) -> None:
    ours = Authority()
    open_server = virtual_server("open", {"path": "/", "action": answer("open")}, tls={"secret": "open"})
    open_server["spec"]["host"] = OPEN
    manifests.put(
        tls_secret("cafe", HOST),
        tls_secret("open", OPEN),
        secret("clients", kind="nginx.org/ca", ca_crt=ours.pem),
        policy("certified", ingressMTLS={"clientCertSecret": "clients", "crlFileName": "revoked.crl"}),
        virtual_server(
            "cafe", {"path": "/", "action": answer("in")}, tls={"secret": "cafe"}, policies=[{"name": "certified"}]
        ),
        open_server,
    )
    headgate = serve_manifests(nginx=nginx_binary)
    known = client(directory, ours)
    assert (get(headgate, known), headgate.get(HOST).status, headgate.get(OPEN).status) == (500, 500, 200)
    reason, message = headgate.events("Policy default/certified")[-1]
    assert reason == "AddedOrUpdatedWithWarning"
    assert (
        "spec.ingressMTLS.crlFileName: 'revoked.crl' cannot be used by nginx, which therefore refuses Virtual"
        in message
    )
    assert "No such file" in message
    (headgate.prefix / "etc" / "secrets" / "revoked.crl").write_bytes(revocations(ours))
    wait_until(lambda: get(headgate, known) == 200)
    wait_until(lambda: headgate.events("Policy default/certified")[-1][0] == "AddedOrUpdated")


def test_endpoints_are_checked_with_the_certificate_and_the_authority_of_their_policy(
    new_headgate: StartHeadgate, manifests: ManifestFolder, directory: Path
) -> None:
    """Workers, which run the checks, may read the files that the Policy needs."""
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")

    def states() -> dict[str, float]:
        samples = [each for each in headgate.samples() if each.name == STATE]
        return {each.labels["service"]: each.value for each in samples}

    ours, others = Authority(), Authority()
    certificate, key = ours.issue("headgate")
    upstreams = tuple(
        {"name": name, "service": name, "port": 80, "tls": {"enable": True},
         "healthCheck": {"enable": True, "interval": "100ms", "mandatory": True}}
        for name in ("right", "wrong")
    )  # fmt: skip
    routes = tuple(
        {"path": f"/{name}", "action": {"pass": name}, "policies": [{"name": name}]} for name in ("right", "wrong")
    )
    with demanding(directory, ours, "secure.test") as port:
        manifests.put(
            *(service(name) for name in ("right", "wrong")),
            *(endpoints(name, LOOPBACK, port=port) for name in ("right", "wrong")),
            secret("own", kind="kubernetes.io/tls", tls_crt=certificate, tls_key=key),
            secret("right", kind="nginx.org/ca", ca_crt=ours.pem),
            secret("wrong", kind="nginx.org/ca", ca_crt=others.pem),
            *(
                policy(name, egressMTLS={"tlsSecret": "own", "trustedCertSecret": name, "verifyServer": True,
                                         "sslName": "secure.test", "protocols": "TLSv1.2 TLSv1.3"})
                for name in ("right", "wrong")
            ),
            virtual_server("cafe", *routes, upstreams=upstreams),
        )  # fmt: skip
        headgate = new_headgate(f"--manifests={manifests.path}", nginx=LUA)
        headgate.start_ready()
        wait_until(states, lambda found: found == {"right": 1, "wrong": 6})
        assert [headgate.get(HOST, path).status for path in ("/right", "/wrong")] == [200, 502]
