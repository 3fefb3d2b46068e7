"""What differs between two sets of objects: hosts, routes, settings, Problems and the files of nginx, as data."""

from headgate.comparing.comparing import Side, compare
from headgate.comparing.report import (
    Change,
    Comparison,
    FileChange,
    HostChange,
    ObjectChange,
    Operation,
    ProblemChange,
    RouteChange,
    SecretChange,
    SettingChange,
)
from headgate.comparing.text import Line, Tone, lines

__all__ = [
    "Change", "Comparison", "FileChange", "HostChange", "Line", "ObjectChange", "Operation", "ProblemChange",
    "RouteChange", "SecretChange", "SettingChange", "Side", "Tone", "compare", "lines",
]  # fmt: skip
