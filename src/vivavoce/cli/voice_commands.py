"""`vivavoce voices` and what stands below it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.failure import failed
from vivavoce.errors import VivavoceError

if TYPE_CHECKING:
    from vivavoce.cli.server import Server

voices = typer.Typer(help="List voices; save, carry and delete those of a running server.")

Url = Annotated[
    str | None,
    typer.Option("--server", help="The server's address; default: as UDS or HOST and PORT say."),
]
Key = Annotated[str | None, typer.Option(help="Its API key; default: the first of API_KEYS.")]
Name = Annotated[str, typer.Argument(help="What the voice is to be called.")]
Known = Annotated[str, typer.Argument(metavar="VOICE", help="Its name or id.")]
Language = Annotated[str | None, typer.Option(help="What is spoken in it, such as en.")]


@contextmanager
def _server(url: str | None, key: str | None) -> Iterator[Server]:
    """Have the server; what fails is told."""
    from vivavoce.cli.server import Server

    try:
        yield Server(url, key)
    except VivavoceError as exc:
        raise failed(exc) from None


@voices.callback(invoke_without_command=True)
def here(context: typer.Context) -> None:
    """List the voices of this machine's engine, or ask a running server for more."""
    if context.invoked_subcommand is not None:
        return
    from vivavoce.cli.voices import run

    try:
        run()
    except VivavoceError as exc:
        raise failed(exc) from None


@voices.command("list")
def listing(url: Url = None, key: Key = None) -> None:
    """List a server's voices, saved ones too."""
    from vivavoce.cli import saved_voices

    with _server(url, key) as server:
        saved_voices.listing(server)


@voices.command()
def add(
    name: Name,
    clip: Annotated[Path, typer.Argument(help="An audio file: 5 to 15 s of one person.")],
    words: Annotated[
        str | None, typer.Option(help="What is said in the file, word for word.")
    ] = None,
    language: Language = None,
    consent: Annotated[str | None, typer.Option(help="The id of a recorded consent.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Save the voice of an audio file."""
    from vivavoce.cli import saved_voices

    fields = {"name": name, "transcript": words, "language": language, "consent": consent}
    with _server(url, key) as server:
        saved_voices.add(server, clip, fields)


@voices.command()
def design(
    name: Name,
    description: Annotated[str, typer.Argument(help="What the voice is like.")],
    script: Annotated[
        str | None, typer.Option(help="What it says once, to be kept: two or three sentences.")
    ] = None,
    language: Language = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Another seed, another voice.")
    ] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make a voice from a description, and save it."""
    from vivavoce.cli import saved_voices

    fields = {
        "name": name,
        "prompt": description,
        "script_hint": script,
        "language": language,
        "seed": seed,
    }
    with _server(url, key) as server:
        saved_voices.design(server, fields)


@voices.command()
def blend(
    name: Name,
    parts: Annotated[
        list[str], typer.Argument(metavar="PRESET=SHARE...", help="Such as vivian=0.6 ryan=0.4.")
    ],
    url: Url = None,
    key: Key = None,
) -> None:
    """Save a mix of preset voices."""
    from vivavoce.cli import saved_voices

    with _server(url, key) as server:
        saved_voices.blend(server, name, parts)


@voices.command("rm")
def remove(
    names: Annotated[list[str], typer.Argument(metavar="VOICE...", help="Names or ids.")],
    url: Url = None,
    key: Key = None,
) -> None:
    """Delete saved voices."""
    from vivavoce.cli import saved_voices

    with _server(url, key) as server:
        saved_voices.remove(server, names)


@voices.command()
def export(
    name: Known,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: its id.")
    ] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Write a saved voice to one file."""
    from vivavoce.cli import saved_voices

    with _server(url, key) as server:
        saved_voices.export(server, name, output)


@voices.command("import")
def take_in(
    file: Annotated[Path, typer.Argument(help="What was exported.")],
    name: Annotated[str | None, typer.Option(help="Another name for it.")] = None,
    consent: Annotated[str | None, typer.Option(help="The id of a recorded consent.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Save a voice that was exported."""
    from vivavoce.cli import saved_voices

    with _server(url, key) as server:
        saved_voices.take_in(server, file, {"name": name, "consent": consent})


@voices.command()
def preview(
    name: Known,
    text: Annotated[str | None, typer.Option(help="What to say; default: a greeting.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write, such as hello.mp3; else aloud."),
    ] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Hear a voice."""
    from vivavoce.cli import saved_voices

    with _server(url, key) as server:
        saved_voices.preview(server, name, text, output)
