"""`python -m benchmarks.page`: write the tables and plots of the documentation anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.page import capacity, plots
from benchmarks.page.filled import filled
from benchmarks.page.results import newest_file, taken
from benchmarks.page.tables import all_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Run."""
    results = taken()
    _fill(DOCS / "performance.md", all_tables(results))
    _fill(DOCS / "capacity.md", capacity.all_tables(newest_file("capacity")))
    plots.draw(results, DOCS / "plots")


def _fill(page: Path, tables: Mapping[str, str]) -> None:
    page.write_text(filled(page.read_text(), tables))


if __name__ == "__main__":
    main()
