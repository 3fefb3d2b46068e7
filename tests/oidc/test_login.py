"""Logins, refreshes and logouts, as a browser sees them."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from showcase.identity_provider import IdentityProvider

from tests.live.headgate_process import HeadgateProcess
from tests.oidc.browser import PAGE, SCRIPT, Browser
from tests.oidc.conftest import Place
from tests.oidc.objects import policy, virtual_server
from tests.waiting import wait_until


def test_login(headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser) -> None:
    url = f"http://cafe.test:{headgate.http}/menu?of=tea&to=%2F%2Fx"
    page = browser.log_in(url)
    assert (page.status, page.url) == (200, url), headgate.log_text()[-3000:]
    assert "Server name: tea" in page.body
    assert "URI: /menu?of=tea&to=%2F%2Fx" in page.body
    assert "username: alice" in page.body
    assert "headgate" not in page.body
    assert "Authorization" not in page.body
    asked = len(provider.requests)
    assert browser.ask(url).status == 200
    assert browser.ask(url, headers=SCRIPT, method="POST", body="x=1").status == 200
    assert len(provider.requests) == asked
    assert not provider.faults


def test_what_a_backend_gets_is_not_what_a_client_says(headgate: HeadgateProcess, browser: Browser) -> None:
    url = f"http://mixed.test:{headgate.http}/tokens/x"
    browser.log_in(url)
    browser.keep(url, "mine=1")
    browser.keep(url, "theirs=a=b")
    body = browser.ask(url, headers={**PAGE, "username": "root", "Authorization": "Bearer forged"}).body
    assert re.findall(r"username: (.*)", body) == ["alice"]
    assert re.findall(r"Authorization: (.*)", body)[0].startswith("Bearer eyJ")
    assert re.findall(r"Cookie: (.*)", body) == ["mine=1; theirs=a=b"]


def test_no_backend_gets_a_session(headgate: HeadgateProcess, browser: Browser) -> None:
    """Neither where none is required, nor below the place of logins, nor in a name that is spelled in another way."""
    origin = f"http://mixed.test:{headgate.http}"
    browser.log_in(f"{origin}/login")
    browser.open(f"{origin}/tokens/x")
    browser.keep(origin, "mine=1")
    for path in ("/", "/_codexch/below", "/tokens/back/below", "/login"):
        assert len(browser.sent(f"{origin}{path}")) > 2
        assert re.findall(r"Cookie: (.*)", browser.ask(f"{origin}{path}").body) == ["mine=1"], path
    session = next(f"{name}={value}" for name, value in browser.sent(f"{origin}/login").items() if name != "mine")
    name, _, value = session.partition("=")
    for cookies in (f"{name.upper()}={value}; a=1", f"a=1; Headgate_x={value}", f"a=1;{name.title()}_t={value}"):
        for path in ("/", "/login"):
            page = Browser().ask(f"{origin}{path}", headers={"Cookie": f"{cookies}; {session}", "Accept": "*/*"})
            assert (page.status, re.findall(r"Cookie: (.*)", page.body)) == (200, ["a=1"]), (path, cookies)
    waiting = f"http://waiting.test:{headgate.http}"
    assert browser.open(f"{waiting}/login").status == 200
    assert browser.sent(f"{waiting}/")
    assert "Cookie" not in browser.ask(f"{waiting}/").body
    part = f"http://parts.test:{headgate.http}"
    assert browser.open(f"{part}/part/of/it").status == 200
    assert browser.sent(f"{part}/")
    assert "Cookie" not in browser.ask(f"{part}/").body
    assert "Cookie" not in browser.ask(f"{part}/part/of/it").body


def test_a_request_is_let_in_that_is_redirected_from_where_no_session_is_required(
    headgate: HeadgateProcess, browser: Browser
) -> None:
    origin = f"http://mixed.test:{headgate.http}"
    browser.log_in(f"{origin}/login")
    page = browser.ask(f"{origin}/jump?to=/login")
    assert (page.status, "username: alice" in page.body, "Cookie" in page.body) == (200, True, False)


def test_the_service_of_an_external_auth_gets_no_session(headgate: HeadgateProcess, browser: Browser) -> None:
    origin = f"http://asking.test:{headgate.http}"
    assert browser.ask(f"{origin}/asked").status == 403
    browser.keep(origin, "mine=1")
    browser.log_in(f"{origin}/both")
    for path in ("/both", "/asked"):
        page = browser.ask(f"{origin}{path}")
        assert (page.status, re.findall(r"Cookie: (.*)", page.body)) == (200, ["mine=1"]), path


def test_whether_a_backend_gets_an_access_token_is_what_the_policy_says_now(
    place: Place, provider: IdentityProvider, browser: Browser
) -> None:
    for name in ("before", "after"):
        place.manifests.put(policy(name, provider, accessTokenEnable=name == "after"))
        place.manifests.put(virtual_server(name, f"{name}.test", name))
    headgate = place.serve()
    urls = {name: f"http://{name}.test:{headgate.http}/" for name in ("before", "after")}
    assert browser.log_in(urls["before"]).status == 200
    assert browser.open(urls["after"]).status == 200
    forged = {**PAGE, "Authorization": "Bearer forged"}
    place.manifests.put(policy("before", provider, accessTokenEnable=True), policy("after", provider))
    wait_until(lambda: "Authorization" not in browser.ask(urls["before"], headers=forged).body)
    wait_until(lambda: "Bearer forged" in browser.ask(urls["after"], headers=forged).body)
    assert "username: alice" in browser.ask(urls["before"], headers=forged).body
    assert "Authorization" not in browser.ask(urls["after"]).body


@pytest.mark.parametrize("length", [2000, 6000])
def test_a_session_fits_into_a_request_or_is_refused(
    headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser, length: int
) -> None:
    provider.settings.padding = length
    url = f"http://mixed.test:{headgate.http}/tokens/back/below"
    page = browser.log_in(url)
    assert page.status == (200 if length == 2000 else 403)
    if length > 2000:
        assert "too large for cookies" in page.body
        assert "cookies of its session would have" in headgate.log_text()
    assert browser.ask(url).status == (200 if length == 2000 else 302)


def test_a_request_that_nginx_redirects_internally_is_let_in_once(headgate: HeadgateProcess, browser: Browser) -> None:
    origin = f"http://inner.test:{headgate.http}"
    browser.log_in(f"{origin}/menu")
    page = browser.ask(f"{origin}/jump?to=/menu")
    assert page.status == 200
    assert "username: alice" in page.body
    assert browser.ask(f"{origin}/jump?to=/office").status == 302  # another Policy
    assert Browser().ask(f"{origin}/jump?to=/menu", headers=SCRIPT).status == 401


def test_only_pages_lead_to_a_login(headgate: HeadgateProcess, browser: Browser) -> None:
    url = f"http://cafe.test:{headgate.http}/menu"
    for headers in (SCRIPT, {"Accept": "*/*"}, {"Accept": "text/html", "X-Requested-With": "XMLHttpRequest"}):
        page = browser.ask(url, headers=headers)
        assert (page.status, page.headers["www-authenticate"].split()[0]) == (401, "OpenIDConnect")
        assert page.headers["cache-control"] == "no-store"
    assert browser.ask(url, method="POST", body="x=1").status == 401
    page = browser.ask(url, headers={"Accept": "text/html"})
    assert (page.status, page.headers["location"].split("?")[0]) == (302, "/_codexch")


def test_refresh(headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser) -> None:
    provider.settings.id_token_s = 1
    url = f"http://cafe.test:{headgate.http}/menu"
    browser.log_in(url)
    wait_until(lambda: browser.ask(url, headers=SCRIPT).status == 302)
    asked = provider.requests.count("/authorize")
    page = browser.open(url, headers=SCRIPT)
    assert (page.status, page.url) == (200, url)
    wait_until(lambda: browser.ask(url, headers=SCRIPT).status == 302)
    page = browser.open(url, headers=SCRIPT, method="POST", body="order=tea")
    assert page.status == 200
    assert "Method: POST" in page.body
    assert provider.requests.count("/authorize") == asked
    assert not provider.faults


def test_a_refresh_token_counts_once_and_two_tabs_may_use_it(
    headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser
) -> None:
    provider.settings.id_token_s = 1
    url = f"http://cafe.test:{headgate.http}/menu"
    browser.log_in(url)
    other = browser.copy()
    wait_until(lambda: browser.ask(url, headers=SCRIPT).status == 302)
    assert browser.open(url, headers=SCRIPT).status == 200
    assert other.open(url, headers=SCRIPT).status == 200
    assert provider.requests.count("/token") == 2
    assert not provider.faults


def test_a_session_that_the_provider_has_ended_is_not_refreshed(
    headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser
) -> None:
    provider.settings.id_token_s = 1
    url = f"http://cafe.test:{headgate.http}/menu"
    browser.log_in(url)
    provider.sessions.clear()
    wait_until(lambda: browser.ask(url, headers=SCRIPT).status == 302)
    assert browser.open(url, headers=SCRIPT).status == 401
    assert "<form" in browser.open(url).body


def test_logout(headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser) -> None:
    origin = f"http://cafe.test:{headgate.http}"
    browser.log_in(f"{origin}/menu")
    page = browser.open(f"{origin}/logout")
    assert (page.status, page.url) == (200, f"{origin}/_logout")
    assert "logged out" in page.body
    assert not browser.sent(f"{origin}/_codexch")
    assert browser.ask(f"{origin}/menu").status == 302
    assert "<form" in browser.open(f"{origin}/menu").body
    assert not provider.faults


def test_front_channel_logout(headgate: HeadgateProcess, browser: Browser) -> None:
    origin = f"http://cafe.test:{headgate.http}"
    browser.log_in(f"{origin}/menu")
    page = browser.ask(f"{origin}/front_channel_logout?iss=x&sid=y", headers={"Sec-Fetch-Mode": "navigate"})
    assert page.status == 200
    assert "x-frame-options" not in page.headers
    assert not browser.sent(f"{origin}/_codexch")


def test_two_tabs(headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser) -> None:
    urls = [f"http://cafe.test:{headgate.http}/{number}" for number in range(2)]
    forms = [browser.open(url) for url in urls]
    pages = [browser.fill(form) for form in forms]
    assert [(page.status, page.url) for page in pages] == [(200, url) for url in urls]
    assert not provider.faults


def test_many_logins_that_are_not_finished_fit_into_a_header(headgate: HeadgateProcess, browser: Browser) -> None:
    url = f"http://cafe.test:{headgate.http}/{'x' * 500}"
    for _ in range(30):
        form = browser.open(url)
    assert len(browser.sent(f"http://cafe.test:{headgate.http}/_codexch")) <= 7
    assert browser.fill(form).status == 200


def test_a_state_counts_once_and_in_its_browser(headgate: HeadgateProcess, browser: Browser) -> None:
    url = f"http://cafe.test:{headgate.http}/menu"
    form = browser.open(url)
    back = browser.submit(form).location
    stranger = Browser()
    assert stranger.ask(back).status == 400
    assert browser.ask(back).status == 302
    assert browser.ask(back).status == 400
    assert browser.ask(back.replace("state=", "state=x")).status == 400


def test_a_state_of_another_policy_is_not_taken(headgate: HeadgateProcess, browser: Browser) -> None:
    origin = f"http://mixed.test:{headgate.http}"
    form = browser.open(f"{origin}/tokens")
    back = urlsplit(browser.submit(form).location)
    assert back.path == "/tokens/back"
    assert browser.ask(f"{origin}/_codexch?{back.query}").status == 400
    assert browser.ask(f"{origin}/tokens/back?{back.query}").status == 302
    assert browser.ask(f"{origin}/tokens").status == 200
    assert browser.ask(f"{origin}/login").status == 302


def test_policies_with_one_redirect_uri_are_not_confused(headgate: HeadgateProcess, browser: Browser) -> None:
    origin = f"http://mixed.test:{headgate.http}"
    assert browser.ask(f"{origin}/").status == 200
    first, second = (browser.open(f"{origin}/{path}", until="/_codexch?code") for path in ("login", "office"))
    asked = [parse_qs(urlsplit(page.url).query)["client_id"] for page in (first, second)]
    assert asked == [["cafe"], ["office"]]
    assert browser.fill(second).url == f"{origin}/office"
    assert browser.ask(f"{origin}/login", headers=SCRIPT).status == 401
    assert browser.open(f"{origin}/login").status == 200
    assert browser.open(f"{origin}/logout").url == f"{origin}/_logout"
    assert [browser.ask(f"{origin}/{path}", headers=SCRIPT).status for path in ("login", "office")] == [401, 401]


def test_a_cookie_of_another_host_or_policy_is_none(headgate: HeadgateProcess, browser: Browser) -> None:
    url = f"http://cafe.test:{headgate.http}/menu"
    browser.log_in(url)
    (name, value), *_ = browser.sent(url).items()
    for host, path in (("other.test", "/"), ("mixed.test", "/office"), ("mixed.test", "/tokens")):
        assert (
            Browser()
            .ask(f"http://{host}:{headgate.http}{path}", headers={**SCRIPT, "Cookie": f"{name}={value}"})
            .status
            == 401
        )
    # The same Policy on another host, so the name is right and the host is not.
    assert (
        Browser()
        .ask(f"http://mixed.test:{headgate.http}/login", headers={**SCRIPT, "Cookie": f"{name}={value}"})
        .status
        == 401
    )


def test_a_changed_cookie_is_none(headgate: HeadgateProcess, browser: Browser) -> None:
    url = f"http://cafe.test:{headgate.http}/menu"
    browser.log_in(url)
    (name, value), *_ = browser.sent(url).items()
    flipped = [value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :] for at in range(0, len(value) - 1, 7)]
    for wrong in (
        *flipped,
        "",
        "1",
        value[:-4],
        value + "AAAA",
        f"2{value[1:]}",
        f"0{value[1:]}",
        value[:20],
        "1" * 4000,
    ):
        found = Browser().ask(url, headers={**SCRIPT, "Cookie": f"{name}={wrong}"})
        assert found.status == 401, (wrong, found)
    assert Browser().ask(url, headers={**SCRIPT, "Cookie": f"{name}={value}"}).status == 200


@pytest.mark.parametrize("to", ["//evil.test/x", "/\\evil.test", "https://evil.test/", "x", "", "/a%0d%0ab", "/ü"])
def test_nobody_is_sent_elsewhere(headgate: HeadgateProcess, browser: Browser, to: str) -> None:
    origin = f"http://cafe.test:{headgate.http}"
    identity = parse_qs(urlsplit(browser.ask(f"{origin}/").location).query)["policy"][0]
    target = f"{origin}/_codexch?policy={identity}&to={to}".encode("ascii", "ignore").decode()
    page = browser.fill(browser.open(target))
    assert page.url in {f"{origin}/", f"{origin}{to}".encode("ascii", "ignore").decode()}
    assert urlsplit(page.url).hostname == "cafe.test"


@pytest.mark.parametrize(
    ("claims", "algorithm"),
    [
        ({"aud": "other"}, "ES256"), ({"aud": ["cafe", "other"]}, "ES256"), ({"azp": "other"}, "ES256"),
        ({"nonce": "other"}, "ES256"), ({"nonce": None}, "ES256"), ({"exp": 1}, "ES256"), ({"iat": 9e9}, "ES256"),
        ({"at_hash": "x"}, "ES256"), ({"sub": None}, "ES256"), ({"sub": "a\nb"}, "ES256"), ({"exp": None}, "ES256"),
        ({}, "none"), ({}, "HS256"), ({}, "RS256"), ({}, "ES384"),
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_this_login_is_refused(
    headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser, claims: dict[str, object], algorithm: str
) -> None:
    provider.settings.claims, provider.settings.algorithm = claims, algorithm
    url = f"http://cafe.test:{headgate.http}/menu"
    assert browser.log_in(url).status == 403
    assert browser.ask(url, headers=SCRIPT).status == 401


def test_a_user_whom_the_provider_refuses(headgate: HeadgateProcess, browser: Browser) -> None:
    page = browser.log_in(f"http://cafe.test:{headgate.http}/menu", "nobody")
    assert page.status == 403
    assert "refuses" in page.body


def test_new_keys_of_the_provider(headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser) -> None:
    url = f"http://found.test:{headgate.http}/menu"
    assert browser.log_in(url).status == 200
    provider.rotate_keys()
    other = Browser()

    def accepted() -> bool:
        """Keys are asked for again at most once a second."""
        other.cookies.clear()
        return other.log_in(url).status == 200

    wait_until(accepted)


def test_the_issuer_tells_where_it_is(headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser) -> None:
    url = f"http://found.test:{headgate.http}/menu"
    form = browser.open(url)
    asked = parse_qs(urlsplit(form.url).query)
    assert asked["scope"] == ["openid profile"]
    assert (asked["prompt"], asked["ui_locales"]) == (["login"], ["de"])
    assert asked["client_id"] == ["public"]
    assert browser.fill(form).status == 200
    provider.settings.claims = {"iss": "https://other.test"}
    assert Browser().log_in(url).status == 403


def test_a_provider_that_is_down(headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser) -> None:
    url = f"http://cafe.test:{headgate.http}/menu"
    provider.settings.id_token_s = 2
    browser.log_in(url)
    form = Browser.open(other := Browser(), url)
    back = other.submit(form).location
    provider.settings.down = True
    assert browser.ask(url, headers=SCRIPT).status == 200
    assert other.ask(back).status == 503
    wait_until(lambda: browser.ask(url, headers=SCRIPT).status == 302)
    assert browser.open(url, headers=SCRIPT).status == 503
    provider.settings.down = False
    assert browser.open(url, headers=SCRIPT).status == 200


def test_large_tokens_are_in_several_cookies(
    headgate: HeadgateProcess, provider: IdentityProvider, browser: Browser
) -> None:
    provider.settings.padding = 3000
    url = f"http://mixed.test:{headgate.http}/tokens"
    page = browser.log_in(url)
    assert page.status == 200
    assert len(page.body) > 4000
    assert len(browser.sent(url)) == 2
    provider.settings.padding = 0
    browser.open(f"http://mixed.test:{headgate.http}/logout")
    assert not browser.sent(url)
    provider.settings.padding = 30_000
    assert browser.log_in(url).status == 403
    assert "too large" in headgate.log_text()


def test_https(headgate: HeadgateProcess, browser: Browser) -> None:
    url = f"https://secure.test:{headgate.https}/menu"
    page = browser.log_in(url)
    assert (page.status, page.url) == (200, url)
    (name, value), *_ = browser.sent(url).items()
    assert name.startswith("__Host-")
    plain = name.removeprefix("__Host-")
    assert Browser().ask(url, headers={**SCRIPT, "Cookie": f"{plain}={value}"}).status == 401
    assert browser.open(f"https://secure.test:{headgate.https}/logout").url.endswith("/bye")


def test_a_session_of_plain_http_is_none_over_https(headgate: HeadgateProcess, browser: Browser) -> None:
    """Whoever is between can set cookies of plain HTTP; also if the workers know the session already."""
    url = f"http://mixed.test:{headgate.http}/tokens"
    browser.log_in(url)
    for _ in range(20):  # each worker has it
        assert browser.ask(url).status == 200
    told = {**SCRIPT, "X-Forwarded-Proto": "https"}
    assert {browser.ask(url, headers=told).status for _ in range(20)} == {401}
    assert browser.ask(url).status == 200


def test_a_virtual_server_route(headgate: HeadgateProcess, browser: Browser) -> None:
    origin = f"http://parts.test:{headgate.http}"
    assert browser.ask(f"{origin}/").status == 200
    assert browser.log_in(f"{origin}/part/of/it").url == f"{origin}/part/of/it"


def test_without_its_secret_a_policy_lets_nobody_in(headgate: HeadgateProcess, browser: Browser) -> None:
    assert browser.ask(f"http://lost.test:{headgate.http}/").status == 500
    assert browser.ask(f"http://lost.test:{headgate.http}/_codexch").status == 500


def test_secrets_are_in_no_file_of_nginx_and_not_in_the_log(headgate: HeadgateProcess, browser: Browser) -> None:
    browser.log_in(f"http://cafe.test:{headgate.http}/menu")
    found = [path for path in headgate.prefix.rglob("*") if path.is_file()]
    holding = {path.name for path in found if b"s3cret" in path.read_bytes()}
    assert holding == {"default-client-oidc"}
    keys = headgate.prefix / "run/live/session-keys.json"
    for path in (keys, headgate.prefix / "run/live/state.json"):
        assert path.stat().st_mode & 0o077 == 0
    assert (headgate.prefix / "etc/secrets/default-client-oidc").stat().st_mode & 0o007 == 0
    secrets = re.findall(r'"secret":"([^"]+)"', keys.read_text())
    assert secrets
    log = headgate.log_text()
    assert not any(secret in log for secret in (*secrets, "s3cret"))
    tokens = [value for cookie in browser.cookies.values() if len(value := cookie.value) > 100]
    assert not any(token[:60] in log for token in tokens)


def test_a_provider_that_does_not_answer_is_not_asked_by_each_client(
    headgate: HeadgateProcess, provider: IdentityProvider
) -> None:
    provider.settings.down = True
    url = f"http://lazy.test:{headgate.http}/menu"
    assert [Browser().open(url).status for _ in range(5)] == [503] * 5
    assert len(provider.requests) == 1
    provider.settings.down = False
    wait_until(lambda: "<form" in Browser().open(url).body)
