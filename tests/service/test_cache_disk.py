"""Answers on disk: there after a restart, within their limit, and never a wrong one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from vivavoce.errors import SettingsError
from vivavoce.service.cache.disk import DiskTier
from vivavoce.service.cache.entry import CachedAudio, pack

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 100_000
ENTRY_BYTES = 10_000
"""What an entry of `sized` takes as a file; ten of them are all there is room for."""


def key(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()


def entry(n: int) -> CachedAudio:
    return CachedAudio(f"audio {n}".encode(), n, n / 2, n + 1, n + 2)


def sized(n: int) -> CachedAudio:
    """An entry whose file has exactly `ENTRY_BYTES`."""
    overhead = len(pack(CachedAudio(bytes(5000), n, 1.0, 1, 1))) - 5000
    return CachedAudio(bytes(ENTRY_BYTES - overhead), n, 1.0, 1, 1)


def put(tier: DiskTier, n: int, what: Callable[[int], CachedAudio] = entry) -> None:
    asyncio.run(tier.put(key(n), what(n)))


def get(tier: DiskTier, n: int) -> CachedAudio | None:
    return asyncio.run(tier.get(key(n)))


def clear(tier: DiskTier) -> int:
    return asyncio.run(tier.clear())


def file_of(folder: Path, n: int) -> Path:
    return folder / f"{key(n)}.audio"


def used_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache"


# Kept


def test_answers_survive_a_restart_and_nobody_else_reads_them(folder: Path) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    assert get(tier, 1) is None
    for n in (1, 2):
        put(tier, n)
    asyncio.run(tier.close())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 2  # no temporary file is left

    restarted = DiskTier(folder, MAX_BYTES)
    assert [get(restarted, n) for n in (1, 2, 3)] == [entry(1), entry(2), None]


def test_the_newest_of_two_answers_of_a_key_counts(folder: Path) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    for n in (1, 2):
        asyncio.run(tier.put(key(0), entry(n)))
    assert get(tier, 0) == entry(2)


def test_clear_tells_how_many_went(folder: Path) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    for n in range(3):
        put(tier, n)
    assert clear(tier) == 3
    assert clear(tier) == 0
    assert get(tier, 1) is None
    put(tier, 1)
    assert get(tier, 1) == entry(1)


# Room


def test_those_unused_for_longest_go(folder: Path) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    for n in range(10):
        put(tier, n, sized)
    assert used_bytes(folder) == MAX_BYTES
    assert get(tier, 0) == sized(0)  # used: 1 and 2 are now the oldest
    put(tier, 10, sized)
    assert used_bytes(folder) == 0.9 * MAX_BYTES
    assert [n for n in range(11) if not file_of(folder, n).exists()] == [1, 2]


def test_use_is_remembered_across_a_restart(folder: Path) -> None:
    before = DiskTier(folder, MAX_BYTES)
    for n in range(10):
        put(before, n, sized)
    get(before, 0)

    after = DiskTier(folder, MAX_BYTES)
    get(after, 2)
    put(after, 10, sized)
    assert [n for n in range(11) if not file_of(folder, n).exists()] == [1, 3]


def test_a_smaller_limit_holds_from_the_start(folder: Path) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    for n in range(10):
        put(tier, n, sized)
    smaller = DiskTier(folder, MAX_BYTES // 2)
    assert used_bytes(folder) <= MAX_BYTES // 2
    assert get(smaller, 0) is None
    assert get(smaller, 9) == sized(9)


def test_the_limit_holds_at_every_moment_of_a_long_run(folder: Path) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    for n in range(60):
        put(tier, n % 35, sized)
        assert used_bytes(folder) <= MAX_BYTES
        assert get(tier, n % 35) == sized(n % 35)


def test_an_answer_over_the_limit_pushes_nothing_out(folder: Path) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    put(tier, 1)
    put(tier, 2, lambda n: CachedAudio(bytes(MAX_BYTES), n, 1.0, 1, 1))
    assert get(tier, 1) == entry(1)
    assert get(tier, 2) is None


# What is wrong with a file


def altered(packed: bytes) -> dict[str, bytes]:
    middle = len(packed) // 2
    return {
        "truncated": packed[:middle],
        "empty": b"",
        "a bit": packed[:middle] + bytes([packed[middle] ^ 4]) + packed[middle + 1 :],
        "longer": packed + b"x",
        "far too long": packed + bytes(2 * MAX_BYTES),
        "another version": packed[:7] + b"\x63" + packed[8:],
    }


@pytest.mark.parametrize("how", altered(b"12345678"))
def test_an_altered_file_is_a_miss_and_goes(folder: Path, how: str) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    for n in (1, 2):
        put(tier, n)
        file_of(folder, n).write_bytes(altered(pack(entry(n)))[how])
    with capture_logs() as log:
        assert [get(tier, n) for n in (1, 2)] == [None, None]
    assert [line["reason"] for line in log] == ["a file was truncated or altered; it is removed"]
    assert list(folder.iterdir()) == []
    put(tier, 1)
    assert get(tier, 1) == entry(1)


def test_what_a_killed_server_left_goes_and_foreign_files_stay(folder: Path) -> None:
    put(DiskTier(folder, MAX_BYTES), 1)
    (folder / f"{key(2)}.a1b2c3d4.part").write_bytes(b"half an answer")
    foreign = {"notes.txt", "x.audio", f"{key(3)}.part", f"{key(4)}.mp3", key(5)}
    for name in foreign:
        (folder / name).write_bytes(bytes(MAX_BYTES))  # not counted either
    tier = DiskTier(folder, MAX_BYTES)
    assert {path.name for path in folder.iterdir()} == foreign | {f"{key(1)}.audio"}
    assert get(tier, 1) == entry(1)
    assert clear(tier) == 1
    assert {path.name for path in folder.iterdir()} == foreign


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(pack(entry(1)))
    file_of(folder, 1).symlink_to(elsewhere)
    (folder / f"{key(2)}.a1b2c3d4.part").symlink_to(elsewhere)
    tier = DiskTier(folder, MAX_BYTES)
    with capture_logs() as log:
        assert [get(tier, 1), get(tier, 1)] == [None, None]
    assert len(log) == 1
    assert clear(tier) == 0
    put(tier, 1)  # takes the link's place
    assert get(tier, 1) == entry(1)
    assert not file_of(folder, 1).is_symlink()
    assert clear(tier) == 1
    assert elsewhere.read_bytes() == pack(entry(1))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["a folder", "a named pipe"])
def test_what_is_no_file_is_a_miss(folder: Path, make: Callable[[Path], None]) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    make(file_of(folder, 1))
    with capture_logs():
        assert get(tier, 1) is None
        assert clear(tier) == 0
    assert file_of(folder, 1).exists()


# Company


def test_two_servers_share_a_folder(folder: Path) -> None:
    one, other = DiskTier(folder, MAX_BYTES), DiskTier(folder, MAX_BYTES)
    put(one, 1)
    assert get(other, 1) == entry(1)
    with capture_logs() as log:
        assert clear(other) == 1
        assert get(one, 1) is None
        for n in range(10):
            put(one, n, sized)
        for n in range(10, 20):
            put(other, n, sized)  # makes room among what the other wrote
        assert get(one, 0) is None
    assert log == []
    assert used_bytes(folder) <= 1.1 * MAX_BYTES


def test_a_restart_beside_a_server_that_writes_disturbs_neither(folder: Path) -> None:
    tier = DiskTier(folder, 2**30)

    async def write_and_restart() -> list[CachedAudio | None]:
        puts = [tier.put(key(n), entry(n)) for n in range(200)]
        restarts = [asyncio.to_thread(DiskTier, folder, 2**30) for _ in range(10)]
        await asyncio.gather(*puts, *restarts)
        return [await tier.get(key(n)) for n in range(200)]

    with capture_logs():
        kept = asyncio.run(write_and_restart())
    # Those whose temporary file was cleared away are missing; none is wrong.
    assert all(found in (None, entry(n)) for n, found in enumerate(kept))
    assert any(kept)
    assert not list(folder.glob("*.part"))


KILLED = """
import asyncio, hashlib, os, sys
from pathlib import Path
from vivavoce.service.cache.disk import DiskTier
from vivavoce.service.cache.entry import CachedAudio

async def write(folder):
    tier, n = DiskTier(folder, 2**30), 0
    while True:
        key = hashlib.sha256(str(n).encode()).hexdigest()
        await tier.put(key, CachedAudio(str(n).encode() * 50000, n, 1.0, 1, 1))
        n += 1
        if n == 5:
            print(os.getpid(), flush=True)

for round in range(int(sys.argv[2])):
    pid = os.fork()  # cheaper than to import everything for each
    if pid == 0:
        asyncio.run(write(Path(sys.argv[1], str(round))))
    os.waitpid(pid, 0)
"""


def test_a_killed_server_leaves_whole_answers_only(tmp_path: Path) -> None:
    rounds = 20
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path, str(rounds)], stdout=subprocess.PIPE, text=True
    ) as writers:
        for _ in range(rounds):
            os.kill(int(writers.stdout.readline()), signal.SIGKILL)
        assert writers.wait(20) == 0

    for number in range(rounds):
        folder = tmp_path / str(number)
        with capture_logs() as log:
            tier = DiskTier(folder, 2**30)
            count = len(list(folder.iterdir()))
            assert count >= 5
            for n in range(count):
                assert get(tier, n) == CachedAudio(str(n).encode() * 50000, n, 1.0, 1, 1)
        assert log == []


# A disk that fails


FULL = """
import asyncio, json, resource, sys
from pathlib import Path
from structlog.testing import capture_logs
from vivavoce.service.cache.disk import DiskTier
from vivavoce.service.cache.entry import CachedAudio

folder, small, large = Path(sys.argv[1]), bytes(1000), bytes(100000)
tier = DiskTier(folder, 2**20)
told = []

def put(key, data):
    with capture_logs() as log:
        asyncio.run(tier.put(key * 64, CachedAudio(data, 1, 1.0, 1, 1)))
    kept = asyncio.run(tier.get(key * 64))
    told.append([kept is not None, [line["event"] for line in log], len(list(folder.iterdir()))])

put("a", large)
# Files must not grow beyond this: the second block of a write fails as it does on a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (50000, resource.RLIM_INFINITY))
put("b", large)
put("c", large)
put("d", small)
put("e", large)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
put("f", large)
print(json.dumps(told))
"""


def test_a_full_disk_is_told_once_and_leaves_nothing(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, folder], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [
        [True, [], 1],
        [False, ["audio cache fails"], 1],
        [False, [], 1],
        [True, ["audio cache works again"], 2],
        [False, [], 2],  # the same again within a minute: not told
        [True, [], 3],
    ]


def test_a_folder_that_goes_away_is_told_once_until_it_is_back(folder: Path) -> None:
    tier = DiskTier(folder, MAX_BYTES)
    put(tier, 1)
    shutil.rmtree(folder)
    with capture_logs() as log:
        for n in range(5):
            put(tier, n)
            assert get(tier, n) is None
        assert clear(tier) == 0
        assert clear(tier) == 0
    assert [(line["doing"], line["reason"]) for line in log] == [
        ("put", "FileNotFoundError: No such file or directory"),
        ("clear", "FileNotFoundError: No such file or directory"),
    ]
    assert not folder.exists()  # it may be where a disk belongs that is not mounted now

    folder.mkdir()
    with capture_logs() as log:
        for n in range(3):
            put(tier, n)
            assert get(tier, n) == entry(n)
    assert [(line["event"], line["doing"]) for line in log] == [("audio cache works again", "put")]


def in_place_of_the_folder(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("not a folder")
    return path


def below_a_file(tmp_path: Path) -> Path:
    return in_place_of_the_folder(tmp_path) / "cache"


def not_writable(tmp_path: Path) -> Path:
    path = tmp_path / "read-only"
    path.mkdir(mode=0o500)
    return path


@pytest.mark.parametrize("where", [in_place_of_the_folder, below_a_file, not_writable])
def test_a_folder_that_cannot_be_written_is_refused_at_the_start(
    where: Callable[[Path], Path], tmp_path: Path
) -> None:
    if where is not_writable and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    with pytest.raises(SettingsError) as refused:
        DiskTier(where(tmp_path), MAX_BYTES)
    assert f"AUDIO_CACHE_DIR={tmp_path}" in refused.value.message
    assert "leave AUDIO_CACHE_DIR empty" in refused.value.message


def test_a_call_after_the_loops_end_is_a_miss(folder: Path) -> None:
    """At the very end of a server its threads are gone."""
    tier = DiskTier(folder, MAX_BYTES)
    put(tier, 1)

    async def too_late() -> Any:
        await asyncio.get_running_loop().shutdown_default_executor()
        await tier.put(key(2), entry(2))
        return await tier.get(key(1)), await tier.clear()

    with capture_logs() as log:
        assert asyncio.run(too_late()) == (None, 0)
    assert [line["doing"] for line in log] == ["put", "get", "clear"]
