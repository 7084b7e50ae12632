"""Replicas of Ray Serve are one server: the same answers, whoever leaves, dies or stops."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.sync.client import connect

from clients import SPEECH, Listener, at_once, at_rest, error, logged, order, speak, until
from ray_cluster import PYTHON, Cluster, running_cluster
from vivavoce.engine.fake import CHUNK_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
HELD = 2 * (8 + 8)
"""Requests that two replicas take: so many are answered by each, so many wait."""

CLIENTS = (
    *("test_openai_sdk.py", "test_streaming.py", "test_plain_streams.py", "test_live_socket.py"),
    *("test_odd_text.py", "test_sound_and_times.py", "test_clone.py"),
)
"""Files of tests/api whose tests send what clients send, and look at the answers."""
ONE_SERVERS = (
    "who_leaves or a_cancel_is_silence or will_repeat_are_not_retried or die_after"
    " or errors_arrive_whole"
)
"""Those among them that look into the one server that they ask, or at how its ids begin."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(
        tmp_path_factory.mktemp("ray"),
        "--replicas=2",
        ENGINE="fake",
        MAX_CONCURRENT_REQUESTS="8",
        MAX_QUEUE_DEPTH="8",
    ) as cluster:
        yield cluster


def ask_as_clients_do(url: str) -> None:
    """Run the tests that clients' requests pass against a server, against this one."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-k", f"not ({ONE_SERVERS})"]
        + [f"tests/api/{name}" for name in CLIENTS],
        cwd=ROOT,
        env={**os.environ, "VIVAVOCE_TEST_URL": url},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 100


def test_rays_own_schema_takes_the_service_and_its_import() -> None:
    code = """
import sys, yaml
from ray.serve.schema import ServeDeploySchema
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as build
from vivavoce.ray_serve import application
service = next(yaml.safe_load_all(open(sys.argv[1])))
config = ServeDeploySchema.model_validate(yaml.safe_load(service["spec"]["serveConfigV2"]))
(wanted,) = config.applications
assert wanted.import_path == f"{application.__module__}:{application.__name__}"
built = build(application, wanted.args)
print([deployment.name for deployment in wanted.deployments], built._bound_deployment.name)
"""
    command = [str(PYTHON), "-c", code, str(ROOT / "deploy/ray/rayservice.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60)
    assert done.stdout.strip() == "['vivavoce'] vivavoce", done.stderr


def test_both_replicas_answer_and_have_one_id_for_client_and_log(cluster: Cluster) -> None:
    ids = [speak(cluster).headers.get_list("x-request-id") for _ in range(8)]
    assert all(len(found) == 1 for found in ids)
    until(lambda: all(logged(cluster, "speech", request_id=found[0]) for found in ids))
    assert len(logged(cluster, "model ready")) == 2


def test_who_leaves_is_not_spoken_to_any_more(cluster: Cluster) -> None:
    replicas = cluster.servers()
    assert len(replicas) == 2
    before = len(logged(cluster, "speech", outcome="cancelled"))
    with Listener(cluster, order("endless=1 interval_s=0.02")) as listener:
        assert listener.answer().read(100)
    until(lambda: len(logged(cluster, "speech", outcome="cancelled")) == before + 1)
    with connect(f"ws{cluster.url[4:]}{SPEECH}/ws") as socket:
        socket.recv(30)
        session = {"voice": "sine", "instructions": "endless=1 interval_s=0.02"}
        socket.send(json.dumps({"type": "session.update", "session": session}))
        socket.recv(30)
        socket.send(json.dumps({"type": "input_text.append", "text": "One sentence. And two."}))
        socket.send(json.dumps({"type": "input_text.end"}))
        until(lambda: "speech.audio.delta" in socket.recv(30))
        socket.socket.close()  # without a word
    until(lambda: len(logged(cluster, "speech", outcome="cancelled")) == before + 2)
    until(lambda: all(at_rest(replica) for replica in replicas))


def test_when_all_are_full_the_refusal_is_openais(cluster: Cluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    bodies = [order(f"gate={gate}", seed=n) for n in range(HELD + 20)]
    with at_once(cluster, bodies) as answers:
        until(lambda: sum(answer.done() for answer in answers) >= 20, 30)
        gate.touch()
    refused = [a.result() for a in answers if a.result().status_code != 200]
    assert len(refused) == 20
    for answer in refused:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert error(answer)["code"] == "server_full"


def test_what_clients_send_is_answered_as_by_one_server(cluster: Cluster) -> None:
    ask_as_clients_do(cluster.url)


def test_a_replica_that_dies_takes_its_own_answers_along_and_is_replaced(cluster: Cluster) -> None:
    before = cluster.replicas()
    statuses: list[int] = []
    stopped = threading.Event()

    def ask() -> None:
        for n in count():
            if stopped.is_set():
                return
            try:
                statuses.append(speak(cluster, seed=n).status_code)
            except httpx.TransportError:
                statuses.append(0)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        until(lambda: len(statuses) > 50)
        victim = next(iter(before.values()))
        engine = victim.children()
        victim.kill()
        until(lambda: len(set(cluster.replicas()) - set(before)) == 1, 60)
        enough = len(statuses) + 200
        until(lambda: len(statuses) > enough, 60)
    finally:
        stopped.set()
        for asker in askers:
            asker.join()
    assert statuses.count(200) + statuses.count(0) == len(statuses)
    assert statuses.count(0) <= 8  # of each asker the one it waited for, and hardly another
    assert set(statuses[-100:]) == {200}
    until(lambda: not any(process.is_running() for process in engine))


def test_told_to_stop_it_finishes_what_it_has_begun(cluster: Cluster) -> None:
    """The last of this file: the cluster is gone afterwards."""
    bodies = [order("chunks=25 interval_s=0.08", seed=n, input="Slowly.") for n in range(4)]
    with ExitStack() as stack:
        listeners = [stack.enter_context(Listener(cluster, body)) for body in bodies]
        assert all(listener.answer().status == 200 for listener in listeners)
        processes = cluster.replicas()
        cluster.ask_to_stop()
        for listener in listeners:
            assert len(listener.rest()) == 25 * CHUNK_SAMPLES * 2
    assert cluster.process.wait(60) == 0
    assert not any(process.is_running() for process in processes.values())
    assert "Traceback" not in cluster.log
