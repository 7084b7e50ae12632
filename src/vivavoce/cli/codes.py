"""`vivavoce codes`: what Qwen3-TTS makes of one text, as codes and samples, to inspect and compare.

Flags and settings become an order here; `engine/qwen3/codes.py` carries it out in this process.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from vivavoce.engine.qwen3.codes_order import KINDS, CodesOrder
from vivavoce.errors import EngineUnavailable, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vivavoce.engine.qwen3.codes import Codes

_SETTINGS: dict[str, type] = {
    "model": str,
    "mode": str,
    "text": str,
    "language": str,
    "speaker": str,
    "instruct": str,
    "ref_audio": str,
    "ref_text": str,
    "x_vector_only": bool,
    "text_streaming": bool,
    "text_whole": bool,
    "max_new_tokens": int,
    "greedy": bool,
    "seed": int,
    "dtype": str,
    "device": str,
    "output": str,
}
_KINDS_IN_WORDS = {str: "a text", bool: "true or false", int: "a whole number"}
_CHOICES = {"mode": tuple(KINDS), "dtype": ("fp32", "bf16"), "device": ("cpu", "cuda")}
_ALTERNATIVES = (("greedy", "seed"), ("text_streaming", "text_whole"))
_MAX_SEED = 2**32 - 1


def run(flags: Mapping[str, Any], settings: str | None) -> None:
    """Make the codes that the flags ask for; `settings` is a line of JSON, or - for stdin's first.

    Flags are named as settings are; None is not given. Flags win.

    Raises:
        InvalidRequest: something is missing, unknown, contradictory or impossible.
        EngineUnavailable: the checkpoint cannot be loaded, or its libraries are not installed.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    wanted = _merge(_read_settings(settings) if settings is not None else {}, given)
    _check(wanted)
    folder, output = Path(wanted["model"]), Path(wanted["output"])
    order, dtype, device = _order(wanted), wanted.get("dtype", "fp32"), wanted.get("device", "cpu")
    if not folder.is_dir():
        raise InvalidRequest(
            f"There is no folder {folder}. model is the folder of a checkpoint; to get one, run: "
            "vivavoce pull"
        )
    if output.is_dir():
        raise InvalidRequest(f"{output} is a folder. Name a file to write.")
    if not output.parent.is_dir():
        raise InvalidRequest(f"There is no folder {output.parent}. Create it first.")
    try:
        from vivavoce.engine.qwen3.codes import make_codes
    except ImportError as exc:
        raise EngineUnavailable(
            f"The qwen3 engine needs what is not installed here: {exc}. "
            "Install it with: pip install 'vivavoce[qwen]'"
        ) from exc
    with _Counter() as counter:
        made = make_codes(folder, order, dtype, device, _warn, counter.count)
    _write(made, output)
    typer.echo(json.dumps({"model": folder.resolve().name, **_report(made, dtype, device)}))


def _read_settings(line: str) -> dict[str, Any]:
    """Return the settings in a line of JSON by the names they have here; null is not given."""
    if line == "-":
        line = sys.stdin.buffer.readline().decode("utf-8", "surrogateescape")
    try:
        found = json.loads(line)
    except ValueError as exc:
        raise InvalidRequest(f"The settings are no JSON ({exc}). Give one object.") from None
    if not isinstance(found, dict):
        raise InvalidRequest(
            f"The settings are {json.dumps(found)}. Give one JSON object, such as "
            '{"mode": "preset", "text": "Hello"}.'
        )
    settings: dict[str, Any] = {}
    for key, value in found.items():
        name = key.lstrip("-").replace("-", "_")
        name = "output" if name == "o" else name
        if name not in _SETTINGS:
            raise InvalidRequest(f"There is no setting {key!r}. There are: {', '.join(_SETTINGS)}.")
        if name in settings:
            raise InvalidRequest(f"The setting {name} is given twice. Give it once.")
        kind = _SETTINGS[name]
        if value is None and name in ("speaker", "instruct"):
            value = ""  # officially both are the same: no certain one
        if value is not None and (
            not isinstance(value, kind) or (kind is int and isinstance(value, bool))
        ):
            raise InvalidRequest(
                f"The setting {key} is {json.dumps(value)}. It must be {_KINDS_IN_WORDS[kind]}."
            )
        settings[name] = value
    return {name: value for name, value in settings.items() if value is not None}


def _merge(settings: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """Return flags and, where there is none, settings. A flag also drops its alternative."""
    for pair in _ALTERNATIVES:
        if any(name in flags for name in pair):
            settings = {name: value for name, value in settings.items() if name not in pair}
    return {**settings, **flags}


def _check(wanted: dict[str, Any]) -> None:
    for name in ("model", "mode", "text", "output"):
        if name not in wanted:
            raise InvalidRequest(f"{_flag(name)} is missing. See: vivavoce codes --help")
    for name, choices in _CHOICES.items():
        if wanted.get(name, choices[0]) not in choices:
            raise InvalidRequest(
                f"{_flag(name)} is {wanted[name]!r}. Use one of: {', '.join(choices)}."
            )
    for name, value in wanted.items():
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise InvalidRequest(f"{_flag(name)} is not UTF-8 text. Convert it first.") from None
    if wanted.get("greedy") and "seed" in wanted:
        raise InvalidRequest("Greedy codes need no seed. Give --greedy or --seed, not both.")
    if not 0 <= wanted.get("seed", 0) <= _MAX_SEED:
        raise InvalidRequest(f"--seed is {wanted['seed']}. Use one from 0 to {_MAX_SEED}.")
    streaming, whole = wanted.get("text_streaming"), wanted.get("text_whole")
    if streaming is not None and streaming == whole:
        raise InvalidRequest("A text is streamed or whole. Give --text-streaming or --text-whole.")


def _flag(name: str) -> str:
    return "-o" if name == "output" else f"--{name.replace('_', '-')}"


def _order(wanted: dict[str, Any]) -> CodesOrder:
    streaming = wanted.get("text_streaming")
    if streaming is None and "text_whole" in wanted:
        streaming = not wanted["text_whole"]
    seed = None
    if not wanted.get("greedy"):
        seed = wanted["seed"] if "seed" in wanted else secrets.randbelow(_MAX_SEED + 1)
    return CodesOrder(
        mode=wanted["mode"],
        text=wanted["text"],
        language=wanted.get("language"),
        speaker=wanted.get("speaker"),
        instruct=wanted.get("instruct"),
        ref_audio=Path(wanted["ref_audio"]) if "ref_audio" in wanted else None,
        ref_text=wanted.get("ref_text"),
        x_vector_only=wanted.get("x_vector_only", False),
        text_streaming=streaming,
        max_new_tokens=wanted.get("max_new_tokens"),
        seed=seed,
    )


def _write(made: Codes, output: Path) -> None:
    arrays: dict[str, Any] = {"codes": made.codes, "audio": made.audio}
    if made.speaker is not None:
        arrays |= {"speaker": made.speaker, "ref_codes": made.ref_codes}
    partial = output.with_name(output.name + ".part")  # half a file never bears the whole's name
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, output)
    except OSError as exc:
        raise InvalidRequest(f"Cannot write {output}: {exc.strerror or exc}.") from None
    finally:
        partial.unlink(missing_ok=True)


def _report(made: Codes, dtype: str, device: str) -> dict[str, Any]:
    order, (frames, books) = made.order, made.codes.shape
    frames_per_s = frames / made.generation_s
    return {
        **asdict(order),
        "ref_audio": None if order.ref_audio is None else str(order.ref_audio),
        "greedy": order.seed is None,
        "dtype": dtype,
        "device": device,
        "frames": frames,
        "samples": len(made.audio),
        "codes_per_s": round(frames_per_s * books, 2),
        "frames_per_s": round(frames_per_s, 3),
    }


def _warn(line: str) -> None:
    typer.secho(f"vivavoce: {line}", err=True, fg=typer.colors.YELLOW)


class _Counter:
    """How many frames there are, on a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._shown = Progress(
            TextColumn("{task.completed} frames"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._shown.add_task("", total=None)

    def __enter__(self) -> _Counter:
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def count(self) -> None:
        """Show one more."""
        self._shown.advance(self._task)
