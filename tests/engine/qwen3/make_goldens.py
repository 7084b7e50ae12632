"""Write goldens.npz: what the official package makes of every case. Run by `make goldens`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import official
from cases import (
    EVERY_LOGIT,
    EVERY_SAMPLE,
    NASTY_TEXTS,
    SEED,
    SHAPES,
    all_cases,
    sampled_cases,
)
from chains import all_chains
from checkpoints import make_checkpoint
from rich.progress import track

Goldens = dict[str, np.ndarray]
Models = dict[tuple[str, str], Any]


def main() -> None:
    """Make the checkpoints, run the cases, write the file beside this one."""
    goldens: Goldens = {}
    models: Models = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in track(all_cases(), "official package"):
            key = case.kind, case.shape
            if key not in models:
                path = Path(folder, *key)
                models[key] = official.load(make_checkpoint(path, key[0], SHAPES[key[1]], SEED))
            for name, value in official.run(models[key], case).items():
                kept = value[::EVERY_SAMPLE] if name.startswith("audio") else value
                if name.startswith("audio"):
                    goldens[f"{case.name}/length{name[5:]}"] = np.array(len(value))
                goldens[f"{case.name}/{name}"] = small(kept)
        for case in track(sampled_cases(), "drawn codes"):
            codes, first, rest = official.sample(models[case.kind, case.shape], case, SEED)
            goldens[f"{case.name}/sampled"] = small(codes)
            goldens[f"{case.name}/first-logits"] = first.flatten()[::EVERY_LOGIT]
            goldens[f"{case.name}/rest-logits"] = rest.flatten()[::EVERY_LOGIT]
        model = models["custom_voice", "tiny"]
        for chain in all_chains():
            goldens[f"chain/{chain.name}"] = official.chain(model, chain)
        note_tokens(goldens, "tokens", model.processor)
        note_tokens(goldens, "old-tokens", old_processor(Path(folder, "custom_voice", "tiny")))
    np.savez_compressed(Path(__file__).parent / "goldens.npz", **goldens)


def small(values: np.ndarray) -> np.ndarray:
    """Return codes in half a word each, anything else as it is."""
    return values.astype(np.int16) if values.dtype == np.int64 else values


def note_tokens(goldens: Goldens, name: str, processor: Any) -> None:
    """Note how a processor splits the nasty texts."""
    for index, text in enumerate(NASTY_TEXTS):
        for kind, ids in official.tokens(processor, text).items():
            goldens[f"{name}/{kind}{index}"] = np.array(ids, np.int32)


def old_processor(folder: Path) -> Any:
    """Return the processor for the same checkpoint as if an older library had saved it."""
    from transformers import AutoProcessor

    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "transformers_version": "4.57.1"}))
    return AutoProcessor.from_pretrained(str(folder), fix_mistral_regex=True)


if __name__ == "__main__":
    main()
