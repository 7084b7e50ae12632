"""A Sphinx extension: files beside docs/ that are pages of the site, and links to them.

Pages are written to be read where they lie. Those in `PAGES` lie elsewhere in the repository: the
site shows them in the place of a page that only names them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "docs/index.md",
    "CHANGELOG.md": "docs/changelog.md",
    "benchmarks/README.md": "docs/benchmarks.md",
}
_SHOWN = {page: path for path, page in PAGES.items() if path != "README.md"}
_LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)#]+)")
_PLACES = re.compile(r"^([\w/]+)\*\n", re.MULTILINE)
"""In index.md: places for pages that a checkout may lack. Sphinx would warn of those."""


def moved(text: str, here: str, there: str) -> str:
    """Return a page's text with its links as they must be when it is shown as another page."""

    def follow(link: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(here).parent / link[2])
        target = PAGES.get(target, target)
        return link[1] + os.path.relpath(target, PurePosixPath(there).parent)

    return _LINK.sub(follow, text)


def _read(_: Sphinx, name: str, source: list[str]) -> None:
    page = f"docs/{name}.md"
    path = _SHOWN.get(page, page)
    text = source[0] if path == page else (ROOT / path).read_text()
    if name == "index":
        text = _PLACES.sub(lambda place: place[0] if _pages(place[1]) else "", text)
    source[0] = moved(text, path, page)


def _pages(beginning: str) -> list[Path]:
    return list((ROOT / "docs").glob(f"{beginning}*.md"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
