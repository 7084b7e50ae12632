"""The run: for each engine a server, rounds of load with kills in them, and rests between."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import httpx

from soak import texts
from soak.answers import ask, honest_failure
from soak.kinds import Kind, kinds, operator
from soak.ledger import Ledger, Wrong
from soak.listeners import newcomer
from soak.oracle import Oracle
from soak.plan import MAX_VISITS, RECOVERY_LIMIT_S, VISIT_LIMIT_S, VISITS_PER_S
from soak.rest import Rest, come_to_rest
from soak.visit import House, Visit
from soak.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from soak.plan import Plan, Round
    from soak.server import Server

_CLIENT_TIMEOUT_S = 30.0
_KEPT_ALIVE_S = 2.0
"""Less than the server's 5 s: a connection may not be used just when the server closes it."""
_RETRY_S = 0.2
_KEEP_EVERY_S = 1.0


@dataclass(slots=True)
class Soak:
    """One server's part of a run."""

    server: Server
    plan: Plan
    ledger: Ledger = field(default_factory=Ledger)
    rests: list[Rest] = field(default_factory=list)
    watch: Watch = field(init=False)
    _rng: Random = field(init=False)
    _rng_besides: Random = field(init=False)
    _stock: texts.Stock = field(init=False)
    _oracle: Oracle = field(init=False)

    def __post_init__(self) -> None:
        engine = self.server.engine
        self.watch = Watch(self.server, self.ledger)
        # Two, so that who comes does not depend on when the worker died.
        self._rng = Random(f"{engine} {self.plan.seed}")
        self._rng_besides = Random(f"{engine} {self.plan.seed} besides")
        self._stock = texts.Stock(self._rng)
        self._oracle = Oracle(engine)

    async def do(self, index: int) -> None:
        """Do a round, and rest. What goes wrong is in the ledger."""
        round_ = self.plan.rounds[index]
        async with self._house() as house:
            watching = asyncio.create_task(self.watch.keep(house.client, index))
            ending = self._keep(house, round_) if round_.calm else self._kill(house, round_)
            besides = asyncio.create_task(ending)
            try:
                await self._load(house, round_)
                await besides
            finally:
                watching.cancel()
                await asyncio.gather(watching, besides, return_exceptions=True)
            if not watching.cancelled():
                self.ledger.wrong(f"/health or /metrics failed: {watching.exception()!r}")
        try:
            self.rests.append(await come_to_rest(self.server, self.ledger.began_at))
        except Wrong as exc:
            self.ledger.wrong(str(exc))

    def summary(self) -> str:
        """Return how far it has come, in a line."""
        outcomes = ", ".join(f"{n} {name}" for name, n in self.ledger.outcomes.most_common(4))
        memory = f"{self.rests[-1].memory_mib} MiB at rest" if self.rests else "never at rest"
        return f"{outcomes}; {len(self.ledger.wrongs)} wrong; {memory}"

    @asynccontextmanager
    async def _house(self) -> AsyncIterator[House]:
        limits = httpx.Limits(keepalive_expiry=_KEPT_ALIVE_S)
        url = self.server.url
        async with httpx.AsyncClient(
            base_url=url, timeout=_CLIENT_TIMEOUT_S, limits=limits
        ) as client:
            model = (await client.get("/health")).json()["model_id"]
            engine = self.server.engine
            yield House(engine, url, model, client, self._stock, self._oracle, self.ledger)

    async def _load(self, house: House, round_: Round) -> None:
        """Let visitors come at random moments; return when the last has gone."""
        chosen = kinds(house.engine)
        if round_.calm:
            del chosen[operator]  # who may unload the worker
        visits: set[asyncio.Task[None]] = set()
        until = time.monotonic() + round_.load_s
        while time.monotonic() < until:
            await asyncio.sleep(self._rng.expovariate(VISITS_PER_S[house.engine]))
            [kind] = self._rng.choices(list(chosen), list(chosen.values()))
            visit = Visit(house, Random(self._rng.random()))
            if len(visits) >= MAX_VISITS:
                self.ledger.count("none", "turned away")
                continue
            task = asyncio.create_task(self._visit(kind, visit))
            visits.add(task)
            task.add_done_callback(visits.discard)
        await asyncio.gather(*visits)

    async def _visit(self, kind: Kind, visit: Visit) -> None:
        name = kind.__name__
        try:
            async with asyncio.timeout(VISIT_LIMIT_S):
                outcomes = await kind(visit)
        except Wrong as exc:
            self.ledger.wrong(f"{name}: {exc}")
            outcomes = "wrong"
        except TimeoutError:
            self.ledger.wrong(f"{name}: not over after {VISIT_LIMIT_S:g} s")
            outcomes = "wrong"
        except Exception as exc:
            self.ledger.wrong(f"{name}: {exc!r}")
            outcomes = "wrong"
        for outcome in (outcomes,) if isinstance(outcomes, str) else outcomes:
            self.ledger.count(name, outcome)

    async def _keep(self, house: House, round_: Round) -> None:
        """Ask for something new each second, so that the worker is never idle for long."""
        until = time.monotonic() + round_.load_s
        while time.monotonic() < until:
            await self._visit(newcomer, Visit(house, Random(self._rng_besides.random())))
            await asyncio.sleep(_KEEP_EVERY_S)

    async def _kill(self, house: House, round_: Round) -> None:
        began = time.monotonic()
        for at_s in round_.kills_at_s:
            await asyncio.sleep(max(0.0, began + at_s - time.monotonic()))
            try:
                await self._kill_once(house)
            except (Wrong, httpx.HTTPError) as exc:
                self.ledger.wrong(f"after a kill: {exc!r}")

    async def _kill_once(self, house: House) -> None:
        """Kill the worker as the system would; a client that tries again is served soon."""
        while not await self._killed_worker():  # there is none now
            answer = await ask(house.client, f"/v1/models/{house.model}/load")
            honest_failure(answer, self.ledger)
        killed_at = self.ledger.kills_at[-1]
        visit = Visit(house, Random(self._rng_besides.random()))
        while True:
            outcome = await newcomer(visit)
            took_s = time.monotonic() - killed_at
            self.ledger.count("after a kill", outcome)
            if outcome == "right":
                self.ledger.recoveries_s.append(took_s)
                return
            if took_s > RECOVERY_LIMIT_S:
                raise Wrong(f"no speech for {took_s:.0f} s, at last for {outcome}")
            await asyncio.sleep(_RETRY_S)

    async def _killed_worker(self) -> bool:
        pid = await asyncio.to_thread(self.server.worker_pid)
        if pid is None:
            return False
        self.ledger.kills_at.append(time.monotonic())
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # unloaded since
            self.ledger.kills_at.pop()
            return False
        return True
