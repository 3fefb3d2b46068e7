"""The documentation becomes a site without warnings, with every page in the navigation, and from this host alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import website

from headgate import __version__

ROOT = Path(__file__).parents[2]


def test_the_site_is_complete_and_needs_no_other_host(tmp_path: Path) -> None:
    """One test, because the site takes seconds to build."""
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    # Not --quiet, which hides warnings from the strict mode too.
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    each_markdown_file_is_a_page_and_the_readme_the_first(tmp_path)
    nothing_is_loaded_from_other_hosts(tmp_path)
    a_link_to_a_heading_or_a_folder_holds(tmp_path)


def each_markdown_file_is_a_page_and_the_readme_the_first(site: Path) -> None:
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")} - {"404.html"}
    named = [path.removesuffix(".md") for path in website.paths(*website.PAGES)]
    assert pages == {re.sub(r"README$", "index", name) + ".html" for name in named}
    assert {"index.html", "docs/install.html", "docs/reference/annotations.html", "charts/headgate/index.html"} <= pages


def nothing_is_loaded_from_other_hosts(site: Path) -> None:
    tag = re.compile(r"<(?:script|link|img|iframe)[^>]*>|url\([^)]*\)")
    texts = {path.name: path.read_text() for path in site.rglob("*") if path.suffix in {".html", ".css"}}
    found = {(name, hit) for name, text in texts.items() for hit in tag.findall(text)}
    elsewhere = re.compile(r"""(?:src|href)=["']?(?:https?:)?//|\(["']?(?:https?:)?//""")
    assert len(found) > 10
    assert {hit for hit in found if elsewhere.search(hit[1])} == set()


def a_link_to_a_heading_or_a_folder_holds(site: Path) -> None:
    text = (site / "docs" / "install.html").read_text()
    assert 'href="../charts/headgate/index.html#known-and-not-there"' in text
    assert 'href="PERFORMANCE.html#in-a-cluster"' in text
    assert 'id="known-and-not-there"' in (site / "charts" / "headgate" / "index.html").read_text()


def test_a_pattern_of_the_navigation_takes_the_pages_that_no_other_line_names() -> None:
    nav = [
        "README.md",
        {"Use": ["docs/b.md", "docs/*", "docs/no*"]},
        {"Reference": [{"Below": ["docs/reference/*"]}, "docs/e*"]},
    ]
    pages = ["README.md", "docs/a.md", "docs/b.md", "docs/reference/c.md", "docs/d.md", "docs/e.md"]
    assert website.expand(nav, pages) == [
        "README.md",
        {"Use": ["docs/b.md", "docs/a.md", "docs/d.md"]},
        {"Reference": [{"Below": ["docs/reference/c.md"]}, "docs/e.md"]},
    ]


@pytest.mark.parametrize(
    ("repository", "link"),
    [
        ("https://example.com/headgate/", f"[a](https://example.com/headgate/blob/v{__version__}/LICENSE)"),
        ("", "a"),
    ],
)
def test_a_link_to_another_file_leads_to_the_repository_if_that_has_an_address(repository: str, link: str) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="docs/install.md"))
    config = SimpleNamespace(repo_url=repository)
    files = SimpleNamespace(get_file_from_path=lambda path: path.endswith(".md"))
    text = "[a](../LICENSE) [b](explain.md#json) [c](../examples/) `[d](e)` [f](https://example.com/g)"
    assert website.on_page_markdown(text, page=page, config=config, files=files) == (
        f"{link} [b](explain.md#json) [c](../examples/README.md) `[d](e)` [f](https://example.com/g)"
    )


def test_cells_of_a_table_have_the_name_of_their_column() -> None:
    long = "words that explain what it is, at some length, and what follows from it"
    html = f'<table><tr><th>Flag</th><th><code>a</code> "b"</th></tr><tr><td>x</td><td>{long}</td></tr></table>'
    assert website.on_page_content(html) == (
        '<table data-kind="text"><tr><th>Flag</th><th><code>a</code> "b"</th></tr>'
        f'<tr><td data-label="Flag">x</td><td data-label="a b">{long}</td></tr></table>'
    )


def test_a_table_without_headings_has_no_empty_row() -> None:
    html = "<table><thead><tr><th></th></tr></thead><tbody><tr><td>x</td></tr></tbody></table>"
    assert website.on_page_content(html) == (
        '<table data-kind=""><tbody><tr><td data-label="">x</td></tr></tbody></table>'
    )
