"""The Certificate that a VirtualServer asks for, and how one that is there is compared and changed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headgate.api.cert_manager import Certificate
from headgate.api.nginx_org import VirtualServer
from headgate.dependents.certificates import CERTIFICATES, TEMPORARY, certificate
from headgate.dependents.forms import Json, Wanted, body, changed, differs, is_owned
from headgate.validation.dependents import nanoseconds

META = {"name": "cafe", "namespace": "default", "uid": "1", "labels": {"team": "web"}}


def item(tls: Json | None = None, **meta: Any) -> VirtualServer:
    spec = {"host": "cafe.test", **({"tls": tls} if tls else {})}
    return VirtualServer.convert({"metadata": {**META, **meta}, "spec": spec})


def asked(**manager: Any) -> Wanted:
    """Return what is wanted for these fields of ``spec.tls.cert-manager``, with dashes for underscores."""
    named = {key.replace("_", "-"): value for key, value in manager.items()}
    answer = certificate(item({"secret": "cafe-tls", "cert-manager": named}))
    assert (answer.problems, answer.keep) == ((), False)
    assert answer.wanted
    return answer.wanted


def refused(**manager: Any) -> list[str]:
    named = {key.replace("_", "-"): value for key, value in manager.items()}
    answer = certificate(item({"secret": "cafe-tls", "cert-manager": named}))
    assert (answer.wanted, answer.keep) == (None, True)
    return [str(problem) for problem in answer.problems]


def test_the_least_is_a_name_a_secret_a_host_an_issuer_and_the_usual_usages() -> None:
    assert asked(issuer="own") == Wanted(
        "cafe-tls",
        {
            "secretName": "cafe-tls",
            "dnsNames": ["cafe.test"],
            "issuerRef": {"name": "own", "kind": "Issuer"},
            "usages": ["digital signature", "key encipherment"],
        },
        {"team": "web"},
        {TEMPORARY: None},
    )


@pytest.mark.parametrize(
    ("manager", "field", "value"),
    [
        ({"common_name": "cafe"}, "commonName", "cafe"),
        ({"duration": "2160h"}, "duration", "2160h"),
        ({"renew_before": "1h30m"}, "renewBefore", "1h30m"),
        ({"usages": "server auth, client auth,"}, "usages", ["server auth", "client auth"]),
        ({"issuer_kind": "AWSPCAIssuer", "issuer_group": "awspca.cert-manager.io"}, "issuerRef",
         {"name": "own", "kind": "AWSPCAIssuer", "group": "awspca.cert-manager.io"}),
    ],
)  # fmt: skip
def test_each_field_is_passed_on(manager: Json, field: str, value: Any) -> None:
    assert asked(issuer="own", **manager).spec[field] == value


def test_a_cluster_issuer_and_a_temporary_certificate() -> None:
    found = asked(cluster_issuer="ca", issue_temp_cert=True)
    assert found.spec["issuerRef"] == {"name": "ca", "kind": "ClusterIssuer"}
    assert found.annotations == {TEMPORARY: "true"}


@pytest.mark.parametrize("tls", [None, {"secret": "cafe-tls"}])
def test_a_virtual_server_without_the_field_wants_none(tls: Json | None) -> None:
    answer = certificate(item(tls))
    assert (answer.wanted, answer.keep, answer.problems) == (None, False, ())


@pytest.mark.parametrize(
    ("manager", "words"),
    [
        ({}, "spec.tls.cert-manager: must have exactly one of issuer, cluster-issuer, and has neither"),
        ({"issuer": "a", "cluster_issuer": "b"}, "spec.tls.cert-manager: must have exactly one of"),
        ({"cluster_issuer": "b", "issuer_kind": "X"}, "spec.tls.cert-manager.issuer-kind: 'X' belongs to issuer"),
        ({"cluster_issuer": "b", "issuer_group": "x.y"}, "spec.tls.cert-manager.issuer-group: 'x.y' belongs to issuer"),
        ({"issuer": "a", "duration": "90d"}, "spec.tls.cert-manager.duration: '90d' is not a duration"),
        ({"issuer": "a", "renew_before": "-1h"}, "spec.tls.cert-manager.renew-before: '-1h' is not a duration"),
        ({"issuer": "a", "usages": "server auth,web"}, "spec.tls.cert-manager.usages: 'web' is not one of signing,"),
    ],
)
def test_a_mistake_is_a_problem_and_decides_nothing(manager: Json, words: str) -> None:
    (problem,) = refused(**manager)
    assert problem.startswith(words)
    assert problem.endswith("(no Certificate is made or changed)")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1h", 3600 * 10**9), ("1h30m", 5400 * 10**9), ("1.5h", 5400 * 10**9), (".5s", 5 * 10**8), ("1µs", 1000),
     ("0s", None), ("1", None), ("1d", None), ("h", None), ("1h ", None), ("", None)],
)  # fmt: skip
def test_durations_are_those_of_go(text: str, wanted: int | None) -> None:
    assert nanoseconds(text) == wanted


def made(wanted: Wanted) -> Json:
    return body(CERTIFICATES, item(), wanted)


def test_what_was_made_is_owned_and_does_not_differ() -> None:
    wanted = asked(issuer="own", duration="2160h", issue_temp_cert=True)
    found = made(wanted)
    assert found["metadata"]["annotations"] == {TEMPORARY: "true"}
    assert not differs(CERTIFICATES, found, wanted)
    assert not differs(CERTIFICATES, Certificate.convert(found).builtins(), wanted)
    meta = Certificate.convert(found).metadata
    assert is_owned(meta, item())
    assert not is_owned(meta, item(uid="2"))
    assert not is_owned(meta, item(name="other"))
    assert not is_owned(msgspec.structs.replace(meta, owner_references=None), item())


def test_the_same_in_other_words_does_not_differ() -> None:
    wanted = asked(issuer="own", duration="2160h")
    found = made(wanted)
    issuer = {"name": "own", "kind": "Issuer", "group": "cert-manager.io"}
    found["spec"] |= {"duration": "2160h0m0s", "issuerRef": issuer, "privateKey": {"size": 2048}}
    found["metadata"]["labels"] |= {"more": "yes"}
    assert not differs(CERTIFICATES, found, wanted)


@pytest.mark.parametrize(
    "after",
    [{"duration": "720h"}, {"common_name": "new"}, {"usages": "any"}, {"issue_temp_cert": True}, {"issuer_kind": "X"}],
)
def test_a_change_and_its_reversal_leave_other_fields_as_they_are(after: Json) -> None:
    first = asked(issuer="own")
    found = made(first)
    found["spec"] |= {"privateKey": {"size": 4096}}
    found["metadata"] |= {"annotations": {"note": "kept"}, "resourceVersion": "7"}
    second = asked(issuer="own", **after)
    assert differs(CERTIFICATES, found, second)
    there = changed(CERTIFICATES, found, second)
    assert not differs(CERTIFICATES, there, second)
    assert changed(CERTIFICATES, there, first) == found


def test_a_label_that_is_missing_is_added() -> None:
    wanted = asked(issuer="own")
    found = made(wanted)
    del found["metadata"]["labels"]
    assert differs(CERTIFICATES, found, wanted)
    assert changed(CERTIFICATES, found, wanted)["metadata"]["labels"] == {"team": "web"}
