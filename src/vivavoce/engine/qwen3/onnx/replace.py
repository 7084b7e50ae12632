"""Replacing a talker's transformers and heads, still unread, by graphs of what a checkpoint holds.

One layer is in memory at a time, then only what it became.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from vivavoce.engine.qwen3.onnx.modules import OnnxLayers, OnnxLinear
from vivavoce.engine.qwen3.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vivavoce.engine.qwen3.config import TransformerConfig
    from vivavoce.engine.qwen3.layers import DecoderLayer
    from vivavoce.engine.qwen3.predictor import CodePredictorModel
    from vivavoce.engine.qwen3.talker import Talker, TalkerModel

_LEAST_BITS = 8
"""But for the predictor's layers. Those are read fifteen times for each frame, so that fewer bits
are felt; the talker's are read once, and decide what is said and when it ends.
"""


def replace(talker: Talker, path: Path, prefix: str, bits: int) -> set[str]:
    """Take the layers, norms and heads of `talker`, made on the meta device, from a file.

    They get so many bits; with 4, only the predictor's layers, and the rest 8. Returns the names of
    the tensors used. What is left, the tables and the projection of text, is to be loaded as ever.

    Raises:
        EngineUnavailable: as `load_weights`; or a matrix cannot be quantized.
    """
    reader = _Reader(path, prefix)
    predictor = talker.code_predictor
    more = max(bits, _LEAST_BITS)
    reader.replace_layers("model", talker.model, talker.config, more)
    reader.replace_layers("code_predictor.model", predictor.model, predictor.config, bits)
    reader.replace_linear("codec_head", talker, more)
    for number in range(len(predictor.lm_head)):
        reader.replace_linear(f"code_predictor.lm_head.{number}", predictor.lm_head, more)
    if isinstance(predictor.small_to_mtp_projection, nn.Linear):
        reader.replace_linear("code_predictor.small_to_mtp_projection", predictor, more)
    return reader.used


class _Reader:
    def __init__(self, path: Path, prefix: str) -> None:
        self.used: set[str] = set()
        self._path, self._prefix = path, prefix

    def replace_linear(self, name: str, parent: nn.Module, bits: int) -> None:
        own_name = name.rpartition(".")[2]
        module = parent.get_submodule(own_name)
        self._read(name, module)
        parent.add_module(own_name, OnnxLinear(module, bits))

    def replace_layers(
        self,
        name: str,
        model: TalkerModel | CodePredictorModel,
        config: TransformerConfig,
        bits: int,
    ) -> None:
        self._read(f"{name}.norm", model.norm)
        layers = self._layers(f"{name}.layers", model.layers)
        model.add_module("layers", OnnxLayers(config, layers, model.norm, bits))
        model.add_module("norm", nn.Identity())

    def _layers(self, name: str, layers: nn.ModuleList) -> Iterator[DecoderLayer]:
        for number, layer in enumerate(layers):
            self._read(f"{name}.{number}", layer)
            yield layer
            layer.to("meta")

    def _read(self, name: str, module: nn.Module) -> None:
        cpu = torch.device("cpu")
        self.used |= load_weights(module, self._path, f"{self._prefix}{name}.", cpu, None)
