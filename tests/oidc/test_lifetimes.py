"""How long logins and sessions are good, and what lives on when a controller does not."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from showcase.identity_provider import IdentityProvider

from tests.k8s.apiserver import CUSTOM
from tests.live.headgate_process import LOOPBACK, ROOT, HeadgateProcess
from tests.live.json_objects import config_map, endpoints, ingress_class, secret, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.oidc.browser import SCRIPT, Browser
from tests.oidc.conftest import Place
from tests.oidc.objects import client_secret, policy, virtual_server
from tests.waiting import wait_until

AUTHORIZE = "https://login.test/authorize"


def test_timeouts_of_the_configmap(place: Place, provider: IdentityProvider, browser: Browser) -> None:
    place.manifests.put(
        config_map(oidc_pkce_timeout="2s", oidc_id_tokens_timeout="2s", oidc_access_tokens_timeout="1h",
                   oidc_refresh_tokens_timeout="3s"),
        policy("login", provider, accessTokenEnable=True),
        virtual_server("cafe", "cafe.test", "login"),
    )  # fmt: skip
    headgate = place.serve()
    url = f"http://cafe.test:{headgate.http}/menu"
    late = Browser()
    back = late.submit(late.open(url)).location
    page = browser.log_in(url)
    assert page.status == 200
    wait_until(lambda: browser.ask(url, headers=SCRIPT).status == 302)  # after 2 s
    assert browser.open(url, headers=SCRIPT).status == 200
    held = f"http://cafe.test:{headgate.http}/_codexch"
    wait_until(lambda: not any(name.endswith("_t") for name in browser.sent(held)))  # after 3 s
    wait_until(lambda: browser.ask(url, headers=SCRIPT).status == 302)
    assert browser.open(url, headers=SCRIPT).status == 401
    assert late.open(back).url == url  # by another login, which the provider does not show
    assert provider.requests.count("/authorize") == 5
    place.manifests.put(config_map(oidc_access_tokens_timeout="2s"))
    wait_until(lambda: headgate.batches_processed() >= 2)
    assert browser.open(url).status == 200
    wait_until(lambda: browser.ask(url, headers=SCRIPT).status == 302)


def test_sessions_outlive_controllers(place: Place, provider: IdentityProvider, browser: Browser) -> None:
    place.manifests.put(policy("login", provider), virtual_server("cafe", "cafe.test", "login"))
    headgate = place.serve()
    url = f"http://cafe.test:{headgate.http}/menu"
    browser.log_in(url)
    other = Browser()
    form = other.open(url)
    headgate.kill()
    assert browser.ask(url).status == 200
    assert Browser().open(url).status == 503
    back = other.submit(form).location
    assert other.ask(back).status == 503
    headgate.start_ready()
    assert browser.ask(url).status == 200
    assert other.open(back).url == url
    first = headgate.master
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: _restarted(headgate, first))
    assert browser.ask(url).status == 200


def test_two_replicas_with_the_same_keys(place: Place, provider: IdentityProvider, browser: Browser) -> None:
    place.manifests.put(policy("login", provider), virtual_server("cafe", "cafe.test", "login"))
    one = place.serve(under="one")
    keys = "run/live/session-keys.json"
    (two := place.serve(under="two")).stop()
    (two.prefix / keys).write_bytes((one.prefix / keys).read_bytes())
    two.start_ready()
    url = "http://cafe.test/menu"
    browser.port = one.http
    form = browser.open(url)
    browser.port = two.http
    assert browser.fill(form).url == url
    browser.port = one.http
    assert browser.ask(url).status == 200


@pytest.fixture
def cluster(place: Place) -> Iterator[ScriptedCluster]:
    """An API server with cafe.test, which needs a login; of a cluster, no provider on this machine is asked."""
    with ScriptedCluster(place.directory) as found:
        for plural in CUSTOM:
            found.do(lambda server, plural=plural: server.absent(plural, now=False))  # type: ignore[misc]
        found.put(ingress_class(), service("tea"), endpoints("tea", LOOPBACK, port=place.tea), client_secret())
        urls = {"authEndpoint": AUTHORIZE, "tokenEndpoint": "https://login.test/t", "jwksURI": "https://login.test/k"}
        found.put(policy("login", None, **urls), virtual_server("cafe", "cafe.test", "login"))
        yield found


def test_the_secret_with_keys_is_made_once_for_all_replicas(
    place: Place, cluster: ScriptedCluster, browser: Browser
) -> None:
    one, two = (place.serve(under=name, source=f"--kubeconfig={cluster.kubeconfig}") for name in ("one", "two"))
    url = "http://cafe.test/menu"
    browser.port = one.http
    begun = browser.open(url, until=AUTHORIZE).location
    (state,) = parse_qs(urlsplit(begun).query)["state"]
    browser.port = two.http
    assert browser.ask("http://cafe.test/_codexch?state=other&error=access_denied").status == 400
    page = browser.ask(f"http://cafe.test/_codexch?state={state}&error=access_denied")
    assert (page.status, "refuses the login" in page.body) == (403, True), "what one sealed is known to two"
    found = cluster.do(lambda server: server.get("Secret", "ours", "headgate-oidc-keys"))
    assert set(found["data"]) == {"keys.json"}
    assert "session keys unknown" not in one.log_text() + two.log_text()


def test_without_permission_to_write_a_secret_somebody_else_makes_it(
    place: Place, cluster: ScriptedCluster, browser: Browser
) -> None:
    source = f"--kubeconfig={cluster.kubeconfig}"
    headgate = place.serve("--read-only", source=source)
    url = f"http://cafe.test:{headgate.http}/menu"
    assert browser.ask(url).status == 503
    assert browser.ask(f"http://cafe.test:{headgate.http}/_codexch?policy=x").status == 503
    (record,) = headgate.log_records("session keys unknown")
    assert "no Secret ours/headgate-oidc-keys" in record["error"]
    cluster.put(secret("headgate-oidc-keys", "ours", key=b"k" * 31))
    headgate.stop()
    headgate.start_ready()
    assert browser.ask(url).status == 503
    cluster.put(secret("headgate-oidc-keys", "ours", key=b"k" * 32))
    headgate.stop()
    headgate.start_ready()
    assert browser.open(url, until=AUTHORIZE).location.startswith(AUTHORIZE)
    assert set(cluster.do(lambda server: server.get("Secret", "ours", "headgate-oidc-keys"))["data"]) == {"key"}


def _restarted(headgate: HeadgateProcess, before: int) -> bool:
    """Whether another master than *before* serves; between the two there is no file with its pid, or no answer."""
    try:
        return headgate.master != before and headgate.get("cafe.test").status == 401
    except (OSError, ValueError):
        return False


def test_a_template_that_does_not_check_sessions_is_not_used(place: Place, provider: IdentityProvider) -> None:
    lines = (ROOT / "headgate/render/templates/http.conf.j2").read_text()
    older = re.sub(r"headgate\.session\([^)]*\)", "", lines)
    assert older != lines
    place.manifests.put(policy("login", provider), virtual_server("cafe", "cafe.test", "login"))
    headgate = place.serve()
    place.manifests.put(config_map(virtualserver_template=older))
    wait_until(lambda: any("does not check sessions" in text for _, text in headgate.events("ConfigMap ours/config")))
    url = f"http://cafe.test:{headgate.http}/menu"
    assert Browser().ask(url, headers=SCRIPT).status == 401
    assert Browser().log_in(url).status == 200
