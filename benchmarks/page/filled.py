"""A page with its tables filled in: each stands between two comments that name it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benchmarks.page.tables import all_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.page.results import Result


def filled(page: str, results: Mapping[str, Result]) -> str:
    """Return a page with every table as the results have it.

    Raises:
        ValueError: the page has no place for a table.
    """
    for name, table in all_tables(results).items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page, count = place.subn(lambda found, table=table: f"{found[1]}{table}{found[2]}", page)
        if count != 1:
            raise ValueError(f"the page has {count} places for the table {name}")
    return page
