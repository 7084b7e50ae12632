"""What is told of a request that has ended: when it began, its stages, how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a request's time. Times are Unix seconds. Stages may overlap."""

    name: str
    started_at_s: float
    ended_at_s: float


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """One request. Times are Unix seconds.

    `parent` is the W3C `traceparent` header as the client sent it, `error` the code of a failure.
    """

    name: str
    parent: str | None
    started_at_s: float
    ended_at_s: float
    stages: tuple[Stage, ...] = ()
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    error: str | None = None


class Traces(Protocol):
    """Where traces go. Any thread may call."""

    def record(self, trace: RequestTrace) -> None:
        """Take a trace. Returns at once and never raises, whatever becomes of it."""

    def close(self) -> None:
        """Deliver what was taken; blocks for 2 s at most. Nothing may be recorded afterwards."""
