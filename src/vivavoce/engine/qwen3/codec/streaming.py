"""Causal convolutions that can stop anywhere and go on: their past is an explicit tensor.

A whole signal in one call and the same signal in pieces go through the same code, so they agree to
float rounding, at any length.

Signals are [B, T, C]: a step's channels lie side by side. So a convolution is one product of
matrices for each of its taps, over the same steps shifted. Nothing is gathered or transposed, and
what comes out lies as the next convolution wants it. On a processor that takes about half the time
of torch's own convolutions for a frame, and somewhat less than theirs for many. On a CUDA device it
is some eighty launches more for each chunk, little beside the thousands that its frames take.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vivavoce.engine.qwen3.memory import zeros
from vivavoce.engine.qwen3.weights import Relaid


class SnakeBeta(Relaid):
    """x + sin²(x·e^alpha) / e^beta, per channel (BigVGAN, arXiv:2206.04658)."""

    as_officially = False

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))

    def lay(self, name: str, tensor: Tensor) -> Tensor:
        """Return the factor that is meant, not its logarithm."""
        return tensor.exp() if name == "alpha" else 1 / (tensor.exp() + 1e-9)

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Map [B, T, C] to itself; the result is written into `out`, which is not x."""
        torch.mul(x, self.alpha, out=out)
        if self.as_officially:
            return out.sin_().square_().mul_(self.beta).add_(x)
        return torch.addcmul(x, out.sin_().square_(), self.beta, out=out)


class Taps(Relaid):
    """A convolution's weights [C_out, C_in, K] and bias [C_out]; laid [K, C_in, C_out].

    `count` is the number of taps, `channels` is C_in. `as_officially`: by torch's own convolutions,
    which sum in the order in which the official package's do.
    """

    as_officially = False

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__()
        self.channels, self.count = c_in, kernel
        self.weight = nn.Parameter(torch.empty(c_out, c_in, kernel))
        self.bias = nn.Parameter(torch.empty(c_out))

    def lay(self, name: str, tensor: Tensor) -> Tensor:
        """Return a matrix for each tap, that of the oldest step first."""
        return _copy(tensor.permute(2, 1, 0) if name == "weight" else tensor)

    def forward(self, x: Tensor, dilation: int = 1) -> Tensor:
        """Map [B, T + (K - 1) * dilation, C_in] to [B, T, C_out]."""
        if self.as_officially:
            return self._convolve(x.mT, dilation).mT
        length = x.shape[1] - (self.count - 1) * dilation
        x, weight, bias = (_multiplied_as(tensor) for tensor in (x, self.weight, self.bias))
        first, *others = weight[:, None].expand(-1, len(x), -1, -1)
        y = torch.baddbmm(bias, x[:, :length], first)
        for tap, matrices in enumerate(others, start=1):
            begin = tap * dilation
            y.baddbmm_(x[:, begin : begin + length], matrices)
        return y.to(self.weight.dtype)

    def add_to(self, y: Tensor, x: Tensor) -> Tensor:
        """Add what one tap makes of x [B, T, C_in] to y [B, T, C_out], in place."""
        if self.as_officially:
            return y.add_(self.forward(x))
        x, weight, bias = (_multiplied_as(tensor) for tensor in (x, self.weight, self.bias))
        if x.dtype != y.dtype:
            return y.copy_((y + bias).baddbmm_(x, weight.expand(len(x), -1, -1)))
        return y.add_(bias).baddbmm_(x, weight.expand(len(x), -1, -1))

    def _convolve(self, x: Tensor, dilation: int) -> Tensor:
        return F.conv1d(x, self.weight.permute(2, 1, 0), self.bias, dilation=dilation)


class TransposedTaps(Taps):
    """A transposed convolution's weights [C_in, C_out, K] and bias; K is a multiple of its stride.

    A step adds to K outputs, so K / stride steps make each `stride` outputs: this is a convolution
    of so many taps with stride * C_out channels, and is laid as one. The right overhang is cut off.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__(c_in, c_out, kernel)
        self.count, self.stride = kernel // stride, stride
        self.weight = nn.Parameter(torch.empty(c_in, c_out, kernel))

    def lay(self, name: str, tensor: Tensor) -> Tensor:
        """See `Taps.lay`. A step's last outputs lie farthest ahead of it: the oldest tap's."""
        if name == "bias":
            return tensor.repeat(self.stride)
        taps = tensor.unflatten(2, (self.count, self.stride)).permute(2, 0, 3, 1).unbind()
        return torch.stack(taps[::-1]).flatten(2)

    def forward(self, x: Tensor, dilation: int = 1) -> Tensor:
        """Map [B, T + K / stride - 1, C_in] to [B, T * stride, C_out]."""
        y = super().forward(x, dilation)
        return y if self.as_officially else y.view(len(y), y.shape[1] * self.stride, -1)

    def _convolve(self, x: Tensor, dilation: int) -> Tensor:
        taps = self.weight.unflatten(2, (self.stride, -1)).permute(1, 3, 0, 2)
        bias = self.bias[: taps.shape[1]]
        y = F.conv_transpose1d(x, taps.flip(2).flatten(2), bias, self.stride)
        before = (self.count - 1) * self.stride
        return y[..., before : x.shape[-1] * self.stride]


class DepthwiseTaps(Taps):
    """A depthwise convolution's weights [C, 1, K] and bias [C]; laid [K, C]."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(1, channels, kernel)
        self.channels = channels

    def lay(self, name: str, tensor: Tensor) -> Tensor:
        """See `Taps.lay`."""
        return _copy(tensor[:, 0].T if name == "weight" else tensor)

    def forward(self, x: Tensor, dilation: int = 1) -> Tensor:
        """Map [B, T + (K - 1) * dilation, C] to [B, T, C]."""
        if self.as_officially:
            return self._convolve(x.mT, dilation).mT
        length = x.shape[1] - (self.count - 1) * dilation
        first, *others = self.weight
        y = torch.addcmul(self.bias, x[:, :length], first)
        for tap, gains in enumerate(others, start=1):
            begin = tap * dilation
            y.addcmul_(x[:, begin : begin + length], gains)
        return y

    def _convolve(self, x: Tensor, dilation: int) -> Tensor:
        weight = self.weight.T[:, None]
        return F.conv1d(x, weight, self.bias, dilation=dilation, groups=self.channels)


def _multiplied_as(tensor: Tensor) -> Tensor:
    """Return the numbers to multiply: on a processor, where bf16 is twenty times slower, fp32."""
    half = tensor.dtype == torch.bfloat16 and tensor.device.type == "cpu"
    return tensor.float() if half else tensor


def _copy(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


class CausalConv(nn.Module):
    """A convolution that looks only back. Its state is the last inputs, [B, context, C_in]."""

    def __init__(self, conv: Taps, dilation: int = 1) -> None:
        super().__init__()
        self.conv = conv
        self.dilation = dilation
        self.context = (conv.count - 1) * dilation

    def start(self, batch: int) -> Tensor:
        """Return the state before the first sample: silence."""
        return zeros((batch, self.context, self.conv.channels), self.conv.weight)

    def forward(
        self, x: Tensor, state: Tensor, act: SnakeBeta | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map x [B, T, C_in], after `act` if there is one; return the next state as well."""
        length = x.shape[1]
        padded = x.new_empty(len(x), self.context + length, self.conv.channels)
        padded[:, : self.context] = state
        present = padded[:, self.context :]
        if act is None:
            present.copy_(x)
        else:
            act(x, out=present)
        # A copy: a view would keep all of the signal in memory between calls.
        return self.conv(padded, self.dilation), padded[:, length:].clone()


class ConvNeXtBlock(nn.Module):
    """A causal depthwise convolution and a pointwise MLP beside a residual (arXiv:2201.03545)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = CausalConv(DepthwiseTaps(channels, kernel=7))
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map [B, T, C] to itself; return the depthwise convolution's next state as well."""
        y, state = self.dwconv(x, state)
        y = self.pwconv2(F.gelu(self.pwconv1(self.norm(y))))
        return x + self.gamma * y, state
