"""The embedded voice through the whole server: first bytes, and speed beside real time.

Beside it, in turn, the same voice as a plain function in this process (`.bare`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.online import server
from benchmarks.online.bare import Bare
from benchmarks.online.load import at_once, connected
from benchmarks.online.texts import LONG, SHORT

if TYPE_CHECKING:
    from benchmarks.online.figures import Figures
    from benchmarks.online.load import Body
    from benchmarks.online.plan import Plan
    from benchmarks.online.progress import Progress

_FORMATS = ("pcm", "mp3", "opus")
_PCM_BYTES_PER_S = 48_000
_FORMAT = "mp3"  # the default


def measure(plan: Plan, progress: Progress, figures: Figures) -> None:
    """Take the figures of one warm server."""
    bare = Bare("embedded")
    with server.vivavoce("embedded") as served:
        with connected(served.url) as client:
            for name in _FORMATS:
                client.speak({"input": SHORT, "response_format": name})
        _first_bytes(plan, progress, figures, bare, served.url)
        _realtime(plan, progress, figures, bare, served.url)


def _first_bytes(plan: Plan, progress: Progress, figures: Figures, bare: Bare, url: str) -> None:
    with (
        progress.stage("warm first byte, embedded voice", plan.warm_requests) as step,
        connected(url) as client,
    ):
        for seed in plan.rounds(plan.warm_requests):
            for name in _FORMATS:
                made = bare.speak(SHORT, name, seed)
                answer = client.speak({"input": SHORT, "response_format": name, "seed": seed})
                figure = f"first_byte.warm.{name}"
                figures.add(figure, "ms", answer.first_byte_s * 1000)
                figures.add(f"{figure}.bare", "ms", made.first_byte_s * 1000)
            step()


def _realtime(plan: Plan, progress: Progress, figures: Figures, bare: Bare, url: str) -> None:
    """Every level in every round, so that a busy minute of the machine falls on all alike."""
    levels = plan.concurrency
    steps = plan.realtime_rounds * 2 * len(levels)
    with progress.stage("real-time factor, embedded voice", steps) as step:
        for turn in plan.rounds(plan.realtime_rounds):
            for name, text in (("short", SHORT), ("long", LONG)):
                audio_s = len(b"".join(bare.speak(text, "pcm", turn).parts)) / _PCM_BYTES_PER_S
                for level in levels:
                    n = max(level, plan.short_requests) if name == "short" else level
                    seeds = range(1000 * turn, 1000 * turn + n)
                    made, bare_s = bare.at_once(text, _FORMAT, seeds, level)
                    bodies: list[Body] = [
                        {"input": text, "response_format": _FORMAT, "seed": seed} for seed in seeds
                    ]
                    answers, all_s = at_once(url, bodies, level)
                    figure = f"realtime.{name}.c{level}"
                    if level == 1:
                        alone = (m.total_s / audio_s for m in made)
                        figures.add(f"realtime.{name}.bare", "x", *alone)
                    figures.add(figure, "x", *(a.total_s / audio_s for a in answers))
                    figures.add(f"{figure}.audio", "s/s", n * audio_s / all_s)
                    figures.add(f"{figure}.audio.ratio", "x", bare_s / all_s)
                    if name == "long":
                        first_ms = (a.first_byte_s * 1000 for a in answers)
                        figures.add(f"{figure}.first_byte", "ms", *first_ms)
                    step()
