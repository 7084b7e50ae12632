"""The documentation's tables and plots are what the newest results say."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.page import capacity, plots
from benchmarks.page.filled import filled
from benchmarks.page.results import newest, newest_file, taken
from benchmarks.page.tables import all_tables

DOCS = Path(__file__).parent.parent / "docs"
AGAIN = "run: python -m benchmarks.page"


def test_the_tables_are_current() -> None:
    page = (DOCS / "performance.md").read_text()
    assert page == filled(page, all_tables(taken())), AGAIN


def test_the_tables_of_capacity_are_current() -> None:
    page = (DOCS / "capacity.md").read_text()
    assert page == filled(page, capacity.all_tables(newest_file("capacity"))), AGAIN


def test_a_place_that_is_missing_is_noticed() -> None:
    page = (DOCS / "performance.md").read_text().replace("<!-- cold -->", "")
    with pytest.raises(ValueError, match="0 places for the table cold"):
        filled(page, all_tables(taken()))


def test_the_plots_are_current() -> None:
    page = (DOCS / "performance.md").read_text()
    assert set(re.findall(r"plots/([\w-]+)\.svg", page)) == set(plots.PLOTS)
    for name, (kind, _) in plots.PLOTS.items():
        assert newest(kind).file in (DOCS / f"plots/{name}.svg").read_text(), AGAIN


def test_plots_are_drawn_of_whatever_was_taken(tmp_path: Path) -> None:
    results = taken()
    for file in ("once", "again"):
        plots.draw(results, tmp_path / file)
    for name in plots.PLOTS:
        once, again = (tmp_path / file / f"{name}.svg" for file in ("once", "again"))
        assert once.read_bytes() == again.read_bytes()
        words = "".join(ElementTree.parse(once).getroot().itertext())
        assert " ms" in words or "seconds" in words or "ms " in words
