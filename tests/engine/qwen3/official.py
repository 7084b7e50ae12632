"""The official package, qwen-tts 0.1.1, run on the same checkpoints. Only for `make parity`.

Some modules it imports serve its other (25 Hz) tokenizer and a demo; empty ones take their place.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from cases import MAX_NEW_TOKENS, REFERENCE_TEXT, Case, reference_clip

if TYPE_CHECKING:
    from pathlib import Path

_NEVER_CALLED = (
    *("sox", "torchaudio", "torchaudio.compliance", "torchaudio.compliance.kaldi"),
    *("gradio", "onnxruntime"),
)


def load(folder: Path) -> Any:
    """Return the official model, in fp32 on the CPU, noting the codes of each generation."""
    for name in _NEVER_CALLED:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
        sys.modules.setdefault(name, module)
    import transformers
    from qwen_tts import Qwen3TTSModel

    transformers.logging.set_verbosity_error()
    model = Qwen3TTSModel.from_pretrained(str(folder), dtype=torch.float32)
    generate = model.model.generate

    def noting(*args: Any, **kwargs: Any) -> Any:
        result = generate(*args, **kwargs)
        model.codes = result[0]
        return result

    model.model.generate = noting
    return model


def run(model: Any, case: Case) -> dict[str, np.ndarray]:
    """Return `codes0`, `audio0`, ... of each text, and for clones `speaker` and `ref_codes`."""
    greedy = {
        "do_sample": False,
        "subtalker_dosample": False,
        "max_new_tokens": MAX_NEW_TOKENS,
        "non_streaming_mode": case.whole_text,
    }
    texts, languages = list(case.texts), list(case.languages)
    found: dict[str, np.ndarray] = {}
    if case.kind == "custom_voice":
        instruct = [case.instructions] * len(texts) if case.instructions else None
        wavs, _ = model.generate_custom_voice(
            text=texts, language=languages, speaker=list(case.speakers), instruct=instruct, **greedy
        )
    elif case.kind == "voice_design":
        wavs, _ = model.generate_voice_design(
            text=texts, language=languages, instruct=[case.instructions], **greedy
        )
    else:
        prompt = model.create_voice_clone_prompt(
            ref_audio=(reference_clip(), 24000),
            ref_text=REFERENCE_TEXT,
            x_vector_only_mode=not case.in_context,
        )
        wavs, _ = model.generate_voice_clone(
            text=texts, language=languages, voice_clone_prompt=prompt, **greedy
        )
        found["speaker"] = prompt[0].ref_spk_embedding.flatten().numpy()
        if prompt[0].ref_code is not None:
            found["ref_codes"] = prompt[0].ref_code.numpy()
    for index, (codes, wav) in enumerate(zip(model.codes, wavs, strict=True)):
        found[f"codes{index}"] = codes.numpy()
        found[f"audio{index}"] = np.asarray(wav, np.float32)
    return found
