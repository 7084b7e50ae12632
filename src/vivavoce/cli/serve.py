"""`vivavoce serve`."""

from __future__ import annotations

import sys

import typer

from vivavoce import allocator, log
from vivavoce.api import server
from vivavoce.engine.qwen3.checkpoint import find
from vivavoce.factory import build_app, build_service, build_wyoming, choose_engine
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
        note = _note(engine, settings)
        if settings.wyoming_port:
            note += f"\nHome Assistant: Wyoming on {shown}, port {settings.wyoming_port}\n"
            if settings.api_keys or settings.api_keys_file:
                note += "It knows no keys: whoever reaches that port may have texts spoken.\n"
        typer.echo(_LISTENING.format(url=url, engine=engine, note=note))

    service = build_service(settings)
    wyoming = None
    if settings.wyoming_port:
        door = server.listen(settings.host, settings.wyoming_port, "WYOMING_PORT")
        wyoming = build_wyoming(settings, service, door)
    app, _ = build_app(settings, service, wyoming)

    def on_stopping() -> None:
        service.drain()
        if wyoming is not None:
            wyoming.stop()

    server.run(
        app,
        listener,
        shutdown_delay_s=settings.shutdown_delay_s,
        shutdown_timeout_s=settings.shutdown_timeout_s,
        client_timeout_s=settings.receive_timeout_s,
        on_listening=on_listening,
        on_leaving=service.leave,
        on_stopping=on_stopping,
    )


def _note(engine: str, settings: Settings) -> str:
    """Say what the first request will wait for besides loading."""
    if engine != "qwen3" or find(settings.model_id) is not None:
        return ""
    if settings.offline:
        return f"\n{settings.model_id} is not on this machine: vivavoce pull\n"
    return f"\n{settings.model_id} is downloaded by the first request, or now by: vivavoce pull\n"
