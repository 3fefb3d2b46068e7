"""``headgate crds``: the definitions of the custom resources, for ``kubectl apply``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec
import yaml

from headgate.api.nginx_org.crds import DEFINED, Custom, definition
from headgate.flags import OK, Command, Environ, Flag, Value, boolean, execute

ABOUT: Final = """\
Print the CustomResourceDefinitions of k8s.nginx.org: VirtualServer, VirtualServerRoute, TransportServer, Policy and
GlobalConfiguration; and of the DNSEndpoint of externaldns.nginx.org, which -enable-external-dns needs. They are
compatible with those of the F5 NGINX Ingress Controller, which need not be replaced.

Example:
  headgate crds | kubectl apply -f -
"""


class CrdsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``headgate crds`` takes from the command line."""

    help: Annotated[bool, Value("", boolean), Flag("Flags", "Print this text, then end.", native=True, letter="h")] = (
        False
    )


class Plain(yaml.SafeDumper):
    """Writes repeated values without aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """Write *data* in full."""
        del data
        return True


def text(customs: Iterable[Custom] = DEFINED) -> str:
    """Return the definitions of *customs* as YAML documents."""
    documents = [definition(custom) for custom in customs]
    return yaml.dump_all(documents, Dumper=Plain, sort_keys=False, width=120)


def main(argv: Sequence[str], environ: Environ) -> int:
    """Print the definitions."""
    return execute(CRDS, argv, environ)


def _print(_: CrdsOptions) -> int:
    print(text(), end="")
    return OK


CRDS: Final = Command(name="headgate crds", forms=("",), about=ABOUT, kind=CrdsOptions, run=_print)
