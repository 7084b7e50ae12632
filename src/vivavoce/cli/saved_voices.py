"""`vivavoce voices add`, `design` and the others: a running server's saved voices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from vivavoce.errors import InvalidRequest

if TYPE_CHECKING:
    from vivavoce.cli.server import Server

_VOICES = "/audio/voices"
_SOUND_FILES = (".mp3", ".opus", ".aac", ".flac", ".wav", ".pcm", ".ogg")


def listing(server: Server) -> None:
    """Print a table of all voices."""
    table = Table(title="Voices")
    for column in ("voice", "id", "type", "model", "description"):
        table.add_column(column, overflow="fold")
    for voice in server.json("GET", _VOICES)["voices"]:
        cells = ("name", "id", "type", "model", "description")
        table.add_row(*(str(voice[cell]) for cell in cells))
    Console().print(table)


def add(server: Server, clip: Path, fields: dict[str, Any]) -> None:
    """Save the voice of an audio file."""
    sample = ("audio_sample", clip.name, _read(clip))
    _tell(server.json("POST", _VOICES, _given(fields), sample))


def design(server: Server, fields: dict[str, Any]) -> None:
    """Have a described voice made, and save it."""
    _tell(server.json("POST", _VOICES, _given({"type": "prompt", **fields})))


def blend(server: Server, name: str, parts: list[str]) -> None:
    """Save a mix of presets, given as NAME=SHARE."""
    shares = {}
    for part in parts:
        preset, _, share = part.rpartition("=")
        try:
            shares[preset] = float(share)
        except ValueError:
            preset = ""
        if not preset:
            raise InvalidRequest(f"{part!r} is no part of a blend. Write NAME=SHARE: vivian=0.6")
    _tell(server.json("POST", _VOICES, {"name": name, "type": "blend", "blend": shares}))


def remove(server: Server, names: list[str]) -> None:
    """Delete saved voices, by names or ids."""
    for name in names:
        voice = _saved(server, name)
        server.ask("DELETE", f"{_VOICES}/{voice['id']}")
        typer.echo(f"{voice['name']} ({voice['id']}) is deleted.")


def export(server: Server, name: str, output: Path | None) -> None:
    """Write a saved voice to a file."""
    voice = _saved(server, name)
    path = output or Path(f"{voice['id']}.zip")
    _write(path, server.ask("GET", f"{_VOICES}/{voice['id']}/export"))
    typer.echo(f"{path}: {voice['name']}")


def take_in(server: Server, path: Path, fields: dict[str, Any]) -> None:
    """Save a voice from such a file."""
    _tell(
        server.json("POST", f"{_VOICES}/import", _given(fields), ("file", path.name, _read(path)))
    )


def preview(server: Server, name: str, text: str | None, output: Path | None) -> None:
    """Speak a short text: into a file, or aloud."""
    kind = ".wav" if output is None else output.suffix.lower()
    if kind not in _SOUND_FILES:
        raise InvalidRequest(f"The ending of {output} must be one of: {', '.join(_SOUND_FILES)}.")
    voice = server.voice(name)
    wish = {"input": text, "response_format": kind[1:], "stream": False}
    sound = server.ask("POST", f"{_VOICES}/{voice['id']}/preview", _given(wish))
    if output is not None:
        _write(output, sound)
        return
    from vivavoce.cli.player import Player

    with Player() as player:
        player.write(sound)


def _saved(server: Server, name: str) -> dict[str, Any]:
    voice = server.voice(name)
    if voice["type"] == "preset":
        raise InvalidRequest(f"{name} is a preset of {voice['model']}, not a saved voice.")
    return voice


def _tell(voice: dict[str, Any]) -> None:
    """Say what was saved, and how good the recording is."""
    typer.echo(f"{voice['name']}: {voice['id']} ({voice['type']})")
    reference = voice.get("reference")
    if reference is not None:
        typer.echo(f"recording: {reference['verdict']}, {reference['duration_s']:.1f} s are kept")
        for remark in reference.get("remarks", ()):
            typer.echo(f"- {remark}")


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidRequest(f"Cannot read {path}: {exc.strerror}.") from None


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise InvalidRequest(f"Cannot write {path}: {exc.strerror}.") from None
