"""What is compared of choosing codes: controls, and logits to try them on.

Logits with ties, flat and steep ones; controls at the ends of their ranges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMALL, TALKERS = 40, 3072


@dataclass(frozen=True)
class Chain:
    """One set of controls. With a `history` of first codes it is the talker's whole chain."""

    shape: str
    temperature: float = 0.9
    top_k: int = 50
    top_p: float = 1.0
    penalty: float = 1.05
    history: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        parts = [self.shape, f"t{self.temperature}", f"k{self.top_k}", f"p{self.top_p}"]
        if self.history is not None:
            parts += [f"r{self.penalty}", f"after{len(self.history)}"]
        return "-".join(parts)

    def logits(self) -> np.ndarray:
        """Return logits, float32 [rows, codes]."""
        rows, codes = (4, SMALL) if self.history is None else (1, TALKERS)
        drawn = 3 * np.random.RandomState(len(self.name)).standard_normal((rows, codes))
        made = {
            "wide": drawn,
            "ties": np.round(drawn / 2),
            "flat": np.zeros_like(drawn),
            "equals": np.where(np.arange(codes) % (codes // 5) == 0, 20.0, -20.0) + 0 * drawn,
            "steep": 40 * drawn,
        }
        return made[self.shape].astype(np.float32)


def all_chains() -> list[Chain]:
    """Return the chains, in a fixed order."""
    chains = [
        Chain(shape, **controls)
        for shape in ("wide", "ties", "flat", "equals", "steep")
        for controls in (
            {},
            {"top_k": 0},
            {"top_k": 1},
            {"top_k": 5},
            {"top_k": SMALL},
            {"top_k": 10 * SMALL},
            {"top_k": 0, "top_p": 0.02},
            {"top_k": 0, "top_p": 0.5},
            {"top_k": 0, "top_p": 0.8},
            {"top_k": 0, "top_p": 0.95},
            {"top_k": 7, "top_p": 0.7, "temperature": 1.0},
            {"top_k": 0, "temperature": 0.01},
            {"top_k": 0, "temperature": 1.7},
        )
    ]
    histories = ((), (5,), (5, 1999, 5, 7))
    chains += [Chain("wide", history=history) for history in histories]
    chains += [
        Chain("ties", history=histories[2], penalty=1.5),
        Chain("wide", history=histories[2], penalty=1.0, top_k=3, top_p=0.9),
    ]
    return chains
