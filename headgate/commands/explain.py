"""``headgate explain``: what nginx does with a request, and what the reference says of a name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec

from headgate.commands.errors import reported
from headgate.explain import (
    PLACES,
    Answer,
    BadQuestion,
    Entry,
    Question,
    entry,
    entry_text,
    explain,
    explain_stream,
    names,
    stream_question,
    text,
)
from headgate.explain.question import USUAL_METHOD
from headgate.flags import Argument, Choice, Flag, Value
from headgate.flags.command import HELP_FLAGS, OK, USAGE, Command, Environ, execute
from headgate.options import DECLARED, KNOWN, LogLevel, Options, completed
from headgate.reporting.logs import configure
from headgate.viewing import look

ABOUT: Final = """\
Explain how nginx handles a request: the listener, certificate, server and location that match and why, the steps
before the backend, the backend, and every setting that applies with its source. No request is sent: the result is
computed from the manifests in DIR or, without -m, from the cluster that `headgate run` would serve.
Of TransportServers, tcp://HOST:PORT, udp://HOST:PORT and tls://HOST:PORT (with HOST as the server name) are explained.
-H adds a request header that may affect the result (Host, X-Forwarded-Proto, Authorization, Cookie, and those on which
routes have conditions); it may be repeated. -X is the method (GET without it), --remote-addr the address of the client,
--token a file with its JSON Web Token.

The second form prints the reference of one annotation, ConfigMap key or flag.

Examples:
  headgate explain https://cafe.example.com/tea/green -m examples/cafe
  headgate explain udp://dns.example.com:5353 -m examples/tcp-udp
  headgate explain annotation nginx.org/lb-method

The flags are those of `headgate run` (-ingress-class, -nginx-configmaps, -default-http-listener-port, ...); give the
same ones, because the answer depends on them. And:
"""


class ExplainOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate explain``."""

    subject: Annotated[
        tuple[str, ...], Value("URL", str, each=True), Argument("A URL, or a place of names and one of its names.")
    ] = ()
    header: Annotated[
        tuple[str, ...],
        Value("'NAME: VALUE'", str, each=True),
        Flag("Question", "Header of the request; may be repeated.", "'X-Forwarded-Proto: http'", True, "H"),
    ] = ()
    request: Annotated[str, Value("METHOD", str), Flag("Question", "Method of the request.", "OPTIONS", True, "X")] = (
        USUAL_METHOD
    )
    remote_addr: Annotated[
        str,
        Value("ADDRESS", str),
        Flag(
            "Question",
            "Address of the client, as nginx has it in $remote_addr; decides about accessControl.",
            "192.0.2.7",
            True,
        ),
    ] = ""
    token: Annotated[
        str,
        Value("FILE", str),
        Flag("Question", "File with the JSON Web Token of the client, - for standard input; it is not printed.",
             "token.txt", True),
    ] = ""  # fmt: skip
    output: Annotated[
        str, Value("text|json", Choice(("text", "json"))), Flag("Output", "Format of the answer.", "json", True, "o")
    ] = "text"


def main(argv: Sequence[str], environ: Environ) -> int:
    """Print the answer; return the exit status."""
    if len(argv) > 1 and argv[0] == "flag" and argv[1] not in HELP_FLAGS:
        # The name that is looked up is an argument here, with or without its dashes.
        argv = ["flag", argv[1].lstrip("-"), *argv[2:]]
    return execute(EXPLAIN, argv, environ)


@reported
def _explain(options: ExplainOptions) -> int:
    try:
        answer = _reference(options.subject) if options.subject[0] in PLACES else _answer(options)
    except BadQuestion as error:
        print(f"headgate: {error}", file=sys.stderr)
        return USAGE
    if options.output == "json":
        print(msgspec.json.format(msgspec.json.encode(answer)).decode())
    else:
        print(entry_text(answer) if isinstance(answer, Entry) else text(answer), end="")
    return OK


def _reference(words: Sequence[str]) -> Entry:
    """Look up one name (BadQuestion: there is no such name)."""
    if len(words) != 2:  # noqa: PLR2004 - place and name
        raise BadQuestion(f"explain {words[0]} takes one name; write for example {PLACES[words[0]]}")
    return entry(words[0], words[1])


def _answer(options: ExplainOptions) -> Answer:
    """Answer about one URL (BadQuestion: it is not a request)."""
    url, *others = options.subject
    if others:
        raise BadQuestion(f"{others[0]!r} is an argument too many; explain takes one URL")
    stream = stream_question(url)
    question = stream or Question.of(
        url, options.header, options.request, options.remote_addr, _token(options.token) if options.token else ""
    )
    configure(options.log_format, LogLevel.WARN, sys.stderr)  # standard output is for the answer
    view = look(options)
    return explain(view, question) if isinstance(question, Question) else explain_stream(view, question)


def _token(name: str) -> str:
    """Read the token in the file *name* (BadQuestion: it cannot be read)."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise BadQuestion(f"--token {name}: {reason}") from error
    return text.strip()


EXPLAIN: Final = Command(
    name="headgate explain",
    forms=(
        "URL [-m DIR] [-X METHOD] [-H 'Name: value'] [-o text|json] [FLAGS]",
        "annotation|configmap|flag NAME [-o text|json]",
    ),
    about=ABOUT,
    kind=ExplainOptions,
    run=_explain,
    declined=KNOWN,
    build=completed,
    common=DECLARED,
    words=lambda: {place: names(place) for place in PLACES},
)
