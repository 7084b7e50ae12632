"""Quantized weights through onnxruntime: the same model, less exact; each as much as it says."""

from __future__ import annotations

import shutil
import sys
import weakref
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from cases import TEXTS, Case, all_cases, sampled_cases
from ours import GREEDY, checkpoint, follow, generate, generation_of, model, prompts
from safetensors.torch import load_file, save_file
from torch import nn

from speaking import speaking_checkpoint
from vivavoce.engine.qwen3 import device
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.engine.qwen3.generation import Controls
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.onnx import rows
from vivavoce.engine.qwen3.onnx.modules import OnnxLinear
from vivavoce.engine.qwen3.onnx.quantize import block_size, quantize
from vivavoce.engine.qwen3.prompt import PromptText
from vivavoce.errors import EngineUnavailable
from vivavoce.types import Segment, SpeechRequest

if TYPE_CHECKING:
    from pathlib import Path

FULL, INT8, INT4 = 32, 8, 4
CPU = torch.device("cpu")
MODES = [*sampled_cases(), *(case for case in all_cases() if case.texts == TEXTS)]


@cache
def converted(kind: str, shape: str, bits: int) -> Qwen3TTS:
    """Return a checkpoint of which onnxruntime computes talker and predictor."""
    return load(checkpoint(kind, shape), bits)


def load(folder: Path, bits: int | None) -> Qwen3TTS:
    return Qwen3TTS.load(folder, CPU, torch.float32, weight_bits=bits, as_from_folder=True)


def unfolded(values: torch.Tensor, scales: torch.Tensor, bits: int) -> torch.Tensor:
    """Return the matrix [N, K] that packed values and their scales stand for."""
    if bits == INT4:
        values = torch.stack((values & 15, values >> 4), dim=-1).flatten(-2)
    return ((values.float() - 2 ** (bits - 1)) * scales[..., None]).flatten(1)


def rounded(weight: torch.Tensor, bits: int) -> torch.Tensor:
    rows, width = weight.shape
    size = block_size(width)
    values = torch.empty(rows, width // size, size * bits // 8, dtype=torch.uint8)
    scales = torch.empty(rows, width // size)
    quantize([weight[:7], weight[7:]], bits, values, scales)
    assert (scales != 0).all()
    return unfolded(values, scales, bits)


# With whole weights the graphs are the model


@pytest.mark.parametrize("case", MODES, ids=lambda case: case.name)
def test_with_whole_weights_it_makes_the_same_codes(case: Case) -> None:
    eager, onnx = model(case.kind, case.shape), converted(case.kind, case.shape, FULL)
    expected = generate(eager, prompts(eager, case), GREEDY, 16)
    found = generate(onnx, prompts(onnx, case), GREEDY, 16)
    assert [codes.tolist() for codes in found] == [codes.tolist() for codes in expected]


@pytest.mark.parametrize("shape", ["tiny", "projected"])
def test_fewer_bits_are_nearly_the_same_and_fewest_are_further(shape: str) -> None:
    eager = model("custom_voice", shape)
    prompt = eager.prompts.build(PromptText("Hello there.", "english", "ryan"))
    codes = torch.from_numpy(np.random.RandomState(0).randint(0, 2048, (10, 16)))
    expected = follow(eager, prompt, codes)
    off = {
        bits: [
            float(np.linalg.norm(found - logits) / np.linalg.norm(logits))
            for found, logits in zip(
                follow(converted("custom_voice", shape, bits), prompt, codes), expected, strict=True
            )
        ]
        for bits in (FULL, INT8, INT4)
    }
    assert max(off[FULL]) < 1e-5
    for bits, few in ((INT8, 0.05), (INT4, 0.4)):
        talker, predictor = off[bits]
        assert 1e-3 < talker < 0.05  # 8 bits in either case
        assert 1e-3 < predictor < few
    assert off[INT4][1] > 4 * off[INT8][1]


# Company


@pytest.mark.parametrize("bits", [INT8, INT4])
@pytest.mark.parametrize("shape", ["tiny", "projected"])
def test_who_comes_and_goes_changes_nobodys_codes(
    bits: int, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_BLOCK", 5)  # so that caches grow too
    onnx = converted("custom_voice", shape, bits)
    texts = ("Hello.", "Two of three, and more words than that.", "你好，世界 123")
    ready = [onnx.prompts.build(PromptText(text, "english", "ryan")) for text in texts]
    controls = [Controls(seed=seed) for seed in range(3)]
    alone = []
    for prompt, how in zip(ready, controls, strict=True):
        steps = generation_of(onnx)
        own = steps.join([prompt], [how], 12)
        alone.append([steps.step(own)[0].tolist() for _ in range(12)])

    steps = generation_of(onnx)
    first = steps.join(ready[:1], controls[:1], 12)
    made: list[list[list[int]]] = [[steps.step(first)[0].tolist() for _ in range(3)], [], []]

    def go_on(here: list[int], frames: int) -> None:
        for _ in range(frames):
            codes = steps.step([every[row] for row in here])
            for row, frame in zip(here, codes.tolist(), strict=True):
                made[row].append(frame)

    every = [*first, *steps.join(ready[1:], controls[1:], 200)]  # more than there is room for
    go_on([0, 1, 2], 3)
    go_on([2, 0], 1)  # and who stays in between is left alone
    go_on([1], 1)
    steps.leave(every[1])
    go_on([0, 2], 5)
    assert made[0] == alone[0]
    assert made[1] == alone[1][:4]
    assert made[2] == alone[2][:9]


def test_memory_of_sequences_that_left_goes_back() -> None:
    onnx = converted("custom_voice", "tiny", INT8)
    steps = generation_of(onnx, positions=16384)
    prompt = onnx.prompts.build(PromptText("Hello.", "english", "ryan"))
    joined = steps.join([prompt], [Controls()], 2000)
    steps.step(joined)
    kept = weakref.ref(steps.cache.keys)
    steps.leave(joined[0])
    assert kept() is None


# One matrix


@pytest.mark.parametrize("bits", [INT8, INT4])
@pytest.mark.parametrize("width", [16, 96, 1024])
def test_rounding_is_by_half_a_step_at_most(bits: int, width: int) -> None:
    torch.manual_seed(width)
    weight = torch.randn(300, width) * torch.logspace(-4, 2, 300)[:, None]
    weight[5] = 0
    step = weight.unflatten(-1, (-1, block_size(width))).abs().amax(-1) / 2 ** (bits - 1)
    off = (rounded(weight, bits) - weight).unflatten(-1, (-1, block_size(width))).abs()
    # Only what is furthest above zero in a block that goes further below may be a whole step off.
    assert (off <= 1.001 * step[..., None]).all()
    assert (off > 0.501 * step[..., None]).float().mean() < 0.05
    assert (rounded(weight, bits)[5] == 0).all()


@pytest.mark.parametrize(("bits", "off"), [(FULL, 1e-6), (INT8, 0.01), (INT4, 0.01)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_matrix_multiplies_by_what_it_was_rounded_to(bits: int, off: float, bias: bool) -> None:
    torch.manual_seed(0)
    eager = nn.Linear(96, 70, bias=bias).requires_grad_(False)
    x = torch.randn(2, 3, 96)
    onnx = OnnxLinear(eager, bits)
    if bits != FULL:
        eager.weight.copy_(rounded(eager.weight, bits))
    expected = eager(x)
    assert onnx(x).shape == (2, 3, 70)
    assert (onnx(x) - expected).norm() < off * expected.norm()
    first = onnx(x[:1])
    onnx(x[1:])
    assert torch.equal(first, onnx(x[:1]))  # an answer is not written over by the next


def test_a_width_that_no_block_divides_is_refused() -> None:
    eager = nn.Linear(40, 8).requires_grad_(False)
    with pytest.raises(EngineUnavailable, match=r"matrices of 40 columns.*QUANTIZE=none"):
        OnnxLinear(eager, INT8)


# Loading


def test_tables_stay_as_they_are_stored_and_whole_layers_are_not_kept() -> None:
    talker = converted("custom_voice", "tiny", INT8).talker
    tables = (talker.model.text_embedding, *talker.code_predictor.model.codec_embedding)
    assert {table.weight.dtype for table in tables} == {torch.bfloat16}
    named = dict(talker.named_parameters())
    assert not [name for name in named if "layers" in name or "head" in name]
    assert talker.dtype == talker.embed_text(torch.tensor([1])).dtype == torch.float32


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A checkpoint whose weights are to be changed: their file, in the folder of all others."""
    source = checkpoint("custom_voice", "tiny")
    for path in source.iterdir():
        (tmp_path / path.name).symlink_to(path)
    weights = tmp_path / "model.safetensors"
    weights.unlink()
    shutil.copy(source / "model.safetensors", weights)
    return weights


@pytest.mark.parametrize(
    "name", ["talker.model.layers.1.mlp.up_proj.weight", "talker.code_predictor.lm_head.3.weight"]
)
def test_a_misshapen_or_missing_tensor_is_named(name: str, copied: Path) -> None:
    tensors = load_file(copied)
    save_file(tensors | {name: torch.ones(3, 4)}, copied)
    with pytest.raises(EngineUnavailable, match=rf"{name} has the shape \[3, 4\]"):
        load(copied.parent, INT8)
    del tensors[name]
    save_file(tensors, copied)
    with pytest.raises(EngineUnavailable, match=f"has no tensor {name}"):
        load(copied.parent, INT8)


def test_a_tensor_too_many_is_named(copied: Path) -> None:
    save_file(load_file(copied) | {"talker.one.more": torch.ones(1)}, copied)
    with pytest.raises(EngineUnavailable, match=r"talker\.one\.more"):
        load(copied.parent, INT8)


def test_without_the_library_that_makes_graphs_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("vivavoce.engine.qwen3.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EngineUnavailable, match=r"onnx.*vivavoce\[qwen\].*QUANTIZE=none"):
        load(checkpoint("custom_voice", "tiny"), INT8)


# The setting


@pytest.mark.parametrize(
    ("name", "dtype", "bits"),
    [
        *(("auto", "auto", 8), ("auto", "fp32", None), ("auto", "bf16", None)),
        *(("none", "auto", None), ("int8", "auto", 8), ("int4", "fp32", 4)),
    ],
)
def test_what_the_setting_means_on_a_processor(name: str, dtype: str, bits: int | None) -> None:
    assert device.place("cpu", dtype, name).weight_bits == bits


def test_numbers_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(EngineUnavailable, match=r"QUANTIZE=int8 .*DTYPE is bf16.*DTYPE=auto"):
        device.place("cpu", "bf16", "int8")


def test_a_card_is_not_quantized_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    for name in ("int8", "int4"):
        with pytest.raises(EngineUnavailable, match=f"QUANTIZE={name} is for DEVICE=cpu"):
            device.place("auto", "auto", name)
    assert device.place("auto", "auto", "auto").weight_bits is None
    assert device.place("cuda:0", "auto", "none").weight_bits is None


def test_the_engine_says_what_it_reads_and_speaks_with_it() -> None:
    heard = {}
    folder = str(speaking_checkpoint("custom_voice", ends=False))
    for name, told in (
        ("none", "reading talker"),
        ("auto", "reading talker as int8"),
        ("int4", "reading talker as int4"),
    ):
        stages: list[str] = []
        options = {"model": folder, "need": "preset", "device": "cpu", "quantize": name}
        engine = Qwen3Engine.load(options, lambda it, stages=stages: stages.append(it.stage))
        request = SpeechRequest((Segment("Hello."),), "vivian", 1, max_new_tokens=30)
        chunks = [chunk.samples for chunk in engine.speak(request)]
        engine.close()
        assert stages == ["reading tokenizer", told, "reading codec", "taking memory"]
        heard[name] = np.concatenate(chunks)
    for one, other in (("none", "auto"), ("auto", "int4")):
        assert not np.array_equal(heard[one], heard[other])
