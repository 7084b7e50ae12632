"""A limit in time that stands still while somebody else is to blame."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator


class Deadline:
    """`async with Deadline(s)`: what takes longer than that is cancelled; TimeoutError is raised.

    `expired` tells it from other time-outs. Belongs to the task that entered it.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._timeout = asyncio.timeout(limit_s)

    @property
    def expired(self) -> bool:
        """Whether the time was over."""
        return self._timeout.expired()

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._timeout.__aexit__(*exc)  # type: ignore[arg-type]

    @contextmanager
    def paused(self, *, afresh: bool = False) -> Iterator[None]:
        """Do not count what happens inside; `afresh`: give the whole time again after it."""
        loop = asyncio.get_running_loop()
        when = self._timeout.when()
        left_s = self._limit_s if afresh or when is None else when - loop.time()
        self._timeout.reschedule(None)
        try:
            yield
        finally:
            if not self.expired:
                self._timeout.reschedule(loop.time() + left_s)
