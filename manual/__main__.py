"""Write the pages that are made of the code anew: `python -m manual`."""

from __future__ import annotations

from manual.generated import ROOT, pages

for path, text in pages().items():
    (ROOT / path).write_text(text)
