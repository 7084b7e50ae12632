"""From a checkpoint's name to its folder: `vivavoce pull` against a hub on this machine."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from checkpoints import TINY, make_checkpoint
from hub import COMMIT, Hub

from vivavoce.engine.qwen3.checkpoint import (
    RELEASED,
    REQUIRED_FILES,
    Transfer,
    clone_model,
    find,
    verify,
)
from vivavoce.errors import EngineUnavailable
from vivavoce.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRESET, BASE = RELEASED[:2]
BIG = "model.safetensors"
PIECE = 10 * 1024 * 1024
"""What the library takes from the network at a time; less than that of a file may be lost."""
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with nothing wrong with it, in a plain folder."""
    return make_checkpoint(tmp_path_factory.mktemp("sound"), "custom_voice", TINY, 7)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder that is whole, though nothing is in its files."""
    for name in REQUIRED_FILES:
        file = tmp_path / "small" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    return tmp_path / "small"


@pytest.fixture
def hub(sound: Path) -> Iterator[Hub]:
    with Hub(sound, (PRESET, BASE)) as hub:
        yield hub


@pytest.fixture(scope="module")
def filled(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the hub's library that has the preset checkpoint."""
    home = tmp_path_factory.mktemp("filled")
    with Hub(sound, (PRESET,)) as hub:
        assert pull(hub.url, home, PRESET).returncode == 0
    return home


@pytest.fixture(scope="module")
def dead_url() -> Iterator[str]:
    """An address where nobody answers."""
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def surroundings(url: str, home: Path, **env: str) -> dict[str, str]:
    """An environment without settings but these."""
    ours = {str(info.alias) for info in Settings.model_fields.values()}
    theirs = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "XDG_CACHE", "DISABLE_TELE", "DO_NOT_TRACK")
    look = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and name not in look and not name.startswith(theirs)
    }
    return kept | {"HF_HOME": str(home), "HF_ENDPOINT": url, "NO_PROXY": "127.0.0.1"} | env


def command(*models: str) -> list[str]:
    return [sys.executable, "-m", "vivavoce", "pull", *models]


def pull(url: str, home: Path, *models: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*models),
        cwd=home,
        env=surroundings(url, home, **env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def snapshot(home: Path, model: str = PRESET) -> Path:
    return home / "hub" / f"models--{model.replace('/', '--')}" / "snapshots" / COMMIT


def assert_failed(done: subprocess.CompletedProcess[str], *about: str) -> None:
    """The last line tells what happened; nothing came before it but progress."""
    assert done.returncode == 1
    assert done.stdout == ""
    *before, line = done.stderr.splitlines()
    assert all(" % of " in earlier or earlier.endswith("downloaded again.") for earlier in before)
    assert line.startswith("vivavoce: ")
    for words in about:
        assert words in line


def assert_same_files(folder: Path, sound: Path) -> None:
    for name in REQUIRED_FILES:
        assert (folder / name).read_bytes() == (sound / name).read_bytes(), name


def flip(path: Path, position: int) -> None:
    """Change one byte of a file, even one that is not meant to be written to."""
    path = path.resolve()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Names


@pytest.mark.parametrize(
    ("model_id", "clone_model_id", "expected"),
    [
        (RELEASED[0], "auto", "Qwen/Qwen3-TTS-12Hz-0.6B-Base"),
        (RELEASED[2], "auto", "Qwen/Qwen3-TTS-12Hz-1.7B-Base"),
        ("/models/mine", "auto", "Qwen/Qwen3-TTS-12Hz-1.7B-Base"),
        (RELEASED[0], "me/my-base", "me/my-base"),
    ],
)
def test_the_checkpoint_for_clones(model_id: str, clone_model_id: str, expected: str) -> None:
    assert clone_model(model_id, clone_model_id) == expected


def test_the_checkpoints_chosen_without_settings_are_released_ones() -> None:
    settings = Settings(_env_file=None)
    clone = clone_model(settings.model_id, settings.clone_model_id)
    assert {settings.model_id, settings.design_model_id, clone} <= set(RELEASED)


def test_a_folder_is_found_under_every_spelling(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sound)
    monkeypatch.setenv("HOME", str(sound.parent))
    for name in (str(sound), "./speech_tokenizer/..", "speech_tokenizer", ".", f"~/{sound.name}"):
        assert find(name).is_dir()


@pytest.mark.parametrize("name", ["/no/such", "./no-such", "../no-such", "~/no-such"])
def test_a_path_that_leads_nowhere_is_named(name: str) -> None:
    with pytest.raises(EngineUnavailable, match=re.escape(name)) as caught:
        find(name)
    assert "hub id such as Qwen/" in caught.value.message


@pytest.mark.parametrize("name", ["a b", "a/b/c", "-x"])
def test_a_name_that_nothing_can_have(name: str) -> None:
    with pytest.raises(EngineUnavailable, match=re.escape(repr(name))):
        find(name)


def test_without_the_library_folders_still_work(sound: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['huggingface_hub'] = sys.modules['torch'] = None\n"
        "from vivavoce.engine.qwen3.checkpoint import fetch, find\n"
        "from vivavoce.errors import EngineUnavailable\n"
        f"assert fetch({str(sound)!r}, offline=False, on_progress=print) is not None\n"
        f"assert find({PRESET!r}) is None\n"
        "try:\n"
        f"    fetch({PRESET!r}, offline=False, on_progress=print)\n"
        "except EngineUnavailable as error:\n"
        "    sys.exit(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("Install it with: pip install 'vivavoce[qwen]'")


# Downloads


def test_everything_is_downloaded_and_a_second_time_nothing(
    hub: Hub, tmp_path: Path, sound: Path
) -> None:
    done = pull(hub.url, tmp_path, MODEL_ID=PRESET)
    assert done.returncode == 0
    folder = snapshot(tmp_path)
    assert_same_files(folder, sound)
    size = sum(path.stat().st_size for path in sound.rglob("*") if path.is_file()) / 1e6
    assert done.stdout == f"{PRESET} is complete and verified: {folder} ({size:.1f} MB)\n"
    agents = {request.headers["user-agent"] for request in hub.requests}
    assert not [agent for agent in agents if "torch" in agent]  # no telemetry
    assert not [request for request in hub.requests if PRESET not in request.path]

    hub.requests.clear()
    again = pull(hub.url, tmp_path, "preset", MODEL_ID=PRESET)
    assert again.stdout == done.stdout
    assert hub.requests == []


def test_the_words_mean_the_settings(hub: Hub, tmp_path: Path) -> None:
    words = ("clone", "design", BASE)
    done = pull(hub.url, tmp_path, *words, MODEL_ID=PRESET, DESIGN_MODEL_ID=PRESET)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [BASE, PRESET]
    assert snapshot(tmp_path, BASE).is_dir()


def test_progress_is_told_in_lines(hub: Hub, tmp_path: Path) -> None:
    hold = hub.hold(BIG, PIECE + 1000)
    with subprocess.Popen(
        command(PRESET),
        env=surroundings(hub.url, tmp_path),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        first = process.stderr.readline()  # told although the download stands still
        assert hold.reached.wait(TIMEOUT_S)
        hold.released.set()
        _, rest = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    steps = [
        re.fullmatch(rf"(downloading|verifying) {PRESET}: (\d+) % of \d+\.\d MB", line)
        for line in (first + rest).splitlines()
    ]
    assert all(steps)
    for doing in ("downloading", "verifying"):
        reached = [int(step[2]) for step in steps if step[1] == doing]
        assert len(reached) > 1
        assert reached == sorted(set(reached))
        assert reached[-1] == 100
        assert all(percent % 10 == 0 for percent in reached)


def test_a_terminal_shows_a_bar(hub: Hub, tmp_path: Path) -> None:
    hold = hub.hold(BIG, PIECE + 1000)
    controller, terminal = pty.openpty()
    env = surroundings(hub.url, tmp_path, TERM="xterm", COLUMNS="120")
    with subprocess.Popen(
        command(PRESET), env=env, cwd=tmp_path, stderr=terminal, stdout=subprocess.DEVNULL
    ) as process:
        os.close(terminal)
        shown = ""
        while not re.search(r"downloading.*━.*[1-9]\d*\.\d/\d+\.\d MB", shown):
            shown += os.read(controller, 65536).decode()
        hold.released.set()
        while "verifying" not in shown:
            shown += os.read(controller, 65536).decode()
        assert process.wait(TIMEOUT_S) == 0
    os.close(controller)
    assert " % of " not in shown


def test_a_connection_that_breaks_is_resumed(hub: Hub, tmp_path: Path, sound: Path) -> None:
    hub.cut_once[BIG] = PIECE + 1000
    done = pull(hub.url, tmp_path, PRESET)
    if done.returncode:  # older libraries want to be called again
        done = pull(hub.url, tmp_path, PRESET)
    assert done.returncode == 0
    assert all(" % of " in line for line in done.stderr.splitlines())
    assert_same_files(snapshot(tmp_path), sound)
    first, second = (
        request.headers.get("range")
        for request in hub.requests
        if request.method == "GET" and request.file == BIG
    )
    assert first is None
    assert int(re.fullmatch(r"bytes=(\d+)-", second)[1]) >= PIECE


def test_ctrl_c_keeps_whole_files_and_leaves_no_others(
    hub: Hub, tmp_path: Path, sound: Path
) -> None:
    hub.hold(BIG, PIECE + 1000)
    wanted = [name for name in hub.files if name.endswith((".json", ".txt", ".safetensors"))]
    here = {name: snapshot(tmp_path) / name for name in wanted}
    with subprocess.Popen(
        command(PRESET),
        env=surroundings(hub.url, tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(lambda: sum(path.exists() for path in here.values()) == len(wanted) - 1)
        assert hub.held[BIG].reached.wait(TIMEOUT_S)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert output == ""
    last = f"Stopped. Whole files are kept; to go on, run: vivavoce pull {PRESET}"
    assert errors.splitlines()[-1] == last
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob("*.*.incomplete"))  # nobody could go on with these

    hub.held.pop(BIG).released.set()
    hub.requests.clear()
    assert pull(hub.url, tmp_path, PRESET).returncode == 0
    assert hub.downloads() == [BIG]
    assert_same_files(snapshot(tmp_path), sound)


def test_a_repository_of_something_else_is_not_downloaded(hub: Hub, tmp_path: Path) -> None:
    del hub.files["speech_tokenizer/config.json"]
    done = pull(hub.url, tmp_path, PRESET)
    assert_failed(done, f"{PRESET} is no Qwen3-TTS checkpoint", "speech_tokenizer/config.json")
    assert hub.downloads() == []


# Downloads that cannot be


@pytest.mark.parametrize("answer", [(401, {}), (404, {"X-Error-Code": "RepoNotFound"})])
def test_a_name_that_the_hub_does_not_know(
    answer: tuple[int, dict[str, str]], hub: Hub, tmp_path: Path
) -> None:
    hub.unknown = answer
    done = pull(hub.url, tmp_path, "Qwen/Qwen3-TSS")
    assert_failed(done, f"{hub.url} has no checkpoint Qwen/Qwen3-TSS", "hf auth login")


def test_a_checkpoint_behind_terms(hub: Hub, tmp_path: Path) -> None:
    hub.gated = True
    done = pull(hub.url, tmp_path, PRESET)
    assert_failed(done, f"accept its terms. Do so at {hub.url}/{PRESET}", "hf auth login")


def test_a_hub_that_fails(hub: Hub, tmp_path: Path) -> None:
    hub.failing = True
    done = pull(hub.url, tmp_path, PRESET)
    assert_failed(done, f"Downloading {PRESET} from {hub.url} failed: ", "500", "vivavoce pull")


def test_no_network(dead_url: str, tmp_path: Path) -> None:
    started = time.monotonic()
    done = pull(dead_url, tmp_path, PRESET)
    assert time.monotonic() - started < 10
    assert_failed(done, f"Downloading {PRESET} from {dead_url} failed: ", "Check the network")
    assert done.stderr.strip().endswith(f"vivavoce pull {PRESET}")


@pytest.mark.parametrize("remedy", ["OFFLINE=false", "HF_HUB_OFFLINE=0"])
def test_offline_nothing_is_asked(remedy: str, hub: Hub, tmp_path: Path) -> None:
    switch = remedy.partition("=")[0]
    done = pull(hub.url, tmp_path, PRESET, **{switch: "1"})
    assert_failed(done, f"{PRESET} is not on this machine", f"{switch} forbids downloads")
    assert done.stderr.strip().endswith(f" {remedy} vivavoce pull {PRESET}")
    assert hub.requests == []


def test_a_disk_that_is_too_small_is_told_at_once(hub: Hub, tmp_path: Path) -> None:
    hub.claimed_sizes[BIG] = 10**18
    done = pull(hub.url, tmp_path, PRESET)
    assert_failed(done, f"{PRESET} needs 1000000000.0 GB in {tmp_path}", "HF_HOME")
    assert hub.downloads() == []


def test_a_disk_that_cannot_be_written_to(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("in the way")
    done = pull(hub.url, tmp_path, PRESET)
    assert_failed(done, f"Cannot write {tmp_path / 'hub'}", "HF_HOME")


# What is there already


def test_a_start_with_everything_there_needs_no_network(filled: Path, dead_url: str) -> None:
    code = (
        "from vivavoce.engine.qwen3.checkpoint import fetch\n"
        f"print(fetch({PRESET!r}, offline=False, on_progress=print))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=surroundings(dead_url, filled),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{snapshot(filled)}\n"


@pytest.mark.parametrize("name", [BIG, "vocab.json"])
def test_a_changed_byte_is_noticed_and_mended(
    name: str, filled: Path, hub: Hub, tmp_path: Path, sound: Path
) -> None:
    home = shutil.copytree(filled, tmp_path / "home", symlinks=True)
    file = snapshot(home) / name
    flip(file, -1)
    done = pull(hub.url, home, PRESET)
    assert done.returncode == 0
    assert f"{file} was damaged or missing; it is downloaded again." in done.stderr
    assert done.stdout.startswith(f"{PRESET} is complete and verified")
    assert hub.downloads() == [name]
    assert_same_files(snapshot(home), sound)


@pytest.mark.parametrize("switch", ["OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_a_changed_byte_is_told_and_kept(
    switch: str, filled: Path, hub: Hub, tmp_path: Path
) -> None:
    home = shutil.copytree(filled, tmp_path / "home", symlinks=True)
    file = snapshot(home) / BIG
    flip(file, 100_000)
    done = pull(hub.url, home, PRESET, **{switch: "1"})
    assert_failed(done, f"{file} is damaged", f"{switch} forbids", f" vivavoce pull {PRESET}")
    assert file.exists()
    assert hub.requests == []


def test_a_blob_shared_by_checkpoints_is_mended(
    filled: Path, hub: Hub, tmp_path: Path, sound: Path
) -> None:
    home = shutil.copytree(filled, tmp_path / "home", symlinks=True)
    blob = (snapshot(home) / BIG).resolve()
    stored = home / "hub" / "blobs" / "ab" / ("ab" * 32)
    stored.parent.mkdir(parents=True)
    blob.rename(stored)
    blob.symlink_to(os.path.relpath(stored, blob.parent))
    assert pull(hub.url, home, PRESET).returncode == 0
    assert hub.requests == []

    flip(stored, -1)
    assert pull(hub.url, home, PRESET).returncode == 0
    assert hub.downloads() == [BIG]
    assert not stored.exists()
    assert_same_files(snapshot(home), sound)


def test_a_hub_that_sends_something_else_is_tried_twice(hub: Hub, tmp_path: Path) -> None:
    hub.wrong[BIG] = 99
    done = pull(hub.url, tmp_path, PRESET)
    assert_failed(done, f"{snapshot(tmp_path) / BIG} is damaged")
    assert hub.downloads().count(BIG) == 2
    assert not (snapshot(tmp_path) / BIG).exists()  # so that no start takes it for sound


def test_what_killed_downloads_left_is_removed(hub: Hub, tmp_path: Path) -> None:
    blobs = snapshot(tmp_path).parents[1] / "blobs"
    blobs.mkdir(parents=True)
    left, going_on = (blobs / f"{'ab' * 32}.{end}.incomplete" for end in ("11111111", "22222222"))
    left.write_bytes(b"x")
    going_on.write_bytes(b"x")
    an_hour_ago = time.time() - 3600
    os.utime(left, (an_hour_ago, an_hour_ago))
    assert pull(hub.url, tmp_path, PRESET).returncode == 0
    assert not left.exists()
    assert going_on.exists()


# Folders of the user's


def test_a_sound_folder_is_only_verified(small: Path, dead_url: str, tmp_path: Path) -> None:
    done = pull(dead_url, tmp_path, str(small))
    assert done.returncode == 0
    assert done.stdout.startswith(f"{small} is complete and verified: {small} (")


def test_a_damaged_folder_is_an_error_and_left_alone(
    small: Path, dead_url: str, tmp_path: Path
) -> None:
    file = small / BIG
    os.truncate(file, file.stat().st_size - 1)
    assert_failed(
        pull(dead_url, tmp_path, str(small)), f"{file} is cut short", "Copy or download it again"
    )
    assert file.exists()


def refused(folder: Path) -> str:
    with pytest.raises(EngineUnavailable) as caught:
        verify(folder, lambda _: None)
    return caught.value.message


@pytest.mark.parametrize("name", REQUIRED_FILES)
@pytest.mark.parametrize("fault", ["missing", "empty", "folder"])
def test_a_file_that_is_none(name: str, fault: str, small: Path) -> None:
    (small / name).unlink()
    if fault == "empty":
        (small / name).touch()
    elif fault == "folder":
        (small / name).mkdir()
    assert str(small / name) in refused(small)


@pytest.mark.parametrize(
    "head",
    [
        b"version https://git-lfs.github.com/spec/v1\n",
        b"\x08\0\0\0\0\0\0\0not json",
        b"\x02\0\0\0\0\0\0\0[]",
        b'\x0b\0\0\0\0\0\0\0{"x": null}',
        b'\x1a\0\0\0\0\0\0\0{"x":{"data_offsets":[0]}}',
        b"\xff" * 8,
    ],
)
def test_a_file_that_is_no_safetensors(head: bytes, small: Path) -> None:
    (small / BIG).write_bytes(head)
    assert str(small / BIG) in refused(small)


def test_a_file_with_bytes_too_many(small: Path) -> None:
    with (small / BIG).open("ab") as file:
        file.write(b"x")
    assert str(small / BIG) in refused(small)


def test_a_link_of_the_users_is_read_but_never_deleted(
    filled: Path, dead_url: str, tmp_path: Path, sound: Path
) -> None:
    home = shutil.copytree(filled, tmp_path / "home", symlinks=True)
    mine = Path(shutil.copy(sound / BIG, tmp_path / "mine"))
    (snapshot(home) / BIG).unlink()
    (snapshot(home) / BIG).symlink_to(mine)
    os.truncate(mine, 1000)
    assert_failed(pull(dead_url, home, PRESET), str(snapshot(home) / BIG))
    assert mine.exists()


def test_verifying_tells_how_far_it_is(filled: Path) -> None:
    told: list[Transfer] = []
    verify(snapshot(filled), told.append)
    total = sum((snapshot(filled) / name).stat().st_size for name in REQUIRED_FILES)
    assert told[-1] == Transfer(total, total)
    assert [transfer.done_bytes for transfer in told] == sorted(
        {transfer.done_bytes for transfer in told}
    )


def test_the_files_of_a_checkpoint_are_those_needed(sound: Path) -> None:
    assert json.loads((sound / "config.json").read_text())["model_type"] == "qwen3_tts"
    assert all((sound / name).is_file() for name in REQUIRED_FILES)
