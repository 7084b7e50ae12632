"""The command line, as its users start it: in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from decoding import assert_length, decode
from speaking import speaking_checkpoint
from vivavoce import __version__
from vivavoce.engine.fake import CHARS_PER_CHUNK, CHUNK_SAMPLES, SAMPLE_RATE_HZ
from vivavoce.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMAND = (sys.executable, "-m", "vivavoce")
TEXT = "Good morning to everybody out there."
SAMPLES = len(TEXT) // CHARS_PER_CHUNK * CHUNK_SAMPLES
LONG_TEXT = " ".join(f"This is sentence number {n}." for n in range(60))
TIMEOUT_S = 60


@pytest.fixture(autouse=True)
def _plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, the fake engine, and no other settings."""
    monkeypatch.chdir(tmp_path)
    for info in Settings.model_fields.values():
        monkeypatch.delenv(str(info.alias), raising=False)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENGINE", "fake")


def vivavoce(
    *arguments: str, given: bytes | None = None, **env: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        env={**os.environ, **env},
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def files() -> set[str]:
    return {path.name for path in Path().iterdir()}


def assert_failed(done: subprocess.CompletedProcess[bytes], *about: str) -> None:
    """One clear line on standard error, nothing else."""
    assert done.returncode == 1
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("vivavoce: ")
    for words in about:
        assert words in line


# Into a file


@pytest.mark.parametrize("ending", ["mp3", "wav", "flac", "opus", "aac", "pcm", "ogg", "MP3"])
def test_the_ending_of_the_file_chooses_the_format(ending: str) -> None:
    done = vivavoce("say", TEXT, "-o", f"x.{ending}")
    assert done.returncode == 0
    assert files() == {f"x.{ending}"}
    format_name = ending.lower()
    samples = decode(Path(f"x.{ending}").read_bytes(), format_name)
    assert_length(len(samples), SAMPLES, format_name)
    assert np.abs(samples).max() > 0.2
    assert f"x.{ending}: {SAMPLES / SAMPLE_RATE_HZ:.1f} s of speech" in done.stderr.decode()


def test_a_whole_wav_file_has_its_exact_sizes() -> None:
    vivavoce("say", TEXT, "-o", "x.wav")
    data = Path("x.wav").read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert int.from_bytes(data[40:44], "little") == len(data) - 44 == SAMPLES * 2


def test_the_embedded_voice_speaks_when_nothing_else_is_chosen() -> None:
    done = vivavoce("say", "The train leaves at noon.", "-o", "x.wav", ENGINE="")
    assert done.returncode == 0
    assert "hibari-heart" in done.stderr.decode()
    samples = decode(Path("x.wav").read_bytes(), "wav")
    assert 0.8 < len(samples) / SAMPLE_RATE_HZ < 4.0
    assert np.abs(samples).max() > 0.2


def test_the_format_option_wins_over_the_ending() -> None:
    assert vivavoce("say", TEXT, "-o", "sound.bin", "--format", "flac").returncode == 0
    assert_length(len(decode(Path("sound.bin").read_bytes(), "flac")), SAMPLES, "flac")


def test_a_file_without_an_ending_is_mp3() -> None:
    assert vivavoce("say", TEXT, "-o", "sound").returncode == 0
    assert_length(len(decode(Path("sound").read_bytes(), "mp3")), SAMPLES, "mp3")


def test_the_options_change_what_is_heard() -> None:
    for name, options in {
        "usual": ("--seed", "7"),
        "again": ("--seed", "7"),
        "other": ("--seed", "8"),
        "square": ("--seed", "7", "--voice", "square"),
        "fast": ("--seed", "7", "--speed", "2"),
    }.items():
        assert vivavoce("say", TEXT, "-o", f"{name}.wav", *options).returncode == 0
    heard = {path.stem: decode(path.read_bytes(), "wav") for path in Path().iterdir()}
    np.testing.assert_array_equal(heard["usual"], heard["again"])
    assert not np.array_equal(heard["usual"], heard["other"])
    assert not np.array_equal(heard["usual"], heard["square"])
    assert len(heard["fast"]) == pytest.approx(SAMPLES / 2, rel=0.05)


def test_a_name_with_brackets_is_a_name() -> None:
    done = vivavoce("say", TEXT, "-o", "a[b] :smile:.wav")
    assert files() == {"a[b] :smile:.wav"}
    assert done.stderr.decode().startswith("a[b] :smile:.wav: ")


def test_a_device_is_written_to_and_not_replaced() -> None:
    done = vivavoce("say", TEXT, "--format", "pcm", "-o", "/dev/stdout")
    assert done.returncode == 0
    assert_length(len(decode(done.stdout, "pcm")), SAMPLES, "pcm")
    assert files() == set()


def test_wishes_the_voice_cannot_fulfil_are_named() -> None:
    done = vivavoce("say", "Yes.", "-o", "x.wav", "--instructions", "Whisper.", ENGINE="embedded")
    assert done.returncode == 0
    assert "hibari-heart knows no instructions" in done.stderr.decode()


# Where the text comes from


@pytest.mark.parametrize("name", ["notes.txt", "notes.md", "NOTES.TXT"])
def test_a_text_file_is_read(name: str) -> None:
    Path(name).write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert vivavoce("say", name, "-o", "x.wav").returncode == 0
    assert_length(len(decode(Path("x.wav").read_bytes(), "wav")), SAMPLES, "wav")


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_standard_input_is_read(arguments: tuple[str, ...]) -> None:
    done = vivavoce("say", *arguments, "-o", "x.wav", given=f"{TEXT}\n".encode())
    assert done.returncode == 0
    assert_length(len(decode(Path("x.wav").read_bytes(), "wav")), SAMPLES, "wav")


def test_a_text_file_that_is_missing() -> None:
    assert_failed(vivavoce("say", "notes.txt", "-o", "x.wav"), "notes.txt", "No such file")
    assert files() == set()


def test_a_text_that_is_not_utf8() -> None:
    done = vivavoce("say", "-o", "x.wav", given="Grüße".encode("latin-1"))
    assert_failed(done, "standard input is not UTF-8 text (byte 2)")
    assert files() == set()


@pytest.mark.parametrize("text", ["", " \n", "***"])
def test_nothing_to_say(text: str) -> None:
    assert_failed(vivavoce("say", text, "-o", "x.wav"), "nothing to speak")
    assert files() == set()


# What cannot be


@pytest.mark.parametrize(
    ("options", "about"),
    [
        (("-o", "x.wma"), ("the ending of x.wma", "mp3", "flac")),
        (("-o", "x.mp3", "--format", "wma"), ("--format", "'wma'", "mp3")),
        (("-o", "missing/x.mp3"), ("no folder missing",)),
        (("-o", "folder"), ("Cannot write folder", "directory")),
        (("-o", "x.mp3", "--speed", "5"), ("--speed", "0.25 to 4.0")),
        (("-o", "x.mp3", "--speed", "nan"), ("--speed", "0.25 to 4.0")),
        (("-o", "x.mp3", "--voice", "nobody"), ("'nobody'", "sine", "square")),
        (("-o", "x.mp3", "--language", "tlh"), ("'tlh'", "English")),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    options: tuple[str, ...], about: tuple[str, ...]
) -> None:
    Path("folder").mkdir()
    assert_failed(vivavoce("say", TEXT, *options), *about)
    assert files() == {"folder"}
    assert list(Path("folder").iterdir()) == []


@pytest.mark.parametrize("seed", ["-1", str(2**32), "x"])
def test_a_seed_that_cannot_be(seed: str) -> None:
    done = vivavoce("say", TEXT, "-o", "x.mp3", "--seed", seed)
    assert done.returncode == 2
    assert "--seed" in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert files() == set()


def test_a_bad_setting_is_refused_in_a_sentence() -> None:
    for command in (("say", TEXT, "-o", "x.mp3"), ("voices",)):
        assert_failed(vivavoce(*command, PORT="99999"), "PORT=99999 is not possible")
    assert files() == set()


# Never half a file


def test_a_failure_leaves_nothing_behind() -> None:
    done = vivavoce("say", TEXT, "-o", "x.wav", "--instructions", "fail_after=2")
    assert_failed(done, "told to fail")
    assert files() == set()


def test_a_failure_leaves_the_older_file_as_it_was() -> None:
    Path("x.wav").write_bytes(b"older")
    done = vivavoce("say", TEXT, "-o", "x.wav", "--instructions", "fail_after=2")
    assert_failed(done, "told to fail")
    assert files() == {"x.wav"}
    assert Path("x.wav").read_bytes() == b"older"


def test_a_crash_of_the_engine_leaves_nothing_behind() -> None:
    done = vivavoce("say", TEXT, "-o", "x.wav", "--instructions", "die_after=2")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("vivavoce: The fake engine's process")
    assert "Traceback" not in done.stderr.decode()
    assert files() == set()


def test_ctrl_c_leaves_nothing_behind() -> None:
    # In a session of its own, so that the whole group gets the signal, as from a terminal.
    say = [*COMMAND, "say", TEXT, "-o", "x.wav", "--instructions", "gate=never after=5"]
    with subprocess.Popen(say, stderr=subprocess.PIPE, start_new_session=True) as process:
        wait_for(lambda: Path("x.wav.part").exists() and Path("x.wav.part").stat().st_size > 0)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert errors == b""
    assert files() == set()


def wait_for(condition) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# How far it is


def test_a_long_text_reports_its_progress_in_lines() -> None:
    done = vivavoce("say", LONG_TEXT, "-o", "x.mp3")
    assert done.returncode == 0
    *progress, last = done.stderr.decode().splitlines()
    steps = [re.fullmatch(r"spoken: (\d+) of 60 pieces", line) for line in progress]
    assert all(steps)
    reached = [int(step[1]) for step in steps]
    assert len(reached) == 2
    assert 25 <= reached[0] < reached[1] <= 60
    assert last.startswith("x.mp3: ")
    assert "\x1b" not in done.stderr.decode()


def test_a_terminal_shows_a_bar() -> None:
    controller, terminal = pty.openpty()
    say = [*COMMAND, "say", LONG_TEXT, "-o", "x.mp3", "--instructions", "interval_s=0.001"]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(say, stderr=terminal, env=env) as process:
        os.close(terminal)
        shown = b"".join(read_all(controller)).decode()
    os.close(controller)
    assert process.returncode == 0
    assert "speaking" in shown
    assert "━" in shown
    assert re.search(r"\b\d+/60\b", shown)
    assert "spoken:" not in shown
    assert "x.mp3: " in shown


def read_all(file: int) -> Iterable[bytes]:
    while True:
        try:
            data = os.read(file, 65536)
        except OSError:  # EIO: nobody holds the terminal any more
            return
        if not data:
            return
        yield data


# Aloud


@pytest.fixture
def only_player(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Put a script in the place of `aplay`, the only command on the PATH."""
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", str(folder))

    def install(script: str) -> None:
        (folder / "aplay").write_text(f"#!{sys.executable}\n{script}\n")
        (folder / "aplay").chmod(0o755)

    return install


def test_without_a_file_it_plays(only_player) -> None:
    only_player("import sys; open('heard.wav', 'wb').write(sys.stdin.buffer.read())")
    done = vivavoce("say", TEXT, "--seed", "7")
    assert done.returncode == 0
    assert vivavoce("say", TEXT, "--seed", "7", "-o", "written.wav").returncode == 0
    heard = decode(Path("heard.wav").read_bytes(), "wav")
    np.testing.assert_array_equal(heard, decode(Path("written.wav").read_bytes(), "wav"))


def test_it_plays_while_the_rest_is_made(only_player) -> None:
    only_player(
        "import sys; sys.stdin.buffer.read(10_000); open('gate', 'w'); sys.stdin.buffer.read()"
    )
    done = vivavoce("say", TEXT, "--instructions", "gate=gate after=10", WORKER_TIMEOUT="10")
    assert done.returncode == 0


@pytest.mark.parametrize("read", ["0", "60_000"])
def test_a_player_that_fails_is_told(read: str, only_player) -> None:
    only_player(f"import sys; sys.stdin.buffer.read({read}); sys.exit(3)")
    done = vivavoce("say", LONG_TEXT)
    assert done.returncode == 1
    assert "aplay could not play (status 3)" in done.stderr.decode().splitlines()[-1]
    assert "Traceback" not in done.stderr.decode()


def test_a_failure_stops_the_player(only_player) -> None:
    only_player("import sys; sys.stdin.buffer.read(); open('heard-to-the-end', 'w')")
    assert_failed(vivavoce("say", TEXT, "--instructions", "fail_after=2"), "told to fail")
    assert files() == set()


def test_without_a_player_it_says_so(only_player) -> None:
    assert_failed(vivavoce("say", TEXT), "no player", "aplay", "-o hello.mp3")


# The other commands


def test_voices_are_listed() -> None:
    for engine, names in {"fake": ("sine", "square"), "embedded": ("heart",)}.items():
        done = vivavoce("voices", ENGINE=engine)
        assert done.returncode == 0
        for name in (*names, "English", "alloy"):
            assert name in done.stdout.decode()


def test_a_clip_and_a_description_are_voices_too() -> None:
    t = np.arange(48000) / 24000
    sound = (9000 * np.sin(2 * np.pi * 150 * t)).astype("<i2")
    with wave.open("me.wav", "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    options = {
        "clip": ("--clip", "me.wav"),
        "words": ("--clip", "me.wav", "--words", "One two."),
        "described": ("--description", "An old man."),
    }
    for name, given in options.items():
        done = vivavoce("say", TEXT, "-o", f"{name}.pcm", "--seed", "7", *given)
        assert done.returncode == 0, done.stderr
    assert len({Path(f"{name}.pcm").read_bytes() for name in options}) == 3
    for given in (("--clip", "me.wav", "--voice", "sine"), ("--clip", "nobody.wav")):
        done = vivavoce("say", TEXT, "-o", "out.pcm", *given)
        assert done.returncode == 1
        assert b"--voice" in done.stderr or b"nobody.wav" in done.stderr


def test_qwen3_is_chosen_by_a_checkpoint_and_told_of() -> None:
    model = str(speaking_checkpoint("custom_voice"))
    env = {"ENGINE": "auto", "MODEL_ID": model, "DEVICE": "cpu", "RUNAWAY_GUARD": "false"}
    listed = vivavoce("voices", **env)
    assert b"uncle_fu" in listed.stdout
    told = vivavoce("doctor", **env).stdout.decode()
    assert "Qwen3-TTS: on cpu (CPU) in fp32, attention by sdpa" in told
    assert f"preset: {model} (here)" in told
    assert "vivavoce pull clone" in told
    done = vivavoce("say", "Hello there.", "-o", "hello.wav", "--seed", "1", **env)
    assert done.returncode == 0, done.stderr
    assert len(decode(Path("hello.wav").read_bytes(), "wav")) % 1920 == 0


def test_on_a_gpu_qwen3_is_chosen_and_the_download_announced(tmp_path: Path) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'Stand-in RTX, 24576 MiB'\n")
    driver.chmod(0o755)
    env = {"ENGINE": "auto", "HF_HOME": str(tmp_path), "PORT": "0"}
    env["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    for device, engine in (("auto", "qwen3"), ("cpu", "embedded")):
        process = subprocess.Popen(
            [*COMMAND, "serve"],
            env={**os.environ, **env, "DEVICE": device},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            said = [process.stdout.readline() for _ in range(3)]
            process.terminate()
        assert f"engine: {engine}" in said[1]
        assert ("vivavoce pull" in said[2]) == (engine == "qwen3")


def test_a_checkpoint_in_the_wrong_place_is_told_where_it_belongs() -> None:
    env = {"ENGINE": "qwen3", "MODEL_ID": str(speaking_checkpoint("base"))}
    done = vivavoce("serve", **env)
    assert done.returncode == 1
    assert b"It belongs to CLONE_MODEL_ID" in done.stderr


def test_the_doctor_finds_the_embedded_voice() -> None:
    done = vivavoce("doctor", ENGINE="", UDS="http.sock")
    report = done.stdout.decode()
    assert done.returncode == 0
    assert re.search(r"^ok +embedded voice: English", report, re.MULTILINE)
    assert "UDS=http.sock is free" in report
    assert not Path("http.sock").exists()
    assert report.endswith("This machine can speak.\n")


def test_the_doctor_names_what_is_wrong() -> None:
    Path(".env").write_text("PROT=8001\n")
    done = vivavoce("doctor")
    assert done.returncode == 1
    assert re.search(r"^no +settings: .*Did you mean PORT\?", done.stdout.decode(), re.MULTILINE)


def test_the_doctor_finds_the_voice_missing() -> None:
    Path("hibari.py").write_text("")  # what is found has no weights
    first = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    done = vivavoce("doctor", PYTHONPATH=first, TLS_CERT_FILE="cert.pem")
    assert done.returncode == 1
    report = done.stdout.decode()
    assert re.search(r"^no +embedded voice: .*reinstall hibari-tts", report, re.MULTILINE)
    assert re.search(r"^no +certificate: Cannot read TLS_CERT_FILE=cert.pem", report, re.MULTILINE)


def test_the_version() -> None:
    done = vivavoce("--version")
    assert done.returncode == 0
    assert done.stdout.decode() == f"vivavoce {__version__}\n"


def test_the_installed_command_is_the_same() -> None:
    command = Path(sys.executable).parent / "vivavoce"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"vivavoce {__version__}\n"


@pytest.mark.parametrize(
    ("ending", "begins"), [("srt", "1\n00:00:00,000 --> "), ("vtt", "WEBVTT\n")]
)
def test_subtitles_come_with_the_speech(ending: str, begins: str) -> None:
    said = vivavoce("say", TEXT, "-o", "hello.wav", "--subtitles", f"hello.{ending}")
    assert said.returncode == 0, said.stderr
    written = Path(f"hello.{ending}").read_text()
    assert written.startswith(begins)
    assert written.endswith(f"{TEXT}\n")
    seconds = SAMPLES / SAMPLE_RATE_HZ
    assert f" --> 00:00:{seconds:06.3f}" in written.replace(",", ".")
    assert files() == {"hello.wav", f"hello.{ending}"}


@pytest.mark.parametrize("name", ["hello.txt", "nowhere/hello.srt"])
def test_subtitles_that_cannot_be_written_stop_it_before_it_speaks(name: str) -> None:
    said = vivavoce("say", TEXT, "-o", "hello.wav", "--subtitles", name)
    assert said.returncode == 1
    assert b"Traceback" not in said.stderr
    assert files() == set()


# How fast it is


def test_the_bench_measures_and_tells_what_not() -> None:
    done = vivavoce("bench", "--json", "figures.json")
    assert done.returncode == 0, done.stderr
    told = json.loads(Path("figures.json").read_text())
    assert [(row["listeners"], row["rounds"]) for row in told["rows"]] == [(1, 3), (2, 3), (4, 3)]
    for row in told["rows"]:
        firsts, factors = row["first_audio_s"], row["real_time_factor"]
        assert len(firsts) == len(factors) == row["listeners"] * row["rounds"]
        assert all(
            0 < first <= factor * told["first"]["audio_s"] + 1e-3
            for first, factor in zip(firsts, factors, strict=True)
        )
    shown = done.stdout.decode()
    for words in ("cores", f"vivavoce {__version__}", "sine (fake)", "Not measured:", "HTTP"):
        assert words in shown
    assert len(re.findall(r"^ *\d listeners? █+ \d", shown, re.MULTILINE)) == 3
    assert "1 listener, round 3 of 3" in done.stderr.decode().splitlines()


def test_the_bench_stops_in_time_and_says_so() -> None:
    code = (
        "import sys, vivavoce.cli.bench\n"
        "sys.modules['vivavoce.cli.bench'].BUDGET_S = 0.0\n"
        "vivavoce.cli.app(['bench', '--json', 'figures.json'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    told = json.loads(Path("figures.json").read_text())
    assert told["rows"] == []
    for listeners in ("1 listener", "2 listeners", "4 listeners"):
        assert f"{listeners}: 0 of 3 rounds" in done.stdout.decode()


def test_a_bench_that_cannot_be(tmp_path: Path) -> None:
    assert_failed(vivavoce("bench", "--json", "nowhere/x.json"), "no folder nowhere")
    missing = {"ENGINE": "qwen3", "HF_HOME": str(tmp_path), "OFFLINE": "true"}
    done = vivavoce("bench", **missing)
    assert done.returncode == 1
    assert b"vivavoce pull" in done.stderr


def test_the_bench_shows_a_bar_on_a_terminal() -> None:
    controller, terminal = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [*COMMAND, "bench"], stderr=terminal, stdout=subprocess.DEVNULL, env=env
    ) as process:
        os.close(terminal)
        shown = b"".join(read_all(controller)).decode()
    os.close(controller)
    assert process.returncode == 0
    assert "━" in shown
    assert "\x1b" in shown


# Completion


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("s",), {"serve", "say"}),
        (("voices", "ex"), {"export"}),
        (("bench", "--js"), {"--json"}),
    ],
)
def test_bash_completes_commands_and_options(words: tuple[str, ...], offered: set[str]) -> None:
    script = vivavoce("--show-completion", _VIVAVOCE_COMPLETE="source_bash").stdout.decode()
    ask = (
        f'{script}\nCOMP_WORDS=(vivavoce "$@"); COMP_CWORD=$#\n'
        '_vivavoce_completion vivavoce; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", ask, "bash", *words],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == offered


def test_zsh_is_offered_commands_with_what_they_do() -> None:
    script = vivavoce(_VIVAVOCE_COMPLETE="source_zsh").stdout.decode()
    assert "#compdef vivavoce" in script
    asked = {"_VIVAVOCE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "vivavoce be"}
    assert '"bench":"Measure this machine' in vivavoce(**asked).stdout.decode()
