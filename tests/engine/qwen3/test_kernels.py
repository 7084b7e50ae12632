"""The kernels' own tests, each file in a process where Triton interprets; see `kernels/conftest`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "kernels"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", sorted(FOLDER.glob("test_*.py")), ids=lambda file: file.stem)
def test_in_the_interpreter(file) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x", str(file)]
    env = os.environ | {"TRITON_INTERPRET": "1"}
    run = subprocess.run(command, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
