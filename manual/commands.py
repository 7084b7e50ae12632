"""The reference of the command line: what typer itself writes about the application."""

from __future__ import annotations

import subprocess
import sys

_INTRO = """# The command line

Made by `python -m manual` from the commands themselves; `vivavoce COMMAND --help` shows the same.

"""


def page() -> str:
    """Return the page."""
    told = subprocess.run(
        [sys.executable, "-m", "typer", "vivavoce.cli", "utils", "docs", "--name", "vivavoce"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    _, _, body = told.partition("\n\n")  # its own heading
    return _INTRO + body.replace("&#x27;", "'").strip() + "\n"
