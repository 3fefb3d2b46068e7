"""The command line: ``run``, ``render``, ``check``, ``explain``, ``uds``, ``sockets``; each has a ``--help``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from headgate import __version__
from headgate.app import serve
from headgate.commit import commit
from headgate.explain import PLACES, Answer, BadQuestion, Entry, Question, entry, entry_text, explain, text
from headgate.k8s import ConfigError, K8sError
from headgate.nginx.errors import NginxError
from headgate.offline import FolderReport, generate_folder
from headgate.options import LogLevel, Options, flags_help, parse
from headgate.render import BadTemplate
from headgate.reporting.http import ServeError
from headgate.reporting.logs import announce, configure
from headgate.viewing import look

USAGE = 2
"""Exit status of a command that was not understood."""

HELP = """\
headgate: an NGINX ingress controller for Kubernetes

  headgate run [FLAGS]                 serve a cluster, or a folder of manifests with --manifests
  headgate render DIR [-o OUT]         print (or write) the NGINX configuration of a folder of manifests
  headgate check DIR [-o json]         print what is wrong with a folder of manifests
  headgate explain URL [-m DIR]        say what nginx does with a request, why, and where each setting comes from
  headgate uds serve|send|bench        listen on a Unix socket, send to one, measure them
  headgate sockets                     which runtime sockets are there, who listens, what they answer
  headgate version                     print the version

Try this:
  headgate run --manifests examples/cafe -default-http-listener-port=8000 -default-https-listener-port=8443

`headgate COMMAND --help` says more. Flags take one dash or two: -ingress-class=nginx, --ingress-class nginx.
"""

RUN_HELP = """\
headgate run [FLAGS]

Keep an nginx configured to what a cluster, or a folder of manifests, says. Ends by SIGTERM, after open requests.

Example:
  headgate run --manifests examples/cafe -default-http-listener-port=8000 -default-https-listener-port=8443
"""

RENDER_HELP = """\
headgate render DIR [-o OUT] [FLAGS]

Print the NGINX configuration that the manifests in DIR lead to, file by file, and every problem on standard error.
With -o OUT the files are written below OUT, certificates and keys included, which are not printed.
Exit status 1 if an object was refused or a file could not be read.

Example:
  headgate render examples/cafe -o /tmp/cafe && less /tmp/cafe/conf.d/default-cafe-ingress.conf

The flags are those of `headgate run` (-ingress-class, -enable-snippets, -nginx-configmaps, ...).
"""

CHECK_HELP = """\
headgate check DIR [-o text|json] [FLAGS]

Print what is wrong with the manifests in DIR, one line a problem: file, object, field, value, reason and effect.
Exit status 1 if an object was refused or a file could not be read.

Example:
  headgate check examples/cafe -o json

The flags are those of `headgate run` (-ingress-class, -enable-snippets, -nginx-configmaps, ...).
"""

EXPLAIN_HELP = """\
headgate explain URL [-m DIR] [-H 'Name: value'] [-o text|json] [FLAGS]
headgate explain annotation|configmap|flag NAME [-o text|json]

Say what nginx does with a request: which listener, certificate, server and location take it and why no other, what
comes before the backend, who the backend is, and every setting in force there with where it comes from. Nothing is
sent: the answer is read off the manifests in DIR or, without -m, off the cluster that `headgate run` would serve.
-H adds a request header on which the answer may depend (Host, X-Forwarded-Proto, Authorization); it may be repeated.

The second form prints what the reference says about one annotation, ConfigMap key or flag.

Examples:
  headgate explain https://cafe.example.com/tea/green -m examples/cafe
  headgate explain annotation nginx.org/lb-method

The flags are those of `headgate run` (-ingress-class, -nginx-configmaps, -default-http-listener-port, ...); give the
same ones, for they decide too.
"""

Environ = Mapping[str, str]
MENDABLE = (ConfigError, K8sError, NginxError, ServeError, BadTemplate, OSError)
"""What the operator must mend: it is said in one line, without a traceback."""


def run(argv: Sequence[str], environ: Environ) -> int:
    """Run one command and return its exit status.

    Flags alone mean ``run``, because the incumbent's manifests pass nothing else.
    """
    first, rest = (argv[0], argv[1:]) if argv else ("help", [])
    commands: dict[str, Callable[[Sequence[str], Environ], int]] = {
        "run": _run, "render": _render, "check": _check, "explain": _explain,
        "uds": _uds, "sockets": _sockets, "version": _version, "help": _help,
    }  # fmt: skip
    if first in {"-h", "-help", "--help"}:
        return _help(rest, environ)
    if first.startswith("-"):
        return _run(argv, environ)
    if first not in commands:
        print(f"headgate: {first!r} is not a command; use {', '.join(commands)}", file=sys.stderr)
        return USAGE
    return commands[first](rest, environ)


def _help(_: Sequence[str], __: Environ) -> int:
    print(HELP, end="")
    return 0


def _version(_: Sequence[str], __: Environ) -> int:
    print(f"Headgate {__version__} ({commit()})")
    return 0


def _run(argv: Sequence[str], environ: Environ) -> int:
    options = _options(argv, environ)
    if options is None:
        return USAGE
    if options.help:
        print(f"{RUN_HELP}\n{flags_help()}")
        return 0
    if options.version:
        return _version(argv, environ)
    configure(options.log_format, options.log_level)
    announce("Headgate", __version__, commit())
    return _serve(options)


def _serve(options: Options) -> int:
    """Serve until a signal; what the operator must mend is one line, not a traceback."""
    try:
        asyncio.run(serve(options))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 0
    except MENDABLE as error:
        print(f"headgate: {error}", file=sys.stderr)
        return 1
    except BaseExceptionGroup as group:
        mendable, bugs = group.split(MENDABLE)
        if bugs is not None or mendable is None:
            raise
        for leaf in leaves(mendable):
            print(f"headgate: {leaf}", file=sys.stderr)
        return 1
    return 0


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Yield the exceptions inside *group*, however deep."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


class _Ask(msgspec.Struct, frozen=True):
    """What ``render`` and ``check`` are asked: a folder, ``-o`` and the flags of ``run``."""

    folder: str
    out: str
    flags: tuple[str, ...]


def _render(argv: Sequence[str], environ: Environ) -> int:
    ask = _ask(argv)
    if ask is None or (outcome := _walk(ask, environ)) is None:
        return _teach(argv, RENDER_HELP)
    for line in outcome.lines():
        print(line, file=sys.stderr)
    if ask.out:
        outcome.write(Path(ask.out))
    for file in () if ask.out else outcome.printable():
        print(f"# --- {file.name}\n{file.data.decode()}")
    return 1 if outcome.refused else 0


def _check(argv: Sequence[str], environ: Environ) -> int:
    ask = _ask(argv)
    if ask is None or ask.out not in {"", "text", "json"} or (outcome := _walk(ask, environ)) is None:
        return _teach(argv, CHECK_HELP)
    if ask.out == "json":
        print(msgspec.json.format(msgspec.json.encode(outcome.rows())).decode())
    for line in () if ask.out == "json" else outcome.lines():
        print(line)
    return 1 if outcome.refused else 0


def _explain(argv: Sequence[str], environ: Environ) -> int:
    rest = list(argv)
    if {"-h", "-help", "--help"} & set(rest) or not rest:
        return _teach(argv, EXPLAIN_HELP)
    form = "".join(_taken(rest, "-o", "--o", "--output")[-1:]) or "text"
    if form not in {"text", "json"}:
        return _teach(argv, EXPLAIN_HELP)
    try:
        answer = _reference(rest) if rest[0] in PLACES else _answer(rest, environ)
    except BadQuestion as error:
        print(f"headgate: {error}", file=sys.stderr)
        return USAGE
    except MENDABLE as error:
        print(f"headgate: {error}", file=sys.stderr)
        return 1
    if answer is None:
        return USAGE
    if form == "json":
        print(msgspec.json.format(msgspec.json.encode(answer)).decode())
    else:
        print(entry_text(answer) if isinstance(answer, Entry) else text(answer), end="")
    return 0


def _uds(argv: Sequence[str], _: Environ) -> int:
    from headgate.uds import commands  # noqa: PLC0415 - the controller's start should not pay for it

    return commands.main(argv)


def _sockets(argv: Sequence[str], _: Environ) -> int:
    from headgate import sockets  # noqa: PLC0415 - the controller's start should not pay for it

    return sockets.main(argv)


def _reference(rest: Sequence[str]) -> Entry:
    """Look up one name (BadQuestion: nobody knows it)."""
    if len(rest) != 2:  # noqa: PLR2004 - where, and what
        raise BadQuestion(f"explain {rest[0]} takes one name; write for example {PLACES[rest[0]]}")
    return entry(rest[0], rest[1])


def _answer(rest: list[str], environ: Environ) -> Answer | None:
    """Answer about one URL; ``None`` if the flags are wrong, which was said then.

    Raises:
        BadQuestion: what is asked is not a request.
    """
    headers, folders = _taken(rest, "-H", "--header"), _taken(rest, "-m")
    url = next((word for word in rest if "://" in word and not word.startswith("-")), rest[0])
    question = Question.of(url, headers)
    rest.remove(url)
    options = _options((*rest, *(f"--manifests={folder}" for folder in folders)), environ)
    if options is None:
        return None
    configure(options.log_format, LogLevel.WARN, sys.stderr)  # stdout is for the answer
    return explain(look(options), question)


def _taken(words: list[str], *spellings: str) -> list[str]:
    """Take ``-x value`` and ``-x=value`` out of *words*, for each of the *spellings*, and return the values."""
    found, kept = [], []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in spellings:
            found.append(value if equals else next(rest, ""))
        else:
            kept.append(word)
    words[:] = kept
    return found


def _ask(argv: Sequence[str]) -> _Ask | None:
    """Split the arguments of ``render`` and ``check``; ``None`` if help is wanted or no folder is named."""
    rest = list(argv)
    if {"-h", "-help", "--help"} & set(rest) or not rest or rest[0].startswith("-"):
        return None
    folder = rest.pop(0)
    out = "".join(_taken(rest, "-o", "--o", "--output")[-1:])
    return _Ask(folder, out, tuple(rest))


def _walk(ask: _Ask, environ: Environ) -> FolderReport | None:
    options = _options((*ask.flags, "--manifests", ask.folder), environ)
    if options is None:
        return None
    try:
        return generate_folder(options)
    except (ConfigError, NginxError, BadTemplate, OSError) as error:
        print(f"headgate: {error}", file=sys.stderr)
        return None


def _teach(argv: Sequence[str], text: str) -> int:
    """Print the help that was asked for, or that is needed."""
    wanted = bool({"-h", "-help", "--help"} & set(argv))
    print(text, end="", file=sys.stdout if wanted else sys.stderr)
    return 0 if wanted else USAGE


def _options(argv: Sequence[str], environ: Environ) -> Options | None:
    """Read the flags; say what is wrong with them."""
    options = parse(argv, environ)
    if isinstance(options, Options):
        return options
    for problem in options:
        print(f"headgate: {problem}", file=sys.stderr)
    return None
