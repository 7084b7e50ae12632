"""A text that is still being written."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LiveText:
    """Grows by `push` until `finish`, from any thread; `on_news` is called there after either."""

    def __init__(self, on_news: Callable[[], None]) -> None:
        self._on_news = on_news
        self._lock = threading.Lock()
        self._text = ""
        self._finished = False
        self._has_news = False

    def push(self, text: str) -> None:
        """Add to the text, unless it is finished."""
        with self._lock:
            if self._finished or not text:
                return
            self._text += text
            self._has_news = True
        self._on_news()

    def finish(self) -> None:
        """Say that no more will come."""
        with self._lock:
            self._finished = self._has_news = True
        self._on_news()

    @property
    def has_news(self) -> bool:
        """Whether something has come since it was last read."""
        with self._lock:
            return self._has_news

    def read(self) -> tuple[str, bool]:
        """Return the text so far, and whether it is finished."""
        with self._lock:
            self._has_news = False
            return self._text, self._finished
