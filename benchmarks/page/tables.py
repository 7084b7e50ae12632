"""The page's tables, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.gpu.plan import PEER, WAYS
from benchmarks.online.readme import table as online_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.page.results import Result

_TOGETHER = (
    ("first audio, alone", "alone.first_audio", ("median", "p95")),
    ("first audio, {count} at once", "at_once.first_audio", ("median", "p95")),
    ("over alone", "at_once.first_audio.ratio", ("median", "p95")),
    (
        "first audio, a newcomer beside {others} that speak",
        "newcomer.first_audio",
        ("median", "p95"),
    ),
    ("over alone", "newcomer.first_audio.ratio", ("median", "max")),
    ("seconds of work per second of speech, alone", "alone.realtime", ("median", "max")),
    ("the same, {count} at once", "at_once.realtime", ("median", "max")),
)
_DEADLINES = (
    ("alone", "alone"),
    ("{count} at once", "at_once"),
    ("a newcomer beside {others}", "newcomer"),
    ("those {others}", "others"),
)
_STAGES = {
    "starting": "start of the process, imports",
    "opening": "engine",
    "reading_weights": "weights",
    "reading_tokenizer": "tokenizer",
    "reading_talker": "talker",
    "reading_codec": "codec",
    "reading_encoders": "encoders",
    "taking_memory": "memory",
    "warming_up": "warming up",
    "speaking": "request and first sound",
}
_CASES = {
    "embedded": "embedded voice",
    "tiny": "Qwen3-TTS, tiny",
    "0.6b": "Qwen3-TTS 0.6B",
    "model": "the model",
}


def all_tables(results: Mapping[str, Result]) -> dict[str, str]:
    """Return every table of the page by the name of its place there."""
    return {
        "runs": runs(results),
        "online": online_table({"figures": results["online"].figures}),
        "together": together(results["streams"]),
        "deadlines": deadlines(results["streams"]),
        "arrivals": arrivals(results["streams"]),
        "peers": peers(results["streams"]),
        "cold": cold(results["cold"]),
        "offline": offline(results["offline"]),
        "gpu": gpu(results.get("gpu")),
    }


def runs(results: Mapping[str, Result]) -> str:
    """Return where, when and of what each result was taken."""
    rows = []
    for kind, result in results.items():
        about, machine = result.about, result.about["machine"]
        changed = " and changes" if about["changed_since_commit"] else ""
        where = f"{machine['cores']} x {machine['cpu']}, {machine['memory_gib']:.0f} GiB"
        name = f"[{kind}](../benchmarks/results/{result.file})"
        commit = f"`{(about['commit'] or '?')[:9]}`{changed}"
        load = machine["load_average"][0]
        rows.append((name, about["taken_at"][:10], commit, where, about["python"], f"{load:g}"))
    return markdown(("result", "taken", "commit", "machine", "Python", "load before"), rows)


def gpu(result: Result | None) -> str:
    """Return what a frame takes on a card, one row for each way to make it."""
    ways, rows = (*WAYS, PEER), (1, 8, 16)
    heads = ("", *(f"frame, {count} at once" for count in rows), "first audio", "memory")
    if result is None:
        return markdown(heads, [(way, *["not taken"] * (len(heads) - 1)) for way in ways])
    lines = []
    for way in ways:
        frames = [f"{way}.b{count}.{'both' if way == PEER else 'frame'}" for count in rows]
        first = f"{way}.first_audio8" if way == PEER else f"{way}.b1.first_audio"
        cells = [_shown(result.value(name), "ms") for name in (*frames, first)]
        cells.append(_shown(result.value(f"{way}.reserved_mib"), "MiB"))
        lines.append((way, *(cell or "not taken" for cell in cells)))
    return markdown(heads, lines) + f"\nOn {result.about['card']}, in {result.about['dtype']}.\n"


def together(result: Result) -> str:
    """Return first audio and speed of N at once."""
    rows = []
    for label, name, (middle, high) in _TOGETHER:
        unit = result.figures[name]["unit"]
        high_value = result.value(name, high)
        shown = "" if high_value is None else f"{_shown(high_value, unit)} ({high})"
        rows.append((_named(label, result), _shown(result.value(name, middle), unit), shown))
    return markdown(("", "median", "p95 or max"), rows)


def deadlines(result: Result) -> str:
    """Return how many chunks came late, and by how much the rest were early."""
    rows = []
    for label, name in _DEADLINES:
        late, lead = result.figures[f"{name}.late"], result.figures[f"{name}.lead"]
        rows.append(
            (
                _named(label, result),
                f"{late['n']}",
                f"{late['max']:g}",
                _shown(lead["median"], "ms"),
                _shown(lead["min"], "ms"),
            )
        )
    heads = ("", "answers", "late chunks, worst answer", "smallest lead, median", "smallest of all")
    return markdown(heads, rows)


def arrivals(result: Result) -> str:
    """Return what became of requests at random moments, one row for each rate."""
    rows = []
    for rate in result.about["plan"]["rates"]:
        name = f"arrivals.{rate:g}"
        cells: list[str] = [f"{rate:g}"]
        for part, of in (
            ("refused", "median"),
            ("first_audio", "median"),
            ("first_audio", "p95"),
            ("lead", "min"),
            ("dry", "median"),
            ("realtime", "median"),
            ("audio", "median"),
        ):
            figure = f"{name}.{part}"
            unit = result.figures.get(figure, {}).get("unit", "")
            cells.append(_shown(result.value(figure, of), unit if unit == "ms" else ""))
        rows.append(tuple(cells))
    heads = (
        *("requests a second", "refused", "first audio, median", "p95", "smallest lead"),
        *("listeners with a gap", "work per second of speech", "speech made per second"),
    )
    held = result.value("arrivals.held")
    limit = result.about["plan"]["limit_ms"]
    says = (
        f"\nHeld: **{held:g} requests a second**, the most at which the first audio of 19 of 20 "
        f"came within {limit:g} ms, nobody heard a gap and nobody was refused.\n"
    )
    return markdown(heads, rows) + says


def peers(result: Result) -> str:
    """Return of which other servers this says nothing, and why."""
    taken = result.about["peers"]
    rows = [(name, _yes(it["taken"]), it["reason"]) for name, it in taken.items()]
    return markdown(("peer", "measured", "why not"), rows)


def cold(result: Result) -> str:
    """Return the stages of a load, one column for each."""
    stages = cold_stages(result)
    rows = []
    for label, name in cold_cases(result):
        first = _shown(result.value(f"{name}.first_audio"), "ms")
        parts = [_shown(result.value(f"{name}.{stage}"), "ms") for stage in stages]
        rows.append((label, first, *parts))
    return markdown(("", "first audio", *(stage_label(stage) for stage in stages)), rows)


def cold_cases(result: Result) -> list[tuple[str, str]]:
    """Return label and name of every case that was taken."""
    found = []
    for case, label in _CASES.items():
        for name, more in ((case, ""), (f"{case}.standby", ", STANDBY")):
            if f"{name}.first_audio" in result.figures:
                found.append((label + more, name))
    return found


def cold_stages(result: Result) -> list[str]:
    """Return the stages that the cases have, in the order in which they come."""
    names = [name for _, name in cold_cases(result)]
    seen = {
        figure.removeprefix(f"{name}.")
        for name in names
        for figure in result.figures
        if figure.startswith(f"{name}.") and figure.count(".") == name.count(".") + 1
    }
    known = [stage for stage in _STAGES if stage in seen]
    others = sorted(seen - {*known, "first_audio", "standby", "bare"})
    return [*known[:-1], *others, known[-1]]


def stage_label(stage: str) -> str:
    """Return a stage's name as readers know it."""
    return _STAGES.get(stage, stage.replace("_", " "))


def offline(result: Result) -> str:
    """Return every pair of the engine and the official package."""
    rows = []
    for name, figure in result.figures.items():
        unit = figure["unit"]
        sides = [_shown(figure[side]["median"], unit) for side in ("ours", "official")]
        rows.append((f"`{name}`", *sides, _number(figure["ratio"]["median"])))
    return markdown(("figure", "vivavoce", "qwen-tts 0.1.1", "ratio"), rows)


def _named(label: str, result: Result) -> str:
    count = result.about["plan"]["count"]
    return label.format(count=count, others=count - 1)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "ms" and abs(value) >= 1000:
        return f"{_number(value / 1000)} s"
    if unit == "MiB" and value >= 1024:
        return f"{_number(value / 1024)} GiB"
    return f"{_number(value)} {unit.removesuffix('x')}".strip()


def _number(value: Any) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _yes(so: bool) -> str:
    return "yes" if so else "no"
