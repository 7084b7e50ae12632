"""A text that is spoken while it is being written: the same codes as if it had been known."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from cases import REFERENCE_TEXT, reference_clip
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ours import EOS, generate, model
from pretence import Clock, Listener

from speaking import speaking_checkpoint
from vivavoce.engine.qwen3.batch import Batch, Frames
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.engine.qwen3.generation import Controls, Sequence
from vivavoce.engine.qwen3.live import LiveText
from vivavoce.engine.qwen3.loop import Loop
from vivavoce.engine.qwen3.pages import pages_for
from vivavoce.engine.qwen3.piece import Limits
from vivavoce.engine.qwen3.prompt import PromptText, Reference
from vivavoce.engine.qwen3.tokenizer import TextTokenizer
from vivavoce.engine.qwen3.turn import Task, Turn
from vivavoce.errors import SynthesisFailed
from vivavoce.types import Segment, SpeechRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vivavoce.engine.qwen3.model import Qwen3TTS

TEXT = "Hello there, it's 10 o'clock:  YouTube… 你好，世界!\nAnd so on, and on."
FRAMES = 40


def spoken_live(
    m: Qwen3TTS, text: str, controls: Controls, rng: random.Random, reference: Reference | None
) -> list[list[int]]:
    """Return the frames of a text of which a few letters come at a time, with pauses."""
    batch = Batch(m, 2, pages_for(6000))
    made: list[list[int]] = []
    step = batch.step

    def step_and_note(sequences: list[Sequence]) -> Frames:
        made.extend((frames := step(sequences)).read())
        return frames

    batch.step = step_and_note  # type: ignore[assignment, method-assign]
    request = SpeechRequest((), "", 0, live=True)
    listener = Listener(request, 0.0, Clock(), LiveText(lambda: None))
    written = listener.text
    assert written is not None

    def plan(stream: Listener, segment: int, attempt: int, frames: int) -> Task | None:
        if segment:
            return None
        so_far, finished = written.read()
        speaker = None if reference is not None else "ryan"
        wanted = PromptText(so_far, "english", speaker, None, reference, False, not finished)
        return Task(wanted, controls, Limits(FRAMES, None, guarded=False), 0.0)

    loop = Loop(batch, plan, EOS)  # type: ignore[arg-type]
    loop.add(Turn(listener, 0.0))  # type: ignore[arg-type]
    left = text
    while left:
        count = rng.randint(1, 4)
        written.push(left[:count])
        left = left[count:]
        rounds = rng.choice((0, 1, 3, 100))
        while rounds and loop.has_work:
            loop.once()
            rounds -= 1
    written.finish()
    while loop.has_work:
        loop.once()
    assert listener.report is not None
    assert not batch._generation.cache.pages_of(0)
    return [frame for frame in made if frame[0] != EOS]


@pytest.mark.parametrize("controls", [Controls(seed=5), Controls(seed=6)])
@pytest.mark.parametrize(
    ("kind", "shape", "voice"),
    [
        ("custom_voice", "tiny", "preset"),
        ("custom_voice", "projected", "preset"),
        ("base", "tiny", "vector"),
        ("base", "tiny", "in context"),
    ],
)
def test_the_codes_are_those_of_the_text_known_ahead(
    kind: str, shape: str, voice: str, controls: Controls
) -> None:
    m = model(kind, shape)
    reference = None
    if voice != "preset":
        clip = torch.from_numpy(reference_clip())
        reference = m.listen(clip, REFERENCE_TEXT if voice == "in context" else None)
    speaker = "ryan" if reference is None else None
    known = PromptText(TEXT, "english", speaker, None, reference, whole_text=False)
    expected = generate(m, [known], controls, FRAMES + 1)[0].tolist()
    assert len(expected) > 10
    for seed in range(3):
        found = spoken_live(m, TEXT, controls, random.Random(seed), reference)
        assert found == expected


@settings(max_examples=1000, deadline=None)
@example(begun="\n ", more="\n")
@example(begun=",\n", more="\n")
@example(begun="\u0301Z", more="你")
@given(
    st.text(st.sampled_from("abZ é1 ,.'\n\t…你\u0301!s"), max_size=12),
    st.text(st.sampled_from("abZ é1 ,.'\n\t…你\u0301!s"), max_size=12),
)
def test_what_is_certain_of_a_text_stays_so_however_it_goes_on(begun: str, more: str) -> None:
    tokenizer = _tokenizer()
    certain = tokenizer.encode_beginning(begun)
    assert tokenizer.encode_text(begun + more)[: len(certain)] == certain
    later = tokenizer.encode_beginning(begun + more)  # may be fewer again, but no others
    assert later[: len(certain)] == certain[: len(later)]


def _tokenizer() -> TextTokenizer:
    return model("custom_voice", "tiny").tokenizer


# Through the engine


@pytest.fixture(scope="module")
def engine() -> Iterator[Qwen3Engine]:
    options = {
        "model": str(speaking_checkpoint("custom_voice", ends=False)),
        "need": "preset",
        "device": "cpu",
        "quantize": "none",
        "runaway_guard": False,
    }
    engine = Qwen3Engine.load(options, lambda progress: None)
    yield engine
    engine.close()


def ask(engine: Qwen3Engine, **more: object) -> SpeechRequest:
    return SpeechRequest((), engine.info.voices[0].id, 4, live=True, max_new_tokens=21, **more)


def test_a_stream_is_written_to_while_it_is_heard(engine: Qwen3Engine) -> None:
    assert engine.info.capabilities.live
    known, written = engine.speak(ask(engine)), engine.speak(ask(engine))
    known.push("Hello there, and welcome.")
    known.finish()
    expected = np.concatenate([chunk.samples for chunk in known])
    written.push("Hello there,")
    heard = [next(written).samples]
    for piece in (" and", " wel", "come."):
        written.push(piece)
    written.finish()
    heard += [chunk.samples for chunk in written]
    assert len(expected) == 20 * 1920
    np.testing.assert_allclose(np.concatenate(heard), expected, atol=1e-4)


def test_a_text_that_never_goes_on_can_be_left(engine: Qwen3Engine) -> None:
    stream = engine.speak(ask(engine))
    stream.push("Hello there, and")
    next(stream)
    stream.cancel()
    assert list(stream) == []
    runner = engine._runner
    runner.call(lambda: None)  # the next is answered a round later
    assert runner.call(lambda: runner._loop.turns) == []


def test_a_complete_text_cannot_be_added_to(engine: Qwen3Engine) -> None:
    request = SpeechRequest((Segment("Hello."),), engine.info.voices[0].id, 4, max_new_tokens=5)
    stream = engine.speak(request)
    with pytest.raises(SynthesisFailed, match="complete"):
        stream.push("More.")
    with pytest.raises(SynthesisFailed, match="complete"):
        stream.finish()
