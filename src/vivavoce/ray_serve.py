"""The same application as replicas of Ray Serve, behind the HAProxy that Ray runs.

No audio passes through another Python process: HAProxy speaks to the replica's own HTTP server.
Nothing of the application knows of Ray; queues, refusals and cancelling are its own.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from vivavoce import allocator, log, machine
from vivavoce.api.errors import AnswerCut
from vivavoce.errors import SettingsError
from vivavoce.factory import build_app
from vivavoce.log_writer import LineWriter
from vivavoce.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ray.serve import Application
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from vivavoce.service.speech import SpeechService

NAME = "vivavoce"
_REQUEST_ID = b"x-request-id"

NODE_ENVIRONMENT = {
    # Ray's own proxy is Python: 10 ms more for each request, and a WebSocket's client that has left
    # is not noticed.
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    # With each replica that comes or goes HAProxy begins anew. What the old one still serves, long
    # streams and WebSockets, is cut after this.
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "3600",
    # HAProxy hears of a replica that is to stop within a second; 30 are meant for slower ones.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "5",
    "RAY_SERVE_LOG_TO_STDERR": "1",
    "RAY_DEDUP_LOGS": "0",  # lines that are alike are all wanted
    "GRPC_ENABLE_FORK_SUPPORT": "false",  # else it has a line for each engine that starts
    "RAY_USAGE_STATS_ENABLED": "0",
    # Else replicas give way to everything else on the machine.
    "RAY_worker_niceness": "0",
}
"""What Ray must be started with on every node: its processes read it when they begin."""

_NEVER_FULL = 100_000
"""More than a replica ever has. Ray refuses in plain text; the application does it before, in
OpenAI's shape. Idle WebSockets count here, and not there."""

_UPSCALE_DELAY_S = 10.0
_DOWNSCALE_DELAY_S = 300.0
_NOTICE_S = 5.0
_LONGEST_STREAM_S = 900.0
"""A replica that is to go while others stay has this long to finish what it has begun."""


def deployment(
    settings: Settings, *, gpus: float = 0, replicas: int = 1, max_replicas: int | None = None
) -> Application:
    """Return the application to be run by Ray Serve, with the settings of whoever calls.

    With `max_replicas`, between `replicas` and so many, by how much is asked of each.
    """
    from ray import serve  # it reads NODE_ENVIRONMENT when it is imported

    _check(settings)
    # Relative to where the command was called, not to where Ray runs the replica.
    folder = str(settings.data_folder.absolute())
    settings = settings.model_copy(update={"data_dir": folder})

    def build() -> ASGIApp:
        return _replica(settings)

    scale: dict[str, Any] = {"num_replicas": replicas}
    if max_replicas is not None:
        scale = {"autoscaling_config": autoscaling(settings, replicas, max_replicas)}
    described = serve.deployment(
        serve.ingress(build)(),
        name=NAME,
        ray_actor_options={"num_gpus": gpus},
        max_ongoing_requests=_NEVER_FULL,
        graceful_shutdown_timeout_s=_LONGEST_STREAM_S,
        graceful_shutdown_wait_loop_s=0.5,
        health_check_period_s=2,
        logging_config={"enable_access_log": False},  # the application has a line for each answer
        **scale,
    )
    return described.bind()


def application(args: dict[str, str]) -> Application:
    """Return the application for a Serve config file, which names this function.

    The settings are read from the environment of the replicas (`runtime_env`); how many there are,
    and on what, is the file's affair.

    Raises:
        SettingsError: `args` has anything in it, or a setting is impossible.
    """
    if args:
        raise SettingsError("Settings are given as env_vars in the runtime_env, not as args.")
    return deployment(load_settings())


def autoscaling(settings: Settings, replicas: int, max_replicas: int) -> dict[str, Any]:
    """Return when there are to be more replicas, and when fewer: half full is the aim."""
    return {
        "min_replicas": replicas,
        "max_replicas": max_replicas,
        "target_ongoing_requests": max(1, settings.max_concurrent_requests // 2),
        "upscale_delay_s": _UPSCALE_DELAY_S,
        "downscale_delay_s": _DOWNSCALE_DELAY_S,
    }


def gpus_of_a_replica(settings: Settings, gpus_of_the_cluster: float) -> int:
    """Return 1 where an engine would use a GPU and there is one, else 0."""
    wanted = settings.engine in ("auto", "qwen3") and settings.device != "cpu"
    return int(wanted and machine.has_torch() and gpus_of_the_cluster >= 1)


def _check(settings: Settings) -> None:
    if settings.wyoming_port:
        raise SettingsError(
            "WYOMING_PORT is one port of one server, and replicas are several. Leave it empty, and "
            "run `vivavoce serve` for Home Assistant."
        )
    for name, value in (("UDS", settings.uds), ("TLS_CERT_FILE", settings.tls_cert_file)):
        if value:
            raise SettingsError(
                f"{name} is not possible with Ray: its HAProxy listens on a port, in plain HTTP. "
                "Leave it empty, and put a proxy that knows TLS before it."
            )


def _replica(settings: Settings) -> ASGIApp:
    """Return the application, in the process of a replica."""
    allocator.use_one_arena()
    log.configure(settings.log_level, settings.log_format, LineWriter(sys.stderr.fileno()))
    logging.getLogger("ray.serve").addFilter(_not_cut_on_purpose)
    app, service = build_app(settings)

    return _Replica(app, service)


class _Replica:
    """The application, where Ray differs from a server of our own: in its start, its ids, its way
    with clients that leave.
    """

    def __init__(self, app: ASGIApp, service: SpeechService) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's request, or the start and end of all."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, partial(self._when_loaded, send))
        else:
            # Ray puts this id into every answer, and a second one beside it would confuse.
            scope["vivavoce.request_id"] = dict(scope["headers"])[_REQUEST_ID].decode("latin-1")
            await _to_its_end(self._app(scope, receive, partial(_without_id, send)))

    async def _when_loaded(self, send: Send, message: Message) -> None:
        # HAProxy prefers who has least to do: that is the newcomer, loaded or not.
        loading = self._service.preloading
        if message["type"] == "lifespan.startup.complete" and loading is not None:
            await asyncio.wait({loading})
        await send(message)


async def _without_id(send: Send, message: Message) -> None:
    if message["type"] == "http.response.start":
        message["headers"] = [pair for pair in message["headers"] if pair[0] != _REQUEST_ID]
    await send(message)


async def _to_its_end(answering: Awaitable[None]) -> None:
    """Wait for an answer, and if Ray cancels that, for its own end.

    Ray cancels when the client has left. So is the application told, and it knows better what that
    means for what it was doing, and what is to be told of it.
    """
    task = asyncio.ensure_future(answering)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_NOTICE_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


def _not_cut_on_purpose(record: logging.LogRecord) -> bool:
    """Tell whether Ray is to log a failure: what was cut is an exception for it, with a trace."""
    return not (record.exc_info and isinstance(record.exc_info[1], AnswerCut))
