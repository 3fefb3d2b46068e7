"""Command lines as Go programs spell them, declared as data: ``-name``, ``--name=value``, ``-name value``.

The mechanism only; ``options`` and the commands declare. What a command takes is a frozen Struct (``declare``), its
texts are read by ``values``, ``parse`` fills the Struct, ``text`` writes help and reference, ``command`` runs it.
"""

from headgate.flags.command import FAILED, OK, Command, Environ, execute
from headgate.flags.declare import Argument, Declaration, Declined, Flag, Value, declarations
from headgate.flags.parse import Reading, Syntax, parse, problem, read, warning
from headgate.flags.text import help_text, markdown
from headgate.flags.values import Choice, EnumValue, Integer, boolean, path, printed

__all__ = [
    "FAILED",
    "OK",
    "Argument",
    "Choice",
    "Command",
    "Declaration",
    "Declined",
    "EnumValue",
    "Environ",
    "Flag",
    "Integer",
    "Reading",
    "Syntax",
    "Value",
    "boolean",
    "declarations",
    "execute",
    "help_text",
    "markdown",
    "parse",
    "path",
    "printed",
    "problem",
    "read",
    "warning",
]
