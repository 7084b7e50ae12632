"""`vivavoce say` with a long text: whoever is interrupted goes on, and gets the same file."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import until
from decoding import decode
from expected import fake_pcm
from test_cli import COMMAND, TIMEOUT_S, _plain, assert_failed, files, vivavoce  # noqa: F401
from vivavoce.cli.parts import PART_CHARS, cut
from vivavoce.text.segment import PARAGRAPH_PAUSE_S, SENTENCE_PAUSE_S

PARAGRAPHS = [
    f"Paragraph {n} begins. " + "It goes on and on. " * repeats + "It ends."
    for n, repeats in enumerate((55, 95, 55, 85, 55))
]
BOOK = "\n\n".join(PARAGRAPHS) + "\n\n* * *\n"
SLOWLY = ("--instructions", "interval_s=0.001")
"""So that there is a middle in which it can be interrupted."""


def silence(pause_s: float) -> bytes:
    return bytes(2 * round(24000 * pause_s))


def book_pcm(seed: int, voice: str = "sine") -> bytes:
    spoken = [fake_pcm(paragraph, voice, seed) for paragraph in PARAGRAPHS]
    return silence(PARAGRAPH_PAUSE_S).join(spoken)


@pytest.fixture
def _book() -> None:
    Path("book.txt").write_text(BOOK)


def interrupted(how: signal.Signals, output: str, *options: str) -> str:
    """Speak the book until some of it is there, then interrupt it; return what it said."""
    say = [*COMMAND, "say", "book.txt", "-o", output, *SLOWLY, *options]
    folder = Path(f"{output}.parts")
    with subprocess.Popen(say, stderr=subprocess.PIPE, start_new_session=True) as process:
        until(lambda: len(list(folder.glob("*.pcm"))) >= 1, TIMEOUT_S)
        os.killpg(process.pid, how)
        _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode in (-how, 130)
    assert files() == {"book.txt", folder.name}
    return said.decode()


@pytest.mark.usefixtures("_book")
def test_a_book_is_all_its_paragraphs_with_pauses_between() -> None:
    assert vivavoce("say", "book.txt", "-o", "book.flac", "--seed", "7").returncode == 0
    assert files() == {"book.txt", "book.flac"}
    heard = (decode(Path("book.flac").read_bytes(), "flac") * 32768).astype("<i2").tobytes()
    assert heard == book_pcm(7)


@pytest.mark.usefixtures("_book")
def test_after_a_kill_the_same_command_goes_on_and_gives_the_same_bytes() -> None:
    interrupted(signal.SIGKILL, "book.flac")
    seed = Path("book.flac.parts/seed").read_text()
    done = vivavoce("say", "book.txt", "-o", "book.flac", *SLOWLY)
    assert done.returncode == 0
    said = done.stderr.decode().splitlines()
    assert said[0].startswith("going on: ")
    assert said[0].endswith(" of 5 parts are spoken already")
    assert said[-1].startswith("book.flac: ")
    assert vivavoce("say", "book.txt", "-o", "whole.flac", "--seed", seed).returncode == 0
    assert files() == {"book.txt", "book.flac", "whole.flac"}
    assert Path("book.flac").read_bytes() == Path("whole.flac").read_bytes()


@pytest.mark.usefixtures("_book")
def test_after_ctrl_c_another_voice_gets_nothing_of_the_first() -> None:
    said = interrupted(signal.SIGINT, "book.pcm", "--seed", "7")
    assert "parts are kept in book.pcm.parts: the same command goes on from there." in said
    assert "Traceback" not in said
    done = vivavoce("say", "book.txt", "-o", "book.pcm", "--seed", "7", "--voice", "square")
    assert done.returncode == 0
    assert b"going on" not in done.stderr
    assert Path("book.pcm").read_bytes() == book_pcm(7, "square")
    assert files() == {"book.txt", "book.pcm"}


def test_a_letter_nobody_can_read_is_found_before_anything_is_spoken() -> None:
    Path("book.txt").write_text(f"{BOOK}\n\n你好")
    done = vivavoce("say", "book.txt", "-o", "book.flac", ENGINE="embedded")
    assert_failed(done, "cannot read '你'")
    assert files() == {"book.txt"}


@pytest.mark.usefixtures("_book")
def test_what_fails_half_way_keeps_what_is_finished() -> None:
    done = vivavoce("say", "book.txt", "-o", "x.wav", "--instructions", "fail_after=650")
    assert done.returncode == 1
    kept, failed = done.stderr.decode().splitlines()[-2:]
    assert "parts are kept in x.wav.parts" in kept
    assert "told to fail" in failed
    assert files() == {"book.txt", "x.wav.parts"}


SENTENCES = st.lists(
    st.sampled_from(["One. ", "A longer sentence, this one! ", "Why? "]), max_size=150
)
TEXTS = st.lists(SENTENCES.map("".join), max_size=8).map("\n\n".join)


@given(TEXTS, st.booleans())
def test_a_text_is_cut_between_sentences_and_nothing_is_lost(text: str, pauses: bool) -> None:
    parts = cut(text, ("en",), pauses_itself=pauses)
    assert " ".join(part.text for part in parts).split() == text.split()
    assert all(len(part.text) <= PART_CHARS and part.text.strip()[-1] in ".!?" for part in parts)
    within_s = 0.0 if pauses else SENTENCE_PAUSE_S
    assert {part.pause_s for part in parts} <= {PARAGRAPH_PAUSE_S, within_s}


def test_a_sentence_longer_than_a_part_stays_whole() -> None:
    endless = "word " * 1000 + "end."
    parts = cut(f"First. {endless} Last.", ("en",), pauses_itself=False)
    assert [part.text.strip() for part in parts] == ["First.", endless, "Last."]
