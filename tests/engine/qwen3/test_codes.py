"""`vivavoce codes`: the official package's codes, defaults, silences (told) and refusals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch
from cases import EVERY_SAMPLE, MAX_NEW_TOKENS, REFERENCE_TEXT, TEXTS, Case, reference_clip
from ours import checkpoint, load
from typer.testing import CliRunner

from vivavoce.cli import app
from vivavoce.engine.qwen3 import codes
from vivavoce.engine.qwen3.model import Qwen3TTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

MODES = {"custom_voice": "preset", "voice_design": "design", "base": "clone"}
HOW = "Speak slowly, in a deep voice."
CASES = (
    Case("custom_voice", "tiny", TEXTS[:1], ("English",), ("ryan",)),
    Case("custom_voice", "tiny", TEXTS[2:], ("Auto",), ("dylan",), whole_text=False),
    Case("custom_voice", "projected", TEXTS[1:2], ("Chinese",), ("eric",)),
    Case("custom_voice", "projected", TEXTS[:1], ("Auto",), ("ryan",), HOW),
    Case("voice_design", "projected", TEXTS[:1], ("Auto",), (), HOW, whole_text=False),
    Case("base", "tiny", TEXTS[:1], ("English",), in_context=True),
    Case("base", "projected", TEXTS[:1], ("English",), in_context=True, whole_text=False),
    Case("base", "tiny", TEXTS[:1], ("English",), in_context=False, whole_text=False),
)
PRESET, DESIGN, CLONE = CASES[0], CASES[4], CASES[6]


@pytest.fixture(scope="module")
def goldens() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "goldens.npz") as file:
        return {name: file[name] for case in CASES for name in file.files if case.name in name}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder with a recording in it; checkpoints in this process are read only once."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("voice.wav", reference_clip(), 24000, subtype="FLOAT")
    used: list[Qwen3TTS] = []

    def load_once(folder: Path, device: object, dtype: torch.dtype, **more: object) -> Qwen3TTS:
        used.append(load(folder, dtype))
        return used[-1]

    monkeypatch.setattr(Qwen3TTS, "load", load_once)
    yield
    for model in used:  # others share them
        model.codec_decoder.compute_as_officially(False)


def flags(case: Case, **changed: Any) -> list[str]:
    """Return the command's arguments for a greedy case; a change to None leaves a flag out."""
    wanted: dict[str, Any] = {
        "model": checkpoint(case.kind, case.shape),
        "mode": MODES[case.kind],
        "text": case.texts[0],
        "language": case.languages[0],
        "speaker": case.speakers[0] if case.speakers else None,
        "instruct": case.instructions,
        "ref_audio": "voice.wav" if case.in_context is not None else None,
        "ref_text": REFERENCE_TEXT if case.in_context else None,
        "x_vector_only": case.in_context is False,
        "text_whole" if case.whole_text else "text_streaming": True,
        "max_new_tokens": MAX_NEW_TOKENS,
        "greedy": True,
        "output": "out.npz",
        **changed,
    }
    arguments = []
    for name, value in wanted.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif value is not None and value is not False:
            arguments += [flag, str(value)]
    return arguments


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["codes", *arguments], input=given, catch_exceptions=False)


def made(*arguments: str, given: str | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what is written, and the line printed."""
    done = run(*arguments, given=given)
    assert done.exit_code == 0, done.stderr
    return written(), json.loads(done.stdout)


def written() -> dict[str, np.ndarray]:
    with np.load("out.npz") as file:
        return dict(file)


def refused(*arguments: str, given: str | None = None) -> str:
    done = run(*arguments, given=given)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert not Path("out.npz").exists()
    (line,) = done.stderr.splitlines()
    assert line.startswith("vivavoce: ")
    return line


def assert_official(found: dict[str, np.ndarray], case: Case, goldens: dict) -> None:
    official = {
        name.partition("/")[2]: value
        for name, value in goldens.items()
        if name.startswith(f"{case.name}/")
    }
    clone = {"speaker", "ref_codes"} if case.kind == "base" else set()
    assert set(found) == {"codes", "audio"} | clone
    assert {name: str(found[name].dtype) for name in found} == {
        name: "int64" if "codes" in name else "float32" for name in found
    }
    assert np.array_equal(found["codes"], official["codes0"])
    assert len(found["audio"]) == official["length0"]
    assert np.abs(found["audio"][::EVERY_SAMPLE] - official["audio0"]).max() < 1e-4
    if clone:
        assert np.abs(found["speaker"] - official["speaker"]).max() < 1e-5
        assert found["ref_codes"].shape == (26, 16)
        if case.in_context:
            assert np.array_equal(found["ref_codes"], official["ref_codes"])


# What it makes


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_everything_is_the_official_packages(case: Case, goldens: dict[str, np.ndarray]) -> None:
    found, line = made(*flags(case))
    assert_official(found, case, goldens)
    assert line["frames"] == len(found["codes"])
    assert line["samples"] == len(found["audio"])


def command(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "vivavoce", "codes", *arguments],
        input=given,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # more only wait for each other
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_the_command_as_it_is_called(goldens: dict[str, np.ndarray]) -> None:
    done = command(*flags(PRESET, speaker="RyAN", language="eNGLISH", text_whole=None))
    assert (done.returncode, done.stderr) == (0, b"")
    assert_official(written(), PRESET, goldens)
    (line,) = done.stdout.decode().splitlines()
    told = json.loads(line)
    assert told.pop("frames_per_s") > 0
    assert told.pop("codes_per_s") > 0
    assert told == {
        "model": "custom_voice-tiny",
        "mode": "preset",
        "text": TEXTS[0],
        "language": "eNGLISH",
        "speaker": "RyAN",
        "instruct": None,
        "ref_audio": None,
        "ref_text": None,
        "x_vector_only": False,
        "text_streaming": False,
        "max_new_tokens": MAX_NEW_TOKENS,
        "greedy": True,
        "seed": None,
        "dtype": "fp32",
        "device": "cpu",
        "frames": MAX_NEW_TOKENS - 1,
        "samples": (MAX_NEW_TOKENS - 1) * 1920,
    }


def test_the_command_with_a_line_of_settings(goldens: dict[str, np.ndarray]) -> None:
    settings = {
        "model": str(checkpoint(CLONE.kind, CLONE.shape)),
        "mode": "clone",
        "text": CLONE.texts[0],
        "language": "English",
        "ref-audio": "voice.wav",
        "ref_text": REFERENCE_TEXT,
        "greedy": True,
        "max-new-tokens": MAX_NEW_TOKENS,
        "o": "out.npz",
    }
    given = f"{json.dumps(settings, ensure_ascii=False)}\nno JSON\n".encode()
    done = command("--settings", "-", given=given)
    assert (done.returncode, done.stderr) == (0, b"")
    assert_official(written(), CLONE, goldens)
    assert json.loads(done.stdout)["text_streaming"] is True


def test_the_libraries_are_imported_last() -> None:
    code = "import sys, vivavoce.cli, vivavoce.cli.codes; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vivavoce.engine.qwen3.codes", None)
    assert "pip install 'vivavoce[qwen]'" in refused(*flags(PRESET))


def test_a_long_clone_is_decoded_in_pieces_and_the_difference_told(
    goldens: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "_DECODED_FRAMES", 20)
    done = run(*flags(CLONE))
    assert "Of 65 frames the official package decodes 20 at a time" in done.stderr
    assert_official(written(), CLONE, goldens)


def test_half_precision() -> None:
    found, line = made(*flags(CLONE, dtype="bf16", max_new_tokens=4))
    assert line["dtype"] == "bf16"
    assert found["codes"].shape == (3, 16)
    assert found["audio"].dtype == found["speaker"].dtype == np.float32
    vector = torch.from_numpy(found["speaker"])
    assert torch.equal(vector, vector.bfloat16().float())


# Limits and chance


def changed_checkpoint(**generation: Any) -> Path:
    """Return a copy with other sampling controls; those that are None are left out."""
    folder = Path(shutil.copytree(checkpoint("custom_voice", "tiny"), "changed"))
    path = folder / "generation_config.json"
    config = {**json.loads(path.read_text()), **generation}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return folder


@pytest.mark.parametrize("limit", [2, 3, 9])
def test_the_last_new_token_makes_no_frame(limit: int, goldens: dict[str, np.ndarray]) -> None:
    found, _ = made(*flags(PRESET, max_new_tokens=limit))
    assert np.array_equal(found["codes"], goldens[f"{PRESET.name}/codes0"][: limit - 1])


def test_without_a_limit_the_checkpoints_holds() -> None:
    folder = changed_checkpoint(max_new_tokens=5)
    found, line = made(*flags(PRESET, model=folder, max_new_tokens=None))
    assert (len(found["codes"]), line["max_new_tokens"]) == (4, 5)


def test_controls_that_a_checkpoint_leaves_out_are_the_official_ones() -> None:
    settings = flags(PRESET, greedy=None, seed=5, max_new_tokens=6)
    expected, _ = made(*settings)
    folder = changed_checkpoint(top_k=None, temperature=None, subtalker_top_k=None)
    found, _ = made(*flags(PRESET, model=folder, greedy=None, seed=5, max_new_tokens=6))
    assert np.array_equal(found["codes"], expected["codes"])


def test_a_checkpoints_controls_are_used() -> None:
    greedy, _ = made(*flags(PRESET, max_new_tokens=6))
    folder = changed_checkpoint(top_k=1, subtalker_dosample=False)
    found, _ = made(*flags(PRESET, model=folder, greedy=None, max_new_tokens=6))
    assert np.array_equal(found["codes"], greedy["codes"])


def test_a_checkpoint_that_does_not_say_how_is_refused() -> None:
    folder = changed_checkpoint()
    (folder / "generation_config.json").unlink()
    assert "generation_config.json" in refused(*flags(PRESET, model=folder))


def test_seeds_decide_and_one_chosen_by_chance_is_told() -> None:
    chance = flags(PRESET, greedy=None, max_new_tokens=6)
    found, line = made(*chance)
    assert line["greedy"] is False
    assert 0 <= line["seed"] < 2**32
    again, told = made(*chance, "--seed", str(line["seed"]))
    assert told["seed"] == line["seed"]
    assert np.array_equal(found["codes"], again["codes"])
    other, told = made(*chance)
    assert told["seed"] != line["seed"]
    assert not np.array_equal(found["codes"], other["codes"])


# What the official package ignores in silence


@pytest.mark.parametrize(
    ("case", "given", "told"),
    [
        (PRESET, {"instruct": HOW}, "instruct is ignored by checkpoints of the size 0b6."),
        (PRESET, {"ref_audio": "no.wav"}, "ref-audio is ignored in the mode preset."),
        (DESIGN, {"speaker": "nobody"}, "speaker is ignored in the mode design."),
        (DESIGN, {"x_vector_only": True}, "x-vector-only is ignored in the mode design."),
        (CLONE, {"instruct": HOW}, "instruct is ignored in the mode clone."),
        (CASES[7], {"ref_text": "anything"}, "ref-text is ignored with x-vector-only."),
    ],
)
def test_what_is_ignored_is_told(case: Case, given: dict, told: str, goldens: dict) -> None:
    done = run(*flags(case, **given))
    assert done.exit_code == 0
    assert done.stderr == f"vivavoce: {told}\n"
    assert_official(written(), case, goldens)
    assert json.loads(done.stdout)[next(iter(given))] in (None, False)


def test_a_dialect_that_takes_a_languages_place_is_told() -> None:
    done = run(*flags(CASES[2], max_new_tokens=3))
    assert done.stderr.startswith("vivavoce: eric speaks sichuan_dialect; the language Chinese")
    done = run(*flags(CASES[2], max_new_tokens=3, language="German"))
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["text", "instruct", "ref_text"])
def test_control_tokens_stay_text_and_are_told(name: str) -> None:
    case = CLONE if name == "ref_text" else DESIGN
    done = run(*flags(case, **{name: "one <|im_end|> two"}, max_new_tokens=3))
    (line,) = done.stderr.splitlines()
    assert f"{name.replace('_', '-')} contains <|im_end|>" in line


@pytest.mark.parametrize("nobody", ["", None])
def test_a_preset_without_a_speaker_of_its_own(nobody: str | None) -> None:
    settings = json.dumps({"speaker": nobody})
    found, line = made(*flags(PRESET, speaker=None, max_new_tokens=3), "--settings", settings)
    assert found["codes"].shape == (2, 16)
    assert line["speaker"] == ""


# What it refuses


@pytest.mark.parametrize(
    ("case", "given", "words"),
    [
        (PRESET, {"model": None}, "--model is missing"),
        (PRESET, {"mode": None}, "--mode is missing"),
        (PRESET, {"text": None}, "--text is missing"),
        (PRESET, {"output": None}, "-o is missing"),
        (PRESET, {"output": "nowhere/out.npz"}, "There is no folder nowhere"),
        (PRESET, {"output": "."}, ". is a folder"),
        (PRESET, {"model": "nowhere"}, "There is no folder nowhere"),
        (PRESET, {"model": "."}, "generation_config.json"),
        (PRESET, {"mode": "sing"}, "--mode is 'sing'. Use one of: preset, design, clone."),
        (PRESET, {"mode": "clone"}, "of the kind custom_voice. Use the mode preset"),
        (CLONE, {"mode": "design"}, "of the kind base. Use the mode clone"),
        (PRESET, {"text": ""}, "The text is empty"),
        (PRESET, {"text": "a\udc80"}, "--text is not UTF-8"),
        (PRESET, {"language": ""}, "There is no language ''. There are: auto, chinese,"),
        (PRESET, {"language": "sichuan_dialect"}, "There is no language 'sichuan_dialect'"),
        (PRESET, {"language": " English"}, "There is no language ' English'"),
        (PRESET, {"speaker": None}, "needs a speaker: serena, vivian"),
        (PRESET, {"speaker": " ryan"}, "There is no speaker ' ryan'"),
        (DESIGN, {"instruct": None}, "needs instruct"),
        (CLONE, {"ref_audio": None}, "needs ref-audio"),
        (CLONE, {"ref_text": None}, "needs ref-text"),
        (CLONE, {"ref_audio": "no.wav"}, "Cannot read ref-audio no.wav: No such file"),
        (CLONE, {"ref_audio": "text.txt"}, "ref-audio text.txt: The file is not audio"),
        (CLONE, {"ref_audio": "short.wav"}, "has 1279 samples"),
        (PRESET, {"max_new_tokens": 1}, "max-new-tokens is 1"),
        (PRESET, {"max_new_tokens": -3}, "max-new-tokens is -3"),
        (PRESET, {"seed": 1}, "Give --greedy or --seed, not both"),
        (PRESET, {"greedy": None, "seed": -1}, "--seed is -1"),
        (PRESET, {"greedy": None, "seed": 2**32}, "--seed is 4294967296"),
        (PRESET, {"dtype": "fp16"}, "--dtype is 'fp16'. Use one of: fp32, bf16."),
        (PRESET, {"device": "tpu"}, "--device is 'tpu'"),
    ],
)
def test_what_cannot_be_is_refused(case: Case, given: dict, words: str) -> None:
    Path("text.txt").write_text("no sound")
    soundfile.write("short.wav", reference_clip()[:1279], 24000)
    assert words in refused(*flags(case, **given))


def test_the_shortest_clip() -> None:
    soundfile.write("short.wav", reference_clip()[:1280], 24000)
    found, _ = made(*flags(CLONE, ref_audio="short.wav", max_new_tokens=3))
    assert found["ref_codes"].shape == (1, 16)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there() -> None:
    assert "The device is cuda, but torch" in refused(*flags(PRESET, device="cuda"))


def test_a_file_that_was_there_is_kept_when_something_fails() -> None:
    Path("out.npz").write_text("before")
    assert run(*flags(PRESET, speaker="nobody")).exit_code == 1
    assert Path("out.npz").read_text() == "before"


# Settings as JSON


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("", "The settings are no JSON"),
        ("{", "The settings are no JSON"),
        ("[1]", "The settings are [1]. Give one JSON object"),
        ('{"voice": "ryan"}', "There is no setting 'voice'. There are: model, mode, text,"),
        ('{"settings": "-"}', "There is no setting 'settings'"),
        ('{"text": 5}', "The setting text is 5. It must be a text."),
        ('{"seed": "5"}', 'The setting seed is "5". It must be a whole number.'),
        ('{"seed": true}', "The setting seed is true. It must be a whole number."),
        ('{"max-new-tokens": 4.0}', "The setting max-new-tokens is 4.0."),
        ('{"greedy": 1}', "The setting greedy is 1. It must be true or false."),
        ('{"ref-text": "a", "ref_text": "b"}', "The setting ref_text is given twice"),
        ('{"text": "a\\ud800"}', "--text is not UTF-8"),
    ],
)
def test_settings_that_are_none(settings: str, words: str) -> None:
    assert words in refused(*flags(PRESET, text=None), "--settings", settings)


@pytest.mark.parametrize("both", [True, False])
def test_settings_that_contradict_each_other(both: bool) -> None:
    wanted = flags(PRESET, text_whole=None)
    settings = json.dumps({"text_streaming": both, "text-whole": both})
    assert "Give --text-streaming or --text-whole" in refused(*wanted, "--settings", settings)
    settings = json.dumps({"greedy": True, "seed": 5})
    assert "--greedy or --seed" in refused(*flags(PRESET, greedy=None), "--settings", settings)


def test_flags_win_over_settings(goldens: dict[str, np.ndarray]) -> None:
    settings = {"text": "no", "speaker": "sohee", "seed": 5, "text_streaming": True, "dtype": None}
    found, line = made(*flags(PRESET), "--settings", "-", given=json.dumps(settings))
    assert_official(found, PRESET, goldens)
    assert (line["text"], line["speaker"], line["seed"]) == (TEXTS[0], "ryan", None)
    assert line["text_streaming"] is False


@pytest.mark.parametrize(
    ("settings", "streaming"),
    [({"text_whole": False}, True), ({"text_streaming": False}, False), ({}, False)],
)
def test_a_text_that_is_not_whole_is_streamed(settings: dict, streaming: bool) -> None:
    wanted = flags(PRESET, text_whole=None, max_new_tokens=2)
    _, line = made(*wanted, "--settings", json.dumps(settings))
    assert line["text_streaming"] is streaming
