"""`vivavoce serve`."""

from __future__ import annotations

import shlex
import socket
import sys

import typer

from vivavoce import allocator, log
from vivavoce.api import server
from vivavoce.api.sockets import listen, listen_at
from vivavoce.cli.certificate import read_certificate
from vivavoce.engine.qwen3.checkpoint import find
from vivavoce.factory import build_app, build_service, build_wyoming, choose_engine
from vivavoce.log_writer import LineWriter
from vivavoce.settings import Settings, load_settings

_LISTENING = """
vivavoce is listening on {place} (engine: {engine}). {note}Try:

  curl {target}/v1/audio/speech -H "Content-Type: application/json" \\
    -d '{{"input": "Hello! I am speaking from your own machine."}}' -o hello.mp3
"""


def run(host: str | None, port: int | None) -> None:
    """Serve until told to stop."""
    allocator.use_one_arena()
    settings = load_settings(host=host, port=port)
    log.configure(settings.log_level, settings.log_format, LineWriter(sys.stderr.fileno()))
    certificate = read_certificate(settings)
    listener = listen_at(settings.uds) if settings.uds else listen(settings.host, settings.port)

    def on_listening() -> None:
        place, target = _where(listener, secure=certificate is not None)
        engine = choose_engine(settings)
        note = _note(engine, settings) + _wyoming_note(settings)
        typer.echo(_LISTENING.format(place=place, target=target, engine=engine, note=note))

    service = build_service(settings)
    wyoming = None
    if settings.wyoming_port:
        door = listen(settings.host, settings.wyoming_port, "WYOMING_PORT")
        wyoming = build_wyoming(settings, service, door)
    app, _ = build_app(settings, service, wyoming)

    def on_stopping() -> None:
        service.drain()
        if wyoming is not None:
            wyoming.stop()

    server.run(
        app,
        listener,
        certificate,
        server.ServerLimits(
            client_s=settings.receive_timeout_s,
            keep_alive_s=settings.keep_alive_timeout_s,
            shutdown_s=settings.shutdown_timeout_s,
        ),
        on_listening=on_listening,
        on_stopping=on_stopping,
    )


def _where(listener: socket.socket, *, secure: bool) -> tuple[str, str]:
    """Return where it listens, and what `curl` is given to reach it."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}", f"--unix-socket {shlex.quote(name)} http://localhost"
    host, port = name[:2]
    url = f"{'https' if secure else 'http'}://{_shown(host)}:{port}"
    return url, url


def _shown(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _wyoming_note(settings: Settings) -> str:
    if not settings.wyoming_port:
        return ""
    note = f"\nHome Assistant: Wyoming on {_shown(settings.host)}, port {settings.wyoming_port}\n"
    if settings.api_keys or settings.api_keys_file:
        note += "It knows no keys: whoever reaches that port may have texts spoken.\n"
    return note


def _note(engine: str, settings: Settings) -> str:
    """Say what the first request will wait for besides loading."""
    if engine != "qwen3" or find(settings.model_id) is not None:
        return ""
    if settings.offline:
        return f"\n{settings.model_id} is not on this machine: vivavoce pull\n"
    return f"\n{settings.model_id} is downloaded by the first request, or now by: vivavoce pull\n"
