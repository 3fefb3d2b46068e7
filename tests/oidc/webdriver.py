"""A headless Chromium by its driver, without a library (W3C WebDriver)."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from showcase.ports import free_port

from tests.waiting import DEADLINE_S, wait_until

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


class Chromium:
    """One browser; ``tab`` opens another tab of it."""

    def __init__(self, port: int, hosts: str, profile: Path) -> None:
        self._port = port
        rules = f"--host-resolver-rules=MAP {hosts} 127.0.0.1"
        options = {"binary": CHROMIUM, "args": [*ARGUMENTS, f"--user-data-dir={profile}", rules]}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        self._session = "/session/" + self._ask("POST", "/session", wanted)["sessionId"]

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)) as connection:
            connection.request(method, path, json.dumps({} if body is None else body) if method == "POST" else None)
            answer = json.loads(connection.getresponse().read())["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise LookupError(answer["message"])
        return answer

    def open(self, url: str) -> None:
        self._ask("POST", f"{self._session}/url", {"url": url})

    @property
    def url(self) -> str:
        return str(self._ask("GET", f"{self._session}/url"))

    @property
    def text(self) -> str:
        return str(self.run("return document.body ? document.body.innerText : ''"))

    def run(self, script: str) -> Any:
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def _find(self, selector: str) -> str:
        found = self._ask("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        return f"{self._session}/element/{found[ELEMENT]}"

    def type(self, selector: str, text: str) -> None:
        self._ask("POST", f"{self._find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        self._ask("POST", f"{self._find(selector)}/click")

    def tab(self) -> str:
        """Open another tab, go there, and return its name."""
        name = str(self._ask("POST", f"{self._session}/window/new", {"type": "tab"})["handle"])
        self.go(name)
        return name

    @property
    def here(self) -> str:
        return str(self._ask("GET", f"{self._session}/window"))

    def go(self, tab: str) -> None:
        self._ask("POST", f"{self._session}/window", {"handle": tab})

    def quit(self) -> None:
        self._ask("DELETE", self._session)


@contextmanager
def chromium(hosts: str, directory: Path) -> Iterator[Chromium]:
    """Run a browser for which *hosts* (a pattern) are this machine."""
    port = free_port()
    assert DRIVER
    driver = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port))
        browser = Chromium(port, hosts, directory / "profile")
        try:
            yield browser
        finally:
            browser.quit()
    finally:
        driver.terminate()
        driver.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
