"""vivavoce's own implementation, run on the cases. The counterpart of `official.py`."""

from __future__ import annotations

import atexit
import shutil
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from unittest import mock

import torch
from cases import MAX_NEW_TOKENS, REFERENCE_TEXT, SEED, SHAPES, Case, reference_clip
from checkpoints import make_checkpoint

from vivavoce.engine.qwen3 import generation
from vivavoce.engine.qwen3.generation import Controls, Generation
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.pages import pages_for
from vivavoce.engine.qwen3.prompt import PromptText, Reference
from vivavoce.engine.qwen3.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from vivavoce.engine.qwen3.prompt import Prompt

torch.set_num_threads(1)  # tensors as small as these only make threads wait for each other

EOS = 2150
_load = Qwen3TTS.load  # as it is before any test puts something else there
GREEDY = Controls(talker=Sampling(do_sample=False), predictor=Sampling(do_sample=False))


@cache
def checkpoint(kind: str, shape: str) -> Path:
    """Return the folder of the checkpoint that the cases of this kind and shape are about."""
    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_checkpoint(folder / f"{kind}-{shape}", kind, SHAPES[shape], SEED)


@cache
def model(kind: str, shape: str) -> Qwen3TTS:
    """Return that checkpoint, in fp32 on the CPU."""
    return load(checkpoint(kind, shape), torch.float32)


@cache
def load(folder: Path, dtype: torch.dtype = torch.float32) -> Qwen3TTS:
    """Return a checkpoint, all of it in `dtype`, on the CPU."""
    return _load(folder, torch.device("cpu"), dtype, as_from_folder=True)


def reference(m: Qwen3TTS, case: Case) -> Reference | None:
    """Return the voice to clone, if the case is a clone."""
    if case.in_context is None:
        return None
    clip = torch.from_numpy(reference_clip())
    return m.listen(clip, REFERENCE_TEXT if case.in_context else None)


def prompts(m: Qwen3TTS, case: Case) -> list[PromptText]:
    """Return the case's texts with all that belongs to them."""
    speakers: Sequence[str | None] = case.speakers or (None,) * len(case.texts)
    voice = reference(m, case)
    return [
        PromptText(
            text,
            None if language == "Auto" else language.lower(),
            speaker,
            case.instructions,
            voice,
            case.whole_text,
        )
        for text, language, speaker in zip(case.texts, case.languages, speakers, strict=True)
    ]


def generation_of(m: Qwen3TTS, rows: int = 8, positions: int = 8192) -> Generation:
    """Return a generation with nobody in it, and room for so many."""
    return Generation(m.talker, m.prompts.pad_row(), rows, pages_for(positions))


def generate(
    m: Qwen3TTS, wanted: list[PromptText], controls: Controls, new_tokens: int = MAX_NEW_TOKENS
) -> list[torch.Tensor]:
    """Return each text's codes [frames, 16], up to the end token or the limit, side by side."""
    steps = generation_of(m)
    ready = [m.prompts.build(text) for text in wanted]
    sequences = steps.join(ready, [controls] * len(wanted), new_tokens)
    frames = torch.stack([steps.step(sequences) for _ in range(new_tokens - 1)], dim=1)
    ends = [(codes[:, 0] == EOS).nonzero() for codes in frames]
    return [
        codes[: int(end[0])] if len(end) else codes for codes, end in zip(frames, ends, strict=True)
    ]


@torch.inference_mode()
def decode(
    m: Qwen3TTS, codes: torch.Tensor, pieces: Sequence[int] | int, before: torch.Tensor | None
) -> np.ndarray:
    """Decode codes [frames, 16] in pieces of such sizes, or each of one, after a reference's."""
    state = m.codec_decoder.start(1)
    if before is not None:
        _, state = m.codec_decoder(before.T[None], state)
    parts = []
    for piece in codes.split(pieces):
        samples, state = m.codec_decoder(piece.T[None], state)
        parts.append(samples[0])
    return torch.cat(parts).float().numpy()


@contextmanager
def drawing(codes: torch.Tensor, kept: list[torch.Tensor] | None = None) -> Iterator[None]:
    """Have every draw give the next of codes [frames, 16]; note the logits it is to draw from.

    Everything else of a step is what it always is.
    """
    chosen = iter(codes.flatten())

    def draw(logits: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        if kept is not None:
            kept.append(logits[0])
        return next(chosen)[None]

    with mock.patch.object(generation, "draw", draw):
        yield


def follow(m: Qwen3TTS, prompt: Prompt, codes: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the raw logits from which codes [frames, 16] might have been drawn, step by step.

    The talker's [frames + 1, 3072] and the predictor's [frames, 15, 2048].
    """
    first: list[torch.Tensor] = []
    rest: list[torch.Tensor] = []
    # A frame more, to see what it would have been chosen from.
    led = torch.cat((codes, torch.zeros_like(codes[:1])))
    predictor = m.talker.code_predictor
    hooks = [m.talker.codec_head.register_forward_hook(lambda _m, _x, y: first.append(y[0]))]
    hooks += [
        head.register_forward_hook(lambda _m, _x, y: rest.append(y[0]))
        for head in predictor.lm_head
    ]
    with drawing(led):
        steps = generation_of(m)
        sequences = steps.join([prompt], [Controls()], len(led))
        for _ in led:
            steps.step(sequences)
    for hook in hooks:
        hook.remove()
    return (
        torch.stack(first).float().numpy(),
        torch.stack(rest).unflatten(0, (len(led), -1))[:-1].float().numpy(),
    )
