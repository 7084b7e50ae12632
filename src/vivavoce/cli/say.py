"""`vivavoce say`: the server's own path, from a text to a file or the loudspeaker."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vivavoce import log
from vivavoce.audio.formats import DEFAULT_FORMAT, FORMATS
from vivavoce.cli.player import Player
from vivavoce.errors import InvalidRequest
from vivavoce.factory import build_service
from vivavoce.settings import load_settings
from vivavoce.text.subtitles import SUBTITLE_FORMATS, subtitles
from vivavoce.types import Timestamps

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.speech import Speech

_TEXT_FILES = (".txt", ".md")
_HEAD_BYTES = 64  # no format has sizes further in than this
_LOG_EVERY_SEGMENTS = 25


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
            speech = asyncio.run(_speak(order, player.write))
    else:
        speech = _speak_to_file(order, output)
    if subtitle_file is not None:
        _write_subtitles(speech, subtitle_file)


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


def _write_subtitles(speech: Speech, path: Path) -> None:
    try:
        path.write_text(subtitles(speech.made.timed, _ending(path)), encoding="utf-8")
    except OSError as exc:
        raise InvalidRequest(f"Cannot write {path}: {exc.strerror or exc}.") from None


def _ending(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()


def _speak_to_file(order: SpeechOrder, output: Path) -> Speech:
    if not output.parent.is_dir():
        raise InvalidRequest(f"There is no folder {output.parent}. Create it first.")
    try:
        if output.exists() and not output.is_file():  # a device or a pipe
            with output.open("wb") as device:
                speech = asyncio.run(_speak(order, device.write))
        else:
            speech = _speak_to_regular_file(order, output.resolve())
    except OSError as exc:
        raise InvalidRequest(f"Cannot write {output}: {exc.strerror or exc}.") from None
    typer.echo(
        f"{output}: {speech.made.duration_s:.1f} s of speech in {speech.total_s:.1f} s, "
        f"voice {speech.plan.voice} ({speech.model.id})",
        err=True,
    )
    return speech


def _speak_to_regular_file(order: SpeechOrder, output: Path) -> Speech:
    partial = output.with_name(output.name + ".part")  # half a file never bears the whole's name
    try:
        with partial.open("w+b") as file:
            speech = asyncio.run(_speak(replace(order, whole=True), file.write))
            size = file.tell()
            file.seek(0)
            head = bytearray(file.read(_HEAD_BYTES))
            speech.made.seal(head, size)
            file.seek(0)
            file.write(head)
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)
    return speech


async def _speak(order: SpeechOrder, write: Callable[[bytes], object]) -> Speech:
    """Hand the bytes to `write` as they come, showing how far it is."""
    settings = load_settings()
    log.configure("warning", settings.log_format)
    service = build_service(settings)
    try:
        speech = await service.begin(order)
        with _Steps(len(speech.plan.request.segments)) as steps:
            for wish in speech.plan.ignored:
                steps.note(f"{speech.model.id} knows no {wish}: they are ignored.")
            async with aclosing(speech.parts()) as parts:
                async for part in parts:
                    await asyncio.to_thread(write, part)
                    steps.reached(speech.made.segments_begun)
        return speech
    finally:
        await service.close()


class _Steps:
    """How many of the text's pieces are spoken: a bar on a terminal, lines elsewhere."""

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        self._total = total
        self._console = console
        self._logged = 0
        self._bar = Progress(
            TextColumn("speaking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> _Steps:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def note(self, line: str) -> None:
        """Say something beside the bar."""
        self._console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def reached(self, segments: int) -> None:
        """Note that so many have begun."""
        self._bar.update(self._task, completed=segments)
        if not self._console.is_terminal and segments >= self._logged + _LOG_EVERY_SEGMENTS:
            self._logged = segments
            self.note(f"spoken: {segments} of {self._total} pieces")


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
