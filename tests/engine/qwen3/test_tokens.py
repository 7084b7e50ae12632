"""Texts become the tokens, and the rows, that the official processor and templates make of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import NASTY_TEXTS
from ours import checkpoint, model

from vivavoce.engine.qwen3.prompt import PromptText, Reference
from vivavoce.engine.qwen3.tokenizer import TextTokenizer

IM_START, IM_END = 151644, 151645
CODEC_PAD, CODEC_BOS, TTS_EOS = 2148, 2149, 151673
AFTER_TEXT = 5  # its end mark, a line break, and the role of the answer
AFTER_REFERENCE = 2

NASTY = pytest.mark.parametrize("index", range(len(NASTY_TEXTS)), ids=map(repr, NASTY_TEXTS))


@pytest.fixture(scope="module")
def goldens() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "goldens.npz") as file:
        return {name: file[name] for name in file.files if "tokens/" in name}


def text_rows(ids: np.ndarray) -> torch.Tensor:
    return model("base", "tiny").talker.embed_text(torch.from_numpy(ids).long())


def codec_row(index: int) -> torch.Tensor:
    return model("base", "tiny").talker.embed_codec(torch.tensor([index]))


def same(rows: torch.Tensor, expected: torch.Tensor) -> bool:
    """Tell whether rows are of the same tokens; how many are embedded at once rounds them."""
    return rows.shape == expected.shape and torch.allclose(rows, expected, atol=1e-5)


@NASTY
@torch.inference_mode()
def test_a_text_and_the_way_to_say_it(index: int, goldens: dict[str, np.ndarray]) -> None:
    text = NASTY_TEXTS[index]
    build = model("base", "tiny").prompts.build
    spoken = goldens[f"tokens/spoken{index}"]
    instruction = text_rows(goldens[f"tokens/instruction{index}"])
    end = text_rows(np.array([TTS_EOS]))

    streamed = build(PromptText(text, instructions=text, whole_text=False))
    assert same(streamed.rows[: len(instruction)], instruction)
    role = streamed.rows[len(instruction) :][:3]
    assert same(role, text_rows(spoken[:3]))
    assert same(streamed.rows[-1:], text_rows(spoken[3:4]) + codec_row(CODEC_BOS))
    assert same(streamed.trailing, torch.cat((text_rows(spoken[4:-AFTER_TEXT]), end)))

    whole = build(PromptText(text))
    body = torch.cat((text_rows(spoken[3:-AFTER_TEXT]), end)) + codec_row(CODEC_PAD)
    assert same(whole.rows[-len(body) - 1 : -1], body)


@NASTY
@torch.inference_mode()
def test_the_text_of_a_reference(index: int, goldens: dict[str, np.ndarray]) -> None:
    m = model("base", "tiny")
    heard = Reference(torch.zeros(64), torch.zeros(2, 16, dtype=torch.long), NASTY_TEXTS[index])
    rows = m.prompts.build(PromptText("Hi", reference=heard)).rows
    ids = goldens[f"tokens/spoken{index}"]
    reference_turn = ids[: len(ids) - (AFTER_TEXT - AFTER_REFERENCE)]
    text = text_rows(reference_turn[3:-AFTER_REFERENCE]) + codec_row(CODEC_PAD)
    tags = 3 + 6  # the role; how to think, speaker, pad
    assert same(rows[tags - 1 :][: len(text)], text)


@NASTY
def test_tokens_for_checkpoints_saved_by_older_libraries(
    index: int, goldens: dict[str, np.ndarray], old: TextTokenizer
) -> None:
    turn = [IM_START, *old.encode_text(f"assistant\n{NASTY_TEXTS[index]}"), IM_END]
    assert turn == goldens[f"old-tokens/spoken{index}"][: len(turn)].tolist()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return saved_by("4.57.1", tmp_path_factory.mktemp("old"))


def saved_by(version: str | None, folder: Path) -> TextTokenizer:
    for name in ("config.json", "vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copy(checkpoint("base", "tiny") / name, folder)
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), "transformers_version": version}
    path.write_text(json.dumps(config))
    return TextTokenizer(folder, as_from_folder=True)


@pytest.mark.parametrize(
    ("version", "tokens_of_lt"),
    [(None, 2), ("4.57.2", 1), ("4.57.3", 2), ("4.58.0.dev0", 2), ("5.0.0", 1), ("4.9", 1)],
)
def test_which_library_saved_a_checkpoint_decides_where_words_end(
    version: str | None, tokens_of_lt: int, tmp_path: Path
) -> None:
    assert len(saved_by(version, tmp_path).encode_text("lT")) == tokens_of_lt


@pytest.mark.parametrize("version", [None, "4.57.3"])
def test_the_server_cuts_words_as_the_model_was_trained(
    version: str | None, tmp_path: Path
) -> None:
    saved_by(version, tmp_path)
    assert len(TextTokenizer(tmp_path).encode_text("lT")) == 1
