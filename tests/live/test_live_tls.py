"""Certificates through a serving nginx of each build: chosen by name, refused without one, renewed without a reload."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator

import pytest

from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, cafe, ingress, path, secret, tls_secret
from tests.waiting import wait_until

HOSTS = ("one.test", "two.test", "*.wild.test")
SECRETS = {name.replace("*.", ""): tls_secret(name.split(".")[-2], name) for name in HOSTS}
Setup = tuple[HeadgateProcess, ManifestFolder]


def shown(item: Json) -> bytes:
    """The certificate of a Secret as a client sees it."""
    return ssl.PEM_cert_to_DER_cert(base64.b64decode(item["data"]["tls.crt"]).decode())


@pytest.fixture(scope="module")
def setup(nginx_binary: str, tea: int) -> Iterator[Setup]:
    with short_directory() as directory:
        manifests = cafe(directory, tea)
        broken = tls_secret("broken", "broken.test")
        broken["data"]["tls.key"] = tls_secret("other", "broken.test")["data"]["tls.key"]
        manifests.put(
            *SECRETS.values(),
            broken,
            *(ingress(item["metadata"]["name"], host, tls={item["metadata"]["name"]: [host]})
              for host, item in zip(HOSTS, SECRETS.values(), strict=True)),
            ingress("missing", "missing.test", tls={"nowhere": ["missing.test"]}),
            ingress("broken", "broken.test", tls={"broken": ["broken.test"]}),
            ingress("plain", "plain.test"),
        )  # fmt: skip
        headgate = HeadgateProcess(directory, nginx_binary, f"--manifests={manifests.path}")
        headgate.start_ready()
        yield headgate, manifests
        headgate.stop()


@pytest.mark.parametrize(
    ("name", "secret_of"),
    [
        ("one.test", "one.test"),
        ("two.test", "two.test"),
        ("ONE.Test", "one.test"),
        ("a.wild.test", "wild.test"),
        ("A.WILD.TEST", "wild.test"),
    ],
)
def test_a_server_name_gets_its_certificate(setup: Setup, name: str, secret_of: str) -> None:
    headgate, _ = setup
    assert headgate.certificate(name) == shown(SECRETS[secret_of])
    assert "Server name: tea" in headgate.get_tls(name).body


@pytest.mark.parametrize("name", ["unknown.test", "a.b.wild.test", "missing.test", "broken.test", None])
def test_a_name_without_a_usable_certificate_is_refused(setup: Setup, name: str | None) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        setup[0].certificate(name)


def test_a_missing_secret_is_reported_and_the_rest_is_served(setup: Setup) -> None:
    headgate, _ = setup
    (reason, message), *_ = headgate.events("Ingress default/missing")
    assert reason == "AddedOrUpdatedWithWarning"
    assert "does not exist in namespace default" in message
    (reason, message), *_ = headgate.events("Ingress default/broken")
    assert reason == "AddedOrUpdatedWithWarning"
    assert "key" in message
    assert headgate.get("plain.test").status == 200


def test_plain_http_is_redirected_to_https(setup: Setup) -> None:
    headgate, _ = setup
    answer = headgate.get("one.test", "/x?y=1")
    assert (answer.status, answer.headers["Location"]) == (301, f"https://one.test:{headgate.https}/x?y=1")


def presented(headgate: HeadgateProcess, name: str) -> bytes:
    """The certificate for *name*, nothing where it is replaced between the two times that nginx opens its file."""
    try:
        return headgate.certificate(name)
    except ssl.SSLError:
        return b""


def test_a_renewed_certificate_is_shown_without_a_reload(setup: Setup) -> None:
    headgate, manifests = setup
    fresh = tls_secret("two", "two.test")
    before, batches = headgate.reloads(), headgate.batches_processed()
    for _ in range(3):  # nginx has it in its cache, if it has one
        headgate.certificate("two.test")
    manifests.put(fresh)
    wait_until(lambda: presented(headgate, "two.test") == shown(fresh))
    wait_until(lambda: headgate.batches_processed() > batches)
    assert headgate.reloads() == before
    assert headgate.certificate("one.test") == shown(SECRETS["one.test"])
    manifests.put(SECRETS["two.test"])
    wait_until(lambda: presented(headgate, "two.test") == shown(SECRETS["two.test"]))
    assert headgate.reloads() == before


def test_a_certificate_that_becomes_invalid_is_withdrawn_until_it_is_valid(setup: Setup) -> None:
    headgate, manifests = setup
    bad = secret("wild", kind="kubernetes.io/tls", tls_crt=b"no certificate", tls_key=b"no key")

    def found() -> bytes:
        try:
            return headgate.certificate("a.wild.test")
        except ssl.SSLError:
            return b""

    manifests.put(bad)
    wait_until(lambda: not found())
    assert headgate.get("plain.test").status == 200
    manifests.put(SECRETS["wild.test"])
    wait_until(lambda: found() == shown(SECRETS["wild.test"]))


def test_without_dynamic_reload_a_renewed_certificate_costs_one_reload(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(tls_secret("one", "one.test"), ingress("one", "one.test", tls={"one": ["one.test"]}))
    headgate = serve_manifests("-ssl-dynamic-reload=false")
    before, fresh = headgate.reloads(), tls_secret("one", "one.test")
    manifests.put(fresh)
    wait_until(lambda: presented(headgate, "one.test") == shown(fresh))
    wait_until(lambda: headgate.reloads() == before + 1)


def test_certificates_of_flags_serve_unknown_names_and_hosts_without_a_secret(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    default, wildcard = (tls_secret(name, f"{name}.test", namespace="ours") for name in ("default", "wildcard"))
    rule = ingress("open", {"open.test": [path("tea")]})
    rule["spec"]["tls"] = [{"hosts": ["open.test"]}]
    manifests.put(default, wildcard, rule)
    headgate = serve_manifests("-default-server-tls-secret=ours/default", "-wildcard-tls-secret=ours/wildcard")
    assert headgate.certificate("open.test") == shown(wildcard)
    assert headgate.certificate("unknown.test") == shown(default)
    assert headgate.get_tls("unknown.test").status == 404
    before, told = headgate.reloads(), len(headgate.events("Pod ours/headgate-0"))
    fresh = tls_secret("default", "default.test", namespace="ours")
    manifests.put(fresh)
    wait_until(lambda: presented(headgate, "unknown.test") == shown(fresh))
    wait_until(lambda: len(headgate.events("Pod ours/headgate-0")) > told)
    assert headgate.reloads() == before
    manifests.delete(fresh)
    wait_until(lambda: "SecretDeleted" in [reason for reason, _ in headgate.events("Pod ours/headgate-0")])
    assert headgate.certificate("unknown.test") == shown(fresh)
