"""What a newcomer does: clone, `make serve`, paste the `curl` it prints, hear something."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from decoding import decode

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_from_an_empty_folder_to_speech_within_three_minutes(tmp_path: Path) -> None:
    """Prints its figures; nothing is there but Python, make, git and curl, no cache of pip's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PIP_NO_CACHE_DIR": "1",
        "PORT": port,
    }
    started = time.monotonic()
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "vivavoce")], check=True)
    serve = subprocess.Popen(
        ["make", "serve"],
        cwd=tmp_path / "vivavoce",
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed = ""
        while "-o hello.mp3" not in printed:
            line = serve.stdout.readline()
            assert line, f"make serve ended: {printed}"
            printed += line
        listening_s = time.monotonic() - started
        curl = re.search(r"curl .*?hello\.mp3", printed, re.DOTALL)[0]
        for _ in range(2):
            subprocess.run(
                ["bash", "-c", f"{curl} -s -w '%{{json}}' > curl.json"], cwd=tmp_path, check=True
            )
            first_byte_s = json.loads((tmp_path / "curl.json").read_text())["time_starttransfer"]
            print(f"\nlistening after {listening_s:.1f} s, first byte after {first_byte_s:.3f} s")
        assert time.monotonic() - started < 180
        assert len(decode((tmp_path / "hello.mp3").read_bytes(), "mp3")) > 1.5 * 24000
    finally:
        os.killpg(serve.pid, signal.SIGTERM)
        serve.wait(20)
        serve.stdout.close()
    assert not list((tmp_path / "vivavoce").glob("*.mp3"))
    shutil.rmtree(tmp_path / "vivavoce")
