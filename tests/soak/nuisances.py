"""Clients that leave early, send what is no request, or meet an engine that fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from soak.answers import SPEECH, ask, error_of, honest_failure
from soak.bad_input import CLIPS, QUICK
from soak.ledger import Wrong
from soak.plan import RECEIVE_TIMEOUT_S, SEND_TIMEOUT_S

if TYPE_CHECKING:
    from soak.visit import House, Visit

_GRACE_S = 8.0
"""How much later than promised a busy machine may do something."""


async def leaver(visit: Visit) -> str:
    """Listen for a while and leave; of the fake engine, a speech that would never end."""
    rng = visit.rng
    fields = {**visit.long_wish(600).fields(), "cache": rng.random() < 0.5}
    fields |= visit.switches("interval_s=0.02 endless=1")
    leave_after_bytes = rng.choice((1, 10_000, 100_000))
    answer = await ask(visit.house.client, SPEECH, leave_after_bytes=leave_after_bytes, json=fields)
    return honest_failure(answer, visit.house.ledger) or "left"


async def quitter(visit: Visit) -> str:
    """Ask for a whole answer and leave before it is there."""
    fields = {**visit.long_wish(400).fields(), "stream": False}
    fields |= visit.switches("interval_s=0.05")
    try:
        async with asyncio.timeout(visit.rng.uniform(0.0, 0.6)):
            answer = await ask(visit.house.client, SPEECH, json=fields)
    except TimeoutError:
        return "left"
    return honest_failure(answer, visit.house.ledger) or "right"


async def stalled(visit: Visit) -> str:
    """Take nothing for longer than one may: the answer is cut."""
    fields = {**visit.long_wish(4000).fields(), "sample_rate": 48000, "cache": False}
    async with visit.house.narrow_client() as client:
        answer = await ask(client, SPEECH, first_pause_s=SEND_TIMEOUT_S + 4.0, json=fields)
    if answer.cut:
        return "cut_as_due"
    if (failure := honest_failure(answer, visit.house.ledger)) is not None:
        return failure
    raise Wrong(f"who took nothing for longer than SEND_TIMEOUT={SEND_TIMEOUT_S:g} was not cut")


async def bad(visit: Visit) -> str:
    """Send what cannot be honoured."""
    rng = visit.rng
    clips = visit.house.engine == "fake" and rng.random() < 0.1
    case = rng.choice(CLIPS if clips else QUICK)
    answer = await ask(visit.house.client, case.path, **case.arguments())
    if answer.status == 503 and clips:  # a clip is looked at when it is its turn
        return str(honest_failure(answer, visit.house.ledger))
    if answer.status != case.status or answer.cut:
        raise Wrong(f"{case} was answered {answer.status}: {answer.body[:200]!r}")
    error_of(answer)
    return "refused"


async def dawdler(visit: Visit) -> str:
    """Promise a body and send half of it: 408."""
    head = f"POST {SPEECH} HTTP/1.1\r\nhost: soak\r\ncontent-type: application/json\r\n"
    line = await _first_line(visit.house, f'{head}content-length: 100\r\n\r\n{{"input": ')
    if b" 408 " not in line:
        raise Wrong(f"half a body was answered {line!r} and not with a 408")
    return "refused"


async def mute(visit: Visit) -> str:
    """Connect and say nothing, or half a head: the connection is closed."""
    line = await _first_line(visit.house, visit.rng.choice(("", "POST /v1/audio/spee")))
    if line:
        raise Wrong(f"half a head was answered {line!r}")
    return "closed"


async def _first_line(house: House, said: str) -> bytes:
    """Say something on a new connection; return the first line that comes back, b"" at its end."""
    address = urlsplit(house.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(said.encode())
        async with asyncio.timeout(RECEIVE_TIMEOUT_S + _GRACE_S):
            return await reader.readline()
    except TimeoutError:
        raise Wrong(f"{said!r} and then nothing was waited for longer than may be") from None
    finally:
        writer.close()
        await asyncio.wait({asyncio.ensure_future(writer.wait_closed())})


async def faulty(visit: Visit) -> str:
    """Have the engine fail before or after its first sound: a 500, or a stream that is cut."""
    early = visit.rng.random() < 0.5
    fields = {**visit.long_wish(200).fields(), "instructions": f"fail_after={0 if early else 4}"}
    whole = visit.rng.random() < 0.5
    answer = await ask(visit.house.client, SPEECH, json={**fields, "stream": not whole})
    if answer.status == 503:
        return str(honest_failure(answer, visit.house.ledger))
    if early or whole:
        if answer.status != 500 or error_of(answer)["code"] != "synthesis_failed":
            raise Wrong(f"an engine that failed was answered {answer.status}")
    elif not answer.cut:
        raise Wrong(f"a speech that failed ended with {answer.status} as if it were whole")
    return "told"
