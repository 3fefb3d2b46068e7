"""The certificate of each server name as workers receive it, kept up to date name by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from headgate.ir.http import Certificate
from headgate.ir.live import LiveCertificate


class NamedCertificates:
    """Counts the certificates of resources; a change costs the names that it concerns."""

    def __init__(self, digest: Callable[[str], str]) -> None:
        """Begin without certificates; *digest* returns that of a file, empty if it is not there."""
        self._digest = digest
        self._counts: Counter[Certificate] = Counter()
        self._set: frozenset[Certificate] | None = None
        self._of_name: dict[str, dict[Certificate, None]] = {}
        self._names: dict[str, set[str]] = {}
        """The names that each file is for."""
        self._known: dict[str, LiveCertificate] = {}
        self._touched: set[str] = set()
        """The names of which ``_known`` may be outdated."""
        self._whole: tuple[str, Mapping[str, LiveCertificate]] | None = None
        """What ``all`` returned last, and the file of all other names then."""

    @property
    def set(self) -> frozenset[Certificate]:
        """All certificates; the same object as long as nothing changed."""
        if self._set is None:
            self._set = frozenset(self._counts)
        return self._set

    def count(self, certificate: Certificate, by: int) -> None:
        """Count *certificate*, and forget it at zero."""
        self._counts[certificate] += by
        if not self._counts[certificate]:
            del self._counts[certificate]
            self._remove(certificate)
        elif self._counts[certificate] == by:
            self._add(certificate)

    def renew(self, file: str) -> None:
        """Take note that the content of *file* is another one."""
        self._touched |= self._names.get(file, set())
        if self._whole and self._whole[0] == file:
            self._whole = None

    def all(self, default: str) -> Mapping[str, LiveCertificate]:
        """Return the file of each server name, with the file *default* for all other names, if it is not empty.

        A name whose file is not there is left out. The same object as long as nothing changed.
        """
        if self._whole and self._whole[0] == default and not self._touched:
            return self._whole[1]
        for name in self._touched:
            self._choose(name)
        self._touched = set()
        digest = self._digest(default) if default else ""
        found = self._known | ({"": LiveCertificate(default, digest)} if digest else {})
        self._whole = default, found
        return found

    def _choose(self, name: str) -> None:
        self._known.pop(name, None)
        for certificate in reversed(self._of_name.get(name, {})):
            if digest := self._digest(certificate.file):
                self._known[name] = LiveCertificate(certificate.file, digest)
            return

    def _add(self, certificate: Certificate) -> None:
        self._set = None
        if not certificate.own:
            self._of_name.setdefault(certificate.host, {})[certificate] = None
            self._names.setdefault(certificate.file, set()).add(certificate.host)
            self._touched.add(certificate.host)

    def _remove(self, certificate: Certificate) -> None:
        self._set = None
        if certificate.own:
            return
        others = self._of_name[certificate.host]
        del others[certificate]
        if not others:
            del self._of_name[certificate.host]
        if not any(other.file == certificate.file for other in others):
            names = self._names[certificate.file]
            names.discard(certificate.host)
            if not names:
                del self._names[certificate.file]
        self._touched.add(certificate.host)
