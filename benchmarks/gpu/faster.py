"""The process that measures faster-qwen3-tts: `python -m benchmarks.gpu.faster JOB`.

Run in its own environment (`make gpu` makes it), so vivavoce is imported nowhere. The package runs
as it stands, with the settings of its own benchmarks.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import torch
from faster_qwen3_tts import FasterQwen3TTS

TEXT = {"text": "Hello there, speak to the one voice.", "language": "English", "speaker": "ryan"}


def main() -> None:
    """Load, warm up, measure, print."""
    job = json.loads(sys.argv[1])
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[job["dtype"]]
    model = FasterQwen3TTS.from_pretrained(
        job["folder"],
        device=job["device"],
        dtype=dtype,
        attn_implementation="eager",
        max_seq_len=2048,
    )
    speak(model, job["warm_frames"])
    figures = {}
    for chunk in (1, 8):
        first_audio(model, chunk)
        figures[f"first_audio{chunk}"] = min(first_audio(model, chunk) for _ in range(3))
    began = time.perf_counter()
    speak(model, job["frames"])
    torch.cuda.synchronize()
    # All of it: prompt, codes and their sound.
    figures["b1.both"] = 1000 * (time.perf_counter() - began) / job["frames"]
    print(json.dumps({"figures": figures, "version": version("faster-qwen3-tts")}))


def speak(model: FasterQwen3TTS, frames: int) -> None:
    audio, rate_hz = model.generate_custom_voice(**TEXT, max_new_tokens=frames + 1)
    made = len(audio[0]) / rate_hz * 12.5
    assert abs(made - frames) <= 1.5, f"{made} frames were made instead of {frames}"


def first_audio(model: FasterQwen3TTS, chunk: int) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    stream = model.generate_custom_voice_streaming(**TEXT, chunk_size=chunk, max_new_tokens=64)
    next(stream)
    torch.cuda.synchronize()
    took_s = time.perf_counter() - began
    stream.close()
    return 1000 * took_s


if __name__ == "__main__":
    main()
