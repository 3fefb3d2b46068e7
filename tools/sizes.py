"""Print the sizes of files and functions per package: medians, 95th percentiles, and what exceeds the limits.

Lines of a function are those of its body without the docstring; lines of a file are all of its lines.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
LONG_FUNCTION, LONG_FILE, MANY_PARAMETERS, MANY_ENTRIES = 40, 500, 6, 15
"""Larger ones are listed (CONTRIBUTING.md)."""


class Function(msgspec.Struct, frozen=True):
    """One function or method."""

    place: str
    lines: int
    parameters: int


class Module(msgspec.Struct, frozen=True):
    """One file."""

    package: str
    place: str
    lines: int
    functions: tuple[Function, ...]


def measure(path: Path) -> Module:
    """Read one Python file; its package is the folder below the root, or below ``headgate``."""
    relative = path.relative_to(ROOT)
    text = path.read_text()
    functions = tuple(_functions(ast.parse(text), str(relative)))
    depth = 2 if relative.parts[0] == "headgate" else 1
    return Module("/".join(relative.parts[:-1][:depth]), str(relative), text.count("\n"), functions)


def _functions(tree: ast.Module, file: str) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield Function(f"{file}:{node.lineno} {node.name}", lines, _parameters(node.args))


def _parameters(arguments: ast.arguments) -> int:
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def percentile(numbers: Sequence[int], share: float) -> int:
    """Return the value below which *share* of *numbers* lies (nearest rank); 0 if there are none."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def row(name: str, modules: Sequence[Module]) -> str:
    """Return one line of the table."""
    files = [module.lines for module in modules]
    functions = [function.lines for module in modules for function in module.functions]
    cells = [len(files), sum(files)]
    for numbers in (files, functions):
        cells += [percentile(numbers, 0.5), percentile(numbers, 0.95), max(numbers, default=0)]
    return f"{name:26}" + "".join(f"{cell:7}" for cell in cells)


def too_large(modules: Sequence[Module]) -> Iterator[str]:
    """Yield what exceeds the limits."""
    for module in modules:
        if module.lines > LONG_FILE:
            yield f"{module.place}: {module.lines} lines"
        for function in module.functions:
            if function.lines > LONG_FUNCTION:
                yield f"{function.place}: {function.lines} lines"
            if function.parameters > MANY_PARAMETERS:
                yield f"{function.place}: {function.parameters} parameters"
    for folder in sorted({(ROOT / module.place).parent for module in modules}):
        entries = sum(not entry.name.startswith((".", "__")) for entry in folder.iterdir())
        if entries > MANY_ENTRIES:
            yield f"{folder.relative_to(ROOT)}/: {entries} entries"


def main() -> int:
    """Print the table; return the exit code, which is always 0: the numbers are for reviews."""
    folders = [ROOT / name for name in ("headgate", "tools", "benchmarks", "tests")]
    modules = [measure(path) for folder in folders for path in sorted(folder.rglob("*.py"))]
    product = [module for module in modules if module.package.startswith("headgate")]
    titles = ("files", "lines", "p50", "p95", "max", "p50", "p95", "max")
    print(f"{'':26}{'':14}{'lines of a file':>21}{'of a function':>21}")
    print(f"{'package':26}" + "".join(f"{title:>7}" for title in titles))
    for package in sorted({module.package for module in modules}):
        print(row(package, [module for module in modules if module.package == package]))
    print(row("all of headgate", product))
    for line in too_large(product):
        print(f"  look at {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
