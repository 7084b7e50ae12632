"""How a command tells that it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vivavoce.errors import VivavoceError


def failed(error: VivavoceError) -> typer.Exit:
    """Say why, and return what ends the command."""
    typer.secho(f"vivavoce: {error.message}", err=True, fg=typer.colors.RED)
    return typer.Exit(1)
