"""One answer that a Wyoming client asked for: its voice, and its text, at once or as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from vivavoce.errors import InvalidRequest
from vivavoce.text.arriving import ArrivingText
from vivavoce.text.script import has_words


class Utterance:
    """A text in one voice. `parts()` gives it out in whole sentences, as many as there are by then.

    `streamed`: the text came in pieces. Belongs to one event loop.

    Raises:
        InvalidRequest: the wishes of the event it begins with are none.
    """

    def __init__(
        self, wishes: dict[str, Any], languages: tuple[str, ...], max_chars: int, *, streamed: bool
    ) -> None:
        voice = wishes.get("voice") or {}
        if not isinstance(voice, dict):
            raise InvalidRequest("voice must be an object with a name or a language.")
        self.voice = _text(voice, "name")
        self.language = None if self.voice else _text(voice, "language")
        if wishes.get("text_format") not in (None, "text"):
            raise InvalidRequest("Only plain text is read here, no SSML. Send text_format text.")
        self.streamed = streamed
        self._max_chars = max_chars
        self._chars = 0
        self._arriving = ArrivingText(languages)
        self._ready = ""
        self._ended = False
        self._news = asyncio.Event()

    def add(self, data: dict[str, Any]) -> None:
        """Take the text of an event.

        Raises:
            InvalidRequest: there is none, or with it the text is too long.
        """
        text = _text(data, "text")
        if text is None:
            raise InvalidRequest("text is missing. Send the text to speak.")
        self._chars += len(text)
        if self._chars > self._max_chars:
            raise InvalidRequest(
                f"The text has more than {self._max_chars} characters. Send it in parts, or have "
                "the operator raise MAX_INPUT_CHARS.",
                code="string_above_max_length",
            )
        self._ready += self._arriving.feed(text) if self.streamed else text
        self._news.set()

    def end(self) -> None:
        """Note that the text is complete."""
        self._ready += self._arriving.flush()
        self._ended = True
        self._news.set()

    async def parts(self) -> AsyncGenerator[str]:
        """Yield what is complete, until all is.

        Raises:
            InvalidRequest: there was nothing to speak in it.
        """
        spoken = False
        while True:
            part, self._ready = self._ready, ""
            if has_words(part):
                spoken = True
                yield part
            elif self._ended:
                break
            else:
                self._ready = part
                self._news.clear()
                await self._news.wait()
        if not spoken:
            raise InvalidRequest(
                "There is nothing to speak in the text: it has no letters and no digits. Send "
                "words.",
                code="nothing_to_speak",
            )


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and (not isinstance(value, str) or "\0" in value):
        raise InvalidRequest(f"{name} must be a string without NUL characters.")
    return value
