"""Causal convolutions that can stop anywhere and go on: their past is an explicit tensor.

A whole signal in one call and the same signal in pieces go through the same code, so they agree to
float rounding, at any length.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CausalConv(nn.Module):
    """A convolution that looks only back. Its state is the last inputs, [B, C_in, context]."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(c_in, c_out, kernel, dilation=dilation, groups=groups)
        self.context = (kernel - 1) * dilation

    def start(self, batch: int) -> Tensor:
        """Return the state before the first sample: silence."""
        weight = self.conv.weight
        return weight.new_zeros(batch, self.conv.in_channels, self.context)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map [B, C_in, T] to [B, C_out, T]; return the next state as well."""
        x = torch.cat((state, x), dim=-1)
        return self.conv(x), _last(x, self.context)


class CausalTransposedConv(nn.Module):
    """An upsampling convolution, kernel a multiple of its stride, its right overhang cut off.

    Each output block depends on the input at its place and on `context` inputs before it; those
    are its state, [B, C_in, context].
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(c_in, c_out, kernel, stride=stride)
        self.stride = stride
        self.context = kernel // stride - 1

    def start(self, batch: int) -> Tensor:
        """Return the state before the first sample: silence."""
        return self.conv.weight.new_zeros(batch, self.conv.in_channels, self.context)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map [B, C_in, T] to [B, C_out, T * stride]; return the next state as well."""
        length = x.shape[-1]
        x = torch.cat((state, x), dim=-1)
        begin = self.context * self.stride
        y = self.conv(x)[..., begin : begin + length * self.stride]
        return y, _last(x, self.context)


def _last(x: Tensor, count: int) -> Tensor:
    """Return a copy of the last inputs: a view would keep all of x in memory between calls."""
    return x[..., x.shape[-1] - count :].clone()


class SnakeBeta(nn.Module):
    """x + sin²(x·e^alpha) / e^beta, per channel (BigVGAN, arXiv:2206.04658)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T] to itself."""
        alpha, beta = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        return x + torch.sin(x * alpha).pow(2) / (beta + 1e-9)


class ConvNeXtBlock(nn.Module):
    """A causal depthwise convolution and a pointwise MLP beside a residual (arXiv:2201.03545)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = CausalConv(channels, channels, kernel=7, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map [B, C, T] to itself; return the depthwise convolution's next state as well."""
        y, state = self.dwconv(x, state)
        y = self.pwconv2(F.gelu(self.pwconv1(self.norm(y.transpose(1, 2)))))
        return x + (self.gamma * y).transpose(1, 2), state
