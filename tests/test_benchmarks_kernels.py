"""The benchmark of kernels at toy sizes, where nothing is timed: every case runs and agrees."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.timeout(600)
def test_every_case_runs_and_agrees_with_plain_torch(tmp_path) -> None:
    path = tmp_path / "kernels.json"
    command = [sys.executable, "-m", "benchmarks.kernels", "--toy", "--batches", "2"]
    run = subprocess.run([*command, "--json", path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result = json.loads(path.read_text())
    assert result["card"] is None
    cases = {row["case"]: row for row in result["cases"]}
    assert all(row["differs"] < 1e-4 for row in cases.values())
    assert all(row["bytes"] > 0 for row in cases.values())
    assert not any("kernel_us" in row for row in cases.values())
    assert {"talker.qkv", "predictor.attend", "predictor.sample", "embed_sum"} <= cases.keys()


def test_without_a_card_it_says_so(tmp_path) -> None:
    env = {"CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "benchmarks.kernels", "--json", tmp_path / "none.json"]
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    assert run.returncode != 0
    assert "--toy" in run.stderr
    assert not (tmp_path / "none.json").exists()
