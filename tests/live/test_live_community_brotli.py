"""``enable-brotli`` of the ConfigMap of ingress-nginx, where nginx has the module."""

from __future__ import annotations

import http.client

import pytest

from headgate.ir.addons import BROTLI
from tests.live.headgate_process import StartHeadgate
from tests.live.json_objects import ManifestFolder, config_map, ingress_class, path
from tests.live.test_live_community import community
from tests.nginx_binaries import LUA, capabilities
from tests.waiting import DEADLINE_S


def test_answers_are_compressed_for_clients_that_know_brotli(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    if not LUA or not capabilities(LUA).has(BROTLI):
        pytest.skip("no nginx with its Brotli module")
    keys = config_map("ours", "config")
    keys["data"] = {"enable-brotli": "true", "brotli-min-length": "1", "brotli-types": "*"}
    manifests.put(ingress_class(controller="k8s.io/ingress-nginx"), keys, community("tea", {"tea.test": [path("tea")]}))
    headgate = new_headgate(f"--manifests={manifests.path}", "--configmap=ours/config", nginx=LUA)
    headgate.start_ready()
    assert encoding(headgate.http, "br") == "br"
    assert encoding(headgate.http, "identity") is None


def encoding(port: int, accepted: str) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("GET", "/", headers={"Host": "tea.test", "Accept-Encoding": accepted})
    found = connection.getresponse().getheader("Content-Encoding")
    connection.close()
    return found
