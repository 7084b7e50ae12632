"""`python -m vivavoce` is the `vivavoce` command."""

from vivavoce.cli import app

app(prog_name="vivavoce")
