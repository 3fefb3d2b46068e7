"""The certificate of the webhook is renewed in time, and every API server trusts it before it is shown."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from headgate.controller.webhook_certificate import (
    AUTHORITY_LIFETIME,
    AUTHORITY_RENEWED,
    LIFETIME,
    OVERLAP,
    RENEWED,
    Held,
    kept,
    usable,
)
from tests.k8s.certificates import Authority

NAMES = ("headgate-admission.headgate.svc",)
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def authorities(held: Held) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(held.authorities)


def leaf(held: Held) -> x509.Certificate:
    return x509.load_pem_x509_certificate(held.certificate)


def trusted(held: Held, bundle: Held) -> bool:
    """Whether an API server with the authorities of *bundle* accepts what *held* has."""
    for authority in authorities(bundle):
        try:
            leaf(held).verify_directly_issued_by(authority)
        except (ValueError, InvalidSignature):
            continue
        return True
    return False


@pytest.fixture(scope="module", name="first")
def _first() -> Held:
    return kept(Held(), NAMES, START)


def test_an_empty_secret_gets_all(first: Held) -> None:
    (authority,) = authorities(first)
    found = leaf(first).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(found.get_values_for_type(x509.DNSName)) == NAMES
    leaf(first).verify_directly_issued_by(authority)
    private = load_pem_private_key(first.key, None)
    assert private.public_key() == leaf(first).public_key()
    assert leaf(first).not_valid_before_utc < START < leaf(first).not_valid_after_utc
    assert usable(first, START)
    assert not usable(first, START + LIFETIME)


def test_nothing_changes_until_the_end_is_near(first: Held) -> None:
    for later in (dt.timedelta(), HOUR, LIFETIME - RENEWED):
        assert kept(first, NAMES, START + later) is first


def test_an_end_that_is_near_changes_the_certificate_alone(first: Held) -> None:
    now = START + LIFETIME - RENEWED + HOUR
    second = kept(first, NAMES, now)
    assert (second.authorities, second.authority_key) == (first.authorities, first.authority_key)
    assert leaf(second).not_valid_after_utc == now + LIFETIME
    assert trusted(second, first)
    assert kept(second, NAMES, now) is second


def test_a_new_authority_is_trusted_before_it_issues() -> None:
    """Five years; replicas and API servers may be a look behind."""
    now, held = START, kept(Held(), NAMES, START)
    renewals = 0
    while now < START + 5 * 365 * DAY:
        now += 5 * DAY
        for _ in range(3):
            before, held = held, kept(held, NAMES, now)
            assert usable(held, now)
            assert trusted(held, held)
            assert trusted(before, held)  # another replica shows the former certificate still
            assert trusted(held, before)  # an API server has the former authorities still
            renewals += held is not before
            now += OVERLAP / 2
    assert 5 * 365 * DAY / (LIFETIME - RENEWED) <= renewals < 60
    assert len(authorities(held)) <= 2


def test_an_authority_that_ended_is_no_longer_trusted(first: Held) -> None:
    renewed = kept(first, NAMES, START + AUTHORITY_LIFETIME - AUTHORITY_RENEWED + HOUR)
    assert len(authorities(renewed)) == 2
    late = kept(renewed, NAMES, START + AUTHORITY_LIFETIME)
    assert len(authorities(late)) == 1
    assert trusted(late, late)


@pytest.mark.parametrize(
    "change",
    [
        {"key": b""},
        {"certificate": b"-"},
        {"authorities": b""},
        {"authority_key": b"", "authorities": b""},
        dict(zip(("certificate", "key"), Authority().issue(NAMES[0]), strict=True)),
    ],
)
def test_what_cannot_be_used_is_made_anew_at_once(first: Held, change: dict[str, bytes]) -> None:
    found = kept(msgspec.structs.replace(first, **change), NAMES, START + 2 * OVERLAP)
    assert trusted(found, found)
    assert usable(found, START)


def test_without_its_key_an_authority_stays_trusted_while_another_takes_over(first: Held) -> None:
    broken = msgspec.structs.replace(first, authority_key=b"-")
    found = kept(broken, NAMES, START + HOUR)
    assert found.certificate == first.certificate
    assert len(authorities(found)) == 2
    second = kept(found, NAMES, START + HOUR + OVERLAP)
    assert second.certificate != first.certificate
    assert trusted(second, found)


def test_another_service_needs_another_certificate(first: Held) -> None:
    found = kept(first, ("other.headgate.svc",), START + HOUR)
    assert found.authorities == first.authorities
    assert found.certificate != first.certificate


def test_keys_are_not_printed(first: Held) -> None:
    assert "PRIVATE" not in repr(first)
