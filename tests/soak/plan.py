"""How long the run is, what it is made of, and what counts as too much."""

from __future__ import annotations

from dataclasses import dataclass

_ROUND_S = 120.0
REST_S = 10.0
"""About what it takes until the last visitor and then the model, idle for a while, have gone."""
_KILL_EVERY_S = 60.0
_CALM_PART = 3
_ROUNDS_FOR_CALM = 5

ENGINES = ("fake", "embedded")

SETTINGS = {
    "PORT": "0",
    "LOG_FORMAT": "json",
    "MAX_CONCURRENT_REQUESTS": "4",
    "MAX_QUEUE_DEPTH": "6",
    "IDLE_TIMEOUT": "2",
    "AUDIO_CACHE_MAX": "12",
    "VOICE_CACHE_MAX": "2",
    "MAX_BODY_BYTES": "65536",
    "MAX_UPLOAD_BYTES": "1048576",
    "REQUEST_TIMEOUT": "20",
    "SEND_TIMEOUT": "2",
    "RECEIVE_TIMEOUT": "2",
}
"""Small limits, so that each is reached now and then."""

SEND_TIMEOUT_S = float(SETTINGS["SEND_TIMEOUT"])
RECEIVE_TIMEOUT_S = float(SETTINGS["RECEIVE_TIMEOUT"])
IDLE_TIMEOUT_S = float(SETTINGS["IDLE_TIMEOUT"])
MAX_BODY_BYTES = int(SETTINGS["MAX_BODY_BYTES"])
MAX_UPLOAD_BYTES = int(SETTINGS["MAX_UPLOAD_BYTES"])
MAX_RUNNING = int(SETTINGS["MAX_CONCURRENT_REQUESTS"])
MAX_WAITING = int(SETTINGS["MAX_QUEUE_DEPTH"])
AUDIO_CACHE_MAX = int(SETTINGS["AUDIO_CACHE_MAX"])

VISITS_PER_S = {"fake": 6.0, "embedded": 2.5}
MAX_VISITS = 40
"""At the same time; who comes then goes away again, so that the load is bounded."""

VISIT_LIMIT_S = 45.0
HEALTH_LIMIT_S = 2.0
RECOVERY_LIMIT_S = 20.0
REST_LIMIT_S = 25.0

REST_GROWTH_LIMIT_MIB = 16.0
"""Of the server's memory at rest, from the first rest to the last."""
REST_SLOPE_LIMIT_MIB_H = 30.0
REST_SLOPE_SPAN_S = 600.0
"""Over less a slope is noise: each rest is a few MiB more or less than the one before."""
PEAK_GROWTH_LIMIT_MIB = 24.0
"""Of its highest in a round, from the first rounds to the last: how much comes at once differs."""
WORKER_GROWTH_LIMIT_MIB = 32.0
"""In the last two thirds of a life: the embedded voice keeps what its longest sentence needed."""


@dataclass(frozen=True, slots=True)
class Round:
    """So much load, in which the worker is killed at these times; then a rest."""

    load_s: float
    kills_at_s: tuple[float, ...]

    @property
    def calm(self) -> bool:
        """Whether the worker is to live through it."""
        return not self.kills_at_s


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done. The first round is for warming up: the rest after it is what others must be."""

    minutes: float
    seed: int
    rounds: tuple[Round, ...]


def make_plan(minutes: float, seed: int = 1) -> Plan:
    """Return the plan of a run of about so many minutes.

    A worker is killed about once a minute, and at least once a round. In long runs the last
    third is one round without: a worker has to live a while for its memory to be judged.
    """
    whole_s = 60.0 * minutes
    count = max(2, round(whole_s / _ROUND_S))
    load_s = max(1.0, whole_s / count - REST_S)
    calm = count // _CALM_PART if count >= _ROUNDS_FOR_CALM else 0
    rounds = [Round(load_s, _kills_at_s(load_s))] * (count - calm)
    if calm:
        rounds.append(Round(calm * whole_s / count - REST_S, ()))
    return Plan(minutes, seed, tuple(rounds))


def _kills_at_s(load_s: float) -> tuple[float, ...]:
    kills = max(1, round(load_s / _KILL_EVERY_S))
    return tuple((index + 0.5) * load_s / kills for index in range(kills))
