"""The wheel in an environment of its own: the real openai package has it speak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openai
import pytest

from conftest import Server, running_server
from decoding import decode
from package.environments import install
from speaking import speaking_checkpoint

pytestmark = [pytest.mark.package, pytest.mark.timeout(900)]

TEXT = "The quick brown fox jumps over the lazy dog."


def spoken(server: Server, voice: str) -> np.ndarray:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        answer = client.audio.speech.create(
            model="tts-1", voice=voice, input=TEXT, response_format="mp3"
        )
    return decode(answer.content, "mp3")


def test_the_embedded_voice_speaks(wheel: Path, tmp_path: Path) -> None:
    environment = install(tmp_path / "venv", str(wheel))
    empty = tmp_path / "empty"
    empty.mkdir()
    with running_server(empty, environment.program, "serve", PYTHONPATH="") as server:
        samples = spoken(server, "alloy")
    assert 1.5 < len(samples) / 24000 < 6
    assert np.sqrt(np.mean(samples**2)) > 0.02
    assert "torch" not in environment.run("-m", "pip", "list")
    assert environment.run("-m", "vivavoce", "doctor").endswith("This machine can speak.\n")
    print(f"\ninstalled {environment.megabytes():.0f} MB")


def test_qwen3_speaks_with_weights_that_are_random(wheel: Path, tmp_path: Path) -> None:
    environment = install(tmp_path / "venv", f"{wheel}[qwen]", "torch==2.13.0")
    empty = tmp_path / "empty"
    empty.mkdir()
    settings = {
        "MODEL_ID": str(speaking_checkpoint("custom_voice")),
        "DEVICE": "cpu",
        "RUNAWAY_GUARD": "false",
    }
    with running_server(empty, environment.program, "serve", PYTHONPATH="", **settings) as server:
        samples = spoken(server, "vivian")
    assert len(samples) >= 1920
    assert np.abs(samples).max() > 0
    print(f"\ninstalled with [qwen] and torch for CPUs {environment.megabytes():.0f} MB")
