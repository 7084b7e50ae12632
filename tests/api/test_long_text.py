"""A text of 100,000 characters in one request: heard at once, to its end, in little memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from clients import SPEECH, order
from conftest import running_server
from vivavoce.service.partwise import LONG_CHARS
from vivavoce.text.passages import passages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

SENTENCE = "The clocks of the town were striking as he came. "
PARAGRAPH = SENTENCE * 8 + "\n\n"
BOOK = (PARAGRAPH * 300)[:100_000]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("long")
    with running_server(folder, ENGINE="fake", MAX_INPUT_CHARS="200000") as running:
        yield running


def heard(server: Server, text: str) -> tuple[float, int, list[int]]:
    """Return seconds to the first byte, bytes, and the server's memory on the way."""
    body = order(input=text, instructions="chunks=1")
    memory: list[int] = []
    process, total, began = psutil.Process(server.process.pid), 0, time.monotonic()
    with httpx.stream("POST", server.url + SPEECH, json=body, timeout=60) as answer:
        assert answer.status_code == 200
        first_s = 0.0
        for part in answer.iter_bytes():
            first_s = first_s or time.monotonic() - began
            total += len(part)
            memory.append(process.memory_info().rss)
    return first_s, total, memory


def test_all_of_a_book_is_heard_and_memory_stays_flat(server: Server) -> None:
    heard(server, PARAGRAPH * 20)
    _, total, memory = heard(server, BOOK)
    sentences = BOOK.count("striking")
    assert total > 2 * 1920 * sentences
    assert max(memory) - min(memory) < 24 * 2**20


def test_a_book_is_heard_before_its_second_chunk_is_made(server: Server, tmp_path: Path) -> None:
    """The engine makes no second chunk before a gate is opened, which it never is."""
    gate = tmp_path / "gate"
    body = order(input=BOOK, instructions=f"gate={gate} after=1")
    with httpx.stream("POST", server.url + SPEECH, json=body, timeout=60) as answer:
        assert len(next(answer.iter_raw())) > 0
        assert not gate.exists()


def test_a_letter_that_nobody_can_read_is_refused_before_anything_is_heard(
    tmp_path: Path,
) -> None:
    settings = {"ENGINE": "embedded", "MAX_INPUT_CHARS": "200000"}
    with running_server(tmp_path, **settings) as server:
        body = {"input": SENTENCE * 150 + "你好", "response_format": "pcm"}
        answer = httpx.post(server.url + SPEECH, json=body, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "language_not_supported"


@pytest.mark.parametrize(
    "text",
    [BOOK, SENTENCE * 2000, "x" * 20_000, "Intro.\n\n```\n" + "code\n\n" * 3000 + "```\n\nEnd."],
    ids=["paragraphs", "one paragraph", "one word", "code"],
)
def test_passages_are_the_text_and_short_but_for_code(text: str) -> None:
    found = [passage for passage, _ in passages(text)]
    assert "".join(found) == text
    assert all(found)
    if "```" not in text:
        assert max(map(len, found)) <= 2 * LONG_CHARS
    assert all(passage.count("```") % 2 == 0 for passage in found)
