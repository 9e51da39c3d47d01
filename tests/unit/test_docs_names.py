"""README.md and the pages in docs/ name only what exists; tests/e2e/test_docs.py runs what they show."""

from __future__ import annotations

import re

import pytest

from tests.support.browser import ROOT
from tests.support.commands import SETTINGS, problems
from tests.support.markdown import PAGES, Part, inline_code, links

FOLDERS = ("image2model", "tests", "docs", "scripts", "deploy", "benchmarks", "examples")
LOCAL_LINKS = [link for link in links() if "://" not in link.text]
COMMANDS = [code for code in inline_code() if re.match(r"([A-Z]+=\S+ )?(python -m|make|pip|scripts/)\b", code.text)]
PATHS = [code for code in inline_code() if re.fullmatch(rf"({'|'.join(FOLDERS)})/[\w/.-]*", code.text)]
BENCHMARKS = sorted(
    {code.text for code in inline_code() if code.page.name == "benchmarks.md" and re.fullmatch(r"[a-z_]+", code.text)}
)
OF_LIBRARIES = {"PROMETHEUS_MULTIPROC_DIR", "HF_TOKEN"}


@pytest.mark.parametrize("link", LOCAL_LINKS, ids=str)
def test_link_leads_to_a_file(link: Part) -> None:
    """A relative link or picture exists, from where its page lies."""
    assert (link.page.parent / link.text.partition("#")[0]).exists(), link.text


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command}-{command.text}")
def test_command_in_a_sentence_exists(command: Part) -> None:
    """Scripts, make targets, modules and their options are there."""
    assert problems(command.text.replace("NAME", "health")) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path}-{path.text}")
def test_path_in_a_sentence_exists(path: Part) -> None:
    """Files and folders of the project are where a page says they are."""
    assert (ROOT / path.text).exists()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_exists(name: str) -> None:
    """Each benchmark whose numbers are shown can be run again."""
    assert (ROOT / "benchmarks" / f"{name}.py").exists()


def test_settings_in_sentences_exist() -> None:
    """A name like `MAX_FILES` is a setting, by that very name, or one of the compose file or of a library."""
    names = {code.text for code in inline_code() if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", code.text)}
    of_compose = set(re.findall(r"\$\{(\w+)", (ROOT / "deploy" / "compose.prod.yaml").read_text()))
    assert names - SETTINGS - of_compose == OF_LIBRARIES


def test_readme_is_short_and_leads_to_every_page() -> None:
    """README.md has at most 150 lines, and a link to each page but the index, which repeats it."""
    readme = ROOT / "README.md"
    assert len(readme.read_text().splitlines()) <= 150
    linked = {(ROOT / link.text).resolve() for link in LOCAL_LINKS if link.page == readme}
    pages = {page for page in PAGES if page.parent == ROOT / "docs" and page.name != "index.md"}
    assert pages - linked == set()


@pytest.mark.parametrize(
    "command",
    ["scripts/absent", "make absent", "python -m benchmarks.absent", "pip install -r absent.txt",
     "MAX_PILES=1 make run", "python -m tests.load.soak --absent", "python -m pytest tests/absent.py",
     "python absent.py", "absent"],
)  # fmt: skip
def test_absent_command_is_found_out(command: str) -> None:
    """The check of commands refuses what a reader could not run."""
    assert len(problems(command)) == 1
