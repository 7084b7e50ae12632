"""The official package, qwen-tts 0.1.1, run on the cases. For `make goldens` and `make parity`.

Some modules it imports serve its other (25 Hz) tokenizer and a demo; empty ones take their place.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from cases import MAX_NEW_TOKENS, REFERENCE_TEXT, SAMPLED_TOKENS, Case, reference_clip

if TYPE_CHECKING:
    from pathlib import Path

    from chains import Chain

_NEVER_CALLED = (
    *("sox", "torchaudio", "torchaudio.compliance", "torchaudio.compliance.kaldi"),
    *("gradio", "onnxruntime"),
)


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """Return the official model, on the CPU, noting the codes of each generation."""
    for name in _NEVER_CALLED:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
        sys.modules.setdefault(name, module)
    import transformers
    from qwen_tts import Qwen3TTSModel

    transformers.logging.set_verbosity_error()
    model = Qwen3TTSModel.from_pretrained(str(folder), dtype=dtype)
    generate = model.model.generate

    def noting(*args: Any, **kwargs: Any) -> Any:
        result = generate(*args, **kwargs)
        model.codes = result[0]
        return result

    model.model.generate = noting
    return model


def run(model: Any, case: Case, **controls: Any) -> dict[str, np.ndarray]:
    """Return `codes0`, `audio0`, ... of each text, and for clones `speaker` and `ref_codes`.

    Greedy up to MAX_NEW_TOKENS, unless `controls` say otherwise.
    """
    controls = {
        "do_sample": False,
        "subtalker_dosample": False,
        "max_new_tokens": MAX_NEW_TOKENS,
        "non_streaming_mode": case.whole_text,
        **controls,
    }
    texts, languages = list(case.texts), list(case.languages)
    found: dict[str, np.ndarray] = {}
    if case.kind == "custom_voice":
        instruct = [case.instructions] * len(texts) if case.instructions else None
        wavs, _ = model.generate_custom_voice(
            text=texts,
            language=languages,
            speaker=list(case.speakers),
            instruct=instruct,
            **controls,
        )
    elif case.kind == "voice_design":
        wavs, _ = model.generate_voice_design(
            text=texts, language=languages, instruct=[case.instructions], **controls
        )
    else:
        prompt = model.create_voice_clone_prompt(
            ref_audio=(reference_clip(), 24000),
            ref_text=REFERENCE_TEXT,
            x_vector_only_mode=not case.in_context,
        )
        wavs, _ = model.generate_voice_clone(
            text=texts, language=languages, voice_clone_prompt=prompt, **controls
        )
        found["speaker"] = prompt[0].ref_spk_embedding.flatten().float().numpy()
        if prompt[0].ref_code is not None:
            found["ref_codes"] = prompt[0].ref_code.numpy()
    for index, (codes, wav) in enumerate(zip(model.codes, wavs, strict=True)):
        found[f"codes{index}"] = codes.numpy()
        found[f"audio{index}"] = np.asarray(wav, np.float32)
    return found


def sample(model: Any, case: Case, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a single text's codes [frames, 16]; return them and the raw logits they are drawn from.

    The talker's [frames + 1, 3072] and the predictor's [frames, 15, 2048].
    """
    first: list[torch.Tensor] = []
    rest: list[torch.Tensor] = []
    talker = model.model.talker
    hooks = [talker.codec_head.register_forward_hook(lambda _m, _x, y: first.append(y[0, -1]))]
    hooks += [
        head.register_forward_hook(lambda _m, _x, y: rest.append(y[0, -1]))
        for head in talker.code_predictor.lm_head
    ]
    torch.manual_seed(seed)
    drawn = {"do_sample": True, "subtalker_dosample": True, "max_new_tokens": SAMPLED_TOKENS}
    codes = run(model, case, **drawn)["codes0"]
    for hook in hooks:
        hook.remove()
    return (
        codes,
        torch.stack(first).float().numpy(),
        torch.stack(rest).unflatten(0, (len(codes), -1)).float().numpy(),
    )


def tokens(processor: Any, text: str) -> dict[str, list[int]]:
    """Return the ids of a text that is spoken, and of one that says how."""
    templates = {
        "spoken": f"<|im_start|>assistant\n{text}<|im_end|>\n<|im_start|>assistant\n",
        "instruction": f"<|im_start|>user\n{text}<|im_end|>\n",
    }
    return {name: processor(text=whole)["input_ids"][0] for name, whole in templates.items()}


def chain(model: Any, wanted: Chain) -> np.ndarray:
    """Return a chain's logits after the talker's processors, in the package's own order."""
    from transformers import GenerationConfig

    controls: dict[str, Any] = {}
    if wanted.history is not None:
        c = model.model.config.talker_config
        forbidden = range(c.vocab_size - 1024, c.vocab_size)
        controls = {
            "repetition_penalty": wanted.penalty,
            "min_new_tokens": 2,
            "suppress_tokens": [i for i in forbidden if i != c.codec_eos_token_id],
            "eos_token_id": c.codec_eos_token_id,
        }
    config = GenerationConfig(
        do_sample=True,
        temperature=wanted.temperature,
        top_k=wanted.top_k,
        top_p=wanted.top_p,
        **controls,
    )
    config._eos_token_tensor = torch.tensor([config.eos_token_id or 0])
    processors = model.model.talker._get_logits_processor(config, input_ids_seq_length=0)
    history = torch.tensor([wanted.history or []], dtype=torch.long)
    logits = torch.from_numpy(wanted.logits())
    return processors(history.expand(len(logits), -1), logits).numpy()
