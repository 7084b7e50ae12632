"""Loaded and unloaded over and over, a model leaves nothing behind in the server."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from vivavoce.engine import registry
from vivavoce.service.metrics import Metrics
from vivavoce.service.model import Model
from vivavoce.service.room import Room
from vivavoce.service.workers import Workers
from vivavoce.worker.handle import WorkerLimits
from workers import ask, children, spoken

WARM_UP = 20
GROWTH_BYTES = 10 * 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds, but for its memory."""

    threads: int
    open_files: int
    children: int
    folders: int
    tasks: int

    @classmethod
    def now(cls, temporary: Path) -> Held:
        gc.collect()
        process = psutil.Process()
        return cls(
            process.num_threads(),
            process.num_fds(),
            len(children()),
            len([*temporary.glob("vivavoce-*")]),
            len(asyncio.all_tasks()),
        )


async def cycle(model: Model) -> None:
    async with model.use() as worker:
        assert len(await spoken(worker, ask())) > 0
    await model.unload_if_unused()
    assert model.worker is None


@pytest.mark.parametrize(
    "cycles", [5, pytest.param(180, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_nothing_grows(cycles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(temporary: Path) -> None:
        model = Model(
            registry.describe("fake"), {}, Workers("fake", WorkerLimits()), Room(1), Metrics()
        )
        for _ in range(WARM_UP):
            await cycle(model)
        before = Held.now(temporary)
        memory_bytes = psutil.Process().memory_info().rss
        for _ in range(cycles):
            await cycle(model)
            assert Held.now(temporary) == before
        assert psutil.Process().memory_info().rss - memory_bytes < GROWTH_BYTES
        await model.close()

    # A folder of its own, with a short path because a socket's must be.
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        asyncio.run(main(Path(folder)))
