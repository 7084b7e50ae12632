"""The very first request: the checkpoint is downloaded, seen to be, loaded, and speaks."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hub import Hub

from conftest import running_server
from speaking import speaking_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

MODEL = "Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice"


def when_loading(server: Server) -> dict:
    """Return the default model as /health shows it, once it tells how far its load is."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        (model, *_) = server.health()["models"]
        if model["loading"] is not None:
            return model
        time.sleep(0.05)
    raise AssertionError("it never told how far its load is")


def test_the_first_request_downloads_what_it_needs(tmp_path: Path) -> None:
    body = {"input": "Hello.", "max_new_tokens": 5, "response_format": "pcm", "model": MODEL}
    # A download may take longer than a load may, as long as it moves.
    env = {"MODEL_ID": MODEL, "DEVICE": "cpu", "WORKER_START_TIMEOUT": "20"}
    with (
        Hub(speaking_checkpoint("custom_voice", ends=False), (MODEL,)) as hub,
        running_server(tmp_path, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path), **env) as server,
        server.client() as client,
        ThreadPoolExecutor(1) as threads,
    ):
        size = len(hub.files["model.safetensors"])
        hold = hub.hold("model.safetensors", size // 2)
        answer = threads.submit(client.post, "/v1/audio/speech", json=body)
        assert hold.reached.wait(60)
        model = when_loading(server)
        assert model["state"] == "starting"
        assert model["loading"]["stage"] == "downloading"
        assert model["loading"]["total_bytes"] > size
        hold.released.set()
        assert len(answer.result().content) == 4 * 1920 * 2
        requests = len(hub.requests)
        assert len(client.post("/v1/audio/speech", json=body).content) == 4 * 1920 * 2
        assert server.health()["models"][0]["loading"] is None
        assert len(hub.requests) == requests
    assert '"stage": "downloading"' in server.log
    assert '"stage": "verifying"' in server.log
