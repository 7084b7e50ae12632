"""Where and of what a result was taken: the machine, the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

_ROOT = Path(__file__).parents[2]
_PACKAGES = (
    *("vivavoce", "av", "fastapi", "hibari-tts", "httptools", "msgspec", "numpy", "onnxruntime"),
    *("pydantic", "pyzmq", "sentencex", "starlette", "structlog", "typer", "uvicorn", "uvloop"),
)


def facts() -> dict[str, Any]:
    """Return what a reader needs to compare a result with another."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed_since_commit": bool(_git("status", "--porcelain", "--", "src")),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "os": platform.platform(),
            "load_average": [round(load, 2) for load in psutil.getloadavg()],
        },
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _git(*args: str) -> str | None:
    command = ["git", "--no-optional-locks", *args]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # a source archive
        return None
    return done.stdout.strip()


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
