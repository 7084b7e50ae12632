"""A Sphinx extension: pictures drawn in the text's colour are put into the page itself.

As `<img>` an SVG does not know whether the page around it is dark. Its own `<style>`, which helps
where the file is shown alone, is left out here.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class InlinePictures(SphinxPostTransform):
    """Replaces images whose file says `currentColor` by that file."""

    default_priority = 5  # before images are collected for copying
    formats = ("html",)

    def run(self, **_: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.app.srcdir) / image["uri"]
            if path.suffix == ".svg" and "currentColor" in (drawing := path.read_text()):
                image.replace_self(nodes.raw("", inlined(drawing, image["alt"]), format="html"))


def inlined(drawing: str, alt: str) -> str:
    """Return an SVG as a part of a page, with the words that stand for it."""
    drawing = re.sub(r"<style>.*?</style>\s*", "", drawing, flags=re.DOTALL)
    label = f'role="img" aria-label="{html.escape(alt)}"'
    drawing = drawing.replace("<svg ", f"<svg {label} ", 1)
    return f'<figure class="picture">{drawing}</figure>'


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_post_transform(InlinePictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
