"""A real provider, Keycloak, and a real browser, Chromium; by night, where both can be had."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from showcase.ports import free_port

from tests.examples import FACTOR
from tests.live.headgate_process import LOOPBACK, HeadgateProcess
from tests.live.json_objects import config_map
from tests.oidc.conftest import Place
from tests.oidc.objects import client_secret, policy, virtual_server
from tests.oidc.webdriver import CHROMIUM, DRIVER, Chromium, chromium
from tests.waiting import wait_until

ZIPS = sorted(Path.home().glob(".m2/repository/org/keycloak/keycloak-quarkus-dist/*/*.zip"))
ZIP = os.environ.get("HEADGATE_TEST_KEYCLOAK") or (str(ZIPS[-1]) if ZIPS else "")
"""Of the Maven artifact org.keycloak:keycloak-quarkus-dist."""
THERE = {"Java": shutil.which("java"), "Keycloak's zip": ZIP, "Chromium": CHROMIUM and DRIVER}
MISSING = [name for name, path in THERE.items() if not path]
STARTED_S = 240
ASK = "const r = new XMLHttpRequest(); r.open('{}', '{}', false); r.send();"

pytestmark = [
    pytest.mark.skipif(FACTOR <= 1, reason="by night: it takes a minute, and 1 GiB"),
    pytest.mark.skipif(bool(MISSING), reason=f"not here: {', '.join(MISSING)}"),
]


def realm(port: int) -> dict[str, object]:
    hosts = [f"http://{name}.test:{port}" for name in ("cafe", "shop")]
    client = {
        "clientId": "cafe", "secret": "keycloak-secret", "protocol": "openid-connect",
        "redirectUris": [f"{host}/_codexch" for host in hosts],
        "attributes": {"post.logout.redirect.uris": "##".join(f"{host}/_logout" for host in hosts),
                       "pkce.code.challenge.method": "S256"},
    }  # fmt: skip
    user = {
        "username": "alice", "enabled": True, "email": "alice@example.com", "emailVerified": True, "firstName": "Alice",
        "lastName": "A", "credentials": [{"type": "password", "value": "espresso", "temporary": False}],
    }  # fmt: skip
    return {"realm": "cafe", "enabled": True, "sslRequired": "none", "accessTokenLifespan": 60, "clients": [client],
            "users": [user]}  # fmt: skip


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """Those of Headgate and of Keycloak."""
    return free_port(), free_port()


@pytest.fixture(scope="module")
def keycloak(ports: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start it with its dev database; return the issuer."""
    folder = tmp_path_factory.mktemp("keycloak")
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(folder)
    (home,) = folder.iterdir()
    (home / "data/import").mkdir(parents=True)
    (home / "data/import/cafe-realm.json").write_text(json.dumps(realm(ports[0])))
    command = ["bash", str(home / "bin/kc.sh"), "start-dev", "--import-realm", f"--http-host={LOOPBACK}",
               f"--http-port={ports[1]}", "--http-management-port=0"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "JAVA_OPTS_APPEND": "-Xmx700m"}
        )
    try:
        deadline = time.monotonic() + STARTED_S
        while not _answers(ports[1], process, folder / "log"):
            assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
            process.poll()
            time.sleep(0.2)
        yield f"http://{LOOPBACK}:{ports[1]}/realms/cafe"
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-3000:]
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/realms/cafe/.well-known/openid-configuration")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture
def headgate(keycloak: str, ports: tuple[int, int], place: Place) -> HeadgateProcess:
    own = {"issuer": keycloak, "authEndpoint": None, "tokenEndpoint": None, "jwksURI": None, "endSessionEndpoint": None}
    place.manifests.put(
        client_secret("client", "keycloak-secret"),
        policy("login", None, accessTokenEnable=True, scope="openid+profile+email", **own),
        virtual_server("cafe", "cafe.test", "login"),
        virtual_server("shop", "shop.test", "login"),
        config_map(oidc_id_tokens_timeout="5s"),
    )
    return place.serve(f"-default-http-listener-port={ports[0]}")


@pytest.fixture
def chrome(tmp_path: Path) -> Iterator[Chromium]:
    with chromium("*.test", tmp_path) as found:
        yield found


def log_in(chrome: Chromium) -> None:
    wait_until(lambda: "/realms/cafe/" in chrome.url)
    chrome.type("#username", "alice")
    chrome.type("#password", "espresso")
    chrome.click("#kc-login")


def test_a_browser_logs_in_uses_two_tabs_refreshes_and_logs_out(
    headgate: HeadgateProcess, ports: tuple[int, int], chrome: Chromium
) -> None:
    cafe, shop = (f"http://{name}.test:{ports[0]}" for name in ("cafe", "shop"))
    first = chrome.here
    chrome.open(f"{cafe}/menu?of=tea")
    second = chrome.tab()
    chrome.open(f"{cafe}/second")
    log_in(chrome)
    wait_until(lambda: chrome.url == f"{cafe}/second")
    assert "Authorization: Bearer ey" in chrome.text
    chrome.go(first)
    chrome.open(f"{cafe}/menu?of=tea")
    assert chrome.url == f"{cafe}/menu?of=tea"
    chrome.open(f"{shop}/")  # another host of the same provider needs no password
    wait_until(lambda: chrome.url == f"{shop}/")
    # The session ends after 5 s, and a script gets a newer one without leaving its page.
    chrome.go(second)
    before = _token(chrome)
    wait_until(lambda: _token(chrome) != before)
    assert chrome.run(f"{ASK.format('POST', '/order')} return r.status + ' ' + r.responseURL") == f"200 {cafe}/order"
    chrome.open(f"{cafe}/logout")
    wait_until(lambda: chrome.url == f"{cafe}/_logout")
    chrome.open(f"{cafe}/menu")
    wait_until(lambda: "/realms/cafe/" in chrome.url)


def _token(chrome: Chromium) -> str:
    """Return the access token that the backend gets of a script."""
    text = str(chrome.run(f"{ASK.format('GET', '/')} return r.responseText"))
    return text.partition("Authorization: ")[2].partition("\n")[0]
