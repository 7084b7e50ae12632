"""The README's table of figures: `python -m benchmarks.online.readme RESULT.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_ROWS = (
    ("`vivavoce serve` until it listens", "start"),
    ("first byte, nothing loaded (mp3)", "first_byte.cold.mp3"),
    ("first byte, loaded (mp3)", "first_byte.warm.mp3"),
    ("first byte, loaded (pcm)", "first_byte.warm.pcm"),
    ("seconds of work per second of speech, one sentence", "realtime.short.c1"),
    ("the same, 200 words", "realtime.long.c1"),
    ("seconds of speech made per second, 8 listeners", "realtime.long.c8.audio"),
    ("what the server adds to an answer of 22 chunks (pcm)", "overhead.pcm.added"),
    ("what it adds to that answer's first byte (pcm)", "overhead.pcm.first_byte_added"),
    ("memory of the server, nothing loaded", "memory.server.idle.rss"),
    ("the same after every format was spoken and the voice ended", "memory.server.unloaded.rss"),
    ("memory of the embedded voice", "memory.worker.rss"),
)


def table(result: dict[str, Any]) -> str:
    """Return the rows worth a newcomer's attention, as Markdown."""
    lines = ["| | median | p95 |", "| --- | --- | --- |"]
    for label, name in _ROWS:
        figure = result["figures"][name]
        lines.append(f"| {label} | {_shown(figure, 'median')} | {_shown(figure, 'p95')} |")
    return "\n".join(lines) + "\n"


def _shown(figure: dict[str, Any], value: str) -> str:
    if figure[value] is None:
        return ""
    if figure["unit"] == "ms" and figure[value] >= 1000:
        return f"{figure[value] / 1000:.3g} s"
    return f"{figure[value]:.3g} {figure['unit'].removesuffix('x')}".strip()


if __name__ == "__main__":
    sys.stdout.write(table(json.loads(Path(sys.argv[1]).read_text())))
