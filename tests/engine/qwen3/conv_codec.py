"""The codec's decoder once more, to compare with: torch's own convolutions, whole signals only.

Channels first, nothing kept between calls, written from a checkpoint's tensors and not from the
engine's modules. In float64 it is the truth to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from vivavoce.engine.qwen3.config import CodecDecoderConfig, read_config

if TYPE_CHECKING:
    from pathlib import Path

_PREFIX = "decoder."


@dataclass(frozen=True)
class ConvCodec:
    """Its sizes and tensors, by their names in the checkpoint without `decoder.`."""

    config: CodecDecoderConfig
    tensors: dict[str, Tensor]

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype = torch.float64) -> ConvCodec:
        every = load_file(folder / "speech_tokenizer/model.safetensors")
        tensors = {
            name.removeprefix(_PREFIX): tensor.to(dtype)
            for name, tensor in every.items()
            if name.startswith(_PREFIX)
        }
        return cls(read_config(folder).codec_decoder, tensors)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the sound [B, T * 1920] of codes [B, 16, T]."""
        first, rest = self._quantized("rvq_first", codes[:, :1]), codes[:, 1:]
        x = self._conv("pre_conv.conv", first + self._quantized("rvq_rest", rest))
        x = self._transform(x.mT).mT
        for index, rate in enumerate(self.config.upsampling_ratios):
            x = self._upsample(f"upsample.{index}.0.conv", x, rate)
            x = x + self._pointwise(f"upsample.{index}.1", x)
        x = self._conv("decoder.0.conv", x)
        for index, rate in enumerate(self.config.upsample_rates, start=1):
            block = f"decoder.{index}.block"
            x = self._upsample(f"{block}.1.conv", self._snake(f"{block}.0", x), rate)
            for unit, dilation in ((2, 1), (3, 3), (4, 9)):
                y = self._snake(f"{block}.{unit}.act1", x)
                y = self._conv(f"{block}.{unit}.conv1.conv", y, dilation)
                y = self._snake(f"{block}.{unit}.act2", y)
                x = x + self._conv(f"{block}.{unit}.conv2.conv", y)
        last = len(self.config.upsample_rates) + 1
        x = self._conv(f"decoder.{last + 1}.conv", self._snake(f"decoder.{last}", x))
        return x[:, 0].clamp(-1, 1)

    def _quantized(self, part: str, codes: Tensor) -> Tensor:
        total: Tensor | int = 0
        for index, book in enumerate(codes.unbind(1)):
            name = f"quantizer.{part}.vq.layers.{index}._codebook"
            counts = self.tensors[f"{name}.cluster_usage"].clamp(min=1e-5)
            total = total + (self.tensors[f"{name}.embedding_sum"] / counts[:, None])[book]
        return self._conv(f"quantizer.{part}.output_proj", total.mT)

    def _transform(self, x: Tensor) -> Tensor:
        c = self.config
        pre = "pre_transformer"
        steps = torch.arange(x.shape[1], dtype=torch.float64)
        age = steps[:, None] - steps
        seen = (age >= 0) & (age < c.sliding_window)
        powers = torch.arange(0, c.head_dim, 2, dtype=torch.float64) / c.head_dim
        angles = steps[:, None] / c.rope_theta**powers
        x = self._linear(f"{pre}.input_proj", x)
        for index in range(c.num_hidden_layers):
            layer = f"{pre}.layers.{index}"
            normed = self._norm(f"{layer}.input_layernorm", x)
            q, k, v = (
                self._linear(f"{layer}.self_attn.{name}_proj", normed)
                .unflatten(-1, (-1, c.head_dim))
                .transpose(1, 2)
                for name in "qkv"
            )
            scores = _turned(q, angles) @ _turned(k, angles).mT / c.head_dim**0.5
            y = scores.masked_fill(~seen, -torch.inf).softmax(-1) @ v
            y = self._linear(f"{layer}.self_attn.o_proj", y.transpose(1, 2).flatten(2))
            x = x + self.tensors[f"{layer}.self_attn_layer_scale.scale"] * y
            normed = self._norm(f"{layer}.post_attention_layernorm", x)
            gate = functional.silu(self._linear(f"{layer}.mlp.gate_proj", normed))
            y = gate * self._linear(f"{layer}.mlp.up_proj", normed)
            y = self._linear(f"{layer}.mlp.down_proj", y)
            x = x + self.tensors[f"{layer}.mlp_layer_scale.scale"] * y
        return self._linear(f"{pre}.output_proj", self._norm(f"{pre}.norm", x))

    def _pointwise(self, block: str, x: Tensor) -> Tensor:
        y = self._conv(f"{block}.dwconv.conv", x, groups=x.shape[1]).mT
        norm = (self.tensors[f"{block}.norm.{name}"] for name in ("weight", "bias"))
        y = functional.layer_norm(y, y.shape[-1:], *norm, eps=1e-6)
        y = self._linear(f"{block}.pwconv2", functional.gelu(self._linear(f"{block}.pwconv1", y)))
        return (self.tensors[f"{block}.gamma"] * y).mT

    def _conv(self, name: str, x: Tensor, dilation: int = 1, groups: int = 1) -> Tensor:
        weight, bias = self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias")
        x = functional.pad(x, ((weight.shape[-1] - 1) * dilation, 0))
        return functional.conv1d(x, weight, bias, dilation=dilation, groups=groups)

    def _upsample(self, name: str, x: Tensor, stride: int) -> Tensor:
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        return functional.conv_transpose1d(x, weight, bias, stride)[..., : x.shape[-1] * stride]

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return functional.linear(
            x, self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias")
        )

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return functional.rms_norm(
            x, x.shape[-1:], self.tensors[f"{name}.weight"], self.config.rms_norm_eps
        )

    def _snake(self, name: str, x: Tensor) -> Tensor:
        alpha, beta = (self.tensors[f"{name}.{part}"].exp()[:, None] for part in ("alpha", "beta"))
        return x + torch.sin(x * alpha).pow(2) / (beta + 1e-9)


def _turned(x: Tensor, angles: Tensor) -> Tensor:
    """Apply RoPE to x [B, heads, T, head_dim], whose halves turn together."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x), angles.sin().to(x)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
