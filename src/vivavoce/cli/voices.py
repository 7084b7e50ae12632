"""`vivavoce voices`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from vivavoce.factory import describe
from vivavoce.settings import load_settings
from vivavoce.text.language import language_name


def run() -> None:
    """Print a table of the voices; nothing is loaded for it."""
    info = describe(load_settings())
    table = Table(title=f"Voices of {info.id} ({info.engine} engine)")
    for column in ("voice", "languages", "description", "also answers to"):
        table.add_column(column)
    for voice in info.voices:
        languages = ", ".join(language_name(code) for code in voice.languages)
        table.add_row(voice.id, languages, voice.description, ", ".join(voice.aliases))
    Console().print(table)
