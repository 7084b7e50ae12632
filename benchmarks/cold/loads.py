"""Loads of one server, one after the other: the client's clock, and the log's account of each."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.online import server
from benchmarks.online.load import connected
from benchmarks.online.texts import SHORT

if TYPE_CHECKING:
    from benchmarks.cold.plan import Case, Plan
    from benchmarks.online.figures import Figures
    from benchmarks.online.progress import Progress

_PATIENCE_S = 60.0
_EVERY_S = 0.02


def measure(case: Case, plan: Plan, progress: Progress, figures: Figures) -> None:
    """Take a case without and with STANDBY, each with a server of its own."""
    for standby in (False, True):
        name = f"{case.name}.standby" if standby else case.name
        settings = {"IDLE_TIMEOUT": "0", "STANDBY": str(standby).lower(), **case.settings}
        with (
            server.vivavoce(case.engine, **settings) as served,
            httpx.Client(base_url=served.url, timeout=_PATIENCE_S) as http,
            progress.stage(name, plan.repeats) as step,
        ):
            for turn in range(plan.first + plan.repeats):
                if standby:
                    _until(http, lambda health: health["standby"] is not None)
                first_s, ready = _load(case, served, turn)
                if turn >= plan.first:
                    _note(figures, name, first_s, ready)
                    step()
                _unload(http)


def _load(case: Case, served: server.Server, turn: int) -> tuple[float, dict[str, Any]]:
    """Return the seconds until the first byte of audio, and what the log says of the load."""
    with connected(served.url) as client:
        body = {"input": SHORT, "response_format": "pcm", "seed": turn, **case.body}
        first_s = client.speak(body).first_byte_s
    give_up = time.monotonic() + _PATIENCE_S
    while True:  # the log is written by a thread of its own
        ready = [line for line in _lines(served) if line["event"] == "worker ready"]
        if len(ready) == turn + 1:
            return first_s, ready[-1]
        if time.monotonic() > give_up:
            raise RuntimeError(f"{len(ready)} loads in the log after {turn + 1} requests")
        time.sleep(_EVERY_S)


def _lines(served: server.Server) -> list[dict[str, Any]]:
    lines = served.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def _note(figures: Figures, name: str, first_s: float, ready: dict[str, Any]) -> None:
    figures.add(f"{name}.first_audio", "ms", 1000 * first_s)
    for stage, took_s in ready["stages_s"].items():
        figures.add(f"{name}.{slug(stage)}", "ms", 1000 * took_s)
    figures.add(f"{name}.speaking", "ms", 1000 * (first_s - ready["start_s"]))


def slug(stage: str) -> str:
    """Return a stage's name as part of a figure's: `reading talker as int8` → `reading_talker`.

    With how many bits is told by the checkpoint's settings.
    """
    return re.sub(r"\W+", "_", re.sub(r" as int\d+$", "", stage))


def _unload(http: httpx.Client) -> None:
    """Unload the model, and wait until its process has ended."""
    model = http.get("/health").json()["models"][0]["id"]
    http.post(f"/v1/models/{model}/unload").raise_for_status()
    _until(http, lambda health: health["models"][0]["worker"] is None)


def _until(http: httpx.Client, so: Any) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while not so(health := http.get("/health").json()):
        if time.monotonic() > give_up:
            raise RuntimeError(f"the server did not come so far: {health}")
        time.sleep(_EVERY_S)
