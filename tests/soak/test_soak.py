"""A minute of mixed load on both engines, side by side: `make soak`, short."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from soak.kinds import kinds
from soak.plan import AUDIO_CACHE_MAX, ENGINES

ROOT = Path(__file__).parents[2]
ANSWERED = ("stream", "whole", "events", "plain_events", "plain_pcm", "chorus")


@pytest.mark.timeout(240)
def test_nothing_leaks_and_every_answer_is_right_or_an_honest_error(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    command = [sys.executable, "-m", "soak", "--minutes", "1", "--json", str(path)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    result = json.loads(path.read_text())
    assert result["troubles"] == []
    # That nothing went wrong tells something only if there was enough that could have.
    for engine in ENGINES:
        run = result["engines"][engine]
        for kind in ANSWERED:
            assert run["kinds"][kind]["right"] > 0
        assert run["kinds"]["bad"]["refused"] > 0
        assert run["kinds"]["leaver"]["left"] > 0
        assert run["outcomes"]["server_full"] > 0
        assert run["kills"] == len(run["recovered_after_s"]) == 2
        assert run["cache"]["hit"] > 0
        assert run["cache"]["joined"] > 0
        assert run["cache"]["miss"] > AUDIO_CACHE_MAX  # so that some were forgotten
        assert len(run["rests"]) == 2
    assert set(result["engines"]["fake"]["kinds"]) >= {kind.__name__ for kind in kinds("fake")}
