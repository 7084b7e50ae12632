"""A long text in parts: where it is cut, and the parts that are spoken already, kept on disk."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import sentencex

from vivavoce.text.clean import clean
from vivavoce.text.detect import detect
from vivavoce.text.script import has_words
from vivavoce.text.segment import PARAGRAPH_PAUSE_S, SENTENCE_PAUSE_S

PART_CHARS = 2000
"""About two minutes of speech: what a kill in the middle costs at most."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of a long text, and the pause that follows it."""

    text: str
    pause_s: float


def cut(text: str, languages: tuple[str, ...], *, pauses_itself: bool) -> list[TextPart]:
    """Cut a text into parts of about `PART_CHARS` characters, each with words in it.

    Parts end with a paragraph; within one that is too long, with a sentence, where a voice that
    makes its pauses itself needs none.
    """
    within_s = 0.0 if pauses_itself else SENTENCE_PAUSE_S
    pieces: list[TextPart] = []
    for paragraph in clean(text).split("\n\n"):
        *first, last = _fill(_sentences(paragraph, languages)) or [""]
        pieces += [TextPart(piece, within_s) for piece in first]
        pieces.append(TextPart(last, PARAGRAPH_PAUSE_S))
    parts: list[TextPart] = []
    for piece in pieces:
        joins = parts and parts[-1].pause_s == PARAGRAPH_PAUSE_S
        if joins and len(parts[-1].text) + 2 + len(piece.text) <= PART_CHARS:
            parts[-1] = TextPart(f"{parts[-1].text}\n\n{piece.text}", piece.pause_s)
        else:
            parts.append(piece)
    return [part for part in parts if has_words(part.text)]


class PartsFolder:
    """Where finished parts lie until all are: beside the output, each under its key.

    A key tells the part's audio from all other. So whatever is changed, text, voice or version,
    nothing is ever mixed: only parts that would be made again just so are found.
    """

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(output.name + ".parts")

    def seed(self) -> int | None:
        """Return the seed that was drawn for the parts that are here; None if there are none."""
        try:
            return int((self.path / "seed").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def open(self, seed: int) -> None:
        """Make the folder, if there is none, and remember the seed."""
        self.path.mkdir(exist_ok=True)
        self._write(self.path / "seed", str(seed).encode())

    def part(self, key: str) -> Path:
        """Return where a part is, or belongs: PCM, at the output's rate."""
        return self.path / f"{key[:32]}.pcm"

    def keep(self, key: str, samples: bytes) -> None:
        """Keep a finished part: whole, or not at all."""
        self._write(self.part(key), samples)

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.path)

    def _write(self, file: Path, data: bytes) -> None:
        partial = file.with_suffix(f".{secrets.token_hex(4)}")
        with partial.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, file)


def _sentences(paragraph: str, languages: tuple[str, ...]) -> list[str]:
    if len(paragraph) <= PART_CHARS:
        return [paragraph]
    language = detect(paragraph, languages)
    return list(sentencex.segment(language, paragraph))


def _fill(sentences: list[str]) -> list[str]:
    """Join neighbours as long as they fit."""
    filled: list[str] = []
    for sentence in sentences:
        if filled and len(filled[-1]) + len(sentence) <= PART_CHARS:
            filled[-1] += sentence
        else:
            filled.append(sentence)
    return [piece for piece in filled if has_words(piece)]
