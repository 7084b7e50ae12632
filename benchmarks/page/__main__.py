"""`python -m benchmarks.page`: write the tables and plots of docs/performance.md anew."""

from __future__ import annotations

from pathlib import Path

from benchmarks.page import plots
from benchmarks.page.filled import filled
from benchmarks.page.results import taken

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Run."""
    results = taken()
    page = DOCS / "performance.md"
    page.write_text(filled(page.read_text(), results))
    plots.draw(results, DOCS / "plots")


if __name__ == "__main__":
    main()
