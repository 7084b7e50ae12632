"""How a checkpoint wants to be sampled: its `generation_config.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vivavoce.engine.qwen3.config import read_json
from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from pathlib import Path

FILE = "generation_config.json"


@dataclass(frozen=True, slots=True)
class GenerationDefaults:
    """The fields that are read; the values here are the official package's own, qwen-tts 0.1.1.

    They hold where a checkpoint's file leaves one out.
    """

    do_sample: bool = True
    temperature: float = 0.9
    top_k: int = 50
    top_p: float = 1.0
    repetition_penalty: float = 1.05
    subtalker_dosample: bool = True
    subtalker_temperature: float = 0.9
    subtalker_top_k: int = 50
    subtalker_top_p: float = 1.0
    max_new_tokens: int = 2048


def read_defaults(folder: Path) -> GenerationDefaults:
    """Read a checkpoint's file; without one the official package's values hold.

    Raises:
        EngineUnavailable: it cannot be read, or a value is of the wrong type.
    """
    path = folder / FILE
    if not path.exists():
        return GenerationDefaults()
    given = read_json(path)
    values: dict[str, Any] = {}
    for name, kind in GenerationDefaults.__annotations__.items():
        if given.get(name) is None:
            continue
        value = given[name]
        known = {"bool": bool, "int": int, "float": (int, float)}[kind]
        if not isinstance(value, known) or isinstance(value, bool) != (kind == "bool"):
            raise EngineUnavailable(
                f"{path} says {name} = {value!r}, which is no {kind}. Download it again."
            )
        values[name] = value
    return GenerationDefaults(**values)
