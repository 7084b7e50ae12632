"""A page with its tables filled in: each stands between two comments that name it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def filled(page: str, tables: Mapping[str, str]) -> str:
    """Return a page with every table in its place, which has the table's name.

    Raises:
        ValueError: the page has no place for a table.
    """
    for name, table in tables.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page, count = place.subn(lambda found, table=table: f"{found[1]}{table}{found[2]}", page)
        if count != 1:
            raise ValueError(f"the page has {count} places for the table {name}")
    return page
