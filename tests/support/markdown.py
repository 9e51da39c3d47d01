"""Code blocks, inline code and links of README.md and of the pages in docs/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.browser import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


@dataclass(frozen=True)
class Part:
    """A piece of a page, with the line where its block begins."""

    page: Path
    line: int
    text: str
    language: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _tokens(page: Path) -> Iterator[tuple[int, Token]]:
    """Every token of a page, with the line of its block."""
    text = page.read_text()
    if text.startswith("---\n"):  # the front matter of the Space
        head, rest = text[4:].split("\n---\n", 1)
        text = "\n" * (head.count("\n") + 3) + rest
    line = 0
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = token.map[0] + 1 if token.map else line
        yield line, token
        for child in token.children or ():
            yield line, child


def code_blocks() -> list[Part]:
    """Every code block of every page; one that is only indented has no language."""
    return [
        Part(page, line, token.content, token.info)
        for page in PAGES
        for line, token in _tokens(page)
        if token.type in ("fence", "code_block")
    ]


def inline_code() -> list[Part]:
    """Every piece of code within a sentence or a table."""
    return [
        Part(page, line, token.content)
        for page in PAGES
        for line, token in _tokens(page)
        if token.type == "code_inline"
    ]


def links() -> list[Part]:
    """The address of every link and picture."""
    return [
        Part(page, line, str(token.attrs["href" if token.type == "link_open" else "src"]))
        for page in PAGES
        for line, token in _tokens(page)
        if token.type in ("link_open", "image")
    ]
