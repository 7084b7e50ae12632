"""Two servers behind the HAProxy that `deploy/proxy` ships: what a client notices of it."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING

import httpx
import openai
import pytest
import redis
from benchmarks.scale.haproxy import Proxy, haproxy
from fakeredis import TcpFakeServer

from clients import (
    Listener,
    active,
    at_once,
    counted,
    error,
    get,
    load_of,
    logged,
    order,
    post,
    speak,
    until,
)
from conftest import Server, running_server
from decoding import decode
from expected import TEXT, fake_pcm
from workers import has_ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.scale

SPOKEN = 'speech_total{model="fake",outcome="spoken"}'


@contextmanager
def replicas(folder: Path, *, proxy: dict[str, str] | None = None, **env: str) -> Iterator[Site]:
    """Run two servers with these settings and a proxy before them."""
    with ExitStack() as stack:
        servers = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            settings = {"ENGINE": "fake", **env}
            servers.append(stack.enter_context(running_server(folder / name, **settings)))
        front = stack.enter_context(haproxy(*(s.url for s in servers), **(proxy or {})))
        yield Site(servers, front)


class Site(Server):
    """What clients take for one server."""

    def __init__(self, servers: list[Server], proxy: Proxy) -> None:
        super().__init__(proxy.process, proxy.url, proxy.log_lines)
        self.servers = servers
        self.proxy = proxy

    def spoken(self) -> list[float]:
        return [counted(server, SPOKEN) for server in self.servers]

    def kill(self, server: Server) -> None:
        """End a server as a power cut would: nothing of it says goodbye."""
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()

    def state(self, server: Server) -> str:
        return self.proxy.states()[f"replica-{self.servers.index(server) + 1}"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two servers that share a folder of voices, and no test stops."""
    folder = tmp_path_factory.mktemp("site")
    with replicas(folder, DATA_DIR=str(folder / "data")) as site:
        yield site


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def held(gate: Path, after: int = 1, **fields: object) -> dict:
    return order(f"gate={gate} after={after}", **fields)


def busy(site: Site) -> list[int]:
    return [active(server) for server in site.servers]


def test_who_has_fewest_gets_the_next(site: Site, gate: Path) -> None:
    with at_once(site, [held(gate, seed=seed) for seed in range(6)]):
        until(lambda: busy(site) == [3, 3])
        gate.touch()


def test_the_id_of_an_answer_is_its_servers(site: Site) -> None:
    answer = speak(site)
    assert answer.content == fake_pcm()
    name = answer.headers["x-request-id"]
    until(lambda: any(logged(server, "speech", request_id=name) for server in site.servers))
    until(lambda: any(name in line for line in site.log_lines))
    assert not any(TEXT in line for line in site.log_lines)


def test_a_voice_saved_by_one_is_spoken_by_the_other(site: Site) -> None:
    saved = post(site, "/v1/audio/voices", {"name": "Mix", "blend": {"sine": 0.5, "square": 0.5}})
    assert saved.status_code == 200, saved.text
    voice = saved.json()["id"]
    first, second = (speak(server, voice=voice) for server in site.servers)
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert httpx.delete(f"{site.url}/v1/audio/voices/{voice}").status_code == 200
    assert {error(speak(server, voice=voice))["code"] for server in site.servers} == {
        "voice_not_found"
    }


def test_what_one_has_spoken_the_other_has_in_the_shared_cache(tmp_path: Path) -> None:
    store = TcpFakeServer(("127.0.0.1", 0))
    thread = threading.Thread(target=store.serve_forever, daemon=True)
    thread.start()
    port = store.server_address[1]
    settings = {"AUDIO_CACHE_URL": f"redis://127.0.0.1:{port}/0", "AUDIO_CACHE_MAX": "8"}
    try:
        with (
            replicas(tmp_path, **settings) as site,
            redis.Redis(host="127.0.0.1", port=port, protocol=2) as looking,
        ):
            first, second = site.servers
            made = speak(first)
            assert made.headers["x-cache"] == "miss"
            until(looking.dbsize)
            kept = speak(second)
            assert kept.headers["x-cache"] == "hit"
            assert kept.content == made.content
    finally:
        store.shutdown()
        store.server_close()
        thread.join()


def test_what_all_refuse_is_refused_as_a_server_would(tmp_path: Path, gate: Path) -> None:
    with (
        replicas(
            tmp_path,
            proxy={"VIVAVOCE_MAX_REQUESTS": "1"},
            MAX_CONCURRENT_REQUESTS="1",
            MAX_QUEUE_DEPTH="0",
        ) as site,
        at_once(site, [held(gate, seed=seed) for seed in range(2)]) as asked,
    ):
        until(lambda: busy(site) == [1, 1])
        full = speak(site)
        assert (full.status_code, error(full)["code"]) == (503, "server_full")
        assert error(full)["type"] == "server_error"
        assert int(full.headers["retry-after"]) >= 1
        assert full.headers["x-should-retry"] == "true"
        assert full.headers["content-type"] == "application/json"
        assert full.headers["x-request-id"].startswith("req_")
        patient = openai.OpenAI(base_url=f"{site.url}/v1", api_key="-", max_retries=0)
        with pytest.raises(openai.InternalServerError) as refused:
            patient.audio.speech.create(model="fake", voice="sine", input=TEXT)
        assert refused.value.code == "server_full"
        gate.touch()
        assert all(answer.result().status_code == 200 for answer in asked)
        assert speak(site).status_code == 200


def test_with_no_server_it_says_so_in_the_same_shape(tmp_path: Path) -> None:
    with replicas(tmp_path) as site:
        for server in site.servers:
            site.kill(server)
        until(lambda: set(site.proxy.states().values()) == {"DOWN"})
        answer = speak(site)
        assert (answer.status_code, error(answer)["code"]) == (503, "no_server_ready")
        assert int(answer.headers["retry-after"]) >= 1


def test_a_killed_servers_answers_are_lost_and_not_made_twice(tmp_path: Path, gate: Path) -> None:
    with replicas(tmp_path) as site, ExitStack() as stack:
        started = [stack.enter_context(Listener(site, held(gate, seed=seed))) for seed in range(4)]
        assert all(listener.answer().status == 200 for listener in started)
        waiting = [stack.enter_context(Listener(site, held(gate, 0, seed=seed))) for seed in (8, 9)]
        until(lambda: busy(site) == [3, 3])
        lost, left = site.servers
        site.kill(lost)
        told = [answer for listener in waiting if (answer := answered(listener))]
        assert [answer.status for answer in told] == [502]
        assert json.loads(told[0].read())["error"]["code"] == "server_lost"
        for seed in range(20):  # who comes now does not notice, from the first moment on
            assert speak(site, seed=seed).status_code == 200
        gate.touch()
        heard = [rest_of(listener) for listener in started]
        assert sorted(whole for whole, _ in heard) == [False, False, True, True]
        until(lambda: load_of(left) == (0, 0))
        assert counted(left, SPOKEN) == 3 + 20  # none of what the other had begun


def answered(listener: Listener) -> HTTPResponse | None:
    """Return its answer if it comes within a moment; others wait for the gate."""
    listener.connection.sock.settimeout(1)
    try:
        return listener.answer()
    except TimeoutError:
        return None


def rest_of(listener: Listener) -> tuple[bool, bytes]:
    """Read the rest of an answer; tell whether it came to its end."""
    try:
        return True, listener.rest()
    except IncompleteRead as exc:
        return False, exc.partial


def test_a_server_that_leaves_cuts_nobody_and_nobody_notices(tmp_path: Path, gate: Path) -> None:
    with (
        replicas(tmp_path, SHUTDOWN_DELAY="3") as site,
        at_once(site, [held(gate, seed=seed) for seed in range(6)]) as streams,
    ):
        until(lambda: busy(site) == [3, 3])
        leaver, stayer = site.servers
        leaver.process.send_signal(signal.SIGTERM)
        until(lambda: get(leaver, "/ready").status_code == 503)
        seed = 100
        while listens(leaver):
            assert speak(site, seed=seed).status_code == 200
            seed += 1
        assert site.state(leaver).startswith("DOWN")
        before = counted(stayer, SPOKEN)
        assert speak(site).content == fake_pcm()
        assert counted(stayer, SPOKEN) == before + 1
        assert not has_ended(leaver.process.pid)  # its streams are not over
        gate.touch()
        for number, stream in enumerate(streams):
            assert stream.result().content == fake_pcm(seed=number)
        assert leaver.process.wait(10) == 0


def listens(server: Server) -> bool:
    try:
        get(server, "/health")
    except httpx.TransportError:
        return False
    return True


def test_a_server_that_hangs_gets_none_until_it_goes_on(tmp_path: Path, gate: Path) -> None:
    with replicas(tmp_path) as site:
        first = site.servers[0]
        first.process.send_signal(signal.SIGSTOP)
        until(lambda: site.state(first).startswith("DOWN"), 20)
        assert speak(site).status_code == 200
        first.process.send_signal(signal.SIGCONT)
        until(lambda: site.state(first) == "UP", 20)
        with at_once(site, [held(gate, seed=seed) for seed in range(4)]):
            until(lambda: busy(site) == [2, 2])
            gate.touch()


def test_the_proxy_has_metrics_of_its_own(site: Site) -> None:
    text = httpx.get(f"{site.proxy.stats_url}/metrics").text
    assert 'haproxy_server_status{proxy="replicas",server="replica-1",state="UP"} 1' in text


def test_real_speech_comes_through_both(tmp_path: Path) -> None:
    with replicas(tmp_path, ENGINE="embedded") as site:
        body = {"input": "Two of us.", "voice": "heart", "response_format": "mp3"}
        with at_once(site, [{**body, "cache": False} for _ in range(4)]) as asked:
            pass
        for answer in asked:
            assert len(decode(answer.result().content, "mp3")) > 10_000
        assert all(
            counted(s, 'speech_total{model="hibari-heart",outcome="spoken"}') for s in site.servers
        )
