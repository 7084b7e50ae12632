"""The peer: the shortest FastAPI application that streams the same bytes, from memory.

`python -m benchmarks.online.plain_app FILE`. It does nothing of what vivavoce is for: no engine, no
encoding, no check for a client that has left, no log line. What any server in this framework must
cost, and so the measure of what vivavoce adds, on whatever machine and however busy.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Body(BaseModel):
    """What is looked at of a request: the format, and how often a part leaves; 0: at once."""

    input: str
    response_format: str
    interval_s: float = 0.0


def create_app(parts: dict[str, list[bytes]]) -> FastAPI:
    """Return the application; `parts` are the answers' bytes by format, as they are sent."""
    app = FastAPI()

    @app.post("/v1/audio/speech")
    async def create_speech(body: Body) -> StreamingResponse:
        send = _paced if body.interval_s else _at_once
        stream = send(parts[body.response_format], body.interval_s)
        return StreamingResponse(stream, media_type="application/octet-stream")

    return app


async def _at_once(parts: list[bytes], _: float) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def _paced(parts: list[bytes], interval_s: float) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    for part in parts:
        due_s += interval_s
        await asyncio.sleep(due_s - loop.time())
        yield part


def run(parts_file: Path) -> None:
    """Serve on any free port of this machine until told to stop."""
    parts = msgspec.msgpack.decode(parts_file.read_bytes(), type=dict[str, list[bytes]])
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"plain app is listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(create_app(parts), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    run(Path(sys.argv[1]))
