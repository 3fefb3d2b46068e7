"""A client that behaves as a browser does about cookies and redirects; every host is on this machine."""

from __future__ import annotations

import html
import http.client
import re
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

from tests.live.headgate_process import LOOPBACK, trusting
from tests.waiting import DEADLINE_S

MOST_REDIRECTS = 20
PAGE = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
SCRIPT = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}
_ACTION = re.compile(r'action="([^"]+)"')


class Cookie(NamedTuple):
    """A cookie of one host (ports do not matter); *until* is when it ends (monotonic seconds)."""

    host: str
    name: str
    value: str
    path: str
    secure: bool
    until: float


class Page(NamedTuple):
    """What a request was answered with; *url* is where that was, after redirects."""

    status: int
    url: str
    body: str
    headers: Mapping[str, str]
    cookies: tuple[str, ...]

    @property
    def location(self) -> str:
        """Where it leads to, as a whole URL."""
        return urljoin(self.url, self.headers.get("location", ""))


class Browser:
    """Windows of one browser, which share its cookies."""

    def __init__(self) -> None:
        self.cookies: dict[tuple[str, str, str], Cookie] = {}
        self.port = 80
        """Where URLs without a port lead to: the replica that a load balancer would choose."""

    def sent(self, url: str) -> dict[str, str]:
        """Return the cookies that a request for *url* has, those of longer paths first (RFC 6265, 5.4)."""
        parts, now = urlsplit(url), time.monotonic()
        found = [
            cookie
            for cookie in self.cookies.values()
            if cookie.host == parts.hostname
            and cookie.until > now
            and (not cookie.secure or parts.scheme == "https")
            and _covers(cookie.path, parts.path)
        ]
        return {cookie.name: cookie.value for cookie in sorted(found, key=lambda each: -len(each.path))}

    def ask(self, url: str, *, method: str = "GET", headers: Mapping[str, str] = PAGE, body: str | None = None) -> Page:
        """Send one request."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(LOOPBACK, parts.port or self.port, timeout=DEADLINE_S)
        if parts.scheme == "https":
            connection.connect()
            assert connection.sock is not None
            connection.sock = trusting().wrap_socket(connection.sock, server_hostname=parts.hostname)
        told = {"Host": parts.netloc, **headers}
        if cookies := self.sent(url):
            told["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if body is not None:
            told["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", body, told)
            answer = connection.getresponse()
            lines = tuple(answer.headers.get_all("Set-Cookie") or ())
            for line in lines:
                self._keep(parts.hostname or "", parts.scheme == "https", line)
            text = answer.read().decode(errors="replace")
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Page(answer.status, url, text, named, lines)
        finally:
            connection.close()

    def open(self, url: str, *, until: str = "", **more: object) -> Page:
        """Send a request and follow redirects, until one leads to a URL with *until*."""
        method = str(more.pop("method", "GET"))
        for _ in range(MOST_REDIRECTS):
            page = self.ask(url, method=method, **more)  # type: ignore[arg-type]
            if page.status not in {302, 303, 307} or (until and until in page.location):
                return page
            if page.status != 307:
                method = "GET"
            url = page.location
        raise AssertionError(f"more than {MOST_REDIRECTS} redirects, the last to {url}")

    def log_in(self, url: str, user: str = "alice") -> Page:
        """Open *url*, fill the provider's form, and return the page that follows."""
        return self.fill(self.open(url), user)

    def fill(self, form: Page, user: str = "alice") -> Page:
        """Fill the provider's form, and return the page that follows."""
        return self.open(self.submit(form, user).location)

    def submit(self, form: Page, user: str = "alice") -> Page:
        """Fill the provider's form, and return the redirect that ends the login at the provider."""
        action = _ACTION.search(form.body)
        assert action, f"no form: {form}"
        target = urljoin(form.url, html.unescape(action[1]))
        page = self.ask(target, method="POST", body=urlencode({"username": user}))
        assert page.status == 302, page
        return self.ask(page.location)

    def copy(self) -> Browser:
        """Return another one with the same cookies, as of a request that was sent at the same time."""
        found = Browser()
        found.cookies = dict(self.cookies)
        return found

    def keep(self, url: str, pair: str) -> None:
        """Have a cookie of the host of *url*."""
        self._keep(urlsplit(url).hostname or "", url.startswith("https:"), f"{pair}; path=/")

    def _keep(self, host: str, secure: bool, line: str) -> None:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        told = {key.lower(): text for key, _, text in (each.partition("=") for each in attributes)}
        assert len(line) <= 4096, f"{name} has {len(line)} bytes"
        assert "domain" not in told
        assert "secure" not in told or secure
        if name.startswith("__Host-"):
            assert told["path"] == "/"
        if name.startswith("__"):
            assert "secure" in told, line
        lifetime = float(told["max-age"]) if "max-age" in told else float("inf")
        cookie = Cookie(host, name, value, told["path"], "secure" in told, time.monotonic() + lifetime)
        self.cookies[host, name, told["path"]] = cookie


def _covers(mine: str, asked: str) -> bool:
    asked = asked or "/"
    return asked == mine or (asked.startswith(mine) and (mine.endswith("/") or asked[len(mine) :].startswith("/")))
