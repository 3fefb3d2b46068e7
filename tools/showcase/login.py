"""A client that logs in as a browser does: it keeps cookies, follows redirects, and fills the form of the provider."""

from __future__ import annotations

import html
import http.client
import re
from collections.abc import Callable
from urllib.parse import urlencode, urljoin, urlsplit

from showcase.example import Request

MOST_REQUESTS = 20
REDIRECTS = frozenset({302, 303, 307})
PAGE = {"Accept": "text/html"}
_FORM = re.compile(r'<form[^>]* action="([^"]+)"')

Connect = Callable[[str], http.client.HTTPConnection]
"""Opens a connection for a URL."""


class LoginError(Exception):
    """The login does not come to an end."""


def logged_in(request: Request, connect: Connect) -> tuple[int, dict[str, str], str]:
    """Open the URL of *request* as the user ``login`` of it; return the status, headers and body of the page."""
    cookies: dict[str, dict[str, str]] = {}
    url, body = request.url, b""
    for _ in range(MOST_REQUESTS):
        status, headers, text = _asked(url, body, cookies, connect)
        body = b""
        if status in REDIRECTS:
            url = urljoin(url, next(value for name, value in headers.items() if name.lower() == "location"))
        elif form := _FORM.search(text):
            url, body = urljoin(url, html.unescape(form[1])), urlencode({"username": request.login}).encode()
        else:
            return status, headers, text
    raise LoginError(f"no page after {MOST_REQUESTS} requests, the last for {url}")


def _asked(
    url: str, body: bytes, cookies: dict[str, dict[str, str]], connect: Connect
) -> tuple[int, dict[str, str], str]:
    target = urlsplit(url)
    kept = cookies.setdefault(target.hostname or "", {})
    sent = {**PAGE, "Host": target.netloc, "Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
    connection = connect(url)
    try:
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        connection.request("POST" if body else "GET", path, body or None, sent)
        response = connection.getresponse()
        for line in response.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            kept[name] = value
            if not value:
                del kept[name]
        return response.status, dict(response.getheaders()), response.read().decode(errors="replace")
    finally:
        connection.close()
