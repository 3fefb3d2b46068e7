"""ingressMTLS: ``ssl_verify_client`` of a server."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.ir.http import Line, VariableMap
from headgate.routes import VirtualHost
from headgate.routes.policies import ClientCertificates
from headgate.settings import Quoted, Words
from headgate.translate.draft import Draft
from headgate.translate.policies.parts import Part, Site

FORBIDDEN = 403


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
    if found.page:
        yield "error_page", Words(("495", "496", Quoted(found.page)))


def subject_checks(draft: Draft, host: VirtualHost) -> tuple[tuple[str, int], ...]:
    """Return what is answered to clients of *host* whose certificate has another subject, and note its map."""
    found = host.policies.client_certificates
    if found is None or not found.subject:
        return ()
    name = draft.policy_variable(f"certified_{found.policy.namespace}_{found.policy.name}", found.policy)
    lines = ((Quoted(f"~{found.subject}"), Quoted("1")), (Quoted("default"), Quoted("")))
    draft.maps[name] = VariableMap(Quoted("$ssl_client_s_dn"), name, lines, host.origin)
    return ((f"${name}", FORBIDDEN),)
