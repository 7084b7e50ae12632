"""A Sphinx extension: the site loads nothing from elsewhere, or is not made."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_LOADING = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(_LOADING.get(tag, ""))
        if address and address.startswith(("http:", "https:", "//")):
            self.found.append(address)


def loaded_from_elsewhere(page: str) -> list[str]:
    """Return the addresses that a browser would load by itself from other machines."""
    parser = _Loads()
    parser.feed(page)
    return parser.found


def _check(app: Sphinx, failure: Exception | None) -> None:
    if failure is None:
        for path in Path(app.outdir).rglob("*.html"):
            if found := loaded_from_elsewhere(path.read_text()):
                raise ExtensionError(f"{path.relative_to(app.outdir)} would load {found}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
