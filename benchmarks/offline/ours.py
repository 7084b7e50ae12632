"""The process that measures vivavoce: `python -m benchmarks.offline.ours JOB`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.offline.child import DTYPES, Job, main, now
from vivavoce.engine.qwen3.attention import SDPA
from vivavoce.engine.qwen3.device import place
from vivavoce.engine.qwen3.generation import Controls, Generation
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.pages import pages_for
from vivavoce.engine.qwen3.piece import CHUNK_FRAMES
from vivavoce.engine.qwen3.prompt import PromptText
from vivavoce.engine.qwen3.sampling import Sampling


class Ours:
    """The parts that the server drives, driven here in the same way but without a thread."""

    def __init__(self, job: Job) -> None:
        self._device = torch.device(job.device)
        self.versions = {"vivavoce": version("vivavoce")}
        dtype = DTYPES[job.dtype]
        self._model = Qwen3TTS.load(
            Path(job.folder),
            self._device,
            dtype,
            torch.float32 if job.as_server else dtype,
            attention=SDPA,  # as the official package by default
            weight_bits=place(job.device, job.dtype, job.quantize).weight_bits,
        )

    def speak(self, job: Job, frames: int) -> tuple[float, float]:
        """See `child.Speaker`."""
        began = now(self._device)
        made = self._generate(job, frames)
        generated = now(self._device)
        codes = torch.tensor(made, device=self._device).permute(1, 2, 0)
        self._decode(codes, job)
        return generated - began, now(self._device) - generated

    def _generate(self, job: Job, frames: int) -> list[list[list[int]]]:
        """Return frames × batch × 16 codes. Each frame is read back, as the server has to."""
        m = self._model
        wanted = PromptText(job.text, job.language, job.speaker)
        sampling = Sampling(do_sample=job.sampled)
        controls = [Controls(n, talker=sampling, predictor=sampling) for n in range(job.batch)]
        prompt = m.prompts.build(wanted)
        pages = job.batch * pages_for(len(prompt.rows) + frames)
        generation = Generation(m.talker, m.prompts.pad_row(), job.batch, pages)
        sequences = generation.join([prompt] * job.batch, controls, frames)
        return [generation.step(sequences).tolist() for _ in range(frames)]

    @torch.inference_mode()
    def _decode(self, codes: torch.Tensor, job: Job) -> None:
        """Decode codes [B, 16, T], side by side."""
        state = self._model.codec_decoder.start(len(codes))
        pieces = [codes.shape[-1]]
        if job.as_server:
            pieces = _chunks(codes.shape[-1])
        for piece in codes.split(pieces, dim=-1):
            samples, state = self._model.codec_decoder(piece, state)
            samples.float().cpu().numpy()


def _chunks(frames: int) -> list[int]:
    """Return the sizes in which the server decodes so many frames."""
    sizes: list[int] = []
    while (left := frames - sum(sizes)) > 0:
        sizes.append(min(left, CHUNK_FRAMES[min(len(sizes), len(CHUNK_FRAMES) - 1)]))
    return sizes


if __name__ == "__main__":
    main(Ours)
