"""Files of nginx that differ; of those with data of Secrets only which Secret it is."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from msgspec import structs

from headgate.comparing.hosts import operation
from headgate.comparing.report import FileChange, Operation, SecretChange
from headgate.ir import File, FileSet
from headgate.ir.layout import SECRETS_FOLDER
from headgate.pipeline import Generation
from headgate.routes import Policies, SecretReference

CERTIFICATE = "certificate"
PASSWORDS = "passwords"
KEYS = "keys of clients"
CLIENT = "secret of a client of OpenID Connect"
AUTHORITY, REVOKED = "certificates of an authority", "revocation list"
NOWHERE = "/dev/null"
"""What a unified diff calls a file that is not there."""


def files(old: FileSet, new: FileSet, *, patch: bool) -> Iterator[FileChange]:
    """Yield the files that differ, by name, without those with data of Secrets."""
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if not _secret(name) and _data(before) != _data(after):
            diff = "".join(_diff(name, before, after)) if patch else ""
            yield FileChange(operation(before, after), name, diff)


def secrets(old: Generation, new: Generation) -> Iterator[SecretChange]:
    """Yield the Secrets whose data differs in the files of nginx, or that it reads on one side only."""
    uses = {**_uses(old), **_uses(new)}
    found: dict[tuple[str, str], list[Operation]] = {}
    for name in sorted(filter(_secret, old.files.keys() | new.files.keys())):
        before, after = old.files.get(name), new.files.get(name)
        if name in uses and _data(before) != _data(after):
            found.setdefault(uses[name], []).append(operation(before, after))
    for (secret, use), operations in sorted(found.items()):
        # One that is changed in one file and added in another is changed.
        yield SecretChange(operations[0] if len(set(operations)) == 1 else Operation.CHANGED, secret, use)


def _secret(name: str) -> bool:
    return name.startswith(f"{SECRETS_FOLDER}/")


def _data(file: File | None) -> bytes | None:
    return file.data if file else None


def _diff(name: str, old: File | None, new: File | None) -> Iterator[str]:
    before, after = (
        file.data.decode(errors="replace").splitlines(keepends=True) if file else [] for file in (old, new)
    )
    labels = f"old/{name}" if old else NOWHERE, f"new/{name}" if new else NOWHERE
    for line in difflib.unified_diff(before, after, *labels):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _uses(generation: Generation) -> Mapping[str, tuple[str, str]]:
    """Return the Secret and its use by the name of the file."""
    return {reference.file: (reference.ref.key, use) for reference, use in _references(generation)}


def _references(generation: Generation) -> Iterator[tuple[SecretReference, str]]:
    if generation.default_certificate:
        yield generation.default_certificate, CERTIFICATE
    for generated in generation.resources.values():
        for route in generated.served.table.streams if generated.served else ():
            if route.tls:
                yield route.tls.secret, CERTIFICATE
        for host in generated.served.table.hosts if generated.served else ():
            yield from ((secret, CERTIFICATE) for secret in (host.tls.secrets if host.tls else ()))
            for policies in (host.policies, *(route.policies for route in host.routes)):
                yield from _of_policies(policies)


def _of_policies(policies: Policies) -> Iterator[tuple[SecretReference, str]]:
    clients, backend, external = policies.client_certificates, policies.backend_tls, policies.external_auth
    found = [
        (policies.basic_auth, PASSWORDS),
        (policies.passwords and policies.passwords.secret, PASSWORDS),
        (policies.api_keys and policies.api_keys.secret, KEYS),
        (clients and clients.authority, AUTHORITY),
        (backend and backend.certificate, CERTIFICATE),
        (backend and backend.authority, AUTHORITY),
        (external and external.authority, AUTHORITY),
        (policies.oidc and policies.oidc.secret, CLIENT),
        (policies.oidc and policies.oidc.authority, AUTHORITY),
    ]
    yield from ((reference, use) for reference, use in found if reference)
    if clients:
        yield from ((structs.replace(clients.authority, file=other), REVOKED) for other in clients.authority.others)
