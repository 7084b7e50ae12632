"""What a worker does before any load, without a server: a process, and its imports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from vivavoce.worker.process import ENVIRONMENT

if TYPE_CHECKING:
    from benchmarks.cold.plan import Case, Plan
    from benchmarks.online.figures import Figures

_CODE = """
import sys, time
import vivavoce.worker.host
began = time.monotonic()
vivavoce.worker.host.registry.prepare(sys.argv[1])
print(began, time.monotonic())
"""


def measure(case: Case, plan: Plan, figures: Figures) -> None:
    """Start such processes, one after the other."""
    for turn in range(plan.first + plan.repeats):
        launched = time.monotonic()  # the clock of the whole machine
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CODE, case.engine],
            env={**ENVIRONMENT, **os.environ},
            capture_output=True,
            text=True,
            check=True,
        )
        began, ended = map(float, done.stdout.split())
        if turn >= plan.first:
            figures.add(f"{case.name}.bare.process", "ms", 1000 * (began - launched))
            figures.add(f"{case.name}.bare.imports", "ms", 1000 * (ended - began))
