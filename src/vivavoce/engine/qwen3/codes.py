"""One text's codes, made as the official package would make them: to inspect and to compare.

Texts are neither cleaned nor cut here, and nothing ends speech that runs away. What may be asked
for is the affair of `codes_order.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from vivavoce.audio.clip import BadClip, decode_clip
from vivavoce.engine.qwen3 import defaults
from vivavoce.engine.qwen3.codes_order import CodesOrder, Warn, settle
from vivavoce.engine.qwen3.config import read_config
from vivavoce.engine.qwen3.device import DTYPES
from vivavoce.engine.qwen3.generation import Controls, Generation
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.pages import pages_for
from vivavoce.engine.qwen3.prompt import PromptText, Reference
from vivavoce.engine.qwen3.sampling import Sampling
from vivavoce.errors import EngineUnavailable, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from vivavoce.types import Samples

MIN_CLIP_SAMPLES = 1280
"""Five spectra. The speaker encoder mirrors four at either end, so that of fewer it makes none."""

_DECODED_FRAMES = 300
"""How many are decoded at once, here and officially. More would take gigabytes."""


@dataclass(frozen=True, slots=True)
class Codes:
    """What an order came to: codes [frames, 16], audio [samples] at 24 kHz.

    Of a clone, too, the speaker's vector [hidden] and the clip's codes [frames, 16], used or not.
    `order` is the one carried out, `generation_s` the time for the codes alone.
    """

    order: CodesOrder
    codes: npt.NDArray[np.int64]
    audio: Samples
    speaker: Samples | None
    ref_codes: npt.NDArray[np.int64] | None
    generation_s: float


def make_codes(
    folder: Path,
    order: CodesOrder,
    dtype: str,
    device: str,
    warn: Warn,
    on_frame: Callable[[], None],
) -> Codes:
    """Load a checkpoint and carry out one order with it, on the device cpu or cuda.

    Everything is computed in `dtype`, fp32 or bf16; as officially, the codec as well. Each line
    that `warn` is given is for the user; `on_frame` is called after each frame.

    Raises:
        InvalidRequest: the official package would refuse the order; or the text is empty.
        EngineUnavailable: the checkpoint is damaged or incomplete, or there is no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineUnavailable(
            f"The device is cuda, but torch {torch.__version__} sees none. Use cpu, or install a "
            "torch that fits the card and its driver: https://pytorch.org/get-started"
        )
    wishes = _read_wishes(folder)
    order = settle(order, read_config(folder), wishes.max_new_tokens, warn)
    clip = None if order.ref_audio is None else _read_clip(order.ref_audio)
    model = Qwen3TTS.load(folder, torch.device(device), DTYPES[dtype], as_from_folder=True)
    model.codec_decoder.compute_as_officially()
    _tell_control_tokens(model, order, warn)
    # Officially the clip is encoded for its vector alone as well; those codes are not used then.
    heard = None if clip is None else model.listen(clip.to(device), order.ref_text or "")
    reference = Reference(heard.speaker) if heard is not None and order.x_vector_only else heard
    started = time.perf_counter()
    codes = _generate(model, order, reference, _controls(wishes, order.seed), on_frame)
    generation_s = time.perf_counter() - started
    audio = _decode(model, codes, None if reference is None else reference.codes, warn)
    return Codes(
        order,
        codes.cpu().numpy(),
        audio,
        None if heard is None else heard.speaker.float().cpu().numpy(),
        None if heard is None or heard.codes is None else heard.codes.cpu().numpy(),
        generation_s,
    )


def _read_wishes(folder: Path) -> defaults.GenerationDefaults:
    """Return how the checkpoint wants to be sampled; officially it must say so."""
    path = folder / defaults.FILE
    if not path.is_file():
        raise EngineUnavailable(
            f"There is no {path}. A checkpoint's folder must hold all its files."
        )
    return defaults.read_defaults(folder)


def _read_clip(path: Path) -> Tensor:
    """Return a recording's samples [n], mono at 24 kHz."""
    try:
        samples = decode_clip(path.read_bytes())
    except OSError as exc:
        raise InvalidRequest(f"Cannot read ref-audio {path}: {exc.strerror}.") from None
    except BadClip as exc:
        raise InvalidRequest(f"ref-audio {path}: {exc}") from None
    if len(samples) < MIN_CLIP_SAMPLES:
        raise InvalidRequest(
            f"ref-audio {path} has {len(samples)} samples at 24 kHz; no voice can be made of fewer "
            f"than {MIN_CLIP_SAMPLES}."
        )
    return torch.tensor(samples)


def _tell_control_tokens(model: Qwen3TTS, order: CodesOrder, warn: Warn) -> None:
    for name in ("text", "instruct", "ref_text"):
        for token in model.tokenizer.control_tokens_in(getattr(order, name) or ""):
            warn(
                f"{name.replace('_', '-')} contains {token}. Here that is text like any other; the "
                "official package would take it for a control token."
            )


def _controls(wishes: defaults.GenerationDefaults, seed: int | None) -> Controls:
    """Return the checkpoint's controls; without a seed, for the likeliest codes."""
    draws = seed is not None
    return Controls(
        seed=seed or 0,
        talker=Sampling(wishes.do_sample and draws, wishes.temperature, wishes.top_k, wishes.top_p),
        predictor=Sampling(
            wishes.subtalker_dosample and draws,
            wishes.subtalker_temperature,
            wishes.subtalker_top_k,
            wishes.subtalker_top_p,
        ),
        repetition_penalty=wishes.repetition_penalty,
    )


def _generate(
    model: Qwen3TTS,
    order: CodesOrder,
    reference: Reference | None,
    controls: Controls,
    on_frame: Callable[[], None],
) -> Tensor:
    """Return codes [frames, 16], up to the end token or the limit."""
    language = (order.language or "auto").lower()
    prompt = PromptText(
        order.text,
        language=None if language == "auto" else language,
        speaker=(order.speaker or "").lower() or None,
        instructions=order.instruct,
        reference=reference,
        whole_text=not order.text_streaming,
    )
    assert order.max_new_tokens is not None
    most = order.max_new_tokens - 1  # officially the last token is not completed
    ready = model.prompts.build(prompt)
    pages = pages_for(len(ready.rows) + most)
    generation = Generation(model.talker, model.prompts.pad_row(), rows=1, pages=pages)
    sequences = generation.join([ready], [controls], most)
    frames: list[Tensor] = []
    while len(frames) < most:
        frame = generation.step(sequences)[0]
        if int(frame[0]) == model.config.talker.codec_eos_token_id:
            break
        frames.append(frame)
        on_frame()
    return torch.stack(frames)


@torch.inference_mode()
def _decode(model: Qwen3TTS, codes: Tensor, before: Tensor | None, warn: Warn) -> Samples:
    """Return the sound of codes [frames, 16] that follow those of a clip."""
    every = codes if before is None else torch.cat((before, codes))
    if len(every) > _DECODED_FRAMES:
        warn(
            f"Of {len(every)} frames the official package decodes {_DECODED_FRAMES} at a time, "
            "with 25 before them; here the past is never cut off. So after 24 s the audio differs."
        )
    state = model.codec_decoder.start(1)
    pieces = []
    for piece in every.split(_DECODED_FRAMES):
        samples, state = model.codec_decoder(piece.T[None], state)
        pieces.append(samples[0].float().cpu())
    audio: Samples = torch.cat(pieces).numpy()
    # Officially a product of floats, which may come out a sample short of the clip's frames.
    return audio[int((len(every) - len(codes)) / len(every) * len(audio)) :]
