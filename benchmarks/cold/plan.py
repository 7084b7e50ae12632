"""What is loaded, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Case:
    """A server's engine and settings, and what more is asked of it than a text.

    `name` is the first part of its figures' names.
    """

    name: str
    engine: str
    settings: dict[str, str] = field(default_factory=dict)
    body: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """How often each case is loaded, with and without a process that waits (STANDBY).

    The `first` of each are not measured: files come into the system's cache.
    """

    repeats: int = 5
    first: int = 1


def embedded() -> Case:
    """Return the voice that comes with the package."""
    return Case("embedded", "embedded")


def qwen3(name: str, model: str) -> Case:
    """Return a Qwen3-TTS checkpoint: a hub id or a folder."""
    settings = {"MODEL_ID": model, "FRAME_BUDGET": "false", "RUNAWAY_GUARD": "false"}
    return Case(name, "qwen3", settings, {"voice": "vivian", "max_new_tokens": 4})
