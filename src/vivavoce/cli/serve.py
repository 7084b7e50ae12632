"""`vivavoce serve`."""

from __future__ import annotations

import sys

import typer

from vivavoce import allocator, log
from vivavoce.api import server
from vivavoce.engine.qwen3.checkpoint import find
from vivavoce.factory import build_app, choose_engine
from vivavoce.log_writer import LineWriter
from vivavoce.settings import Settings, load_settings

_LISTENING = """
vivavoce is listening on {url} (engine: {engine}). {note}Try:

  curl {url}/v1/audio/speech -H "Content-Type: application/json" \\
    -d '{{"input": "Hello! I am speaking from your own machine."}}' -o hello.mp3
"""


def run(host: str | None, port: int | None) -> None:
    """Serve until told to stop."""
    allocator.use_one_arena()
    settings = load_settings(host=host, port=port)
    log.configure(settings.log_level, settings.log_format, LineWriter(sys.stderr.fileno()))
    listener = server.listen(settings.host, settings.port)

    def on_listening(host: str, port: int) -> None:
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
        url = f"http://{shown}:{port}"
        engine = choose_engine(settings)
        typer.echo(_LISTENING.format(url=url, engine=engine, note=_note(engine, settings)))

    app, service = build_app(settings)
    server.run(
        app,
        listener,
        shutdown_timeout_s=settings.shutdown_timeout_s,
        client_timeout_s=settings.receive_timeout_s,
        on_listening=on_listening,
        on_stopping=service.drain,
    )


def _note(engine: str, settings: Settings) -> str:
    """Say what the first request will wait for besides loading."""
    if engine != "qwen3" or find(settings.model_id) is not None:
        return ""
    if settings.offline:
        return f"\n{settings.model_id} is not on this machine: vivavoce pull\n"
    return f"\n{settings.model_id} is downloaded by the first request, or now by: vivavoce pull\n"
