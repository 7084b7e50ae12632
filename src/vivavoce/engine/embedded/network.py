"""The voice's network, with what it computes inside as one more output: how long phonemes last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vivavoce.types import Samples

FRAME_SAMPLES = 300
"""The network's output step, 12.5 ms."""

_PUNCTUATION = ',.;:!?—…"“”() '
_DURATIONS = b"/Clip_output_0"
_SPECTRUM = 6  # outputs that sound is made of
_DURATION_SAMPLES = 600  # what durations are counted in, 25 ms


def load_hibari() -> Any:
    """Return hibari with that network, on one thread; with its own if it has no such value."""
    from hibari import Hibari
    from hibari.voices import DEFAULT, voice_path

    with open(voice_path(DEFAULT), "rb") as file:
        model = file.read()
    try:
        return Hibari(threads=1, model=model + _one_more_output(_DURATIONS))
    except Exception:  # onnxruntime's have no common base; without the addition it says what it is
        return Hibari(threads=1, model=model)


def speak(
    hibari: Any, ids: list[int], rng: np.random.Generator
) -> tuple[Samples, np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the samples of phoneme ids, shape [n], and where each of them ends, in samples.

    Nothing of the latter where the network does not tell.
    """
    from hibari import dsp

    if len(ids) < 3:  # the two at the ends are nothing
        return np.zeros(0, np.float32), np.zeros(len(ids), np.int64)
    outputs = hibari.sess.run(
        None, {"ids": np.asarray([ids], np.int64), "speed": np.ones(1, np.float32)}
    )
    spectrum, durations = outputs[:_SPECTRUM], outputs[_SPECTRUM:]
    wave: Samples = dsp.synth(*(output[0] for output in spectrum), rng)
    ends = np.cumsum(np.rint(durations)).astype(np.int64) * _DURATION_SAMPLES
    return wave, ends


def _one_more_output(name: bytes) -> bytes:
    """Return what, appended to an ONNX file, makes an inner value an output.

    A protobuf message may be given in parts that follow each other: the graph (field 7 of the
    model) gets one more output (field 12) of that name (field 1).
    """
    for field in (1, 12, 7):
        assert len(name) < 128  # a length of one byte
        name = bytes((field << 3 | 2, len(name))) + name
    return name


WordSpans = tuple[tuple[int, int], ...]


def word_spans(phonemes: str, ends: list[int]) -> WordSpans:
    """Return from where to where each word sounds, in samples; the punctuation is silence.

    `ends` are those of the phonemes' ids: one in front of them, and then one each.
    """
    spans = []
    at = 1
    for word in phonemes.split(" "):
        stripped = word.strip(_PUNCTUATION)
        if stripped:
            first = at + word.index(stripped)
            spans.append((ends[first], ends[first + len(stripped)]))
        at += len(word) + 1
    return tuple(spans)
