"""ingressMTLS: ``ssl_verify_client`` of a server."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.ir.http import Line
from headgate.routes.policies import ClientCertificates
from headgate.settings import Quoted, Words
from headgate.translate.policies.parts import Part, Site


def translate_client_certificates(site: Site) -> Part:
    """Return the directives of the server; a location has none."""
    found = site.policies.client_certificates
    return Part(lines=tuple(_lines(site, found))) if found and site.server else Part()


def _lines(site: Site, found: ClientCertificates) -> Iterator[Line]:
    conf = site.draft.env.layout.conf
    yield "ssl_client_certificate", Words((Quoted(f"{conf}/{found.authority.file}"),))
    if found.revocations:
        yield "ssl_crl", Words((Quoted(f"{conf}/{found.revocations}"),))
    yield "ssl_verify_client", Words((found.verify,))
    yield "ssl_verify_depth", Words((str(found.depth),))
