"""API keys: what may stand in the settings, whose a key is, and what each may use."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from vivavoce.errors import LimitReached, SettingsError
from vivavoce.service.keys import KeyInfo, KeyLimits, KeyRing, Scope

if TYPE_CHECKING:
    from pathlib import Path

KEY = "canary-0123456789"
OTHER = "canary-9876543210"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def write(folder: Path, *entries: dict) -> str:
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": entries}))
    return str(path)


def load(folder: Path, *entries: dict) -> KeyRing:
    ring = KeyRing.load((), write(folder, *entries))
    assert ring is not None
    return ring


# What may stand in the settings


def test_without_keys_there_is_no_ring() -> None:
    assert KeyRing.load((), "") is None


def test_keys_of_the_environment_may_do_everything(tmp_path: Path) -> None:
    ring = KeyRing.load((KEY, OTHER), write(tmp_path, {"name": "a", "key": KEY + "!"}))
    assert ring is not None
    assert ring.find(KEY) == KeyInfo("key1", frozenset(Scope))
    assert ring.find(OTHER) == KeyInfo("key2", frozenset(Scope))
    assert ring.find(KEY + "!") == KeyInfo("a", frozenset({Scope.SPEAK}))


def test_an_entry_of_the_file_is_read_whole(tmp_path: Path) -> None:
    limits = {"requests_per_minute": 60, "concurrent": 4}
    ring = load(
        tmp_path,
        {"name": "alice", "key": KEY, "scopes": ["speak", "voices"], **limits},
        {"name": "bob@home", "key_sha256": digest(OTHER).upper(), "scopes": ["operate"]},
    )
    assert ring.find(KEY) == KeyInfo("alice", frozenset({Scope.SPEAK, Scope.VOICES}), 60, 4)
    assert ring.find(OTHER) == KeyInfo("bob@home", frozenset({Scope.OPERATE}))


GOOD = {"name": "alice", "key": KEY}

WRONG_FILES = {
    "bad JSON": ('{"keys": [', "truncated"),
    "not UTF-8": ('{"keys": [{"name": "\udcff"}]}', "keys.json is not a list of keys"),
    "not an object": ([GOOD], "Expected `object`"),
    "no keys": ({"keys": []}, "length >= 1"),
    "unknown field": ({"keys": [{**GOOD, "scope": ["speak"]}]}, "`scope` - at `$.keys[0]`"),
    "unknown field outside": ({"keys": [GOOD], "version": 1}, "`version`"),
    "unknown scope": ({"keys": [GOOD, {**GOOD, "scopes": ["sing"]}]}, "$.keys[1].scopes[0]"),
    "no scope": ({"keys": [{**GOOD, "scopes": []}]}, "$.keys[0].scopes"),
    "no name": ({"keys": [{"key": KEY}]}, "`name` - at `$.keys[0]`"),
    "empty name": ({"keys": [{**GOOD, "name": ""}]}, "$.keys[0].name"),
    "name with a line feed": ({"keys": [{**GOOD, "name": "alice\n"}]}, "$.keys[0].name"),
    "number as key": ({"keys": [{"name": "alice", "key": 12345678}]}, "$.keys[0].key"),
    "no key": ({"keys": [{"name": "alice"}]}, "keys[0] (alice) must have either key or key_"),
    "both": ({"keys": [{**GOOD, "key_sha256": digest(OTHER)}]}, "must have either key or key_"),
    "empty key": ({"keys": [{**GOOD, "key": ""}]}, "keys[0] (alice) is empty"),
    "short key": ({"keys": [{**GOOD, "key": "canary-"}]}, "(alice) is shorter than 8 char"),
    "space in key": ({"keys": [{**GOOD, "key": f"{KEY} "}]}, "has a space or a character"),
    "non-ASCII key": ({"keys": [{**GOOD, "key": f"{KEY}ü"}]}, "has a space or a character"),
    "short digest": ({"keys": [{"name": "a", "key_sha256": "ab12"}]}, "$.keys[0].key_sha256"),
    "digest of nothing": (
        {"keys": [{"name": "alice", "key_sha256": digest("")}]},
        "keys[0] (alice): key_sha256 is that of an empty key",
    ),
    "same name": (
        {"keys": [GOOD, {**GOOD, "key": OTHER}]},
        "keys[1] (alice) has the name of",
    ),
    "same key": (
        {"keys": [GOOD, {"name": "bob", "key_sha256": digest(KEY)}]},
        "keys[1] (bob) is the same key as",
    ),
    "no request a minute": ({"keys": [{**GOOD, "requests_per_minute": 0}]}, "requests_per_minute"),
    "half a request": ({"keys": [{**GOOD, "requests_per_minute": 0.5}]}, "requests_per_minute"),
    "nothing at once": ({"keys": [{**GOOD, "concurrent": 0}]}, "$.keys[0].concurrent"),
}


@pytest.mark.parametrize(("content", "told"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, content: object, told: str) -> None:
    path = tmp_path / "keys.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SettingsError) as caught:
        KeyRing.load((), str(path))
    assert caught.value.message.startswith(f"API_KEYS_FILE={path}")
    assert told in caught.value.message
    assert "canary" not in caught.value.message


@pytest.mark.parametrize("name", ["nowhere.json", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(SettingsError, match=r"cannot be read: .*Name a file that can") as caught:
        KeyRing.load((), str(path))
    assert f"API_KEYS_FILE={path} " in caught.value.message


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (("",), "API_KEYS: key 1 is empty"),
        ((KEY, "canary-"), "API_KEYS: key 2 is shorter than 8 characters"),
        ((f"{KEY} {OTHER}",), "API_KEYS: key 1 has a space"),
        ((KEY, OTHER, KEY), "API_KEYS: key 3 is the same key as API_KEYS: key 1"),
    ],
)
def test_a_weak_key_of_the_environment_is_refused(keys: tuple[str, ...], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        KeyRing.load(keys, "")
    assert told in caught.value.message
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"name": "key1", "key": OTHER}, "keys[0] (key1) has the name of API_KEYS: key 1"),
        ({"name": "alice", "key": KEY}, "keys[0] (alice) is the same key as API_KEYS: key 1"),
    ],
)
def test_both_settings_together_must_be_unique(tmp_path: Path, entry: dict, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        KeyRing.load((KEY,), write(tmp_path, entry))
    assert told in caught.value.message


# Whose a key is


@pytest.mark.parametrize(
    "presented",
    ["", KEY[:-1], KEY + "0", KEY.upper(), f" {KEY}", digest(KEY), "ключ", "\udcff", "k" * 70_000],
    ids=["empty", "short", "long", "case", "space", "digest", "Cyrillic", "surrogate", "huge"],
)
def test_any_other_key_is_nobodys(tmp_path: Path, presented: str) -> None:
    assert load(tmp_path, GOOD).find(presented) is None


@pytest.mark.parametrize("presented", [KEY, OTHER, "neither of them"])
def test_every_key_is_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, presented: str
) -> None:
    ring = load(tmp_path, GOOD, {"name": "bob", "key": OTHER}, {"name": "c", "key": KEY + OTHER})
    expected = ring.find(presented)
    compared = []
    compare = hmac.compare_digest

    def counting(known: bytes, given: bytes) -> bool:
        compared.append((known.hex(), given.hex()))
        return compare(known, given)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    assert ring.find(presented) == expected
    assert compared == [(digest(key), digest(presented)) for key in (KEY, OTHER, KEY + OTHER)]


def test_no_repr_shows_a_key(tmp_path: Path) -> None:
    ring = load(tmp_path, GOOD)
    assert "alice" in repr(ring.find(KEY))
    for shown in (repr(ring), repr(ring.find(KEY)), repr(vars(ring))):
        assert "canary" not in shown
        assert repr(bytes.fromhex(digest(KEY))) not in shown


# What each may use


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now_s = 1e6

    def __call__(self) -> float:
        return self.now_s


def limited(name: str = "alice", **limits: int) -> KeyInfo:
    return KeyInfo(name, frozenset({Scope.SPEAK}), **limits)


def admitted(limits: KeyLimits, key: KeyInfo, attempts: int) -> int:
    """Return how many of so many requests, each ended before the next, are let through."""
    passed = 0
    for _ in range(attempts):
        try:
            with limits.admit(key):
                passed += 1
        except LimitReached:
            pass
    return passed


@pytest.mark.parametrize("per_minute", [1, 7, 60, 1000])
def test_a_minutes_requests_may_come_at_once_and_the_next_when_told(per_minute: int) -> None:
    clock = Clock()
    limits, key = KeyLimits(clock), limited(requests_per_minute=per_minute)
    assert admitted(limits, key, per_minute + 5) == per_minute
    with pytest.raises(LimitReached) as caught, limits.admit(key):
        pass
    assert caught.value.retry_after_s == pytest.approx(60 / per_minute, abs=0.01)
    assert f"The key alice may make {per_minute} requests a minute" in caught.value.message
    clock.now_s += caught.value.retry_after_s / 2
    assert admitted(limits, key, 1) == 0
    clock.now_s += caught.value.retry_after_s / 2
    assert admitted(limits, key, 5) == 1


def test_a_pause_fills_a_minutes_requests_and_no_more() -> None:
    clock = Clock()
    limits, key = KeyLimits(clock), limited(requests_per_minute=6)
    assert admitted(limits, key, 10) == 6
    clock.now_s += 25
    assert admitted(limits, key, 10) == 2
    clock.now_s += 3600
    assert admitted(limits, key, 10) == 6


def test_so_many_run_at_once_and_one_that_ends_makes_room() -> None:
    limits, key = KeyLimits(), limited(concurrent=2)
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(limits.admit(key))
        second.enter_context(limits.admit(key))
        with pytest.raises(
            LimitReached, match="The key alice may have 2 requests running"
        ) as caught:
            second.enter_context(limits.admit(key))
        assert caught.value.retry_after_s == 1
        first.close()
        assert admitted(limits, key, 3) == 3


def test_a_request_that_fails_makes_room() -> None:
    limits, key = KeyLimits(), limited(concurrent=1)
    with pytest.raises(ZeroDivisionError), limits.admit(key):
        _ = 1 / 0
    assert admitted(limits, key, 1) == 1


def test_one_refused_for_what_runs_is_not_counted_in_the_minute() -> None:
    limits, key = KeyLimits(Clock()), limited(requests_per_minute=2, concurrent=1)
    with limits.admit(key):
        assert admitted(limits, key, 10) == 0
    assert admitted(limits, key, 10) == 1


def test_each_key_has_its_own_limits() -> None:
    limits = KeyLimits(Clock())
    alice, bob = (limited(name, requests_per_minute=3, concurrent=1) for name in ("alice", "bob"))
    with limits.admit(alice):
        assert admitted(limits, alice, 10) == 0
        assert admitted(limits, bob, 10) == 3
    assert admitted(limits, alice, 10) == 2


def test_without_limits_nothing_is_refused() -> None:
    limits, key = KeyLimits(Clock()), limited()
    with ExitStack() as held:
        for _ in range(500):
            held.enter_context(limits.admit(key))
