"""The command line: finds the command that the first word names; each command declares what it takes itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from headgate.commit import version
from headgate.flags.command import HELP_FLAGS, OK, USAGE, Environ, unknown

HELP: Final = """\
headgate: an NGINX ingress controller for Kubernetes

  headgate run [FLAGS]                 serve a cluster, or a folder of manifests with --manifests
  headgate render DIR [-o OUT]         print (or write) the NGINX configuration of a folder of manifests
  headgate check DIR|FILE|-...         print what is wrong with manifests, for people and for CI
  headgate diff OLD NEW                print what would change between two folders, or a cluster and a folder
  headgate migrate audit|convert DIR   print what becomes of Ingresses of ingress-nginx, or write them otherwise
  headgate compare URL_A URL_B DIR     ask two controllers the same, and print what they answer differently
  headgate status [-m DIR]             print what a running controller, a folder or a cluster serves, and what is wrong
  headgate drain ENDPOINT...           send no new requests to endpoints of a running controller
  headgate set-log-level LEVEL         set the log level of a running controller
  headgate explain URL [-m DIR]        explain how nginx handles a request, and where each setting comes from
  headgate proxy HOST=URL...           serve backends on this machine, without manifests
  headgate uds serve|send|bench        listen on a Unix socket, send to one, measure them
  headgate sockets                     list the sockets of Headgate and of container runtimes, and what answers
  headgate report [-m DIR] [-o FILE]   write what a bug report needs, without the data of Secrets, to an archive
  headgate crds                        print the definitions of VirtualServer and the other custom resources
  headgate completion bash|zsh|fish    print a script that completes command lines
  headgate version                     print the version

Try this:
  headgate run --manifests examples/cafe -default-http-listener-port=8000 -default-https-listener-port=8443

`headgate COMMAND --help` prints more. Flags take one dash or two: -ingress-class=nginx, --ingress-class nginx.
"""

COMMUNITY_PROGRAM: Final = "/nginx-ingress-controller"
"""The first argument in manifests of ingress-nginx."""
OF_COMMUNITY: Final = "--election-id=ingress-controller-leader"
"""A flag of ingress-nginx with its default: it says nothing but that its defaults hold."""

Main = Callable[[Sequence[str], Environ], int]


def run(argv: Sequence[str], environ: Environ) -> int:
    """Run one command and return its exit status.

    Flags alone mean ``run``, because the incumbent's manifests pass nothing else; those of ingress-nginx pass the name
    of its program first.
    """
    first, rest = (argv[0], argv[1:]) if argv else ("help", ())
    if first == COMMUNITY_PROGRAM:
        first, rest = "run", (OF_COMMUNITY, *rest)
    if first in HELP_FLAGS:
        first = "help"
    elif first.startswith("-"):
        first, rest = "run", argv
    if first not in COMMANDS:
        print(f"headgate: {unknown(first, COMMANDS)}", file=sys.stderr)
        return USAGE
    return COMMANDS[first](rest, environ)


# A command is imported when it is asked for: the controller's modules take half a second.


def _run(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.run import main

    return main(argv, environ)


def _render(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.manifests import render

    return render(argv, environ)


def _check(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.manifests import check

    return check(argv, environ)


def _diff(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.diff import main

    return main(argv, environ)


def _migrate(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.migrate import main

    return main(argv, environ)


def _compare(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.compare import main

    return main(argv, environ)


def _explain(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.explain import main

    return main(argv, environ)


def _status(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.status import main

    return main(argv, environ)


def _drain(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.control import drain

    return drain(argv, environ)


def _set_log_level(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.control import set_log_level

    return set_log_level(argv, environ)


def _proxy(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.proxy import main

    return main(argv, environ)


def _uds(argv: Sequence[str], _: Environ) -> int:
    from headgate.uds.commands import main

    return main(argv)


def _sockets(argv: Sequence[str], _: Environ) -> int:
    from headgate.sockets import main

    return main(argv)


def _report(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.report import main

    return main(argv, environ)


def _crds(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.crds import main

    return main(argv, environ)


def _completion(argv: Sequence[str], environ: Environ) -> int:
    from headgate.commands.completion import main

    return main(argv, environ, COMMANDS, HELP)


def _version(argv: Sequence[str], environ: Environ) -> int:
    if HELP_FLAGS.intersection(argv):
        return _help((), environ)
    if argv:
        print(f"headgate: {argv[0]!r} is an argument too many for headgate version", file=sys.stderr)
        return USAGE
    print(version())
    return OK


def _help(argv: Sequence[str], environ: Environ) -> int:
    """Print what there is, or the help of the command that *argv* names: ``help run`` is ``run --help``."""
    names = [word for word in argv if word not in HELP_FLAGS]
    if names and names[0] != "help":
        return run([*names, "--help"], environ)
    print(HELP, end="")
    return OK


COMMANDS: Final[Mapping[str, Main]] = MappingProxyType(
    {
        "run": _run,
        "render": _render,
        "check": _check,
        "diff": _diff,
        "migrate": _migrate,
        "compare": _compare,
        "status": _status,
        "routes": _status,
        "drain": _drain,
        "set-log-level": _set_log_level,
        "explain": _explain,
        "proxy": _proxy,
        "uds": _uds,
        "sockets": _sockets,
        "report": _report,
        "crds": _crds,
        "completion": _completion,
        "version": _version,
        "help": _help,
    }
)
