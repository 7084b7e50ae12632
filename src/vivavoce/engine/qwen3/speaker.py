"""A voice as one vector: log-mel spectrogram into an ECAPA-TDNN (arXiv:2005.07143).

Parameter names are the checkpoint's. Source: the official package, qwen-tts 0.1.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.config import SpeakerEncoderConfig

SAMPLE_RATE_HZ = 24000
_N_FFT = 1024
_HOP = 256
_TOP_HZ = 12000.0


def mel_filters(mels: int) -> Tensor:
    """Return triangular filters [mels, n_fft / 2 + 1] on Slaney's mel scale, each of area one.

    Slaney, Auditory Toolbox (1998): linear below 1 kHz, logarithmic above.
    """
    linear_hz_per_mel, log_from_hz, log_step = 200.0 / 3, 1000.0, 6.4 ** (1 / 27)
    log_from_mel = log_from_hz / linear_hz_per_mel
    step = torch.log(torch.tensor(log_step, dtype=torch.float64))
    top_mel = log_from_mel + torch.log(torch.tensor(_TOP_HZ / log_from_hz).double()) / step
    edges_mel = torch.linspace(0, float(top_mel), mels + 2, dtype=torch.float64)
    edges = torch.where(
        edges_mel < log_from_mel,
        edges_mel * linear_hz_per_mel,
        log_from_hz * torch.exp(step * (edges_mel - log_from_mel)),
    )
    bins = torch.linspace(0, SAMPLE_RATE_HZ / 2, _N_FFT // 2 + 1, dtype=torch.float64)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = torch.minimum(rising, falling).clamp(min=0)
    return (filters * (2 / (edges[2:] - edges[:-2]))[:, None]).float()


def log_mel(samples: Tensor, mels: int) -> Tensor:
    """Return the log-mel spectrogram [frames, mels] of samples [n] at 24 kHz."""
    edge = (_N_FFT - _HOP) // 2
    padded = F.pad(samples[None, None].float(), (edge, edge), mode="reflect")[0, 0]
    window = torch.hann_window(_N_FFT, device=samples.device)
    spectrum = torch.stft(padded, _N_FFT, _HOP, window=window, center=False, return_complex=True)
    magnitude = torch.sqrt(torch.view_as_real(spectrum).pow(2).sum(-1) + 1e-9)
    mel = mel_filters(mels).to(magnitude) @ magnitude
    return mel.clamp(min=1e-5).log().T


class TDNNBlock(nn.Module):
    """A convolution of the same length, its ends reflected, and a ReLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(c_in, c_out, kernel, dilation=dilation)
        self.pad = dilation * (kernel - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C_in, T] to [B, C_out, T]."""
        return F.relu(self.conv(F.pad(x, (self.pad, self.pad), mode="reflect")))


class Res2NetBlock(nn.Module):
    """Groups of channels, each seeing the result of the one before; the first passes through."""

    def __init__(self, channels: int, scale: int, kernel: int, dilation: int) -> None:
        super().__init__()
        width = channels // scale
        self.scale = scale
        self.blocks = nn.ModuleList(
            TDNNBlock(width, width, kernel, dilation) for _ in range(scale - 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T] to itself."""
        first, *others = x.chunk(self.scale, dim=1)
        parts = [first]
        for index, (block, part) in enumerate(zip(self.blocks, others, strict=True)):
            parts.append(block(part if index == 0 else part + parts[-1]))
        return torch.cat(parts, dim=1)


class SqueezeExcitation(nn.Module):
    """Weighs channels by what the whole clip holds of them."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, squeezed, 1)
        self.conv2 = nn.Conv1d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T] to itself."""
        mean = x.mean(dim=2, keepdim=True)
        return x * torch.sigmoid(self.conv2(F.relu(self.conv1(mean))))


class SERes2NetBlock(nn.Module):
    """TDNN, Res2Net, TDNN, squeeze and excitation, beside a residual."""

    def __init__(self, c: SpeakerEncoderConfig, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.tdnn1 = TDNNBlock(channels, channels, 1, 1)
        self.res2net_block = Res2NetBlock(channels, c.enc_res2net_scale, kernel, dilation)
        self.tdnn2 = TDNNBlock(channels, channels, 1, 1)
        self.se_block = SqueezeExcitation(channels, c.enc_se_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T] to itself."""
        return x + self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(x))))


class AttentiveStatisticsPooling(nn.Module):
    """Mean and deviation over time, weighted by an attention that sees both (arXiv:1803.10963)."""

    def __init__(self, channels: int, attention: int) -> None:
        super().__init__()
        self.tdnn = TDNNBlock(3 * channels, attention, 1, 1)
        self.conv = nn.Conv1d(attention, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T] to [B, 2 C, 1]."""
        length = x.shape[-1]
        mean, deviation = _statistics(x, torch.full_like(x[:, :1], 1 / length))
        context = torch.cat((x, mean.expand_as(x), deviation.expand_as(x)), dim=1)
        weights = self.conv(torch.tanh(self.tdnn(context))).softmax(dim=2)
        return torch.cat(_statistics(x, weights), dim=1)


def _statistics(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    mean = (weights * x).sum(dim=2, keepdim=True)
    variance = (weights * (x - mean).pow(2)).sum(dim=2, keepdim=True)
    return mean, variance.clamp(min=1e-12).sqrt()


class SpeakerEncoder(nn.Module):
    """The whole network."""

    def __init__(self, c: SpeakerEncoderConfig) -> None:
        super().__init__()
        self.mels = c.mel_dim
        widths, kernels, dilations = c.enc_channels, c.enc_kernel_sizes, c.enc_dilations
        self.blocks = nn.ModuleList(
            [
                TDNNBlock(c.mel_dim, widths[0], kernels[0], dilations[0]),
                *(SERes2NetBlock(c, widths[i], kernels[i], dilations[i]) for i in (1, 2, 3)),
            ]
        )
        self.mfa = TDNNBlock(sum(widths[1:4]), widths[4], kernels[4], dilations[4])
        self.asp = AttentiveStatisticsPooling(widths[4], c.enc_attention_channels)
        self.fc = nn.Conv1d(2 * widths[4], c.enc_dim, 1)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the vector [enc_dim] of samples [n] at 24 kHz, n > 384."""
        x = log_mel(samples, self.mels).T[None].to(self.fc.weight.dtype)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = self.mfa(torch.cat(outputs[1:], dim=1))
        return self.fc(self.asp(x))[0, :, 0]
