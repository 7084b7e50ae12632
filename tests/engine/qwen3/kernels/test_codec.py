"""The codec's convolutions, against plain torch and against the codec's own modules."""

from __future__ import annotations

import pytest
import torch

from engine.qwen3.kernels.near import Numbers, assert_near, both
from vivavoce.engine.qwen3.codec.streaming import CausalConv, SnakeBeta, Taps
from vivavoce.engine.qwen3.ops import kernels, plain
from vivavoce.engine.qwen3.ops.base import Snake


@both
@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize(("length", "past"), [(1, 6), (40, 6), (7, 54)])
def test_what_a_convolution_looks_at(length, past, snake, dtype) -> None:
    n = Numbers(dtype)
    x, state = n(2, length, 20), n(2, past, 20)
    act = Snake(n(20).abs(), n(20).abs()) if snake else None
    ours, theirs = kernels.extend(x, state, act), plain.extend(x, state, act)
    for own, other in zip(ours, theirs, strict=True):
        assert_near(own, other)
    assert torch.equal(ours[0][:, -past:], ours[1])
    assert torch.equal(ours[0][:, :past], state)


@both
@pytest.mark.parametrize(
    ("length", "taps", "dilation", "c_in", "c_out"),
    [(1, 7, 1, 40, 33), (70, 3, 9, 12, 20), (20, 1, 1, 24, 24), (33, 7, 1, 24, 1)],
)
def test_a_convolution_is_that_of_plain_torch(length, taps, dilation, c_in, c_out, dtype) -> None:
    n = Numbers(dtype)
    x = n(2, length + (taps - 1) * dilation, c_in)
    args = x, n(taps, c_in, c_out, scale=0.1), n(c_out), dilation, n(2, length, c_out)
    exact = plain.convolve(*(one if isinstance(one, int) else one.float() for one in args))
    assert_near(kernels.convolve(*args), plain.convolve(*args), exact)


def test_both_together_are_the_codec_s_own_convolution() -> None:
    n = Numbers(torch.float32)
    conv, act = CausalConv(Taps(16, 12, kernel=7), dilation=3), SnakeBeta(16)
    weight, bias, alpha, beta = n(7, 16, 12), n(12), n(16).abs(), n(16).abs()
    conv.conv.weight.data, conv.conv.bias.data = weight, bias
    act.alpha.data, act.beta.data = alpha, beta
    x, state = n(2, 5, 16), n(2, 18, 16)
    with torch.inference_mode():
        y, after = conv(x, state, act)
    padded, ours_after = kernels.extend(x, state, Snake(alpha, beta))
    assert_near(kernels.convolve(padded, weight, bias, 3), y)
    assert_near(ours_after, after)
