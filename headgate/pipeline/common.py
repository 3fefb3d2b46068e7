"""The files that belong to no resource: ``nginx.conf``, the default server, the map of certificates, parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from headgate.ir import File
from headgate.ir.http import Certificate
from headgate.ir.layout import SECRETS_FOLDER
from headgate.render import BadTemplate, Renderer
from headgate.translate import Environment, translate_default_server, translate_main
from headgate.translate.naming import CERTIFICATES
from headgate.translate.tls import certificate_file


class Totals(msgspec.Struct, frozen=True):
    """What the common files must know of all resources: server names, the longest of them, and certificates."""

    names: int = 0
    longest: int = 1
    certificates: frozenset[Certificate] = frozenset()


class CommonFiles:
    """Renders the common files, each only when what it says changes."""

    def __init__(self, env: Environment, renderer: Renderer) -> None:
        """Render them once, without resources.

        Raises:
            BadTemplate: a template of the user's fails; nothing can be served with it.
        """
        self._last: dict[str, tuple[object, Renderer, File]] = {}
        self.fault: BadTemplate | None = None
        """Why a file says what it said before: a template of the user's failed for what it should say."""
        list(self._files(env, renderer, Totals()))

    def check(self, env: Environment, renderer: Renderer) -> BadTemplate | None:
        """Return why the templates of *renderer* cannot be used under *env*, if they fail without resources."""
        try:
            CommonFiles(env, renderer)
        except BadTemplate as error:
            return error
        return None

    def files(self, env: Environment, renderer: Renderer, totals: Totals) -> tuple[File, ...]:
        """Return the common files; one that the user's template fails for stays as it was."""
        self.fault = None
        return tuple(self._files(env, renderer, totals))

    def _files(self, env: Environment, renderer: Renderer, totals: Totals) -> Iterator[File]:
        main = translate_main(env, names=totals.names, longest=totals.longest)
        yield self._file("main", main, renderer, lambda: renderer.main(main))
        default = translate_default_server(env)
        yield self._file("default server", default, renderer, lambda: renderer.http(default))
        certificate = env.default_certificate and certificate_file(env.default_certificate)
        entries = totals.certificates

        def certificates() -> File:
            ordered = sorted(entries, key=lambda entry: (str(entry.name), entry.file))
            return renderer.certificates(CERTIFICATES, ordered, certificate)

        yield self._file("certificates", (entries, certificate), renderer, certificates)
        if text := env.params.tls.ssl_dhparam:
            yield File(f"{SECRETS_FOLDER}/dhparam.pem", text.encode(), mode=0o600)

    def _file(self, name: str, said: object, renderer: Renderer, render: Callable[[], File]) -> File:
        """Render a file unless it would say what it said last."""
        known = self._last.get(name)
        if known and known[:2] == (said, renderer):
            return known[2]
        try:
            file = render()
        except BadTemplate as error:
            if known is None:
                raise
            self.fault = error
            return known[2]
        self._last[name] = said, renderer, file
        return file
