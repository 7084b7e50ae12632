"""A recording that is to become a saved voice: cut to the speech in it, and judged.

Refused is only what cannot work. Everything else is told, so that who uploads it can do better.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np

from vivavoce.audio.clip import CLIP_HZ
from vivavoce.audio.measure import Measures, measure
from vivavoce.errors import InvalidRequest
from vivavoce.text.detect import detect
from vivavoce.types import Samples

MIN_SPEECH_S = 1.0
_BEFORE_S = 0.1
_AFTER_S = 0.2
_TIDY_CUT_S = 3.0
_ALWAYS_PAUSED_S = 5.0

DECODED_OVER_S = 1.0
"""So much more than may be kept is decoded: that there is more of it tells that it was cut."""

# Letters and digits that people speak in a second of speech without its pauses: the slowest, what
# is usual, the fastest.
_LETTERS_PER_S = {"zh": (1.8, 4.5, 9.0), "ja": (2.5, 7.0, 14.0), "ko": (2.0, 5.5, 11.0)}
_USUAL_LETTERS_PER_S = (5.0, 13.0, 26.0)


class Grade(StrEnum):
    """How good a recording is for cloning."""

    GOOD = "good"
    USABLE = "usable"
    POOR = "poor"


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found of a recording; levels in dB of full scale.

    `duration_s` is what is kept of the `uploaded_s`; `remarks` say what could be better, and what
    was cut off.
    """

    verdict: Grade
    duration_s: float
    uploaded_s: float
    speech_s: float
    silence_share: float
    level_db: float
    peak_db: float
    clipped_share: float
    bandwidth_hz: int
    noise_db: float | None = None
    snr_db: float | None = None
    letters_per_s: float | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """The samples to keep, shape [n] at 24 kHz, and what is to be said of them."""

    samples: Samples
    verdict: Verdict


def prepare(
    samples: Samples,
    max_s: float,
    transcript: str | None = None,
    language: str | None = None,
    *,
    param: str = "audio_sample",
    trim: bool = True,
) -> Recording:
    """Cut a recording, shape [n] at 24 kHz, to its speech and to `max_s`, and judge it.

    Raises:
        InvalidRequest: nobody's voice can be learned from it, or its transcript would not be that
            of what is kept. `param` names the field.
    """
    uploaded_s = len(samples) / CLIP_HZ
    found = measure(samples, CLIP_HZ) if len(samples) else None
    if found is None or found.speech_s == 0:
        raise InvalidRequest(
            f"In the {uploaded_s:.1f} s of the recording nothing can be heard. Upload one in which "
            "somebody speaks, or make it louder.",
            param=param,
            code="audio_silent",
        )
    if found.speech_s < MIN_SPEECH_S:
        raise InvalidRequest(
            f"There are {found.speech_s:.2f} s of speech in the recording; at least "
            f"{MIN_SPEECH_S:g} s are needed, 5 to 15 s are good. Upload a longer one.",
            param=param,
            code="audio_too_short",
        )
    kept, remarks = _cut(samples, found, max_s, trim=trim)
    if remarks and transcript:
        raise InvalidRequest(
            f"The recording is longer than {max_s:g} s, and its transcript would not be that of "
            "what is kept. Cut both to the same words, or leave the transcript out.",
            param=param,
            code="audio_too_long",
        )
    return Recording(kept, _judge(kept, uploaded_s, remarks, transcript, language))


def letters(text: str) -> int:
    """Return how many letters and digits a text has."""
    return sum(unicodedata.category(char)[0] in "LN" for char in text)


def usual_speech_s(text: str, language: str | None) -> float:
    """Return how long it usually takes to say a text, pauses left out."""
    return letters(text) / _pace(text, language)[1]


def _cut(
    samples: Samples, found: Measures, max_s: float, *, trim: bool
) -> tuple[Samples, tuple[str, ...]]:
    """Return the speech with a little silence around it, and what is to be said of the cut."""
    all_of_it = len(samples) / CLIP_HZ < max_s + 0.9 * DECODED_OVER_S
    if trim:
        start = max(0, found.start - round(_BEFORE_S * CLIP_HZ))
        samples = samples[start : found.end + round(_AFTER_S * CLIP_HZ)]
    most = min(round(max_s * CLIP_HZ), len(samples))
    if len(samples) == most and all_of_it:
        return samples, ()
    end = _quietest(samples, most)
    kept_s = end / CLIP_HZ
    return samples[:end], (
        f"Of the recording the first {kept_s:.1f} s are kept; more is not used.",
    )


def _quietest(samples: Samples, most: int) -> int:
    """Return where to cut: in the quietest tenth of a second shortly before `most` samples."""
    length = CLIP_HZ // 10
    count = min(round(_TIDY_CUT_S * CLIP_HZ), most) // length
    tail = samples[most - count * length : most].reshape(count, length)
    quietest = int(np.argmin(np.square(tail).mean(1)))
    return most - count * length + quietest * length + length // 2


def _judge(
    samples: Samples,
    uploaded_s: float,
    remarks: tuple[str, ...],
    transcript: str | None,
    language: str | None,
) -> Verdict:
    found = measure(samples, CLIP_HZ)
    duration_s = len(samples) / CLIP_HZ
    silence = 1 - min(1.0, found.speech_s / duration_s)
    judged = [*_of_length(duration_s, silence), *_of_sound(found)]
    pace = None
    if transcript:
        pace = letters(transcript) / max(found.speech_s, 0.1)
        judged += _of_words(pace, transcript, language)
    grades = [grade for grade, _ in judged]
    worst = Grade.POOR if Grade.POOR in grades else Grade.USABLE if grades else Grade.GOOD
    return Verdict(
        verdict=worst,
        duration_s=round(duration_s, 3),
        uploaded_s=round(uploaded_s, 3),
        speech_s=round(found.speech_s, 2),
        silence_share=round(silence, 3),
        level_db=round(found.level_db, 1),
        peak_db=round(found.peak_db, 1),
        clipped_share=round(found.clipped_share, 5),
        bandwidth_hz=found.bandwidth_hz,
        noise_db=None if found.noise_db is None else round(found.noise_db, 1),
        snr_db=None if found.snr_db is None else round(found.snr_db, 1),
        letters_per_s=None if pace is None else round(pace, 1),
        remarks=(*remarks, *(remark for _, remark in judged)),
    )


def _of_length(duration_s: float, silence: float) -> list[tuple[Grade, str]]:
    said = []
    if duration_s < 3:
        said.append((Grade.POOR, f"It is {duration_s:.1f} s long; 5 to 15 s are good."))
    elif duration_s < 5:
        said.append((Grade.USABLE, f"It is {duration_s:.1f} s long; 5 to 15 s are better."))
    elif duration_s > 30:
        said.append(
            (Grade.USABLE, f"It is {duration_s:.1f} s long; over 15 s only cost time and memory.")
        )
    if silence > 0.5:
        said.append((Grade.USABLE, f"{silence:.0%} of it are pauses. Cut them out."))
    return said


def _of_sound(found: Measures) -> list[tuple[Grade, str]]:
    said = []
    if found.level_db < -45:
        said.append((Grade.POOR, f"It is very quiet ({found.level_db:.0f} dB). Record it louder."))
    elif found.level_db < -35:
        said.append((Grade.USABLE, f"It is quiet ({found.level_db:.0f} dB). Record it louder."))
    if found.clipped_share > 0.001:
        grade = Grade.POOR if found.clipped_share > 0.01 else Grade.USABLE
        share = f"{found.clipped_share:.1%}"
        said.append((grade, f"It is too loud: {share} of it are cut off. Record it quieter."))
    if found.snr_db is not None and found.snr_db < 25:
        grade = Grade.POOR if found.snr_db < 15 else Grade.USABLE
        noise = f"the speech is {found.snr_db:.0f} dB above it"
        said.append((grade, f"There is noise: {noise}. Record it in a quieter place."))
    if found.snr_db is None and found.speech_s > _ALWAYS_PAUSED_S:
        said.append(
            (Grade.USABLE, "It never pauses: there may be more noise or music in it than speech.")
        )
    if found.bandwidth_hz < 7000:
        grade = Grade.POOR if found.bandwidth_hz < 3900 else Grade.USABLE
        top = f"above {found.bandwidth_hz} Hz there is nothing"
        said.append((grade, f"It sounds muffled: {top}. A telephone does that, or a low bit rate."))
    return said


def _of_words(pace: float, transcript: str, language: str | None) -> list[tuple[Grade, str]]:
    slowest, _, fastest = _pace(transcript, language)
    if slowest <= pace <= fastest:
        return []
    many = "few" if pace < slowest else "many"
    return [
        (
            Grade.POOR,
            f"The transcript has {many} letters for that much speech: {pace:.1f} in a second, "
            f"where {slowest:g} to {fastest:g} are usual. It must have the words of the recording, "
            "all of them and no others: with wrong ones speech may not end.",
        )
    ]


def _pace(text: str, language: str | None) -> tuple[float, float, float]:
    spoken = language or detect(text, ("en", *_LETTERS_PER_S))
    return _LETTERS_PER_S.get(spoken.partition("-")[0], _USUAL_LETTERS_PER_S)
