"""Hosts of one's own for each test, so that tests of one nginx do not see each other."""

from __future__ import annotations

import re
from typing import Any

from tests.live.json_objects import Json, ingress, path, tls_secret

CERTIFICATE = "certificate"
"""The Secret that ``secure`` hosts name."""


def host(name: str, *paths: Json, **annotations: Any) -> Json:
    """An Ingress of NAME.test; all of it, or each of *paths*, goes to the Service NAME."""
    return ingress(name, {f"{name}.test": paths or (path(name),)}, **annotations)


def secure(name: str, *paths: Json, **annotations: Any) -> Json:
    """The same with TLS."""
    return host(name, *paths, tls={CERTIFICATE: [f"{name}.test"]}, **annotations)


def certificate() -> Json:
    """The Secret of ``secure`` hosts."""
    return tls_secret(CERTIFICATE, "*.test")


def master(name: str, **annotations: Any) -> Json:
    """The master of NAME.test; annotations and TLS as for ``host``."""
    item = host(name, mergeable_ingress_type="master", **annotations)
    del item["spec"]["rules"][0]["http"]
    return item


def minion(name: str, uri: str, service: str = "", **annotations: Any) -> Json:
    """A minion of NAME.test for *uri*, which goes to *service* (NAME)."""
    rules = {f"{name}.test": [path(service or name, uri)]}
    return ingress(
        f"{name}-{'-'.join(re.findall('[a-z0-9]+', uri))}", rules, mergeable_ingress_type="minion", **annotations
    )
