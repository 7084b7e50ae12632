"""What is compared with the official package: every mode, both text modes, both shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from checkpoints import TINY, TINY_PROJECTED, TRUE_0B6, Shape

SHAPES: dict[str, Shape] = {"tiny": TINY, "projected": TINY_PROJECTED, "true": TRUE_0B6}
SEED = 3
MAX_NEW_TOKENS = 40
SAMPLED_TOKENS = 13
EVERY_SAMPLE = 97
"""Of goldens' audio every so many samples are kept: enough to notice any difference."""
EVERY_LOGIT = 31
REFERENCE_TEXT = "the voice is one"
TEXTS = ("Hello there, speak to the one voice.", "你好，世界 123", "Two of three")

NASTY_TEXTS = (
    *(" ", "\n", "\n\n\n\n\n", "\r\n", "\n Hi", " Hi \n", "\r\nHello\r\n\r\n", "\t\n x"),
    *("e\u0301te\u0301", "\u0301abc", "за\u0301мок", "नमस्ते", "한국 \u1112\u1161\u11ab", "Å \ufb01"),
    *("smallTalk", "YouTube's iPhone", "IT'S 'tis don't", "1234 5.6 ٣٤ ½", "你好，世界。\n"),
    *(
        "👩‍👩‍👧‍👦🏽 🇩🇪",
        "...\n//x",
        "a\u00a0b\u3000",
        "\ufeffx\u2028y\x00z\x1b",
        "…!?)]}\n\n",
        "<|im_en <|",
    ),
)
"""Texts at whose ends and seams tokenizers part ways. None has a control token in it."""


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
    for shape in ("tiny", "projected"):
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


def true_cases() -> list[Case]:
    """Return those at a released checkpoint's sizes: gigabytes, and a second a frame."""
    return [
        Case("custom_voice", "true", TEXTS[:1], ("English",), ("ryan",)),
        Case("custom_voice", "true", TEXTS[1:2], ("Auto",), ("vivian",), whole_text=False),
        Case("base", "true", TEXTS[:1], ("English",), in_context=True, whole_text=False),
    ]


def sampled_cases() -> list[Case]:
    """Return those whose logits goldens.npz has for drawn codes: one of each kind."""
    return [
        case
        for case in all_cases()
        if (case.shape, case.whole_text) == ("projected", False)
        and (case.kind != "custom_voice" or case.speakers == ("eric",))
        and case.in_context is not False
    ]


def reference_clip() -> np.ndarray:
    """Return two seconds of something like a voice, float32 at 24 kHz."""
    n = 48_077
    t = np.arange(n) / 24000
    noise = np.random.RandomState(0).standard_normal(n)
    wave = 0.3 * np.sin(2 * np.pi * (120 * t + 30 * t * t)) * (1 + 0.3 * np.sin(5 * t))
    return (wave + 0.05 * noise).astype(np.float32)
