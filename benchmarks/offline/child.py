"""What a measuring process does, whichever side it measures. Run in either environment.

So nothing is imported here but torch, and vivavoce nowhere. The result is the last line printed.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Job:
    """What one process is to do; a case and a plan in plain values."""

    folder: str
    device: str
    text: str
    language: str
    speaker: str
    dtype: str
    batch: int
    sampled: bool
    as_server: bool
    quantize: str
    threads: int | None
    frames: int
    warm_frames: int


class Speaker(Protocol):
    """A loaded model. `versions` names what it is made with."""

    versions: dict[str, str]

    def speak(self, job: Job, frames: int) -> tuple[float, float]:
        """Speak that many frames; return the seconds for the codes and for their sound."""


def main(load: Callable[[Job], Speaker]) -> None:
    """Load, warm up, measure, print."""
    job = Job(**json.loads(sys.argv[1]))
    if job.threads:
        torch.set_num_threads(job.threads)
    device = torch.device(job.device)
    with torch.device(device):
        torch.zeros(1)  # a CUDA context is not part of loading
    began = now(device)
    speaker = load(job)
    loaded, loaded_at = now(device), time.monotonic()
    load_peak = peak_mib(device)
    speaker.speak(job, job.warm_frames)
    began_speaking, cpu_began = now(device), time.process_time()
    generate_s, decode_s = speaker.speak(job, job.frames)
    both_s, cpu_s = now(device) - began_speaking, time.process_time() - cpu_began
    result = {
        "load_s": loaded - began,
        "loaded_at": loaded_at,
        "load_peak_mib": load_peak,
        "generate_s": generate_s,
        "decode_s": decode_s,
        "both_s": both_s,
        "cpu_s": cpu_s,
        "peak_mib": peak_mib(device),
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, **speaker.versions},
    }
    print(json.dumps(result))


def now(device: torch.device) -> float:
    """Return the time in seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak_mib(device: torch.device) -> dict[str, float]:
    """Return the most memory this process has had so far, pages of mapped files included."""
    status = Path("/proc/self/status")
    peak = {}
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        peak["peak"] = int(fields["VmHWM"].split()[0]) / 1024
    if device.type == "cuda":
        peak["cuda"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peak
