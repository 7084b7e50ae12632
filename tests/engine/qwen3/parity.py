"""vivavoce beside the official package, live, on the same random checkpoints. Run by `make parity`.

Prints each figure as it comes, then what docs/parity.md has of them; ends with 1 if one is out of
bounds. Half precision is only reported: there the two round differently.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import official
import ours
import torch
from cases import MAX_NEW_TOKENS, NASTY_TEXTS, SEED, SHAPES, Case, all_cases, true_cases
from checkpoints import make_checkpoint
from conv_codec import ConvCodec

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.model import Qwen3TTS

BOUND = 1e-4
TRUE_TOKENS = 25
LONG_TOKENS = 600


class Figures:
    """What was measured, and whether all of it is within bounds."""

    def __init__(self) -> None:
        self.sound = True
        self.largest: dict[str, float] = {}
        self.counts: dict[str, tuple[int, int]] = {}

    def difference(self, what: str, first: np.ndarray, second: np.ndarray) -> str:
        """Note the largest difference; return it in words."""
        same_shape = first.shape == second.shape
        found = float(np.abs(first - second).max()) if same_shape else float("inf")
        self.largest[what] = max(found, self.largest.get(what, 0.0))
        self.sound &= found < BOUND
        return f"{what} {found:.1e}"

    def nearer(self, what: str, found: np.ndarray, official: np.ndarray, exact: np.ndarray) -> str:
        """Note how far the server's audio is from the package's, both from the exact; say so.

        It sums in another order, so the package's own rounding is in the difference. The exact
        result is the measure.
        """
        apart, ours_off, theirs_off = (
            float(np.abs(one - other).max())
            for one, other in ((found, official), (found, exact), (official, exact))
        )
        named = {what: apart, f"{what}, here off": ours_off, f"{what}, official off": theirs_off}
        for name, value in named.items():
            self.largest[name] = max(value, self.largest.get(name, 0.0))
        self.sound &= ours_off < BOUND
        return f"{what} {apart:.1e} (off the exact: here {ours_off:.1e}, there {theirs_off:.1e})"

    def same(self, what: str, same: bool, *, required: bool = True) -> str:
        """Count whether something is equal; return it in words."""
        equal, total = self.counts.get(what, (0, 0))
        self.counts[what] = equal + same, total + 1
        self.sound &= same or not required
        return f"{what} {'equal' if same else 'DIFFER'}"

    def summary(self) -> str:
        """Return all of it, one line each."""
        lines = [
            f"{what}: {equal} of {total} equal" for what, (equal, total) in self.counts.items()
        ]
        lines += [f"{what}: at most {most:.1e} apart" for what, most in self.largest.items()]
        return "\n".join(lines)


def greedy(
    figures: Figures,
    case: Case,
    model: Any,
    m: Qwen3TTS,
    label: str,
    tokens: int = MAX_NEW_TOKENS,
    exact: ConvCodec | None = None,
) -> None:
    """Compare the likeliest codes, and the sound of the official ones; that with the exact too."""
    required = label != "bf16"
    started = time.perf_counter()
    theirs = official.run(model, case, max_new_tokens=tokens)
    official_s = time.perf_counter() - started
    started = time.perf_counter()
    wanted = ours.prompts(m, case)
    made = ours.generate(m, wanted, ours.GREEDY, tokens)
    ours_s = time.perf_counter() - started
    told = []
    voice = wanted[0].reference
    if voice is not None and required:
        speaker = voice.speaker.float().numpy()
        told.append(figures.difference(f"{label} speaker", speaker, theirs["speaker"]))
        if voice.codes is not None:
            same = np.array_equal(voice.codes.numpy(), theirs["ref_codes"])
            told.append(figures.same(f"{label} reference codes", same))
    before = None if voice is None else voice.codes
    for index, codes in enumerate(made):
        expected = theirs[f"codes{index}"]
        same = np.array_equal(codes.numpy(), expected)
        told.append(figures.same(f"{label} codes", same, required=required))
        if not same:
            agreed = min(len(codes), len(expected))
            differ = (codes.numpy()[:agreed] != expected[:agreed]).any(axis=1)
            told.append(f"(from frame {int(differ.argmax())} on)")
        if required:
            assert exact is not None
            heard, these = theirs[f"audio{index}"], torch.from_numpy(expected)
            every = these if before is None else torch.cat((before, these))
            m.codec_decoder.compute_as_officially()
            audio = ours.decode(m, every, [len(every)], None)[-len(heard) :]
            told.append(figures.difference(f"{label} audio", audio, heard))
            m.codec_decoder.compute_as_officially(False)
            audio = ours.decode(m, these, [len(these)], before)[-len(heard) :]
            truth = exact.decode(every.T[None])[0, -len(heard) :].numpy()
            told.append(figures.nearer(f"{label} audio, server", audio, heard, truth))
    say(f"{case.name}: {', '.join(told)}; {official_s:.1f} s, here {ours_s:.1f} s")


def drawn(figures: Figures, case: Case, model: Any, m: Qwen3TTS, label: str) -> None:
    """Compare the logits that drawn codes come from, at every step."""
    codes, first, rest = official.sample(model, case, SEED)
    (wanted,) = ours.prompts(m, case)
    found = ours.follow(m, m.prompts.build(wanted), torch.from_numpy(codes))
    told = [
        figures.difference(f"{label} logits, {name}", mine, theirs)
        for name, mine, theirs in zip(("talker", "predictor"), found, (first, rest), strict=True)
    ]
    say(f"{case.name}, {len(codes)} frames drawn: {', '.join(told)}")


def texts(figures: Figures, model: Any, m: Qwen3TTS) -> None:
    """Compare the tokens of texts that are hard to cut."""
    begin = m.tokenizer.encode_template("<|im_start|>")
    for text in NASTY_TEXTS:
        for kind, theirs in official.tokens(model.processor, text).items():
            role = {"spoken": "assistant", "instruction": "user"}[kind]
            turn = begin + m.tokenizer.encode_text(f"{role}\n{text}")
            figures.same("tokens of hard texts", turn == list(theirs)[: len(turn)])
    say(f"tokens of {len(NASTY_TEXTS)} hard texts: {figures.counts['tokens of hard texts']}")


def small(figures: Figures) -> None:
    """Compare every case on the small checkpoints."""
    pairs: dict[tuple[str, str], tuple[Any, Qwen3TTS]] = {}
    exact: dict[tuple[str, str], ConvCodec] = {}
    halves: dict[tuple[str, str], tuple[Any, Qwen3TTS]] = {}
    for case in all_cases():
        key = case.kind, case.shape
        if key not in pairs:
            folder = ours.checkpoint(*key)
            pairs[key] = official.load(folder), ours.load(folder)
            exact[key] = ConvCodec.load(folder)
            halves[key] = (
                official.load(folder, torch.bfloat16),
                ours.load(folder, torch.bfloat16),
            )
        greedy(figures, case, *pairs[key], "small", exact=exact[key])
        if len(case.texts) == 1:
            drawn(figures, case, *pairs[key], "small")
        greedy(figures, case, *halves[key], "bf16")
    texts(figures, *pairs["custom_voice", "tiny"])


def long(figures: Figures) -> None:
    """Compare codes far from the start, and their sound with the official decoder's in one go.

    The official package itself calls that decoder for 300 frames at a time, with 25 before them.
    """
    case = all_cases()[0]
    folder = ours.checkpoint(case.kind, case.shape)
    model, m = official.load(folder), ours.load(folder)
    theirs = official.run(model, case, max_new_tokens=LONG_TOKENS)
    (made,) = ours.generate(m, ours.prompts(m, case), ours.GREEDY, LONG_TOKENS)
    codes = torch.from_numpy(theirs["codes0"])
    with torch.inference_mode():
        at_once = model.model.speech_tokenizer.model.decoder(codes.T[None])[0, 0].numpy()
    mine = ours.decode(m, codes, 12, None)
    told = [
        figures.same("long codes", np.array_equal(made.numpy(), theirs["codes0"])),
        figures.difference("long audio, official decoder in one go", mine, at_once),
    ]
    cut = np.abs(mine - theirs["audio0"])[300 * 1920 :].max()
    say(f"{len(codes)} frames: {', '.join(told)}; official in cuts, from 24 s on: {cut:.1e}")


def true(figures: Figures) -> None:
    """Compare a few cases at the sizes of the released 0.6B checkpoints."""
    for kind in ("custom_voice", "base"):
        with tempfile.TemporaryDirectory() as folder:
            say(f"making a checkpoint of true sizes, {kind}: 2.5 GB in {folder}")
            made = make_checkpoint(Path(folder, kind), kind, SHAPES["true"], SEED)
            pair = official.load(made), ours.load.__wrapped__(made)
            exact = ConvCodec.load(made)
            for case in (case for case in true_cases() if case.kind == kind):
                greedy(figures, case, *pair, "true size", TRUE_TOKENS, exact)
                drawn(figures, case, *pair, "true size")
            del pair, exact
            gc.collect()


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Measure everything."""
    names = ("torch", "transformers", "tokenizers", "qwen-tts", "numpy")
    say(", ".join(f"{name} {version(name)}" for name in names))
    say(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    figures = Figures()
    small(figures)
    long(figures)
    true(figures)
    say(f"\n{figures.summary()}")
    if not figures.sound:
        sys.exit("Something is out of bounds.")


if __name__ == "__main__":
    main()
