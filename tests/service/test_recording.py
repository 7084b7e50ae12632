"""Recordings judged before they become voices: real speech, and what people do to it."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from vivavoce.engine.embedded.engine import EmbeddedEngine
from vivavoce.errors import InvalidRequest
from vivavoce.service.recording import Grade, Verdict, prepare, usual_speech_s
from vivavoce.text.detect import detect
from vivavoce.text.language import LANGUAGE_NAMES
from vivavoce.text.scripts import greeting, script
from vivavoce.types import Samples, Segment, SpeechRequest

HZ = 24000
WORDS = script("en")
MAX_S = 60.0


@pytest.fixture(scope="module")
def speech() -> Samples:
    """Ten seconds of the embedded voice, in a quiet room."""
    engine = EmbeddedEngine()
    sentences = [part.strip() for part in WORDS.replace("!", ".").replace("?", ".").split(".")]
    segments = tuple(Segment(f"{said}.", 0.4) for said in sentences if said)
    request = SpeechRequest(segments, engine.info.voices[0].id, 1, "en")
    sound = np.concatenate([chunk.samples for chunk in engine.speak(request)])
    engine.close()
    return sound + noise(len(sound), -75)


def noise(length: int, level_db: float) -> Samples:
    drawn = np.random.default_rng(1).standard_normal(length)
    return (drawn * 10 ** (level_db / 20)).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * HZ), np.float32)


def judged(samples: Samples, words: str | None = None) -> Verdict:
    return prepare(samples.astype(np.float32), MAX_S, words, "en").verdict


def level_db(samples: Samples) -> float:
    return float(10 * np.log10(np.square(samples).mean()))


def test_speech_in_a_quiet_room_is_good(speech: Samples) -> None:
    verdict = judged(speech, WORDS)
    assert (verdict.verdict, verdict.remarks) == (Grade.GOOD, ())
    assert verdict.duration_s == pytest.approx(len(speech) / HZ, abs=0.6)
    assert verdict.snr_db is not None
    assert verdict.snr_db > 35
    assert verdict.bandwidth_hz > 7000
    assert 5 < verdict.speech_s < verdict.duration_s


def test_silence_around_it_is_cut_off_and_the_rest_is_as_it_was(speech: Samples) -> None:
    kept = prepare(speech, MAX_S).samples
    padded = prepare(np.concatenate([silence(3), speech, silence(2)]), MAX_S).samples
    assert abs(len(padded) - len(kept)) < 0.5 * HZ
    inside = speech[HZ : 6 * HZ]
    found = np.lib.stride_tricks.sliding_window_view(padded, 200)
    start = int(np.flatnonzero((found == inside[:200]).all(1))[0])
    assert np.array_equal(padded[start : start + len(inside)], inside)


@pytest.mark.parametrize(
    ("gain_db", "grade", "words"),
    [(-20, Grade.USABLE, "quiet"), (-30, Grade.POOR, "very quiet"), (30, Grade.POOR, "too loud")],
)
def test_the_level(speech: Samples, gain_db: float, grade: Grade, words: str) -> None:
    verdict = judged(np.clip(speech * 10 ** (gain_db / 20), -1, 1))
    assert verdict.verdict is grade
    assert any(words in remark for remark in verdict.remarks)


@pytest.mark.parametrize(("below_db", "grade"), [(20, Grade.USABLE), (10, Grade.POOR)])
def test_noise(speech: Samples, below_db: float, grade: Grade) -> None:
    loud_db = judged(speech).level_db
    verdict = judged(speech + noise(len(speech), loud_db - below_db))
    assert verdict.verdict is grade
    assert verdict.snr_db == pytest.approx(below_db, abs=3)
    assert any("noise" in remark for remark in verdict.remarks)


def test_noise_as_loud_as_the_speech(speech: Samples) -> None:
    verdict = judged(speech + noise(len(speech), judged(speech).level_db))
    assert verdict.snr_db is None  # nobody can tell
    assert verdict.verdict is Grade.USABLE


def test_a_telephone(speech: Samples) -> None:
    verdict = judged(soxr.resample(soxr.resample(speech, HZ, 8000), 8000, HZ))
    assert verdict.bandwidth_hz == pytest.approx(3900, abs=300)
    assert any("muffled" in remark for remark in verdict.remarks)


@pytest.mark.parametrize(("words", "many"), [(WORDS * 3, "many"), ("Good morning!", "few")])
def test_words_of_another_recording(speech: Samples, words: str, many: str) -> None:
    verdict = judged(speech, words)
    assert verdict.verdict is Grade.POOR
    assert any(f"{many} letters" in remark for remark in verdict.remarks)


def test_pauses_and_shortness_are_told_of(speech: Samples) -> None:
    gaps = np.concatenate([speech[: 4 * HZ], silence(9), speech[4 * HZ :]])
    assert any("pauses" in remark for remark in judged(gaps).remarks)
    assert judged(speech[: round(2.5 * HZ)]).verdict is Grade.POOR
    assert judged(speech[: 4 * HZ]).verdict is Grade.USABLE


def test_what_is_too_long_is_cut_and_told_of(speech: Samples) -> None:
    recording = prepare(np.tile(speech, 8)[: 61 * HZ], MAX_S)
    assert 57 * HZ < len(recording.samples) <= 60 * HZ
    assert "kept" in recording.verdict.remarks[0]
    assert recording.verdict.uploaded_s == 61
    # Cut where it is quiet, not in a word.
    assert level_db(recording.samples[-HZ // 50 :]) < level_db(speech) - 15
    with pytest.raises(InvalidRequest) as refused:
        prepare(np.tile(speech, 8)[: 61 * HZ], MAX_S, WORDS)
    assert refused.value.code == "audio_too_long"


@pytest.mark.parametrize(
    ("seconds", "code"), [(0.7, "audio_too_short"), (0, "audio_silent")], ids=str
)
def test_what_cannot_work_is_refused(speech: Samples, seconds: float, code: str) -> None:
    samples = np.concatenate([silence(2), speech[: round(seconds * HZ)], silence(2)])
    for sound in (samples, samples + 0.2):  # a constant offset is no sound
        with pytest.raises(InvalidRequest) as refused:
            prepare(sound.astype(np.float32), MAX_S, param="recording")
        assert (refused.value.code, refused.value.param) == (code, "recording")


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_every_language_has_a_text_to_be_heard_by(language: str) -> None:
    assert 5 < usual_speech_s(script(language), language) < 15
    assert script(language).startswith(greeting(language))
    if language in ("zh", "ja", "ko", "ru"):
        # Japanese text may begin with characters that are Chinese as well.
        telling = script(language).replace("二人", "").replace("川", "")
        assert detect(telling, tuple(LANGUAGE_NAMES)) == language
