"""Write goldens.npz: what the official package makes of every case. Run by `make goldens`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import official
from cases import SEED, SHAPES, all_cases
from checkpoints import make_checkpoint
from rich.progress import track

EVERY = 97
"""Of the audio every so many samples are kept: enough to notice any difference."""


def main() -> None:
    """Make the checkpoints, run the cases, write the file beside this one."""
    goldens: dict[str, np.ndarray] = {}
    models: dict[tuple[str, str], object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in track(all_cases(), "official package"):
            key = case.kind, case.shape
            if key not in models:
                path = Path(folder, *key)
                models[key] = official.load(make_checkpoint(path, key[0], SHAPES[key[1]], SEED))
            for name, value in official.run(models[key], case).items():
                kept = value[::EVERY] if name.startswith("audio") else value
                if name.startswith("audio"):
                    goldens[f"{case.name}/length{name[5:]}"] = np.array(len(value))
                if value.dtype == np.int64:
                    kept = kept.astype(np.int16)
                goldens[f"{case.name}/{name}"] = kept
    np.savez_compressed(Path(__file__).parent / "goldens.npz", **goldens)


if __name__ == "__main__":
    main()
