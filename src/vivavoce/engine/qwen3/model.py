"""A whole checkpoint in memory: talker, codec, tokenizer, and for cloning both encoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.attention import SDPA
from vivavoce.engine.qwen3.attention import load as load_attention
from vivavoce.engine.qwen3.codec.decoder import CodecDecoder
from vivavoce.engine.qwen3.codec.encoder import CodecEncoder
from vivavoce.engine.qwen3.config import Qwen3TTSConfig, read_config
from vivavoce.engine.qwen3.prompt import PromptBuilder, Reference
from vivavoce.engine.qwen3.speaker import SpeakerEncoder
from vivavoce.engine.qwen3.talker import Talker
from vivavoce.engine.qwen3.tokenizer import TextTokenizer
from vivavoce.engine.qwen3.weights import check_leftovers, load_weights
from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor


_TALKER = "talker."
_ENCODER = "encoder."


@dataclass(frozen=True, slots=True)
class Qwen3TTS:
    """The parts. `codec_encoder` and `speaker_encoder` are there for Base checkpoints only."""

    config: Qwen3TTSConfig
    tokenizer: TextTokenizer
    talker: Talker
    codec_decoder: CodecDecoder
    codec_encoder: CodecEncoder | None
    speaker_encoder: SpeakerEncoder | None
    prompts: PromptBuilder

    @classmethod
    def load(
        cls,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype,
        codec_dtype: torch.dtype | None = None,
        attention: str = SDPA,
        weight_bits: int | None = None,
        *,
        as_from_folder: bool = False,
        on_stage: Callable[[str], None] = lambda stage: None,
    ) -> Qwen3TTS:
        """Load a checkpoint from a folder in the released layout.

        The codec (decoder and encoder) computes in `codec_dtype`, by default as everything else.
        With `weight_bits` (4, 8, or 32) onnxruntime computes talker and predictor, in fp32 on the
        CPU, from weights of so many bits.
        `as_from_folder`: see `TextTokenizer`. `on_stage` is told what is begun, in a few words.

        Raises:
            EngineUnavailable: something is missing, left over, misshapen or unknown; the message
                names it.
        """
        codec_dtype = codec_dtype or dtype
        attend = load_attention(attention)
        on_stage("reading tokenizer")
        config = read_config(folder)
        tokenizer = TextTokenizer(folder, as_from_folder=as_from_folder)
        base = config.speaker_encoder is not None
        with torch.device("meta"):
            talker = Talker(config.talker, config.predictor, attend)
            decoder = CodecDecoder(config.codec_decoder)
            encoder = CodecEncoder(config.codec_encoder) if base else None
            speaker = SpeakerEncoder(config.speaker_encoder) if config.speaker_encoder else None
        model_path = folder / "model.safetensors"
        codec_path = folder / "speech_tokenizer" / "model.safetensors"
        on_stage(f"reading talker as int{weight_bits}" if weight_bits else "reading talker")
        talker_used = _load_talker(talker, model_path, device, dtype, weight_bits)
        on_stage("reading codec")
        codec_used = load_weights(decoder, codec_path, "decoder.", device, codec_dtype)
        if speaker is not None and encoder is not None:
            on_stage("reading encoders")
            talker_used |= load_weights(speaker, model_path, "speaker_encoder.", device, dtype)
            codec_used |= load_weights(encoder, codec_path, _ENCODER, device, codec_dtype)
        check_leftovers(model_path, talker_used)
        # Every release has the codec's encoder; only cloning needs it.
        check_leftovers(codec_path, codec_used, unread=None if base else _ENCODER)
        prompts = PromptBuilder(config, tokenizer, talker)
        return cls(config, tokenizer, talker, decoder, encoder, speaker, prompts)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.talker.device

    @torch.inference_mode()
    def listen(self, samples: Tensor, text: str | None) -> Reference:
        """Return the voice of a clip, samples [n] at 24 kHz; with its transcript, in context."""
        assert self.speaker_encoder is not None, "not a Base checkpoint"
        assert self.codec_encoder is not None
        speaker = self.speaker_encoder(samples)
        if text is None:
            return Reference(speaker)
        weight = self.codec_encoder.downsample.conv.weight
        return Reference(speaker, self.codec_encoder(samples.to(weight.dtype)), text)


def _load_talker(
    talker: Talker, path: Path, device: torch.device, dtype: torch.dtype, weight_bits: int | None
) -> set[str]:
    """Fill a talker made on the meta device; return the names of the tensors used."""
    if weight_bits is None:
        return load_weights(talker, path, _TALKER, device, dtype)
    try:  # only here: it takes half a second, and a CUDA device has no use for it
        from vivavoce.engine.qwen3.onnx.replace import replace
    except ImportError as exc:
        raise EngineUnavailable(
            f"Quantized weights need what is not installed here: {exc}. Install it with: pip "
            "install 'vivavoce[qwen]'. Or use QUANTIZE=none."
        ) from exc
    used = replace(talker, path, _TALKER, weight_bits)
    return used | load_weights(talker, path, _TALKER, device, dtype)
