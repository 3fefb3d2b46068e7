"""The site of the documentation: a hook of MkDocs (``mkdocs.yml``) that makes it of the repository's Markdown files.

Each file is a page at its own path (``docs/install.md`` is ``docs/install.html``), so that the relative links of the
files hold on the site too. A link to a folder leads to its README, and a link to a file that is no page to the
repository, or becomes plain text while the project has no address (``project.urls`` in pyproject.toml).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import Any

from links import ROOT, SCHEME, replaced, slug
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from headgate import __version__

PAGES = (
    "README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "charts/headgate/README.md", "benchmarks/README.md",
    "examples/README.md", "examples/*/README.md", "docs/*.md", "docs/reference/*.md", "docs/decisions/*.md",
)  # fmt: skip
OMITTED = frozenset({"docs/decisions/0000-template.md"})
IMAGES = ("docs/*.png", "docs/*.svg")
WIDE, TEXT = 5, 24
"""Columns from which a table has small print; mean characters of a row's cells from which it is a table of text."""


def paths(*patterns: str) -> list[str]:
    """Return the files that match, relative to the repository, those of a pattern in their order."""
    found = [path.relative_to(ROOT).as_posix() for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return [path for path in dict.fromkeys(found) if path not in OMITTED]


def urls() -> Mapping[str, str]:
    """Return the addresses of the project (``project.urls``); none while it is not published."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return dict(project.get("urls", {}))


def expand(nav: list[Any], pages: list[str]) -> list[Any]:
    """Return *nav* with the pages in place of its patterns, each once: by its name, else by the longest pattern."""
    leaves = set(_leaves(nav))
    patterns = sorted((item for item in leaves if "*" in item), key=len, reverse=True)
    taken: dict[str, list[str]] = {pattern: [] for pattern in patterns}
    for page in pages:
        matching = [pattern for pattern in patterns if PurePosixPath(page).match(pattern)]
        if page not in leaves and matching:
            taken[matching[0]].append(page)

    def put(items: list[Any]) -> Iterator[Any]:
        for item in items:
            if isinstance(item, dict):
                yield {title: list(put(below)) if isinstance(below, list) else below for title, below in item.items()}
            else:
                yield from taken.get(item, [item])

    return list(put(nav))


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from _leaves(item)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in what is defined elsewhere: navigation, version, addresses, anchors."""
    found = urls()
    config.nav = expand(config.nav or [], paths(*PAGES))
    config.site_url, config.repo_url = found.get("Documentation", ""), found.get("Repository", "")
    config.site_name = f"Headgate {__version__}"
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of ``docs_dir`` by those of the repository."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for path in paths(*PAGES, *IMAGES):
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    style = str(ROOT / "tools" / "website.css")
    files.append(File.generated(config, "assets/website.css", abs_src_path=style))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the text with links that hold on the site."""

    def put(start: str, words: str, target: str) -> str:
        name, _, anchor = target.partition("#")
        if SCHEME.match(target) or not name:
            return f"{start}{target})"
        goal = (ROOT / page.file.src_uri).parent.joinpath(name).resolve()
        if goal.is_dir() and (goal / "README.md").exists():
            goal /= "README.md"
            name = f"{name.rstrip('/')}/README.md"
        path = goal.relative_to(ROOT).as_posix()
        if not goal.exists():
            raise PluginError(f"{page.file.src_uri}: {target} does not exist")
        if files.get_file_from_path(path):
            return f"{start}{name}{'#' if anchor else ''}{anchor})"
        return f"{start}{config.repo_url.rstrip('/')}/blob/v{__version__}/{path})" if config.repo_url else words

    return replaced(markdown, put)


def on_page_content(html: str, **_: Any) -> str:
    """Mark the tables that need another layout, and name each cell's column for it."""
    return re.sub(r"<table>.*?</table>", lambda table: _table(table[0]), html, flags=re.DOTALL)


def _table(html: str) -> str:
    heads = re.findall(r"<th[^>]*>(.*?)</th>", html, re.DOTALL)
    rows = [row for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL) if "<td" in row]
    length = sum(map(len, map(plain, rows))) / max(1, len(rows))
    kinds = ["wide"] * (len(heads) >= WIDE) + ["text"] * (length >= TEXT * len(heads) and len(heads) > 1)

    def row(match: re.Match[str]) -> str:
        cells = iter(heads)
        return re.sub(r"<td", lambda _: f'<td data-label="{plain(next(cells, ""))}"', match[0])

    html = re.sub(r"<tr>.*?</tr>", row, html, flags=re.DOTALL)
    if not any(map(plain, heads)):
        html = re.sub(r"<thead>.*?</thead>", "", html, flags=re.DOTALL)
    return html.replace("<table>", f'<table data-kind="{" ".join(kinds)}">', 1)


class _Plain(HTMLParser):
    """Collects the text between tags."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


def plain(html: str) -> str:
    """Return the text of *html* without tags."""
    parser = _Plain()
    parser.feed(html)
    return " ".join(parser.text.split()).replace('"', "")
