"""Watching a server while it is under load: whether it answers at once, and its memory."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from soak.plan import HEALTH_LIMIT_S
from soak.rest import MIB

if TYPE_CHECKING:
    import httpx

    from soak.ledger import Ledger
    from soak.server import Server

_HEALTH_EVERY_S = 0.5
_MEMORY_EVERY = 4  # looks at /health


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory of the server, and of its worker if there is one, at a time in a round of the plan.

    `at_s` counts from the run's beginning.
    """

    at_s: float
    round: int
    server_mib: float
    worker_pid: int | None
    worker_mib: float | None


@dataclass(slots=True)
class Watch:
    """Samples of one server, and how it answered meanwhile."""

    server: Server
    ledger: Ledger
    samples: list[Sample] = field(default_factory=list)

    async def keep(self, client: httpx.AsyncClient, round_index: int) -> None:
        """Look at /health twice a second, now and then at the memory; until cancelled."""
        for look in itertools.count(1):
            worker = await self._look(client)
            if look % _MEMORY_EVERY == 0:
                self._sample(round_index, worker)
                await client.get("/metrics")
            await asyncio.sleep(_HEALTH_EVERY_S)

    async def _look(self, client: httpx.AsyncClient) -> int | None:
        began = time.monotonic()
        health = (await client.get("/health")).raise_for_status().json()
        took_s = time.monotonic() - began
        self.ledger.health_s.append(took_s)
        if took_s > HEALTH_LIMIT_S:
            self.ledger.wrong(f"/health took {took_s:.1f} s; {HEALTH_LIMIT_S:g} s are allowed")
        if health["audio_cache_size"] > health["audio_cache_max"]:
            self.ledger.wrong(f"the cache holds {health['audio_cache_size']} answers")
        worker = health["models"][0]["worker"]
        return None if worker is None else int(worker["pid"])

    def _sample(self, round_index: int, worker_pid: int | None) -> None:
        worker_mib = None
        if worker_pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):  # killed since
                worker_mib = round(psutil.Process(worker_pid).memory_info().rss / MIB, 2)
        self.samples.append(
            Sample(
                round(time.monotonic() - self.ledger.began_at, 1),
                round_index,
                round(self.server.process.memory_info().rss / MIB, 2),
                None if worker_mib is None else worker_pid,
                worker_mib,
            )
        )

    def health_figures(self) -> dict[str, Any]:
        """Return how long /health took, in milliseconds."""
        took = sorted(self.ledger.health_s) or [0.0]
        shares = {"median": 0.5, "p99": 0.99, "max": 1.0}
        figures = {
            name: round(1000 * took[round(share * (len(took) - 1))], 1)
            for name, share in shares.items()
        }
        return {"asked": len(self.ledger.health_s), **figures}
