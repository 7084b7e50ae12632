"""`vivavoce say`: the server's own path, from a text to a file or the loudspeaker."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vivavoce import log
from vivavoce.audio.formats import DEFAULT_FORMAT, FORMATS
from vivavoce.cli.book import Book, Done
from vivavoce.cli.output import half_a_file, seal
from vivavoce.cli.parts import cut
from vivavoce.cli.player import Player
from vivavoce.cli.steps import Steps
from vivavoce.errors import InvalidRequest
from vivavoce.factory import build_service
from vivavoce.settings import load_settings
from vivavoce.text.subtitles import SUBTITLE_FORMATS, subtitles
from vivavoce.types import Timestamps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.speech import Speech, SpeechService

_TEXT_FILES = (".txt", ".md")


def run(
    source: str | None,
    order: SpeechOrder,
    output: Path | None,
    format_name: str | None,
    subtitle_file: Path | None = None,
) -> None:
    """Speak `source` as `order` says, into `output`, or aloud without one; subtitle it if asked."""
    if not 0.25 <= order.tempo <= 4.0:
        raise InvalidRequest(f"--speed must be a number from 0.25 to 4.0; got {order.tempo:g}.")
    if subtitle_file is not None:
        _check_subtitles(subtitle_file)
        order = replace(order, timestamps=Timestamps.WORD)
    order = replace(order, text=_read(source), format=_choose_format(output, format_name))
    if output is None:
        with Player() as player:
            done = asyncio.run(_speak(order, player.write))
    else:
        done = _speak_to_file(order, output)
    if subtitle_file is not None:
        _write_subtitles(done, subtitle_file)


def read_clip(path: Path) -> bytes:
    """Return the bytes of a reference clip."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidRequest(f"Cannot read {path}: {exc.strerror}.") from None


def _check_subtitles(path: Path) -> None:
    if _ending(path) not in SUBTITLE_FORMATS:
        wanted = " or ".join(f".{name}" for name in SUBTITLE_FORMATS)
        raise InvalidRequest(f"--subtitles must name a file ending in {wanted}; got {path.name}.")
    if not path.parent.is_dir():
        raise InvalidRequest(f"There is no folder {path.parent}. Create it first.")


def _write_subtitles(done: Done, path: Path) -> None:
    try:
        path.write_text(subtitles(done.timed, _ending(path)), encoding="utf-8")
    except OSError as exc:
        raise InvalidRequest(f"Cannot write {path}: {exc.strerror or exc}.") from None


def _ending(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()


def _speak_to_file(order: SpeechOrder, output: Path) -> Done:
    if not output.parent.is_dir():
        raise InvalidRequest(f"There is no folder {output.parent}. Create it first.")
    try:
        if output.exists() and not output.is_file():  # a device or a pipe
            with output.open("wb") as device:
                done = asyncio.run(_speak(order, device.write))
        else:
            done = asyncio.run(_speak_to_regular_file(order, output.resolve()))
    except OSError as exc:
        raise InvalidRequest(f"Cannot write {output}: {exc.strerror or exc}.") from None
    typer.echo(
        f"{output}: {done.duration_s:.1f} s of speech in {done.total_s:.1f} s, "
        f"voice {done.voice} ({done.model})",
        err=True,
    )
    return done


async def _speak_to_regular_file(order: SpeechOrder, output: Path) -> Done:
    async with _service() as service:
        can = service.models.choose(order.model, order.need).info.capabilities
        parts = cut(order.text, can.languages, pauses_itself=can.joins_sentences)
        # Times count from the beginning of one answer: with them all is spoken in one go.
        if len(parts) > 1 and order.timestamps is Timestamps.NONE:
            return await Book(service, order, parts, output).speak()
        with half_a_file(output) as file:
            speech = await _stream(service, replace(order, whole=True), file.write)
            seal(file, speech.made.seal)
        return Done.of(speech)


async def _speak(order: SpeechOrder, write: Callable[[bytes], object]) -> Done:
    async with _service() as service:
        return Done.of(await _stream(service, order, write))


@asynccontextmanager
async def _service() -> AsyncIterator[SpeechService]:
    """Yield what speaks, until it is no longer needed."""
    settings = load_settings()
    log.configure("warning", settings.log_format)
    service = build_service(settings)
    try:
        yield service
    finally:
        await service.close()


async def _stream(
    service: SpeechService, order: SpeechOrder, write: Callable[[bytes], object]
) -> Speech:
    """Hand the bytes to `write` as they come, showing how far it is."""
    speech = await service.begin(order)
    with Steps(len(speech.plan.request.segments)) as steps:
        steps.note_ignored(speech.model.id, speech.plan.ignored)
        async with aclosing(speech.parts()) as parts:
            async for part in parts:
                await asyncio.to_thread(write, part)
                steps.reached(speech.made.segments_begun)
    return speech


def _read(source: str | None) -> str:
    """Return the text meant by the argument: itself, a file's, or standard input's."""
    if source is None or source == "-":
        if source is None and sys.stdin.isatty():
            raise InvalidRequest('There is nothing to say. Try: vivavoce say "Hello there"')
        text = sys.stdin.buffer.read()
        name = "standard input"
    elif source.lower().endswith(_TEXT_FILES) and "\n" not in source:
        try:
            text = Path(source).read_bytes()
        except OSError as exc:
            raise InvalidRequest(f"Cannot read {source}: {exc.strerror}.") from None
        name = source
    else:
        return source
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidRequest(
            f"{name} is not UTF-8 text (byte {exc.start}). Convert it first."
        ) from None


def _choose_format(output: Path | None, name: str | None) -> str:
    """Return the format asked for, or the one that the file's ending means."""
    if output is None:
        return "wav"
    chosen = (name or output.suffix.removeprefix(".") or DEFAULT_FORMAT).lower()
    if chosen not in FORMATS:
        where = "--format" if name else f"the ending of {output.name}"
        raise InvalidRequest(f"{where} means {chosen!r}. Use one of: {', '.join(FORMATS)}.")
    return chosen
