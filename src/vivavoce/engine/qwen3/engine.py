"""Qwen3-TTS behind the engine protocol: requests become tasks for the runner, chunks come back."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from vivavoce.engine.base import Engine
from vivavoce.engine.qwen3 import catalog, checkpoint, faults, room, warmup
from vivavoce.engine.qwen3.batch import Batch
from vivavoce.engine.qwen3.budget import MAX_FRAMES, frame_budget
from vivavoce.engine.qwen3.defaults import GenerationDefaults, read_defaults
from vivavoce.engine.qwen3.device import place
from vivavoce.engine.qwen3.generation import Controls
from vivavoce.engine.qwen3.graphs import graphed
from vivavoce.engine.qwen3.loop import Loop
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.piece import Limits
from vivavoce.engine.qwen3.prompt import PromptText, Reference
from vivavoce.engine.qwen3.runner import Runner
from vivavoce.engine.qwen3.sampling import Sampling
from vivavoce.engine.qwen3.stream import QwenStream
from vivavoce.engine.qwen3.turn import Task
from vivavoce.errors import OutOfMemory
from vivavoce.types import LoadProgress, Need, VoicePrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vivavoce.engine.qwen3.graphs.graphed import GraphOptions
    from vivavoce.types import ModelInfo, Samples, SpeechRequest

MAX_BATCH = 16
_VOICES = 32
"""So many cloned voices are kept as tensors, the latest used."""


class Qwen3Engine(Engine):
    """One checkpoint. Usage: rows of the prompts in, frames of 80 ms out.

    Options: `model`, a hub id or folder; `need`, what it is to be for; `device`, `dtype`,
    `quantize`, `offline`, `kv_cache_positions`, `cuda_graphs` as the settings; `frame_budget` and
    `runaway_guard`, whether speech that does not end is given up; `warmup`, `tf32` and
    `cudnn_benchmark`, see `warmup.py`.
    """

    def __init__(
        self,
        info: ModelInfo,
        model: Qwen3TTS,
        defaults: GenerationDefaults,
        options: Mapping[str, object],
    ) -> None:
        self.info = info
        self._model = model
        self._defaults = defaults
        self._budgeted = bool(options.get("frame_budget", True))
        self._guarded = bool(options.get("runaway_guard", True))
        wanted = options.get("kv_cache_positions", 0)
        assert isinstance(wanted, int)
        pages = room.pages(model, MAX_BATCH, wanted=wanted)
        eos = model.config.talker.codec_eos_token_id
        self._batch = Batch(model, MAX_BATCH, pages, _graphs(model, pages, options))
        self._runner = Runner(Loop(self._batch, self._plan, eos), self._batch.stream)
        # The same object for the same voice: what else is kept of it is found by that.
        self._reference = lru_cache(_VOICES)(self._make_reference)
        if model.codec_encoder is not None:
            # A long clip takes a processor half a minute: each layer is a sign of life.
            for module in model.codec_encoder.modules():
                module.register_forward_hook(lambda *_: self._runner.tick())

    @classmethod
    def load(
        cls, options: Mapping[str, object], on_progress: Callable[[LoadProgress], None]
    ) -> Self:
        """See `Engine.load`: downloads the checkpoint if it is not at hand, then reads it."""
        try:
            return cls._load(options, on_progress)
        except Exception as exc:
            if not faults.is_out_of_memory(exc):
                raise
            short = faults.short_of(exc)
        raise OutOfMemory(
            f"{options['model']} does not fit into memory now{short}. Unload other models or end "
            "other programs that use the card; or choose a smaller model, or another DEVICE."
        )

    @classmethod
    def _load(
        cls, options: Mapping[str, object], on_progress: Callable[[LoadProgress], None]
    ) -> Self:
        placed = place(
            *(str(options.get(name, "auto")) for name in ("device", "dtype", "quantize"))
        )
        folder = checkpoint.fetch(
            str(options["model"]),
            offline=bool(options.get("offline", False)),
            on_progress=lambda it: on_progress(
                LoadProgress("downloading", it.done_bytes, it.total_bytes)
            ),
            on_check=lambda it: on_progress(
                LoadProgress("verifying", it.done_bytes, it.total_bytes)
            ),
        )
        if placed.device.type == "cuda":  # or something of this thread's might go to another card
            torch.cuda.set_device(placed.device)
        warmup.prepare(
            placed.device,
            tf32=bool(options.get("tf32", False)),
            cudnn_benchmark=bool(options.get("cudnn_benchmark", False)),
        )
        info = catalog.describe(options)
        # The codec takes little memory, and half precision is heard (and slower on most CPUs).
        model = Qwen3TTS.load(
            folder,
            placed.device,
            placed.dtype,
            torch.float32,
            attention=placed.attention,
            weight_bits=placed.weight_bits,
            on_stage=lambda stage: on_progress(LoadProgress(stage)),
        )
        catalog.check_kind(info.id, model.config, Need(str(options["need"])))
        on_progress(LoadProgress("taking memory"))
        engine = cls(info, model, read_defaults(folder), options)
        if options.get("warmup", True) and warmup.pays(placed.device):
            on_progress(LoadProgress("warming up"))
            engine.warm_up()
        return engine

    def warm_up(self) -> None:
        """Do what is done once, before anybody waits for it. See `warmup.py`.

        Raises:
            OutOfMemory, EngineBroken: as `Runner.call`. The engine is closed then.
        """
        try:
            self._runner.call(lambda: warmup.warm_up(self._batch))
        except BaseException:
            self.close()
            raise

    def speak(self, request: SpeechRequest) -> QwenStream:
        """See `Engine.speak`."""
        return QwenStream(request, self._runner.submit, self._runner.wake)

    @property
    def steps(self) -> int:
        """See `Engine.steps`: frames, prefills and clips."""
        return self._runner.steps

    @property
    def gpu_bytes(self) -> int:
        """See `Engine.gpu_bytes`: what torch has taken of it, in use or not."""
        device = self._model.device
        return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0

    @property
    def broken(self) -> str | None:
        """See `Engine.broken`: the device is lost to this process, or its memory used up."""
        return self._runner.broken

    def listen(self, samples: Samples, transcript: str | None) -> VoicePrompt:
        """See `Engine.listen`."""
        if self._model.speaker_encoder is None:
            return super().listen(samples, transcript)
        return self._runner.call(lambda: self._listen(samples, transcript))

    def _listen(self, samples: Samples, transcript: str | None) -> VoicePrompt:
        clip = torch.from_numpy(np.array(samples)).to(self._model.device)
        heard = self._model.listen(clip, transcript)
        speaker = heard.speaker.float().cpu().numpy().tobytes()
        if heard.codes is None:
            return VoicePrompt(speaker)
        codes = heard.codes.cpu().numpy().astype("<i2").tobytes()
        return VoicePrompt(speaker, codes, transcript)

    def close(self) -> None:
        """See `Engine.close`."""
        self._runner.close()

    def _plan(self, stream: QwenStream, segment: int, attempt: int, frames: int) -> Task | None:
        request = stream.request
        said = _said(stream, segment)
        if said is None:
            return None
        text, pause_s, language, is_open = said
        wish = request.max_new_tokens
        budget = MAX_FRAMES if is_open else frame_budget(text)
        limits = Limits(
            # As officially, the last of N new tokens has no frame.
            frames=None if wish is None else wish - 1 - frames,
            budget=budget if self._budgeted and wish is None else None,
            guarded=self._guarded,
        )
        # Segments and retries have streams of random numbers of their own, beside the seed.
        seed = request.seed | (segment << 8 | attempt) << 32
        controls = self._controls(request, seed)
        wanted = self._prompt_text(request, text, language, is_open=is_open)
        return Task(wanted, controls, limits, pause_s)

    def _prompt_text(
        self, request: SpeechRequest, text: str, language: str | None, *, is_open: bool
    ) -> PromptText:
        return PromptText(
            text,
            whole_text=not request.live,
            open=is_open,
            language=catalog.LANGUAGES[language] if language else None,
            speaker=request.voice or None,
            blend=request.blend,
            instructions=request.instructions,
            reference=self._reference(request.reference) if request.reference else None,
        )

    def _make_reference(self, heard: VoicePrompt) -> Reference:
        device = self._model.device

        def tensor(data: bytes, kind: str) -> torch.Tensor:
            return torch.from_numpy(np.frombuffer(data, kind).copy()).to(device)

        speaker = tensor(heard.speaker, "<f4")
        if heard.codes is None:
            return Reference(speaker)
        return Reference(speaker, tensor(heard.codes, "<i2").long().view(-1, 16), heard.transcript)

    def _controls(self, request: SpeechRequest, seed: int) -> Controls:
        """Return a request's controls; where it has none, the checkpoint's."""
        d, wish = self._defaults, request.sampling
        draws = wish.temperature != 0

        def usual(wished: float | None, default: float) -> float:
            return default if wished is None else wished

        return Controls(
            seed=seed,
            talker=Sampling(
                do_sample=d.do_sample and draws,
                temperature=usual(wish.temperature, d.temperature),
                top_k=int(usual(wish.top_k, d.top_k)),
                top_p=usual(wish.top_p, d.top_p),
            ),
            predictor=Sampling(
                do_sample=d.subtalker_dosample and draws,
                temperature=d.subtalker_temperature,
                top_k=d.subtalker_top_k,
                top_p=d.subtalker_top_p,
            ),
            repetition_penalty=usual(wish.repetition_penalty, d.repetition_penalty),
        )


def _graphs(model: Qwen3TTS, pages: int, options: Mapping[str, object]) -> GraphOptions | None:
    if not options.get("cuda_graphs", False) or model.device.type != "cuda":
        return None
    return graphed.choose(model.device, model.talker.dtype, room.graph_bytes(model, pages))


def _said(stream: QwenStream, segment: int) -> tuple[str, float, str | None, bool] | None:
    """Return a segment's text, the pause after it, its language, and whether the text goes on.

    None: no more.
    """
    language = stream.request.language
    if stream.text is None:
        segments = stream.request.segments
        if segment == len(segments):
            return None
        said = segments[segment]
        return said.text, said.pause_s, said.language or language, False
    text, finished = stream.text.read()
    if segment > 0 or (finished and not text.strip()):
        return None
    return text, 0.0, language, not finished
