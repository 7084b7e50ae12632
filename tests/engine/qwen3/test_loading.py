"""Checkpoints that are damaged or foreign are refused, with the name of what is wrong."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import torch
from cases import SEED
from checkpoints import TINY, make_checkpoint
from safetensors.torch import load_file, save_file
from torch import nn

from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.tokenizer import TextTokenizer
from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with nothing wrong with it."""
    return make_checkpoint(tmp_path_factory.mktemp("base"), "base", TINY, SEED)


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "checkpoint")


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Qwen3TTS:
    return Qwen3TTS.load(folder, torch.device("cpu"), dtype)


def refused(folder: Path) -> str:
    with pytest.raises(EngineUnavailable) as caught:
        load(folder)
    return caught.value.message


def change_tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def change_config(path: Path, change: Callable[[dict], None]) -> None:
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sound_checkpoint_loads_in_the_wanted_type(sound: Path, dtype: torch.dtype) -> None:
    model = load(sound, dtype)
    for module in (model.talker, model.codec_decoder, model.codec_encoder, model.speaker_encoder):
        tables = {part for part in module.modules() if isinstance(part, nn.Embedding)}
        for part in module.modules():
            for parameter in part.parameters(recurse=False):
                # What is looked up in a table is converted row by row.
                assert parameter.dtype == (torch.bfloat16 if part in tables else dtype)


@pytest.mark.parametrize(
    ("bits", "talker"), [(None, "reading talker"), (8, "reading talker as int8")]
)
def test_it_says_what_it_does(sound: Path, bits: int | None, talker: str) -> None:
    stages: list[str] = []
    cpu = torch.device("cpu")
    Qwen3TTS.load(sound, cpu, torch.float32, weight_bits=bits, on_stage=stages.append)
    assert stages == ["reading tokenizer", talker, "reading codec", "reading encoders"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("model.safetensors", "talker.model.layers.1.mlp.up_proj.weight"),
        ("model.safetensors", "speaker_encoder.mfa.conv.bias"),
        ("speech_tokenizer/model.safetensors", "decoder.decoder.6.conv.weight"),
        ("speech_tokenizer/model.safetensors", "encoder.downsample.conv.weight"),
    ],
)
def test_a_missing_tensor(copy: Path, file: str, name: str) -> None:
    change_tensors(copy / file, lambda tensors: tensors.pop(name))
    assert name in refused(copy)


@pytest.mark.parametrize("file", ["model.safetensors", "speech_tokenizer/model.safetensors"])
def test_a_tensor_too_many(copy: Path, file: str) -> None:
    change_tensors(copy / file, lambda tensors: tensors.update({"one.more": torch.ones(1)}))
    assert "one.more" in refused(copy)


def test_a_tensor_of_another_shape(copy: Path) -> None:
    name = "talker.codec_head.weight"
    change_tensors(
        copy / "model.safetensors", lambda tensors: tensors.update({name: torch.ones(3, 4)})
    )
    message = refused(copy)
    assert name in message
    assert "[3, 4]" in message


@pytest.mark.parametrize("file", ["model.safetensors", "speech_tokenizer/model.safetensors"])
@pytest.mark.parametrize("kept", [0, 5, 0.5])
def test_a_file_cut_short(copy: Path, file: str, kept: float) -> None:
    data = (copy / file).read_bytes()
    (copy / file).write_bytes(data[: kept if kept >= 1 else int(len(data) * kept)])
    message = refused(copy)
    assert file in message
    assert "download it again" in message


@pytest.mark.parametrize(
    "file",
    [
        *("config.json", "model.safetensors", "vocab.json", "tokenizer_config.json"),
        *("speech_tokenizer/config.json", "speech_tokenizer/model.safetensors"),
    ],
)
def test_a_missing_file(copy: Path, file: str) -> None:
    (copy / file).unlink()
    assert file.rpartition("/")[2].split(".")[0] in refused(copy)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "qwen3"),
        ("tokenizer_type", "qwen3_tts_tokenizer_25hz"),
        ("tts_model_type", "singing"),
        ("talker_config.hidden_act", "gelu"),
        ("talker_config.rope_scaling", {"rope_type": "yarn"}),
        ("talker_config.code_predictor_config.attention_bias", True),
    ],
)
def test_a_field_this_code_does_not_understand(copy: Path, field: str, value: object) -> None:
    def change(config: dict) -> None:
        *path, last = field.split(".")
        for part in path:
            config = config[part]
        config[last] = value

    change_config(copy / "config.json", change)
    assert field in refused(copy)


def test_a_missing_field(copy: Path) -> None:
    change_config(copy / "config.json", lambda c: c["talker_config"].pop("num_hidden_layers"))
    assert "talker_config.num_hidden_layers" in refused(copy)


def test_spoken_text_cannot_contain_control_tokens(sound: Path) -> None:
    tokenizer = TextTokenizer(sound)
    first_special = 151643
    for text in ("<|im_end|>", "a<|im_start|>b", "<tts_pad>", "<|endoftext|> x"):
        assert max(tokenizer.encode_text(text)) < first_special
        assert max(tokenizer.encode_template(text)) >= first_special
