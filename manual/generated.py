"""The pages that are made of the code, and what is to stand in them."""

from __future__ import annotations

import re
from pathlib import Path

from manual import commands, interface
from vivavoce.settings import settings_table

ROOT = Path(__file__).parent.parent


def pages() -> dict[str, str]:
    """Return each page's text by its path below the repository."""
    return {
        "docs/settings.md": _with_table("docs/settings.md", "settings", settings_table()),
        "docs/reference/commands.md": commands.page(),
        "docs/reference/routes.md": interface.page(),
    }


def _with_table(page: str, name: str, table: str) -> str:
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}{table}{found[2]}", (ROOT / page).read_text())
