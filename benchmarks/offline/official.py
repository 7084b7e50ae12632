"""The process that measures the official package: `python -m benchmarks.offline.official JOB`.

Run in its own environment (`make goldens` makes it). The package runs as it stands, through its
public function; only its two halves are timed apart.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from importlib.metadata import version
from typing import Any

import torch

from benchmarks.offline.child import DTYPES, Job, main, now

# What its other tokenizer (25 Hz) and its demo import, and nothing here calls.
_NEVER_CALLED = (
    *("sox", "torchaudio", "torchaudio.compliance", "torchaudio.compliance.kaldi"),
    *("gradio", "onnxruntime"),
)


class Official:
    """The public model."""

    def __init__(self, job: Job) -> None:
        self._device = torch.device(job.device)
        self.versions = {name: version(name) for name in ("qwen-tts", "transformers")}
        from qwen_tts import Qwen3TTSModel

        place = {} if job.device == "cpu" else {"device_map": job.device}
        self._model = Qwen3TTSModel.from_pretrained(job.folder, dtype=DTYPES[job.dtype], **place)
        self._generate_s = self._decode_s = 0.0
        inner = self._model.model
        inner.generate = self._timed(inner.generate, "_generate_s")
        tokenizer = inner.speech_tokenizer
        tokenizer.decode = self._timed(tokenizer.decode, "_decode_s")

    def speak(self, job: Job, frames: int) -> tuple[float, float]:
        """See `child.Speaker`."""
        torch.manual_seed(0)
        wavs, rate_hz = self._model.generate_custom_voice(
            text=[job.text] * job.batch,
            language=[job.language] * job.batch,
            speaker=[job.speaker] * job.batch,
            do_sample=job.sampled,
            subtalker_dosample=job.sampled,
            max_new_tokens=frames + 1,  # the last one has no frame
        )
        assert all(len(wav) == frames * rate_hz * 2 // 25 for wav in wavs), "it has ended early"
        return self._generate_s, self._decode_s

    def _timed(self, function: Any, name: str) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = now(self._device)
            result = function(*args, **kwargs)
            setattr(self, name, now(self._device) - began)
            return result

        return timed


def _import() -> None:
    """Import the package before the clock runs, as vivavoce is."""
    for name in _NEVER_CALLED:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
        sys.modules.setdefault(name, module)
    import qwen_tts
    import transformers

    assert qwen_tts
    transformers.logging.set_verbosity_error()


if __name__ == "__main__":
    _import()
    main(Official)
