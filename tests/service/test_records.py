"""Voices on disk: whoever looks, whenever, sees the old or the new, and never half."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections import UserDict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from killed_saving import NEW, OLD, SAMPLES, voice
from vivavoce.errors import NotFound, StorageFailed
from vivavoce.service.saved_voice import SavedVoice, VoiceDefaults
from vivavoce.service.voice_store import VoiceStore
from vivavoce.types import VoicePrompt

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parents[1] / "killed_saving.py"


def names(store: VoiceStore) -> list[str]:
    """Return the names of all voices; each must be whole."""
    for found in store.all():
        assert len(store.reference(found)) == len(SAMPLES)
    return sorted(found.name for found in store.all())


def litter(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


@pytest.fixture
def store(tmp_path: Path) -> VoiceStore:
    return VoiceStore(tmp_path)


@pytest.mark.parametrize(
    ("what", "before", "after"),
    [("create", [OLD], [NEW, OLD]), ("update", [OLD], [NEW]), ("remove", [OLD], [])],
)
def test_killed_at_any_step_it_leaves_the_old_or_the_new(
    tmp_path: Path, what: str, before: list[str], after: list[str]
) -> None:
    first = VoiceStore(tmp_path / "0")
    first.create(voice(first, OLD), SAMPLES)
    most = 60
    for step in range(1, most):
        shutil.copytree(tmp_path / "0", tmp_path / str(step))
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path, what], capture_output=True, text=True, check=True
    )
    steps = int(done.stdout)
    assert 3 <= steps < most - 1
    seen = []
    for step in range(1, steps + 2):
        folder = tmp_path / str(step)
        again = VoiceStore(folder)  # as after a restart, which sweeps
        seen.append(names(again))
        assert seen[-1] in (before, after), f"{what} killed at step {step}"
        (folder / "voices").stat()
        assert not [path for path in litter(folder) if path.parent == folder / "voices"]
    assert seen[0] == before
    assert seen[-1] == after
    assert seen == sorted(seen, key=lambda found: found == after)  # there is one moment of change


def test_killed_at_random_moments_while_others_look(tmp_path: Path) -> None:
    store = VoiceStore(tmp_path)
    drawn = random.Random(1)
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, PROGRAM, tmp_path, "all"], stdout=subprocess.PIPE
        )
        assert writer.stdout.readline()
        waited = threading.Event()
        ends = drawn.random() * 0.1
        killer = threading.Timer(ends, waited.set)
        killer.start()
        while not waited.is_set():
            for found in store.all():
                assert found.name in (OLD, NEW)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert set(names(VoiceStore(tmp_path))) <= {OLD, NEW}


def test_what_one_server_does_the_others_see(tmp_path: Path) -> None:
    one, other = VoiceStore(tmp_path), VoiceStore(tmp_path)
    saved = voice(one, OLD)
    assert other.find(OLD) is None
    one.create(saved, SAMPLES)
    assert other.find(" old NAME ") == other.get(saved.id) == saved
    for number in range(20):  # quicker than the system's clock for files
        changed = msgspec.structs.replace(saved, name=f"Number {number}")
        one.voices.update(changed)
        assert other.get(saved.id) == changed
        assert other.find(f"number {number}") == changed
        assert [found.name for found in other.all()] == [f"Number {number}"]
    assert other.find(OLD) is None
    assert one.voices.remove(saved.id)
    assert other.all() == ()
    assert not other.voices.remove(saved.id)
    with pytest.raises(NotFound):
        other.get(saved.id)


def test_what_is_being_written_is_not_swept_away(tmp_path: Path) -> None:
    store = VoiceStore(tmp_path)
    held, go_on = threading.Event(), threading.Event()

    class Slow(UserDict[str, bytes]):
        def __iter__(self) -> Iterator[str]:
            held.set()
            go_on.wait(10)
            return super().__iter__()

    saved = voice(store, OLD)
    writing = threading.Thread(target=store.voices.create, args=(saved, Slow(file=b"x")))
    writing.start()
    assert held.wait(10)
    assert len(litter(tmp_path)) == 1
    VoiceStore(tmp_path)
    assert len(litter(tmp_path)) == 1
    go_on.set()
    writing.join()
    assert VoiceStore(tmp_path).get(saved.id) == saved
    assert not litter(tmp_path)


def test_a_record_somebody_edited_badly_hides_no_others(tmp_path: Path, store: VoiceStore) -> None:
    good, bad, liar = (voice(store, name) for name in ("Good", "Bad", "Liar"))
    for saved in (good, bad, liar):
        store.create(saved, SAMPLES)
    (tmp_path / "voices" / bad.id / "meta.json").write_bytes(b'{"id": 3')
    meta = tmp_path / "voices" / liar.id / "meta.json"
    meta.write_text(meta.read_text().replace(liar.id, good.id))
    (tmp_path / "voices" / "stray file").touch()
    assert VoiceStore(tmp_path).all() == (good,)


def test_all_that_is_known_comes_back(store: VoiceStore, tmp_path: Path) -> None:
    usual = VoiceDefaults("en", "Whisper. 你好", 1.5, 7, -3.0)
    saved = msgspec.structs.replace(voice(store, "Ada Ä"), defaults=usual, transcript="One two.")
    store.create(saved, SAMPLES)
    again = VoiceStore(tmp_path)
    assert again.all() == (saved,)
    assert np.abs(again.reference(saved) - SAMPLES).max() < 1 / 32767
    # What was decoded once comes out the same each time.
    once = again.reference(saved)
    twice = msgspec.structs.replace(voice(store, "Twice"))
    store.create(twice, once)
    assert np.array_equal(store.reference(twice), once)


def test_what_a_model_heard_is_kept_by_model_and_words(store: VoiceStore) -> None:
    saved = voice(store, OLD)
    store.create(saved, SAMPLES)
    heard = VoicePrompt(b"speaker", b"codes", "Words.")
    store.keep_prompt(saved, "model one", heard)
    assert store.prompt(saved, "model one") == heard
    assert store.prompt(saved, "model two") is None
    assert store.prompt(msgspec.structs.replace(saved, transcript="Other."), "model one") is None
    store.voices.remove(saved.id)
    assert store.prompt(saved, "model one") is None
    store.keep_prompt(saved, "model one", heard)  # somebody deleted it while it was listened to
    assert store.all() == ()


@pytest.mark.parametrize(
    "id",
    ["", ".", "..", "../voices", "voice_", "voice_../../etc", "/etc/passwd", "voice_" + "g" * 32],
)
def test_no_id_leads_anywhere_else(store: VoiceStore, tmp_path: Path, id: str) -> None:
    store.create(voice(store, OLD), SAMPLES)
    before = sorted(tmp_path.rglob("*"))
    assert store.voices.get(id) is None
    assert not store.voices.remove(id)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = VoiceStore(tmp_path / "file" / "data")
    assert store.all() == ()  # those who save nothing are not to mind
    with pytest.raises(StorageFailed, match="DATA_DIR"):
        store.create(voice(store, OLD), SAMPLES)


def test_a_full_disk_leaves_what_was_there(store: VoiceStore, tmp_path: Path) -> None:
    saved = voice(store, OLD)
    store.create(saved, SAMPLES)
    before = sorted(tmp_path.rglob("*"))
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, usual[1]))
    try:
        with pytest.raises(StorageFailed):
            store.create(voice(store, NEW), SAMPLES)
        with pytest.raises(StorageFailed):
            store.voices.update(msgspec.structs.replace(saved, name=NEW))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert sorted(tmp_path.rglob("*")) == before
    assert VoiceStore(tmp_path).all() == (saved,)


def test_nothing_is_made_before_something_is_saved(tmp_path: Path) -> None:
    store = VoiceStore(tmp_path / "data")
    assert store.all() == ()
    assert store.find("anything") is None
    assert not (tmp_path / "data").exists()


def test_only_this_user_may_read(store: VoiceStore, tmp_path: Path) -> None:
    store.create(voice(store, OLD), SAMPLES)
    for path in (tmp_path / "voices").rglob("*"):
        assert os.stat(path).st_mode & 0o077 == 0
    assert isinstance(store.all()[0], SavedVoice)
