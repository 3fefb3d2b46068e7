"""ACME challenges as cert-manager's solvers answer them, on hosts that belong to others, with a real nginx."""

from __future__ import annotations

from tests.k8s.certificates import Authority
from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, endpoints, ingress, path, secret, service, tls_secret
from tests.live.test_live_policies import NOBODY, policy
from tests.live.test_live_virtual_servers import HOST, virtual_server
from tests.waiting import wait_until

PLACE = "/.well-known/acme-challenge/"
BYTES = "application/octet-stream"
SHOP, NEW = "shop.test", "new.test"


def solver(token: str, host: str = HOST, namespace: str = "default") -> Json:
    """Return the Ingress that cert-manager makes."""
    made = ingress(f"solver-{token}", {host: (path("solver", PLACE + token, "Exact"),)}, namespace=namespace)
    made["metadata"]["labels"] = {"acme.cert-manager.io/http01-solver": "true"}
    made["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    return made


def answered(headgate: HeadgateProcess, token: str, host: str = HOST) -> bool:
    found = headgate.get(host, PLACE + token)
    return found.status == 200 and f"URI: {PLACE}{token}" in found.body


def test_a_challenge_is_answered_on_the_host_of_a_guarded_virtual_server_and_nothing_else_is(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int, nginx_binary: str
) -> None:
    ours = Authority()
    manifests.put(
        *(service("solver", namespace) for namespace in ("default", "other")),
        *(endpoints("solver", "127.0.0.1", port=tea, namespace=namespace) for namespace in ("default", "other")),
        secret("users", kind="nginx.org/htpasswd", htpasswd=b"jane:$apr1$abcdefgh$012345678901234567890"),
        secret("clients", kind="nginx.org/ca", ca_crt=ours.pem),
        policy("users", basicAuth={"realm": "users", "secret": "users"}),
        policy("nobody", accessControl=NOBODY),
        policy("certificates", ingressMTLS={"clientCertSecret": "clients"}),
        policy("asks", externalAuth={"authServiceName": "nowhere", "authURI": "/auth"}),
        virtual_server(
            "cafe",
            {"path": "/", "action": {"pass": "tea"}},
            {"path": "~ challenge", "action": {"pass": "tea"}},
            tls={"secret": "absent", "redirect": {"enable": True}},
            policies=[{"name": name} for name in ("users", "nobody", "certificates", "asks")],
        ),
        ingress("shop", SHOP, tls={"absent": [SHOP]}, basic_auth_secret="users"),
        solver("x1"),
        solver("x2", namespace="other"),
        solver("x3", host=SHOP),
        solver("x4", host=NEW),
    )
    headgate = serve_manifests(nginx=nginx_binary)
    for token, host in (("x1", HOST), ("x2", HOST), ("x3", SHOP), ("x4", NEW)):
        assert answered(headgate, token, host), token
    found = headgate.get(HOST, f"{PLACE}x2", headers={"Cookie": "session=1", "Authorization": "Basic eDp5"})
    assert (found.headers["Content-Type"], found.headers["X-Content-Type-Options"]) == (BYTES, "nosniff")
    assert not {"session", "eDp5"}.intersection(found.body.replace("=", " ").split()), "they are for the host"
    for where in (
        "/",
        f"{PLACE}x3",
        f"{PLACE}X1",
        f"{PLACE}x1/",
        f"{PLACE}x1%0A",
        PLACE,
        "/.WELL-KNOWN/acme-challenge/x1",
    ):
        assert headgate.get(HOST, where).status == 301, where
    assert headgate.get(HOST, f"/a/..{PLACE}x1").status == 200
    assert headgate.get(SHOP, "/").status == 301
    assert headgate.get(NEW, "/").status == 404
    manifests.delete(solver("x1"), solver("x3", host=SHOP))
    wait_until(lambda: headgate.get(HOST, f"{PLACE}x1").status == 301)
    wait_until(lambda: headgate.get(SHOP, f"{PLACE}x3").status == 301)
    assert answered(headgate, "x2")


def test_plain_http_without_a_redirect_stays_closed_beside_a_challenge(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int
) -> None:
    manifests.put(
        service("solver"),
        endpoints("solver", "127.0.0.1", port=tea),
        secret("clients", kind="nginx.org/ca", ca_crt=Authority().pem),
        policy("certificates", ingressMTLS={"clientCertSecret": "clients"}),
        tls_secret("cafe", HOST),
        virtual_server(
            "cafe",
            {"path": "/", "action": {"pass": "tea"}},
            tls={"secret": "cafe"},
            policies=[{"name": "certificates"}],
        ),
        solver("x1"),
    )
    headgate = serve_manifests()
    assert answered(headgate, "x1")
    for where in ("/", f"{PLACE}X1", f"{PLACE}x2"):
        assert headgate.get(HOST, where).status == 403, where


def test_a_solver_whose_host_gets_an_owner_attaches_to_it(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int
) -> None:
    manifests.put(service("solver"), endpoints("solver", "127.0.0.1", port=tea), solver("x1"))
    headgate = serve_manifests()
    assert answered(headgate, "x1")
    assert headgate.get(HOST, "/").status == 404
    manifests.put(virtual_server("cafe", {"path": "/", "action": {"pass": "tea"}}))
    wait_until(lambda: headgate.get(HOST, "/").status == 200)
    assert answered(headgate, "x1")
    manifests.delete(virtual_server("cafe"))
    wait_until(lambda: headgate.get(HOST, "/").status == 404)
    assert answered(headgate, "x1")
