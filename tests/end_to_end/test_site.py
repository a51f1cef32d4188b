"""The documentation as it is built: read and searched from files, without any network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages."""
    pytest.importorskip("mkdocs", reason="pages: install the extra docs")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def test_every_page_stands_in_the_navigation(site: Path) -> None:
    linked = set(re.findall(r'href="([\w-]+)\.html', (site / "index.html").read_text()))
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= linked | {"index"}


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe|link)[^>]*(?:src|href)=[\"']?([^\"' >]+)", page.read_text())
        assert [address for address in loaded if re.match(r"(https?:)?//", address)] == [], page


def test_code_wraps(site: Path) -> None:
    styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', (site / "index.html").read_text())
    last = (site / styles[-1]).read_text()
    assert re.search(r"pre > code \{[^}]*white-space: pre-wrap", last)


def test_the_index_of_the_search_is_a_script_that_a_file_can_load(site: Path) -> None:
    script = (site / "search" / "search_index.js").read_text()
    index = json.loads(script.removeprefix("var __index = "))
    assert any(entry["location"].startswith("glossary.html") for entry in index["docs"])


def test_search_finds_a_page_that_was_opened_as_a_file(site: Path, tmp_path: Path) -> None:
    program = os.environ.get("ASMG_BROWSER") or shutil.which("chromium")
    if program is None:
        pytest.skip("a browser: install chromium, or set the environment variable ASMG_BROWSER to its program")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}"]
    # The clock of the page is its own: it waits for what loads, however long that takes.
    address = f"file://{site}/index.html?q=quarantine"
    done = subprocess.run(
        [program, *options, "--virtual-time-budget=20000", "--dump-dom", address], capture_output=True, text=True
    )
    found = re.findall(r'href="[^"]*/([\w-]+)\.html[^"]*" class="md-search-result__link"', done.stdout)
    assert "stream-format" in found, done.stderr
