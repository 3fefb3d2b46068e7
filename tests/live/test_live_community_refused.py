"""Ingresses of ingress-nginx that nginx refuses, at the start and later: what they guard stays closed, others serve."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import Json, ManifestFolder, cafe, ingress_class, path
from tests.live.test_live_community import community
from tests.waiting import wait_until

OFFICE = "10.0.0.0/8"
NONSENSE = "nonsense on;"
Setup = tuple[HeadgateProcess, ManifestFolder]


def settings() -> Json:
    said = {"allow-snippet-annotations": "true", "annotations-risk-level": "Critical"}
    metadata = {"name": "config", "namespace": "ours"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": said}


@pytest.fixture(scope="module")
def setup(nginx_binary: str, tea: int) -> Iterator[Setup]:
    with short_directory() as directory:
        manifests = cafe(directory, tea)
        manifests.put(
            ingress_class(controller="k8s.io/ingress-nginx"),
            settings(),
            community("broad", {"app.test": [path("tea")]}, 1),
            community(
                "guarded",
                {"app.test": [path("tea", "/admin")]},
                2,
                whitelist_source_range=OFFICE,
                configuration_snippet=NONSENSE,
            ),
            community(
                "denying", {"app.test": [path("tea", "/denied")]}, 3, configuration_snippet=f"deny all; {NONSENSE}"
            ),
            community("harmless", {"app.test": [path("tea", "/harmless")]}, 4, configuration_snippet=NONSENSE),
            community("wild", {"*.wild.test": [path("tea")]}, 1),
            community(
                "below",
                {"x.wild.test": [path("tea")]},
                2,
                whitelist_source_range=OFFICE,
                configuration_snippet=NONSENSE,
            ),
            community("oldest", {"held.test": [path("tea", "/a[z-a]")]}, 1, use_regex="true"),
            community("attached", {"held.test": [path("tea", "/ok")]}, 2),
            community("nowhere", {"plain.test": [path("tea", "/bad")]}, 1, configuration_snippet=NONSENSE),
            community("there", {"plain.test": [path("tea", "/ok")]}, 2),
            community(
                "keeper",
                {"kept.test": [path("tea", "/inner"), path("tea", "/v[0-9]+")]},
                1,
                use_regex="true",
                whitelist_source_range=OFFICE,
                configuration_snippet=NONSENSE,
            ),
            community("beside", {"kept.test": [path("tea")]}, 2),
            community("whole", {"whole.test": [path("tea", "/bad")]}, 1, server_snippet=f"deny 192.0.2.1; {NONSENSE}"),
            community("under", {"whole.test": [path("tea", "/ok")]}, 2),
            community("twice", {"twice.test": [path("tea")]}, 1, server_snippet="location /x/ { return 200 mine; }"),
            community("same", {"twice.test": [path("tea", "/x")]}, 2, whitelist_source_range=OFFICE),
        )
        running = HeadgateProcess(directory, nginx_binary, f"--manifests={manifests.path}", "--configmap=ours/config")
        running.start_ready()
        yield running, manifests
        running.stop()


@pytest.mark.parametrize(
    ("host", "uri", "status"),
    [
        ("app.test", "/", 200),
        ("app.test", "/admin", 500),
        ("app.test", "/admin/x", 500),
        ("app.test", "/denied", 500),
        ("app.test", "/harmless", 200),
        ("y.wild.test", "/", 200),
        ("x.wild.test", "/", 500),
        ("held.test", "/ok", 200),
        ("held.test", "/a", 404),
        ("plain.test", "/ok", 200),
        ("plain.test", "/bad", 404),
        ("kept.test", "/other", 200),
        ("kept.test", "/inner", 500),
        ("kept.test", "/v1", 500),
        ("whole.test", "/ok", 500),
        ("twice.test", "/", 200),
    ],
)
def test_what_nginx_refuses_at_the_start(setup: Setup, host: str, uri: str, status: int) -> None:
    headgate, _ = setup
    assert headgate.get(host, uri).status == status


def test_a_holder_that_nginx_refuses_later_leaves_the_others_of_its_host(setup: Setup) -> None:
    headgate, manifests = setup
    manifests.put(community("working", {"later.test": [path("tea", "/ok")]}, 3))
    wait_until(lambda: headgate.get("later.test", "/ok").status == 200)
    manifests.put(
        community(
            "older",
            {"later.test": [path("tea", "/bad")]},
            2,
            whitelist_source_range=OFFICE,
            configuration_snippet=NONSENSE,
        )
    )
    wait_until(lambda: headgate.get("later.test", "/bad").status == 500)
    assert headgate.get("later.test", "/ok").status == 200
