"""One measurement: a process of its own, watched from outside while it runs."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.offline.plan import LANGUAGE, SPEAKER, TEXT, Case
from vivavoce.worker.process import ENVIRONMENT

ROOT = Path(__file__).parents[2]
PYTHONS = {"ours": ROOT / ".venv/bin/python", "official": ROOT / ".venv-official/bin/python"}
_EVERY_S = 0.02


def measure(side: str, case: Case, folder: Path, device: str) -> dict[str, Any]:
    """Return what the process of one side found out about a case.

    Raises:
        RuntimeError: it failed; the message has its last words.
    """
    job = {
        **asdict(case),
        "folder": str(folder),
        "device": device,
        "text": TEXT,
        "language": LANGUAGE,
        "speaker": SPEAKER,
    }
    command = [str(PYTHONS[side]), "-m", f"benchmarks.offline.{side}", json.dumps(job)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        as_worker = side == "ours" and case.as_server
        env = {**(ENVIRONMENT if as_worker else {}), **os.environ}
        with subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err, env=env) as process:
            anonymous = _watch(process)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            code, words = process.returncode, err.read()[-2000:]
            raise RuntimeError(f"{side}, {case.name}, ended with {code}:\n{words}")
        result: dict[str, Any] = json.loads(out.read().splitlines()[-1])
    if anonymous:
        result["peak_mib"]["anon"] = max(mib for _, mib in anonymous)
        loading = [mib for at, mib in anonymous if at <= result["loaded_at"]]
        result["load_peak_mib"]["anon"] = max(loading)
    return result


def _watch(process: subprocess.Popen[bytes]) -> list[tuple[float, float]]:
    """Return, until it ends, what memory it has that is no file's: when and how many MiB.

    Nothing where the system does not tell (only Linux does).
    """
    status = Path(f"/proc/{process.pid}/status")
    found = []
    while process.poll() is None:
        if status.exists():
            lines = status.read_text().splitlines()
            for line in lines:
                if line.startswith("RssAnon"):
                    found.append((time.monotonic(), int(line.split()[1]) / 1024))
        time.sleep(_EVERY_S)
    return found
