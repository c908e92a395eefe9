"""The documentation as a site: built strictly, whole in itself, with every page."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
FETCHED = re.compile(
    r'<(?:script|img|iframe|link[^>]*rel="(?:stylesheet|preconnect|preload)")[^>]*'
    r'(?:src|href)="(?:https?:)?//'
)


def build(docs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("material", reason="`make docs` installs it")
    config = docs / "site/mkdocs.yml"
    asked = [sys.executable, "-m", "mkdocs", "build", "-f", str(config), "-d", str(out)]
    return subprocess.run(  # noqa: S603
        asked,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_site_is_built_without_a_warning_and_fetches_nothing(
    tmp_path: Path,
) -> None:
    done = build(DOCS, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = {
        page.relative_to(DOCS).with_suffix(".html")
        for page in DOCS.rglob("*.md")
        if page.name != "README.md"
    }
    built = {
        page.relative_to(tmp_path / "site")
        for page in (tmp_path / "site").rglob("*.html")
    }
    assert pages <= built
    for page in built:
        text = (tmp_path / "site" / page).read_text()
        assert FETCHED.search(text) is None, page


def test_links_that_lead_nowhere_and_pages_in_no_menu_stop_the_build(
    tmp_path: Path,
) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(DOCS, docs)
    (docs / "lost.md").write_text("# Lost\n")
    wrong = ("nowhere.md", "operators.md#no-such-heading", "/absolute.md")
    with (docs / "index.md").open("a") as index:
        index.writelines(f"\n[here]({link})\n" for link in wrong)
    done = build(docs, tmp_path / "site")
    assert done.returncode != 0
    for one in (*wrong, "lost.md"):
        assert one.rpartition("#")[2] in done.stderr
