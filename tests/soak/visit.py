"""One client at a server: what it may wish for, and how it judges what it gets."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from soak import texts
from soak.answers import Answer, ask, honest_failure
from soak.oracle import Wish

if TYPE_CHECKING:
    from random import Random

    from soak.ledger import Ledger
    from soak.oracle import Oracle

FORMATS = ("pcm", "mp3", "wav", "opus", "flac", "aac")
_COMMON_SHARE = 0.7
_NARROW_BYTES = 131_072
"""More than a packet of the loopback interface: with less, TCP waits 200 ms before each."""


@dataclass(frozen=True, slots=True)
class House:
    """One server, as its visitors know it."""

    engine: str
    url: str
    model: str
    client: httpx.AsyncClient
    stock: texts.Stock
    oracle: Oracle
    ledger: Ledger

    def narrow_client(self) -> httpx.AsyncClient:
        """Return a client whose system takes little in advance: the server feels that it waits."""
        options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW_BYTES)]
        transport = httpx.AsyncHTTPTransport(socket_options=options)
        timeout = self.client.timeout
        return httpx.AsyncClient(base_url=self.url, timeout=timeout, transport=transport)


@dataclass(frozen=True, slots=True)
class Visit:
    """One client's visit, with luck of its own."""

    house: House
    rng: Random

    def wish(self, format_name: str | None = None) -> Wish:
        """Return what somebody may ask for: often what others asked for before."""
        rng, seed = self.rng, self.rng.choice((None, 7, 7))
        if rng.random() < _COMMON_SHARE:
            text = self.house.stock.draw(rng)
            return Wish(text, format=format_name or rng.choice(FORMATS[:2]), seed=seed)
        return Wish(
            texts.paragraph(rng),
            voice=rng.choice((None, "sine", "square")) if self.house.engine == "fake" else None,
            format=format_name or rng.choice(FORMATS),
            speed=rng.choice((1.0, 1.0, 1.0, 1.5)),
            seed=seed,
        )

    def long_wish(self, chars: int) -> Wish:
        """Return a wish that takes a while, in PCM."""
        return Wish(texts.long_text(self.rng, chars), format="pcm", seed=7)

    async def ask(self, path: str, wish: Wish, **more: Any) -> Answer:
        """Ask for a wish with these further fields."""
        return await ask(self.house.client, path, json={**wish.fields(), **more})

    def judge(self, wish: Wish, answer: Answer) -> str:
        """Return how an answer of audio ended."""
        failure = honest_failure(answer, self.house.ledger)
        if failure is not None:
            return failure
        self.house.oracle.check(wish, answer.seed, answer.body)
        return "right"

    def switches(self, told: str) -> dict[str, str]:
        """Return the field that makes the fake engine do something; nothing for another."""
        return {"instructions": told} if self.house.engine == "fake" else {}
