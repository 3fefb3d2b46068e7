from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat

from headgate.problems import ObjectRef
from headgate.resolve import DEFAULT, WILDCARD, LocalSecretStore, SecretKind
from tests.processor_time import limited_processor_time
from tests.unit.resolve.api_objects import NOW, Issuer, key_pem, secret, tls_secret, with_sha1

REF = ObjectRef("Secret", "default", "cafe")
TLS, CA, HTPASSWD = SecretKind.TLS, SecretKind.CA, SecretKind.HTPASSWD


def get(found, kind=TLS, store=None, now=NOW):
    return (store or LocalSecretStore()).get(REF, found, kind, now)


def pem(label: bytes) -> bytes:
    return b"-----BEGIN %b-----\nAAAA\n-----END %b-----\n" % (label, label)


def error(found, kind=TLS) -> str:
    """Return why a Secret is refused; whatever is refused leaves no file."""
    valid = get(found, kind)
    assert not valid.files
    assert not valid.warnings
    assert valid.reference.ref == REF
    return valid.reference.error


def usable(found) -> bool:
    valid = get(found)
    return bool(valid.files) and not valid.reference.error


class TestTls:
    def test_becomes_one_private_file_of_chain_and_key(self, issuer, key):
        certificate = issuer.issue(key.public_key())
        valid = get(secret("kubernetes.io/tls", tls_crt=certificate, tls_key=key_pem(key)))
        assert valid.reference.file == "secrets/default-cafe"
        assert not valid.reference.error
        assert not valid.warnings
        (file,) = valid.files
        assert file.name == "secrets/default-cafe"
        assert file.data == certificate + b"\n" + key_pem(key)
        assert (file.mode, file.origin, file.needs_reload) == (0o600, REF, False)

    def test_needs_a_reload_only_without_dynamic_reload(self, issuer, key):
        store = LocalSecretStore(dynamic=False)
        assert get(tls_secret(issuer, key), store=store).files[0].needs_reload

    @pytest.mark.parametrize(
        ("make", "form"),
        [
            (lambda: ec.generate_private_key(ec.SECP384R1()), PrivateFormat.PKCS8),
            (lambda: ec.generate_private_key(ec.SECP521R1()), PrivateFormat.TraditionalOpenSSL),
            (ed25519.Ed25519PrivateKey.generate, PrivateFormat.PKCS8),
            (lambda: rsa.generate_private_key(65537, 2048), PrivateFormat.TraditionalOpenSSL),
        ],
        ids=["p384", "p521", "ed25519", "rsa"],
    )
    def test_key_kinds_and_forms(self, issuer, make, form):
        made = make()
        certificate = issuer.issue(made.public_key())
        assert usable(secret("kubernetes.io/tls", tls_crt=certificate, tls_key=key_pem(made, form=form)))

    def test_parameters_before_an_elliptic_curve_key_do_no_harm(self, issuer, key):
        parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        pem = parameters + key_pem(key, form=PrivateFormat.TraditionalOpenSSL)
        certificate = issuer.issue(key.public_key())
        assert usable(secret("kubernetes.io/tls", tls_crt=certificate, tls_key=pem))

    @pytest.mark.parametrize(
        "other",
        [lambda: ec.generate_private_key(ec.SECP256R1()), lambda: rsa.generate_private_key(65537, 2048)],
        ids=["same kind", "another kind, which nginx -t lets pass"],
    )
    def test_key_of_another_certificate(self, issuer, key, other):
        found = secret("kubernetes.io/tls", tls_crt=issuer.issue(key.public_key()), tls_key=key_pem(other()))
        assert "tls.key that does not belong to its tls.crt" in error(found)

    def test_of_several_keys_the_one_that_belongs_is_taken(self, issuer, key):
        other = key_pem(ec.generate_private_key(ec.SECP256R1()))
        leaf = issuer.issue(key.public_key())
        valid = get(secret("kubernetes.io/tls", tls_crt=other + leaf, tls_key=other + key_pem(key)))
        assert valid.files[0].data == leaf + b"\n" + key_pem(key)

    def test_what_is_written_twice_is_shown_once(self, issuer, key):
        chain = issuer.issue(key.public_key()) + issuer.pem
        valid = get(secret("kubernetes.io/tls", tls_crt=chain + chain, tls_key=key_pem(key) + chain))
        assert valid.files[0].data == chain + b"\n" + key_pem(key)

    def test_damage_is_found_by_its_line(self, issuer, key):
        leaf = issuer.issue(key.public_key())
        chain = leaf + b"\r\n\r" + issuer.pem[:-10]
        found = secret("kubernetes.io/tls", tls_crt=chain, tls_key=key_pem(key))
        line = leaf.count(b"\n") + 3
        assert f"the CERTIFICATE of line {line} has no END line" in error(found)

    def test_a_key_is_never_part_of_a_problem(self, issuer, key):
        inside = key_pem(key).splitlines()[1]
        found = secret("kubernetes.io/tls", tls_crt=issuer.issue(key.public_key()), tls_key=inside + b"==\n")
        assert error(found).startswith("has a tls.key that cannot be read: line 1 is base64 outside of a block")
        assert inside.decode() not in error(found)

    def test_many_blocks_are_read_in_linear_time(self, issuer, key):
        for text in (b"-----BEGIN A-----\n" * 50_000, b"-----BEGIN A-----\n-----END A-----" * 25_000, b"\r" * 10**6,
                     b"-----BEGIN " * 90_000, b"a" * 10**6, pem(b"CERTIFICATE") * 15_000):  # fmt: skip
            with limited_processor_time():
                assert error(secret("kubernetes.io/tls", tls_crt=text, tls_key=key_pem(key)))

    def test_chain_in_wrong_order(self, issuer, key):
        leaf = issuer.issue(key.public_key())
        found = secret("kubernetes.io/tls", tls_crt=issuer.pem + leaf, tls_key=key_pem(key))
        assert "belongs to certificate 2 of tls.crt; put that one first" in error(found)

    def test_chain_with_a_stranger_in_it_serves_with_a_warning(self, issuer, key):
        leaf, stranger = issuer.issue(key.public_key()), Issuer("Somebody else").pem
        whole = secret("kubernetes.io/tls", tls_crt=leaf + issuer.pem, tls_key=key_pem(key))
        broken = secret("kubernetes.io/tls", tls_crt=leaf + stranger, tls_key=key_pem(key))
        assert not get(whole).warnings
        assert get(broken).files
        assert "certificate 2 is not the issuer of certificate 1" in get(broken).warnings[0]

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({"tls_crt": None}, "has no tls.crt, or it is not base64"),
            ({"tls_key": None}, "has no tls.key, or it is not base64"),
            ({"tls_crt": b""}, "tls.crt that is not a chain"),
            ({"tls_crt": b"hello"}, "tls.crt that is not a chain"),
            ({"tls_crt": pem(b"CERTIFICATE")}, "tls.crt that cannot be read: in line 1 is no certificate"),
            ({"tls_crt": b"\xff\x00"}, "tls.crt that is not a chain"),
            ({"tls_key": b""}, "tls.key without a private key"),
            ({"tls_key": pem(b"PRIVATE KEY")}, "cannot be read as a private key"),
        ],
    )  # fmt: skip
    def test_missing_and_broken_parts(self, issuer, key, values, reason):
        usual = {"tls_crt": issuer.issue(key.public_key()), "tls_key": key_pem(key)}
        assert reason in error(secret("kubernetes.io/tls", **(usual | values)))

    def test_value_that_is_not_base64(self, issuer, key):
        found = tls_secret(issuer, key)
        broken = msgspec.structs.replace(found, data=found.data | {"tls.crt": "%%%"})
        assert "not base64" in error(broken)

    def test_encrypted_key(self, issuer, key):
        locked = key_pem(key, BestAvailableEncryption(b"secret"))
        found = secret("kubernetes.io/tls", tls_crt=issuer.issue(key.public_key()), tls_key=locked)
        assert "is encrypted" in error(found)

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda: rsa.generate_private_key(65537, 1024), "has 1024 bits, and OpenSSL requires 2048"),
            (lambda: ec.generate_private_key(ec.SECP256K1()), "curve secp256k1"),
            (lambda: ec.generate_private_key(ec.BrainpoolP256R1()), "curve brainpoolP256r1"),
            (lambda: dsa.generate_private_key(1024), "TLS has no use for"),
        ],
        ids=["rsa", "secp256k1", "brainpool", "dsa"],
    )
    def test_weak_and_unsupported_keys(self, issuer, make, reason):
        assert reason in error(tls_secret(issuer, make()))

    def test_sha1_is_refused_in_a_chain_but_not_in_a_certificate_that_signed_itself(self, key):
        root = Issuer(key=rsa.generate_private_key(65537, 2048))
        weak = with_sha1(root.issue(key.public_key()))
        assert "signed with sha1" in error(secret("kubernetes.io/tls", tls_crt=weak, tls_key=key_pem(key)))
        chain = root.issue(key.public_key()) + with_sha1(root.pem)
        assert usable(secret("kubernetes.io/tls", tls_crt=chain, tls_key=key_pem(key)))

    @pytest.mark.parametrize(
        ("start", "end", "warning"),
        [
            (-1, 90, ""),
            (-60, 31, ""),
            (-60, 29, "expires on 2030-06-30 12:00 UTC; renew it"),
            (-60, 0, "expired on 2030-06-01 12:00 UTC, so clients refuse it; renew it"),
            (-60, -1, "expired on 2030-05-31 12:00 UTC"),
            (1, 90, "is not valid before 2030-06-02 12:00 UTC"),
            (-3, 3, ""),
            (-4, 1, "expires on 2030-06-02 12:00 UTC"),
        ],
    )
    def test_time_warns_and_does_not_refuse(self, issuer, key, start, end, warning):
        dates = {"start": NOW + timedelta(days=start), "end": NOW + timedelta(days=end)}
        valid = get(tls_secret(issuer, key, **dates))
        assert valid.files
        assert bool(valid.warnings) is bool(warning)
        assert warning in "".join(valid.warnings)

    def test_time_goes_on_while_the_content_stays(self, issuer, key):
        store, found = LocalSecretStore(), tls_secret(issuer, key)
        later = NOW + timedelta(days=80)
        assert not get(found, store=store).warnings
        assert store.aged(NOW, NOW + timedelta(days=1)) == frozenset()
        assert store.aged(NOW, later) == {REF}
        assert "expires" in get(found, store=store, now=later).warnings[0]
        assert store.aged(later, NOW + timedelta(days=91)) == {REF}


class TestCa:
    def test_is_one_file_or_two(self, issuer):
        alone = get(secret("nginx.org/ca", ca_crt=issuer.pem), CA)
        assert alone.reference.file == "secrets/default-cafe-ca.crt"
        assert [(file.name, file.data, file.needs_reload) for file in alone.files] == [
            ("secrets/default-cafe-ca.crt", issuer.pem, True)
        ]
        both = get(secret("nginx.org/ca", ca_crt=issuer.pem, ca_crl=issuer.revocations()), CA)
        assert [file.name for file in both.files] == ["secrets/default-cafe-ca.crt", "secrets/default-cafe-ca.crl"]

    @pytest.mark.parametrize(
        ("crt", "crl", "reason"),
        [
            (None, None, "has no ca.crt"),
            (b"x", None, "ca.crt that is not"),
            ("good", b"x", "ca.crl that is not"),
            (pem(b"CERTIFICATE"), None, "in line 1 is no certificate"),
            ("good", pem(b"X509 CRL"), "in line 1 is no revocation list"),
            ("good", b"-----BEGIN X509 CRL-----", "has no END line"),
            ("good", b"-----BEGIN X509 CRL-----!-----END X509 CRL-----", "the X509 CRL of line 1 is not base64"),
        ],
    )
    def test_missing_and_broken_parts(self, issuer, crt, crl, reason):
        found = secret("nginx.org/ca", ca_crt=issuer.pem if crt == "good" else crt, ca_crl=crl)
        assert reason in error(found, CA)


class TestHtpasswd:
    LINES = (
        b"a:$apr1$DvHm0Xh6$l.B7oQ3ZrPqK1y6a2dR3n1\nb:{PLAIN}open sesame\nc:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n"
        b"# comment\n\nd:$2y$05$abcdefghijklmnopqrstuu\ne:$6$salt$hash:a comment\nf:rqXexS6ZhobKA\n"
    )

    def test_is_used_as_it_is(self):
        valid = get(secret("nginx.org/htpasswd", htpasswd=self.LINES), HTPASSWD)
        assert not valid.warnings
        (file,) = valid.files
        assert (file.name, file.data, file.mode, file.needs_reload) == (
            "secrets/default-cafe",
            self.LINES,
            0o600,
            False,
        )

    @pytest.mark.parametrize(
        ("text", "warning"),
        [
            (b"", "empty htpasswd"),
            (b"# nobody\n", "empty htpasswd"),
            (b"a:$apr1$x$y\nhunter2\n", "in line 2 of htpasswd no user:hash"),
            (b":$apr1$x$y\n", "no user:hash"),
            (b"a:hunter2\n", "in line 1 of htpasswd a hash format that nginx does not support"),
            (b"a:\n", "a hash format"),
            (b"\xff\xfe:x\n", "a hash format"),
            (b"a:$apr1$x$y \n", "a hash format"),
            (b"# users\n a:$apr1$x$y\n", "in line 2 of htpasswd a space before or behind the name of the user"),
            (b"a :$apr1$x$y\n", "a space before or behind the name of the user"),
            (b"a:{PLAIN}b \n", "a space at the end of the password"),
            (b"a:$apr1$x$y\x0bb\n", "in line 1 of htpasswd a hash format"),
        ],
    )
    def test_lines_that_accept_no_user_are_warned_of_without_repeating_them(self, text, warning):
        valid = get(secret("nginx.org/htpasswd", htpasswd=text), HTPASSWD)
        assert valid.files
        assert len(valid.warnings) == 1
        assert warning in valid.warnings[0]
        assert "hunter2" not in valid.warnings[0]

    def test_many_bad_lines_are_counted(self):
        valid = get(secret("nginx.org/htpasswd", htpasswd=b"x\n" * 50), HTPASSWD)
        assert len(valid.warnings) == 4
        assert "47 more lines" in valid.warnings[3]

    @pytest.mark.parametrize(("value", "reason"), [(None, "has no htpasswd"), (b"a:b\0c", "NUL")])
    def test_what_cannot_be_used(self, value, reason):
        assert reason in error(secret("nginx.org/htpasswd", htpasswd=value), HTPASSWD)


class TestStore:
    def test_missing_secret_has_a_file_name_that_does_not_exist(self):
        valid = get(None, HTPASSWD)
        assert valid.reference.file == "secrets/default-cafe"
        assert valid.reference.error == "does not exist in namespace default"
        assert not valid.files

    @pytest.mark.parametrize("kind", [kind for kind in SecretKind if not kind.any_type])
    def test_another_type_is_unsupported(self, kind):
        assert error(secret("Opaque"), kind) == f"is of the unsupported type 'Opaque'; here it must be {kind.value}"

    def test_a_key_never_becomes_a_password_file(self, issuer, key):
        store, found = LocalSecretStore(), tls_secret(issuer, key)
        passwords = get(found, HTPASSWD, store)
        assert passwords.reference.error
        assert passwords.reference.file != get(found, TLS, store).files[0].name

    def test_a_secret_is_checked_once_and_again_when_its_content_changes(self, issuer, key):
        store, found = LocalSecretStore(), tls_secret(issuer, key)
        metadata = msgspec.structs.replace(found.metadata, resource_version="2", labels={"a": "b"})
        relabelled = msgspec.structs.replace(found, metadata=metadata)
        first = get(found, store=store).files[0].data
        assert get(relabelled, store=store).files[0].data is first
        assert get(tls_secret(issuer, key), store=store).files[0].data != first

    def test_a_repaired_secret_is_used_and_a_broken_one_no_longer(self, issuer, key):
        store, found = LocalSecretStore(), tls_secret(issuer, key)
        broken = msgspec.structs.replace(found, data={})
        assert get(broken, store=store).reference.error
        assert not get(found, store=store).reference.error
        assert get(broken, store=store).reference.error
        assert get(None, store=store).reference.error

    def test_names_that_read_the_same_do_not_meet(self, issuer, key):
        store = LocalSecretStore()
        one = tls_secret(issuer, key, namespace="a-b", name="c")
        two = tls_secret(issuer, key, namespace="a", name="b-c")
        first = store.get(one.ref, one, TLS, NOW).files[0].name
        second = store.get(two.ref, two, TLS, NOW).files[0].name
        assert first == "secrets/a-b-c"
        assert second.startswith("secrets/a-b-c-")
        store.forget(one.ref)
        assert store.get(two.ref, two, TLS, NOW).files[0].name == second
        assert store.get(one.ref, one, TLS, NOW).files[0].name == first

    def test_a_certificate_does_not_meet_an_authority_of_a_similar_name(self, issuer, key):
        store = LocalSecretStore()
        authority = secret("nginx.org/ca", name="b", namespace="a", ca_crt=issuer.pem)
        certificate = tls_secret(issuer, key, namespace="a", name="b-ca.crt")
        one = store.get(authority.ref, authority, CA, NOW).files[0].name
        assert store.get(certificate.ref, certificate, TLS, NOW).files[0].name != one

    @pytest.mark.parametrize(
        ("namespace", "name"),
        [("default", "../x"), ("..", "x"), ("default", "a/b"), ("default", ""), ("", "x"), ("default", "a\nb"),
         ("default", "A"), ("default", "n" * 254), ("default", "x;"), ("/etc", "passwd")],
    )  # fmt: skip
    def test_a_name_that_no_api_server_would_take_reaches_no_path(self, issuer, key, namespace, name):
        found = tls_secret(issuer, key, namespace=namespace, name=name)
        valid = LocalSecretStore().get(found.ref, found, TLS, NOW)
        assert not valid.files
        assert valid.reference.file == "secrets/-"
        assert "its name is not a DNS" in valid.reference.error

    def test_the_longest_names_fit_into_a_file_name(self, issuer, key):
        found = tls_secret(issuer, key, namespace="n" * 63, name=".".join(["s" * 62] * 4))
        valid = LocalSecretStore().get(found.ref, found, TLS, NOW)
        assert len(valid.files[0].name) < 255


class TestSpecial:
    @pytest.mark.parametrize("name", [DEFAULT, WILDCARD])
    def test_has_a_file_of_its_own(self, issuer, key, name):
        store = LocalSecretStore()
        assert store.default is None
        assert store.wildcard is None
        valid, problems = store.special(name, REF, tls_secret(issuer, key), NOW)
        assert problems == ()
        assert valid.reference == (store.default if name == DEFAULT else store.wildcard)
        assert valid.files[0].name == valid.reference.file == f"secrets/{name}"
        assert (valid.files[0].needs_reload, valid.files[0].mode) == (False, 0o600)

    @pytest.mark.parametrize("name", [DEFAULT, WILDCARD])
    def test_is_written_anew_like_any_other(self, issuer, key, name):
        leaf, private = issuer.issue(key.public_key()), key_pem(key)
        odd = secret("kubernetes.io/tls", tls_crt=b" " + leaf.strip() + issuer.pem, tls_key=b"\xef\xbb\xbf" + private)
        valid, problems = LocalSecretStore().special(name, REF, odd, NOW)
        assert problems == ()
        assert valid.files[0].data == leaf + issuer.pem + b"\n" + private

    def test_an_invalid_update_and_a_deletion_keep_the_previous_one(self, issuer, key):
        store = LocalSecretStore()
        good, _ = store.special(DEFAULT, REF, tls_secret(issuer, key), NOW)
        for bad, code, reason in (
            (secret("kubernetes.io/tls"), "Rejected", "has no tls.crt"),
            (secret("Opaque"), "Rejected", "unsupported type"),
            (None, "SecretDeleted", "does not exist"),
        ):
            kept, (problem,) = store.special(DEFAULT, REF, bad, NOW)
            assert kept == good
            assert store.default == good.reference
            assert store.special_files() == good.files
            assert (problem.code, problem.origin) == (code, REF)
            assert reason in str(problem)
            assert "the previous certificate stays in use" in str(problem)
        renewed, problems = store.special(DEFAULT, REF, tls_secret(issuer, key), NOW)
        assert problems == ()
        assert renewed.files[0].data != good.files[0].data

    def test_without_a_previous_one_there_is_none(self, issuer, key):
        store = LocalSecretStore()
        valid, (problem,) = store.special(WILDCARD, REF, None, NOW)
        assert valid.files == ()
        assert store.wildcard.error == "does not exist in namespace default"
        assert "there is no certificate to use" in str(problem)
        store.special(WILDCARD, REF, secret("Opaque"), NOW)
        assert "unsupported type" in store.wildcard.error
        assert not store.special(WILDCARD, REF, tls_secret(issuer, key), NOW)[0].reference.error

    def test_near_its_end_is_said_and_time_is_followed_though_nothing_else_names_it(self, issuer, key):
        store = LocalSecretStore()
        _, problems = store.special(DEFAULT, REF, tls_secret(issuer, key, end=NOW + timedelta(hours=1)), NOW)
        assert "expires on" in str(problems[0])
        store.forget(REF)
        assert store.aged(NOW, NOW + timedelta(hours=2)) == {REF}
