"""``ssl-passthrough`` of ingress-nginx: the Service terminates TLS, unless that would go around a guard."""

from __future__ import annotations

from tests.live.headgate_process import StartHeadgate
from tests.live.json_objects import ManifestFolder, endpoints, ingress_class, path, service
from tests.live.stream_backends import backend_objects, over_tls, tcp_backend
from tests.live.test_live_community import community
from tests.live.test_live_community_forwarded import backend
from tests.waiting import wait_until

__all__ = ["backend"]


def test_tls_connections_are_passed_on(
    new_headgate: StartHeadgate, manifests: ManifestFolder, nginx_binary: str, backend: int
) -> None:
    with tcp_backend("behind", certificate_for="pass.test") as behind:
        passed = {"ssl_passthrough": "true", "ssl_redirect": "false"}
        manifests.put(
            ingress_class(controller="k8s.io/ingress-nginx"),
            *backend_objects("behind", behind),
            community("pass", {"pass.test": [path("behind")]}, tls=True, **passed),
            service("own"),
            endpoints("own", "127.0.0.1", port=backend),
            community("tea", {"other.test": [path("own")]}, 2, tls=True),
        )
        headgate = new_headgate(f"--manifests={manifests.path}", "--enable-ssl-passthrough", nginx=nginx_binary)
        headgate.flags.append(f"--https-port={headgate.https}")
        headgate.flags = [flag for flag in headgate.flags if not flag.startswith("-default-https-listener-port")]
        headgate.start_ready()
        wait_until(lambda: over_tls(headgate.https, "pass.test") == "behind hello")
        wait_until(lambda: headgate.get_tls("other.test").status == 200)
        assert f"x-forwarded-port: {headgate.https}\n" in headgate.get_tls("other.test").body
        manifests.put(community("guard", {"pass.test": [path("tea", "/a")]}, 3, whitelist_source_range="192.0.2.0/24"))
        wait_until(lambda: over_tls(headgate.https, "pass.test") != "behind hello")
        wait_until(lambda: headgate.get_tls("pass.test", "/a").status == 403)
