"""``mirror``: requests are sent to another service, too."""

from __future__ import annotations

from msgspec import structs

from headgate.ir.http import Backend, Location
from headgate.settings import NOTHING, Header, Quoted, Words
from headgate.translate import naming
from headgate.translate.policies.external_auth import DECIDES
from headgate.translate.policies.parts import Part, Site
from headgate.translate.upstreams import translate_upstream


def translate_mirror(site: Site) -> Part:
    """Return the directives of a location, and note the one from which the service is asked."""
    found = site.policies.mirror
    if found is None or site.server:
        return Part()
    draft, owner = site.draft, site.origin
    path = f"/_mirror_{owner.namespace}_{owner.name}{naming.digest((owner,)) if site.inner_origin else ''}"
    target = structs.replace(found.backend, upstream=f"mirror_{owner.namespace}_{owner.name}")
    name = draft.upstream_name(owner, "", target)
    if name not in draft.upstreams:
        draft.upstreams[name] = translate_upstream(name, owner, target, draft.env.params, draft.env)
    headers = [Header("Host", Quoted(found.host)), *([] if found.body else [Header("Content-Length", Quoted(""))])]
    tls = (
        (("proxy_ssl_server_name", Words(("on",))), ("proxy_ssl_name", Words((target.service,)))) if target.tls else ()
    )
    site.inner[path] = Location(
        path=Quoted(path),
        modifier="=",
        origin=site.inner_origin,
        internal=True,
        backend=Backend("https" if target.tls else "http", name, found.path),
        request_headers=tuple(headers),
        lines=(*DECIDES, *([] if found.body else [("proxy_pass_request_body", Words(("off",)))]), *tls),
        own=NOTHING,
    )
    body = Words(("on" if found.body else "off",))
    return Part(lines=(("mirror", Words((Quoted(path),))), ("mirror_request_body", body)))
