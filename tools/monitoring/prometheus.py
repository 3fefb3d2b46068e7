"""A Prometheus of its own for a moment: scrapes targets of this machine, evaluates rules, answers queries."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from monitoring.queries import WINDOW

_VARIABLE = re.compile(r"\$(?:class|instance|host|service)\b")
TIMEOUT_S = 10.0


class QueryError(Exception):
    """Prometheus refused a query; the text is its reason."""


class Series(NamedTuple):
    """A series of an answer: its labels, and (time, value) pairs, one of them for an instant query."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


def installed() -> str:
    """Return the path of Prometheus, empty if it is not installed."""
    return shutil.which("prometheus") or ""


def filled(expr: str, window: str) -> str:
    """Replace the variables of the dashboard: everything is selected, and rates are over *window*."""
    return _VARIABLE.sub(".*", expr.replace(WINDOW, window))


class Prometheus:
    """A process that listens on loopback only; its data are in *folder*."""

    def __init__(self, folder: Path, port: int, targets: Sequence[str], *, interval: str, rules: Path) -> None:
        """Prepare to scrape *targets* (``ADDRESS:PORT``) and to evaluate *rules* every *interval*."""
        self._folder = folder
        self._address = f"127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None
        every = {"scrape_interval": interval, "evaluation_interval": interval, "scrape_timeout": interval}
        scrape = {"job_name": "headgate", "static_configs": [{"targets": list(targets)}]}
        config = {"global": every, "rule_files": [str(rules.resolve())], "scrape_configs": [scrape]}
        (folder / "prometheus.json").write_text(json.dumps(config))  # JSON is YAML

    def __enter__(self) -> Self:
        """Start it; it may not answer yet."""
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    installed(),
                    f"--config.file={self._folder / 'prometheus.json'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self._address}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.wait(TIMEOUT_S)

    def log(self) -> str:
        """Return what it logged."""
        return (self._folder / "prometheus.log").read_text(errors="replace")

    def ready(self) -> bool:
        """Whether it answers queries.

        Raises:
            QueryError: it ended; the text is the end of its log.
        """
        if self._process and self._process.poll() is not None:
            raise QueryError(self.log()[-2000:])
        try:
            self._get("/-/ready")
        except OSError:
            return False
        return True

    def query(self, expr: str) -> list[Series]:
        """Return the present value of each series.

        Raises:
            QueryError: it is not valid.
        """
        return [Series(one["metric"], (_point(one["value"]),)) for one in self._answer("query", query=expr)["result"]]

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """Return the values of each series between two times, in seconds since 1970.

        Raises:
            QueryError: it is not valid.
        """
        found = self._answer("query_range", query=expr, start=start, end=end, step=step)["result"]
        return [Series(one["metric"], tuple(map(_point, one["values"]))) for one in found]

    def rules(self) -> list[dict[str, Any]]:
        """Return the alert rules with their ``health``, ``state`` and ``lastError``."""
        return [rule for group in self._answer("rules")["groups"] for rule in group["rules"]]

    def _answer(self, path: str, **parameters: object) -> dict[str, Any]:
        try:
            text = self._get(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        except urllib.error.HTTPError as error:
            raise QueryError(json.loads(error.read())["error"]) from None
        data: dict[str, Any] = json.loads(text)["data"]
        return data

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{self._address}{path}", timeout=TIMEOUT_S) as answer:
            body: bytes = answer.read()
        return body


def _point(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
