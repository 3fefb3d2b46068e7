"""LocalSecretStore: checks a Secret once, names the file that it becomes; never writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from headgate.api import Secret
from headgate.ir import File
from headgate.ir.layout import SECRETS_FOLDER
from headgate.problems import ObjectRef, Problem
from headgate.resolve.api_keys import KEYS_FILE, check_api_keys
from headgate.resolve.certificates import AUTHORITY_FILE, REVOKED_FILE, check_ca, check_tls
from headgate.resolve.contents import Content, SecretKind
from headgate.resolve.htpasswd import check_auth_file, check_auth_map, check_htpasswd
from headgate.resolve.jwk import KEYS_END, check_key_set
from headgate.resolve.names import Names
from headgate.resolve.oidc_clients import CLIENT_FILE, check_oidc_client
from headgate.routes import SecretReference
from headgate.validation.text import name_fault, namespace_fault

PRIVATE = 0o600
DEFAULT, WILDCARD = "default", "wildcard"
"""The special files; no other is named so, for the others' names have a ``-``."""

CHECKS: Mapping[SecretKind, Callable[[Secret], Content]] = MappingProxyType(
    {
        SecretKind.TLS: check_tls,
        SecretKind.CA: check_ca,
        SecretKind.HTPASSWD: check_htpasswd,
        SecretKind.AUTH_FILE: check_auth_file,
        SecretKind.AUTH_MAP: check_auth_map,
        SecretKind.API_KEY: check_api_keys,
        SecretKind.JWK: check_key_set,
        SecretKind.OIDC: check_oidc_client,
        SecretKind.AUTHORITY: check_ca,
        SecretKind.PAIR: check_tls,
    }
)

PASSWORDS = frozenset({SecretKind.HTPASSWD, SecretKind.AUTH_FILE, SecretKind.AUTH_MAP})
"""What nginx reads at each request."""
SUFFIXES: Mapping[SecretKind, tuple[str, ...]] = MappingProxyType(
    {
        SecretKind.TLS: ("",),
        SecretKind.CA: (AUTHORITY_FILE, REVOKED_FILE),
        SecretKind.HTPASSWD: ("",),
        SecretKind.AUTH_FILE: ("",),
        SecretKind.AUTH_MAP: ("",),
        SecretKind.API_KEY: (KEYS_FILE,),
        SecretKind.JWK: (KEYS_END,),
        SecretKind.OIDC: (CLIENT_FILE,),
        SecretKind.AUTHORITY: (AUTHORITY_FILE, REVOKED_FILE),
        SecretKind.PAIR: ("-pair",),
    }
)
"""Behind ``namespace-name``, the ends of the file names of each kind; the configuration names the first."""


class Validated(msgspec.Struct, frozen=True):
    """A Secret for one use.

    Attributes:
        reference: how the configuration refers to it; says why not, if it cannot be used.
        files: what must be on disk for that; empty if it cannot be used.
        warnings: what is doubtful, each a text that reads after the name of the Secret.
    """

    reference: SecretReference
    files: tuple[File, ...] = ()
    warnings: tuple[str, ...] = ()


class LocalSecretStore:
    """Keeps valid Secrets and their files in step and refers to a file by the Secret's key.

    The bytes travel in Files, so a Secret that nothing names is never on disk and one that is
    deleted goes with what named it. A Secret is checked when it is first asked for and again when
    its content changes: 5000 certificates once, and not once a batch.
    """

    def __init__(self, *, dynamic: bool = True) -> None:
        """Begin empty; *dynamic* says that nginx reads certificates at each handshake (``-ssl-dynamic-reload``)."""
        self._dynamic = dynamic
        self._names: Names[tuple[ObjectRef, str]] = Names()
        self._checked: dict[tuple[ObjectRef, SecretKind], tuple[Secret, Content]] = {}
        self._special: dict[str, Validated] = {}

    @property
    def default(self) -> SecretReference | None:
        """The certificate for hosts that no resource names, once ``special`` was called with it."""
        return self._special[DEFAULT].reference if DEFAULT in self._special else None

    @property
    def wildcard(self) -> SecretReference | None:
        """The certificate for TLS hosts without a Secret, once ``special`` was called with it."""
        return self._special[WILDCARD].reference if WILDCARD in self._special else None

    def special_files(self) -> tuple[File, ...]:
        """Return the files of the certificates that flags name."""
        return tuple(file for valid in self._special.values() for file in valid.files)

    def get(self, ref: ObjectRef, secret: Secret | None, kind: SecretKind, now: datetime) -> Validated:
        """Return *secret* for a use that needs *kind*; ``None`` says that there is none.

        A reference with an error names a file all the same, which does not exist: a location that
        asks for passwords then answers every request with 403.
        """
        if fault := namespace_fault(ref.namespace) or name_fault(ref.name):
            return Validated(SecretReference(ref, f"{SECRETS_FOLDER}/-", f"cannot exist: its name {fault}"))
        content = self._content(ref, secret, kind)
        if content.error:
            return Validated(SecretReference(ref, self._file(ref, kind, SUFFIXES[kind][0]), content.error))
        files = tuple(
            File(self._file(ref, kind, suffix), data, ref, PRIVATE, self._reloads(kind))
            for suffix, data in content.files
        )
        others = tuple(file.name for file in files[1:])
        reference = SecretReference(
            ref, files[0].name, expires=content.expires, others=others, algorithm=content.algorithm
        )
        return Validated(reference, files, content.doubts(now))

    def special(
        self, name: str, ref: ObjectRef, secret: Secret | None, now: datetime
    ) -> tuple[Validated, tuple[Problem, ...]]:
        """Take the newest version of a certificate that a flag names; *name* is DEFAULT or WILDCARD.

        An invalid version and a deletion leave the previous one in use. If there never was a valid
        one, the reference has an error and there is no file.
        """
        content = self._content(ref, secret, SecretKind.TLS)
        file = f"{SECRETS_FOLDER}/{name}"
        if not content.error:
            files = (File(file, content.files[0][1], ref, PRIVATE, self._reloads(SecretKind.TLS)),)
            reference = SecretReference(ref, file, expires=content.expires)
            fresh = self._special[name] = Validated(reference, files, content.doubts(now))
            return fresh, tuple(Problem(ref, "", "", text, "it is used anyway") for text in fresh.warnings)
        kept = self._special.get(name)
        if kept is None or kept.reference.error:
            kept = self._special[name] = Validated(SecretReference(ref, file, content.error))
        effect = "there is no certificate to use" if kept.reference.error else "the previous certificate stays in use"
        code = "Rejected" if secret else "SecretDeleted"
        return kept, (Problem(ref, "", "", content.error, effect, code=code),)

    def aged(self, since: datetime, now: datetime) -> frozenset[ObjectRef]:
        """Return the Secrets whose warning about their validity began or ended between the two times."""
        return frozenset(
            ref
            for (ref, _), (_, content) in self._checked.items()
            if content.validity and content.validity.warning(since) != content.validity.warning(now)
        )

    def forget(self, ref: ObjectRef) -> None:
        """Drop what is known of a Secret that nothing names any more; its file names are free again."""
        kept = any(special.reference.ref == ref for special in self._special.values())
        for kind, suffixes in SUFFIXES.items():
            if not kept:
                self._checked.pop((ref, kind), None)
            for suffix in suffixes:
                self._names.release((ref, kind.value + suffix))

    def _content(self, ref: ObjectRef, secret: Secret | None, kind: SecretKind) -> Content:
        if secret is None:
            self._checked.pop((ref, kind), None)
            return Content(error=f"does not exist in namespace {ref.namespace}")
        if secret.type != kind.value and not kind.any_type:
            return Content(
                error=f"is of the unsupported type {secret.type or 'Opaque'!r}; here it must be {kind.value}"
            )
        known = self._checked.get((ref, kind))
        if known is None or not same_content(known[0], secret):
            known = secret, CHECKS[kind](secret)
            self._checked[ref, kind] = known
        return known[1]

    def _file(self, ref: ObjectRef, kind: SecretKind, suffix: str) -> str:
        """Name a file; one Secret used in two ways has two names, so that a key is never read as a password file."""
        return (
            f"{SECRETS_FOLDER}/{self._names.claim((ref, kind.value + suffix), f'{ref.namespace}-{ref.name}{suffix}')}"
        )

    def _reloads(self, kind: SecretKind) -> bool:
        """Whether nginx must reload to see a change: it reads password files at each request, the rest at start.

        Secrets of clients of OpenID Connect are read by the controller alone.
        """
        return kind not in {*PASSWORDS, SecretKind.OIDC} and (kind is not SecretKind.TLS or not self._dynamic)


def same_content(old: Secret, new: Secret) -> bool:
    """Whether two versions of a Secret hold the same."""
    return old is new or (old.type == new.type and old.data == new.data and old.string_data == new.string_data)
