"""egressMTLS: ``proxy_ssl_*`` and ``grpc_ssl_*``."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.ir.layout import SECRETS_FOLDER
from headgate.routes.policies import BackendTls
from headgate.settings import Quoted, Words
from headgate.translate.policies.parts import Part, Site

Directive = tuple[str, str | Quoted | Words]


def translate_backend_tls(site: Site) -> Part:
    """Return the directives of a location."""
    found = site.policies.backend_tls
    if found is None or site.server:
        return Part()
    prefix = "grpc_ssl_" if site.grpc else "proxy_ssl_"
    lines = ((f"{prefix}{name}", value if isinstance(value, Words) else Words((value,)))
             for name, value in _directives(site, found))  # fmt: skip
    return Part(lines=tuple(lines))


def _directives(site: Site, found: BackendTls) -> Iterator[Directive]:
    if found.certificate:
        # By a variable, so that nginx reads a renewed certificate without a reload.
        file = Quoted(f"$secret_dir_path/{found.certificate.file.removeprefix(f'{SECRETS_FOLDER}/')}")
        yield "certificate", file
        yield "certificate_key", file
    if found.authority:
        yield "trusted_certificate", Quoted(f"{site.draft.env.layout.conf}/{found.authority.file}")
    yield "verify", "on" if found.verify else "off"
    yield "verify_depth", str(found.depth)
    yield "protocols", Words(found.protocols.split())
    yield "ciphers", Quoted(found.ciphers)
    yield "session_reuse", "on" if found.session_reuse else "off"
    yield "server_name", "on" if found.send_name else "off"
    yield "name", found.name
