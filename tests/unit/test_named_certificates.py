"""The certificate of each server name, kept up to date."""

from __future__ import annotations

from headgate.ir.http import Certificate
from headgate.ir.live import LiveCertificate
from headgate.pipeline.named_certificates import NamedCertificates

HOST = "a.example.com"


class Files(dict[str, str]):
    """Digests by file."""

    def digest(self, file: str) -> str:
        """Return that of *file*, empty if it is not there."""
        return self.get(file, "")


def one(file: str, host: str = HOST, *, own: bool = False) -> Certificate:
    """Return the certificate *file* of *host*."""
    return Certificate(host, file, host, own)


def test_names_are_kept_up_to_date() -> None:
    files = Files(one="1", two="2")
    named = NamedCertificates(files.digest)
    named.count(one("one"), 1)
    first = named.all("")
    assert first == {HOST: LiveCertificate("one", "1")}
    assert named.all("") is first
    named.count(one("two"), 1)  # as in an exchange: the new one first
    named.count(one("one"), -1)
    assert named.all("") == {HOST: LiveCertificate("two", "2")}
    named.count(one("two"), -1)
    assert named.all("") == {}
    assert named.set == frozenset()


def test_a_renewed_file_has_another_digest() -> None:
    files = Files(one="1")
    named = NamedCertificates(files.digest)
    for host in (HOST, "b.example.com"):
        named.count(one("one", host), 1)
    assert {each.digest for each in named.all("").values()} == {"1"}
    files["one"] = "2"
    named.renew("one")
    assert named.all("") == {HOST: LiveCertificate("one", "2"), "b.example.com": LiveCertificate("one", "2")}
    del files["one"]
    named.renew("one")
    assert named.all("") == {}


def test_two_of_one_name_and_file_count_once() -> None:
    named = NamedCertificates(Files(one="1").digest)
    named.count(one("one"), 1)
    named.count(one("one"), 1)
    named.count(one("one"), -1)
    assert named.all("") == {HOST: LiveCertificate("one", "1")}


def test_the_default_certificate_is_for_all_other_names() -> None:
    files = Files(default="1")
    named = NamedCertificates(files.digest)
    assert named.all("default") == {"": LiveCertificate("default", "1")}
    files["default"] = "2"
    named.renew("default")
    assert named.all("default") == {"": LiveCertificate("default", "2")}
    assert named.all("") == {}


def test_own_certificates_are_not_pushed() -> None:
    named = NamedCertificates(Files(one="1").digest)
    named.count(one("one", own=True), 1)
    assert named.all("") == {}
    assert named.set == {one("one", own=True)}
    named.count(one("one", own=True), -1)
    assert named.set == frozenset()
