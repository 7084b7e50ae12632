"""What is compared with the official package: every mode, both text modes, both shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from checkpoints import TINY, TINY_PROJECTED, Shape

SHAPES: dict[str, Shape] = {"tiny": TINY, "projected": TINY_PROJECTED}
SEED = 3
MAX_NEW_TOKENS = 40
REFERENCE_TEXT = "the voice is one"
TEXTS = ("Hello there, speak to the one voice.", "你好，世界 123", "Two of three")


@dataclass(frozen=True)
class Case:
    """One comparison. Lists of one are single requests, longer ones a batch."""

    kind: str
    shape: str
    texts: tuple[str, ...]
    languages: tuple[str, ...]
    speakers: tuple[str, ...] = ()
    instructions: str | None = None
    in_context: bool | None = None
    whole_text: bool = True

    @property
    def name(self) -> str:
        parts = [self.kind, self.shape, "whole" if self.whole_text else "stepped"]
        parts += [*self.languages, *self.speakers, str(TEXTS.index(self.texts[0]))]
        if self.instructions:
            parts.append("instructed")
        if self.in_context is not None:
            parts.append("in-context" if self.in_context else "x-vector")
        return "-".join(parts)


def all_cases() -> list[Case]:
    """Return the cases, in a fixed order."""
    cases: list[Case] = []
    for shape in SHAPES:
        for whole in (True, False):
            for text, language, speaker in (
                (TEXTS[0], "English", "ryan"),
                (TEXTS[1], "Auto", "vivian"),
                (TEXTS[1], "Chinese", "eric"),
                (TEXTS[2], "Auto", "dylan"),
            ):
                cases.append(
                    Case("custom_voice", shape, (text,), (language,), (speaker,), whole_text=whole)
                )
            cases.append(
                Case(
                    "custom_voice",
                    shape,
                    TEXTS,
                    ("English", "Auto", "Chinese"),
                    ("ryan", "vivian", "eric"),
                    whole_text=whole,
                )
            )
            for in_context in (True, False):
                cases.append(
                    Case(
                        "base",
                        shape,
                        (TEXTS[0],),
                        ("English",),
                        in_context=in_context,
                        whole_text=whole,
                    )
                )
            if shape == "projected":
                for kind, speakers in (("custom_voice", ("ryan",)), ("voice_design", ())):
                    cases.append(
                        Case(
                            kind,
                            shape,
                            (TEXTS[0],),
                            ("Auto",),
                            speakers,
                            instructions="Speak slowly, in a deep voice.",
                            whole_text=whole,
                        )
                    )
    return cases


def reference_clip() -> np.ndarray:
    """Return two seconds of something like a voice, float32 at 24 kHz."""
    n = 48_077
    t = np.arange(n) / 24000
    noise = np.random.RandomState(0).standard_normal(n)
    wave = 0.3 * np.sin(2 * np.pi * (120 * t + 30 * t * t)) * (1 + 0.3 * np.sin(5 * t))
    return (wave + 0.05 * noise).astype(np.float32)
