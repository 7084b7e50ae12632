"""A program that saves, changes and deletes voices, and is killed at one of its steps.

    python killed_saving.py FOLDER WHAT

WHAT is create, update or remove: one child after the other does it in FOLDER/1, FOLDER/2, ..., and
is killed before its first, second, ... call to the system that Python reports (open, mkdir, rename,
...), as by kill -9. At last one comes to its end; how many did not is printed. Or WHAT is all: over
and over, in FOLDER, until somebody else kills it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import msgspec
import numpy as np

from vivavoce.service.saved_voice import SavedVoice, VoiceType
from vivavoce.service.voice_store import VoiceStore

OLD, NEW = "Old name", "New name"
SAMPLES = (np.arange(24000) % 100 / 200).astype(np.float32)


def voice(store: VoiceStore, name: str) -> SavedVoice:
    return SavedVoice(
        id=store.voices.new_id(),
        name=name,
        type=VoiceType.AUDIO_SAMPLE,
        created_ns=1,
        revision="a",
    )


def count_down(steps: int) -> None:
    left = steps

    def on_event(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event.split(".")[0] in ("open", "os", "shutil", "fcntl"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)


def once(folder: str, what: str, step: int) -> None:
    store = VoiceStore(Path(folder))
    known = store.all()
    new = voice(store, NEW)
    store.create(voice(store, "Warm"), SAMPLES)  # what is imported once is not counted
    for found in store.all():
        if found.name == "Warm":
            store.voices.remove(found.id)
    count_down(step)
    if what == "create":
        store.create(new, SAMPLES)
    elif what == "update":
        store.voices.update(msgspec.structs.replace(known[0], name=NEW, revision="b"))
    else:
        store.voices.remove(known[0].id)


def every_step(folder: str, what: str) -> None:
    for step in range(1, 200):
        child = os.fork()
        if not child:
            once(f"{folder}/{step}", what, step)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            print(step - 1)
            return


def over_and_over(folder: str) -> None:
    store = VoiceStore(Path(folder))
    print("ready", flush=True)
    while True:
        one = voice(store, OLD)
        store.create(one, SAMPLES)
        store.voices.update(msgspec.structs.replace(one, name=NEW))
        store.voices.remove(one.id)


if __name__ == "__main__":
    folder, what = sys.argv[1:]
    if what == "all":
        over_and_over(folder)
    else:
        every_step(folder, what)
