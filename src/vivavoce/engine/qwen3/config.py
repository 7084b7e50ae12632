"""A checkpoint's configuration, read strictly: what this code does not understand is an error.

Defaults of the official package are never relied on where the released files give a value: its
codec defaults, for one, are not those of the release.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from vivavoce.errors import EngineUnavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Sizes of a Qwen3 transformer."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    vocab_size: int
    num_code_groups: int


@dataclass(frozen=True, slots=True)
class TalkerConfig(TransformerConfig):
    """The talker, its tables and the ids of its codec-side control tokens."""

    text_vocab_size: int
    text_hidden_size: int
    codec_pad_id: int
    codec_bos_id: int
    codec_eos_token_id: int
    codec_think_id: int
    codec_nothink_id: int
    codec_think_bos_id: int
    codec_think_eos_id: int
    codec_language_id: dict[str, int]
    spk_id: dict[str, int]
    spk_is_dialect: dict[str, str | bool]


@dataclass(frozen=True, slots=True)
class SpeakerEncoderConfig:
    """The ECAPA-TDNN. Only `enc_dim` stands in released files; the rest are the official values."""

    enc_dim: int
    sample_rate: int = 24000
    mel_dim: int = 128
    enc_channels: tuple[int, ...] = (512, 512, 512, 512, 1536)
    enc_kernel_sizes: tuple[int, ...] = (5, 3, 3, 3, 1)
    enc_dilations: tuple[int, ...] = (1, 2, 3, 4, 1)
    enc_attention_channels: int = 128
    enc_res2net_scale: int = 8
    enc_se_channels: int = 128


@dataclass(frozen=True, slots=True)
class CodecDecoderConfig:
    """The codec's decoder."""

    codebook_dim: int
    codebook_size: int
    decoder_dim: int
    head_dim: int
    hidden_size: int
    intermediate_size: int
    latent_dim: int
    num_attention_heads: int
    num_hidden_layers: int
    num_quantizers: int
    rms_norm_eps: float
    rope_theta: float
    sliding_window: int
    upsample_rates: tuple[int, ...]
    upsampling_ratios: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CodecEncoderConfig:
    """The codec's encoder, a Mimi of which the first 16 codebooks are used."""

    codebook_dim: int
    codebook_size: int
    compress: int
    head_dim: int
    hidden_size: int
    intermediate_size: int
    kernel_size: int
    last_kernel_size: int
    norm_eps: float
    num_attention_heads: int
    num_filters: int
    num_hidden_layers: int
    num_quantizers: int
    residual_kernel_size: int
    rope_theta: float
    upsampling_ratios: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Qwen3TTSConfig:
    """Everything about one checkpoint. `kind` is custom_voice, base or voice_design."""

    kind: str
    size: str
    talker: TalkerConfig
    predictor: TransformerConfig
    speaker_encoder: SpeakerEncoderConfig | None
    codec_decoder: CodecDecoderConfig
    codec_encoder: CodecEncoderConfig
    im_start_token_id: int
    im_end_token_id: int
    tts_pad_token_id: int
    tts_bos_token_id: int
    tts_eos_token_id: int


KINDS = ("custom_voice", "base", "voice_design")
# What the code assumes and a checkpoint must say (or not contradict): field, the one value known.
_TALKER_FIXED = {"hidden_act": "silu", "attention_bias": False, "sliding_window": None}
_PREDICTOR_FIXED = {**_TALKER_FIXED, "rope_scaling": None}
_DECODER_FIXED = {"hidden_act": "silu", "attention_bias": False}
_ENCODER_FIXED = {
    "hidden_act": "gelu",
    "pad_mode": "constant",
    "use_causal_conv": True,
    "use_conv_shortcut": False,
    "num_residual_layers": 1,
    "num_semantic_quantizers": 1,
    "audio_channels": 1,
    "normalize": False,
    "trim_right_ratio": 1.0,
}


def read_config(folder: Path) -> Qwen3TTSConfig:
    """Read `config.json` and `speech_tokenizer/config.json` of a checkpoint's folder.

    Raises:
        EngineUnavailable: a file or field is missing, or has a value this code does not know; the
            message names it.
    """
    path = folder / "config.json"
    top = read_json(path)
    _expect(path, "", top, {"model_type": "qwen3_tts"})
    _expect(path, "", top, {"tokenizer_type": "qwen3_tts_tokenizer_12hz"})
    kind = _field(path, "", top, "tts_model_type")
    if kind not in KINDS:
        raise _unknown(path, "tts_model_type", kind, f"one of {', '.join(KINDS)}")
    talker = _field(path, "", top, "talker_config")
    _expect(path, "talker_config.", talker, _TALKER_FIXED)
    _check_rope(path, talker)
    predictor = _field(path, "talker_config.", talker, "code_predictor_config")
    _expect(path, "talker_config.code_predictor_config.", predictor, _PREDICTOR_FIXED)
    speaker = None
    if kind == "base":
        speaker = _make(
            SpeakerEncoderConfig,
            path,
            "speaker_encoder_config.",
            _field(path, "", top, "speaker_encoder_config"),
        )
    codec_path = folder / "speech_tokenizer" / "config.json"
    codec = read_json(codec_path)
    _expect(
        codec_path,
        "",
        codec,
        {
            "model_type": "qwen3_tts_tokenizer_12hz",
            "input_sample_rate": 24000,
            "output_sample_rate": 24000,
            "decode_upsample_rate": 1920,
            "encode_downsample_rate": 1920,
            "encoder_valid_num_quantizers": 16,
        },
    )
    decoder = _field(codec_path, "", codec, "decoder_config")
    encoder = _field(codec_path, "", codec, "encoder_config")
    _expect(codec_path, "decoder_config.", decoder, _DECODER_FIXED)
    _expect(codec_path, "encoder_config.", encoder, _ENCODER_FIXED)
    ids = ("im_start", "im_end", "tts_pad", "tts_bos", "tts_eos")
    return Qwen3TTSConfig(
        kind=kind,
        size=_field(path, "", top, "tts_model_size"),
        talker=_make(TalkerConfig, path, "talker_config.", talker),
        predictor=_make(TransformerConfig, path, "talker_config.code_predictor_config.", predictor),
        speaker_encoder=speaker,
        codec_decoder=_make(CodecDecoderConfig, codec_path, "decoder_config.", decoder),
        codec_encoder=_make(CodecEncoderConfig, codec_path, "encoder_config.", encoder),
        **{f"{name}_token_id": _field(path, "", top, f"{name}_token_id") for name in ids},
    )


def read_json(path: Path) -> dict[str, Any]:
    """Return the object a file holds.

    Raises:
        EngineUnavailable: it cannot be read, or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise EngineUnavailable(
            f"Cannot read {path}: {exc.strerror}. A checkpoint's folder must hold all its files."
        ) from None
    except ValueError as exc:
        raise EngineUnavailable(f"{path} is not valid JSON ({exc}). Download it again.") from None
    if not isinstance(value, dict):
        raise EngineUnavailable(f"{path} holds no JSON object. Download it again.")
    return value


def _field(path: Path, prefix: str, section: dict[str, Any], name: str) -> Any:
    if name not in section:
        raise EngineUnavailable(
            f"{path} has no field {prefix}{name}. It is not a Qwen3-TTS 12 Hz checkpoint's, or is "
            "damaged: download it again."
        )
    return section[name]


def _expect(path: Path, prefix: str, section: dict[str, Any], known: dict[str, Any]) -> None:
    """Complain about a field with another value than the one known; absent is as known."""
    for name, value in known.items():
        if section.get(name, value) != value:
            raise _unknown(path, prefix + name, section[name], f"only {value!r}")


def _check_rope(path: Path, talker: dict[str, Any]) -> None:
    """With equal position rows interleaved multimodal RoPE is plain RoPE; other kinds are not."""
    scaling = talker.get("rope_scaling")
    if scaling is not None and scaling.get("rope_type", scaling.get("type")) != "default":
        raise _unknown(path, "talker_config.rope_scaling", scaling, "only the type default")


def _unknown(path: Path, name: str, value: object, known: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"{path} says {name} = {value!r}, but vivavoce knows {known}. Use a released Qwen3-TTS "
        "12 Hz checkpoint, or a newer vivavoce."
    )


def _make(kind: type[T], path: Path, prefix: str, section: dict[str, Any]) -> T:
    """Make a dataclass of a section's fields; those without a default must be there."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        has_default = field.default is not field.default_factory
        if has_default and field.name not in section:
            continue
        value = _field(path, prefix, section, field.name)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
