"""Random Qwen3-TTS checkpoints in the genuine layout: every file, name, shape and dtype.

Written from the released checkpoints' own tables, not from the engine's modules, so that a module
that forgets a tensor cannot hide it. The tokenizer has the genuine size and special ids; its
merges are made up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

TEXT_VOCAB = 151936
FIRST_SPECIAL = 151643
SPECIAL_TOKENS = (
    "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> "
    "<|box_end|> <|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> "
    "<|image_pad|> <|video_pad|> <tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> "
    "<|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|> <tool_response> </tool_response> "
    "<think> </think> <|audio_start|> <|audio_end|> <tts_pad> <tts_text_bos> <tts_text_eod> "
    "<tts_text_bos_single> <|audio_pad|>"
).split()
LANGUAGES = {
    "chinese": 2055,
    "english": 2050,
    "german": 2053,
    "italian": 2070,
    "portuguese": 2071,
    "spanish": 2054,
    "japanese": 2058,
    "korean": 2064,
    "french": 2061,
    "russian": 2069,
}
DIALECTS = {"beijing_dialect": 2074, "sichuan_dialect": 2062}
SPEAKERS = {
    "serena": 3066,
    "vivian": 3065,
    "uncle_fu": 3010,
    "ryan": 3061,
    "aiden": 2861,
    "ono_anna": 2873,
    "sohee": 2864,
    "eric": 2875,
    "dylan": 2878,
}
SPEAKER_DIALECTS = {"eric": "sichuan_dialect", "dylan": "beijing_dialect"}


@dataclass(frozen=True)
class Shape:
    """The sizes that differ between checkpoints; everything else is the same in all of them."""

    hidden: int = 64
    intermediate: int = 96
    layers: int = 2
    heads: int = 2
    kv_heads: int = 1
    text_hidden: int = 48
    predictor_hidden: int = 64
    predictor_intermediate: int = 96
    predictor_layers: int = 2
    codec_hidden: int = 32
    codec_intermediate: int = 48
    codec_layers: int = 2
    codec_heads: int = 2
    latent: int = 32
    decoder_dim: int = 64
    codebook_dim: int = 16
    encoder_filters: int = 4
    encoder_hidden: int = 32
    encoder_layers: int = 2
    encoder_heads: int = 2
    encoder_quantizers: int = 32
    speaker_channels: int = 32
    size_name: str = "0b6"


TINY = Shape()
TINY_PROJECTED = Shape(hidden=96, size_name="1b7")  # as 1.7B: the predictor is narrower
TRUE_0B6 = Shape(
    hidden=1024,
    intermediate=3072,
    layers=28,
    heads=16,
    kv_heads=8,
    text_hidden=2048,
    predictor_hidden=1024,
    predictor_intermediate=3072,
    predictor_layers=5,
    codec_hidden=512,
    codec_intermediate=1024,
    codec_layers=8,
    codec_heads=16,
    latent=1024,
    decoder_dim=1536,
    codebook_dim=512,
    encoder_filters=64,
    encoder_hidden=512,
    encoder_layers=8,
    encoder_heads=8,
    speaker_channels=512,
)
HEAD_DIM = 128
CODES = 2048
CODEC_VOCAB = 3072
BOOKS = 16


def make_checkpoint(folder: Path, kind: str, shape: Shape = TINY, seed: int = 0) -> Path:
    """Write a checkpoint of `kind` (custom_voice, base, voice_design) with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.RandomState(seed)  # frozen: the same numbers in every version of numpy
    _write_json(folder / "config.json", _config(kind, shape))
    _write_json(folder / "generation_config.json", GENERATION)
    _write_json(
        folder / "preprocessor_config.json",
        {
            "padding_side": "left",
            "padding_value": 0.0,
            "processor_class": "Qwen3TTSProcessor",
            "return_attention_mask": True,
        },
    )
    _write_tokenizer(folder)
    tensors = _talker_tensors(shape)
    if kind == "base":
        tensors |= _speaker_tensors(shape)
    metadata = None if kind == "base" else {"format": "pt"}
    save_file(_fill(tensors, generator, torch.bfloat16), folder / "model.safetensors", metadata)
    codec = folder / "speech_tokenizer"
    codec.mkdir(exist_ok=True)
    _write_json(codec / "config.json", _codec_config(shape))
    _write_json(
        codec / "preprocessor_config.json",
        {
            "chunk_length_s": None,
            "feature_extractor_type": "EncodecFeatureExtractor",
            "feature_size": 1,
            "overlap": None,
            "padding_side": "right",
            "padding_value": 0.0,
            "return_attention_mask": True,
            "sampling_rate": 24000,
        },
    )
    codec_tensors = _codec_decoder_tensors(shape) | _codec_encoder_tensors(shape)
    save_file(_fill(codec_tensors, generator, torch.float32), codec / "model.safetensors")
    return folder


GENERATION = {
    "do_sample": True,
    "repetition_penalty": 1.05,
    "temperature": 0.9,
    "top_p": 1.0,
    "top_k": 50,
    "subtalker_dosample": True,
    "subtalker_temperature": 0.9,
    "subtalker_top_p": 1.0,
    "subtalker_top_k": 50,
    "max_new_tokens": 8192,
}


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


def _config(kind: str, s: Shape) -> dict:
    custom = kind == "custom_voice"
    config = {
        "architectures": ["Qwen3TTSForConditionalGeneration"],
        "model_type": "qwen3_tts",
        "tokenizer_type": "qwen3_tts_tokenizer_12hz",
        "tts_model_size": s.size_name,
        "tts_model_type": kind,
        "assistant_token_id": 77091,
        "im_start_token_id": 151644,
        "im_end_token_id": 151645,
        "tts_pad_token_id": 151671,
        "tts_bos_token_id": 151672,
        "tts_eos_token_id": 151673,
        "talker_config": {
            "model_type": "qwen3_tts_talker",
            "hidden_size": s.hidden,
            "intermediate_size": s.intermediate,
            "num_hidden_layers": s.layers,
            "num_attention_heads": s.heads,
            "num_key_value_heads": s.kv_heads,
            "head_dim": HEAD_DIM,
            "hidden_act": "silu",
            "vocab_size": CODEC_VOCAB,
            "text_vocab_size": TEXT_VOCAB,
            "text_hidden_size": s.text_hidden,
            "num_code_groups": BOOKS,
            "rms_norm_eps": 1e-6,
            "rope_theta": 1000000,
            "rope_scaling": {
                "interleaved": True,
                "mrope_section": [24, 20, 20],
                "rope_type": "default",
                "type": "default",
            },
            "max_position_embeddings": 32768,
            "attention_bias": False,
            "sliding_window": None,
            "use_sliding_window": False,
            "position_id_per_seconds": 13,
            "codec_pad_id": 2148,
            "codec_bos_id": 2149,
            "codec_eos_token_id": 2150,
            "codec_think_id": 2154,
            "codec_nothink_id": 2155,
            "codec_think_bos_id": 2156,
            "codec_think_eos_id": 2157,
            "codec_language_id": {**LANGUAGES, **(DIALECTS if custom else {})},
            "spk_id": SPEAKERS if custom else {},
            "spk_is_dialect": (
                {name: SPEAKER_DIALECTS.get(name, False) for name in SPEAKERS} if custom else {}
            ),
            "code_predictor_config": {
                "model_type": "qwen3_tts_talker_code_predictor",
                "hidden_size": s.predictor_hidden,
                "intermediate_size": s.predictor_intermediate,
                "num_hidden_layers": s.predictor_layers,
                "num_attention_heads": s.heads,
                "num_key_value_heads": s.kv_heads,
                "head_dim": HEAD_DIM,
                "hidden_act": "silu",
                "vocab_size": CODES,
                "num_code_groups": BOOKS,
                "rms_norm_eps": 1e-6,
                "rope_theta": 1000000,
                "rope_scaling": None,
                "max_position_embeddings": 65536,
                "attention_bias": False,
                "sliding_window": None,
                "use_sliding_window": False,
                "layer_types": ["full_attention"] * s.predictor_layers,
            },
        },
    }
    if kind == "base":
        config["speaker_encoder_config"] = {"enc_dim": s.hidden, "sample_rate": 24000}
        if s.speaker_channels != 512:
            c = s.speaker_channels
            config["speaker_encoder_config"]["enc_channels"] = [c, c, c, c, 3 * c]
    return config


def _codec_config(s: Shape) -> dict:
    return {
        "architectures": ["Qwen3TTSTokenizerV2Model"],
        "model_type": "qwen3_tts_tokenizer_12hz",
        "encoder_valid_num_quantizers": BOOKS,
        "input_sample_rate": 24000,
        "output_sample_rate": 24000,
        "decode_upsample_rate": 1920,
        "encode_downsample_rate": 1920,
        "decoder_config": {
            "attention_bias": False,
            "attention_dropout": 0.0,
            "codebook_dim": s.codebook_dim,
            "codebook_size": CODES,
            "semantic_codebook_size": 4096,
            "decoder_dim": s.decoder_dim,
            "head_dim": 64,
            "hidden_act": "silu",
            "hidden_size": s.codec_hidden,
            "intermediate_size": s.codec_intermediate,
            "latent_dim": s.latent,
            "layer_scale_initial_scale": 0.01,
            "max_position_embeddings": 8000,
            "num_attention_heads": s.codec_heads,
            "num_hidden_layers": s.codec_layers,
            "num_key_value_heads": s.codec_heads,
            "num_quantizers": BOOKS,
            "num_semantic_quantizers": 1,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000,
            "sliding_window": 72,
            "upsample_rates": [8, 5, 4, 3],
            "upsampling_ratios": [2, 2],
            "vector_quantization_hidden_dimension": 512,
        },
        "encoder_config": {
            "model_type": "mimi",
            "_frame_rate": 12.5,
            "audio_channels": 1,
            "codebook_dim": s.encoder_hidden // 2,
            "codebook_size": CODES,
            "compress": 2,
            "dilation_growth_rate": 2,
            "head_dim": s.encoder_hidden // s.encoder_heads,
            "hidden_act": "gelu",
            "hidden_size": s.encoder_hidden,
            "intermediate_size": s.encoder_hidden * 4,
            "kernel_size": 7,
            "last_kernel_size": 3,
            "layer_scale_initial_scale": 0.01,
            "max_position_embeddings": 8000,
            "norm_eps": 1e-5,
            "normalize": False,
            "num_attention_heads": s.encoder_heads,
            "num_filters": s.encoder_filters,
            "num_hidden_layers": s.encoder_layers,
            "num_key_value_heads": s.encoder_heads,
            "num_quantizers": s.encoder_quantizers,
            "num_residual_layers": 1,
            "num_semantic_quantizers": 1,
            "pad_mode": "constant",
            "residual_kernel_size": 3,
            "rope_theta": 10000.0,
            "sampling_rate": 24000,
            "sliding_window": 250,
            "trim_right_ratio": 1.0,
            "upsample_groups": s.encoder_hidden,
            "upsampling_ratios": [8, 6, 5, 4],
            "use_causal_conv": True,
            "use_conv_shortcut": False,
            "use_streaming": False,
            "vector_quantization_hidden_dimension": s.encoder_hidden // 2,
        },
    }


def _bytes_to_unicode() -> list[str]:
    """Return GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in printable}
    others = (b for b in range(256) if b not in table)
    table |= {b: chr(256 + n) for n, b in enumerate(others)}
    return [table[b] for b in range(256)]


def _write_tokenizer(folder: Path) -> None:
    alphabet = _bytes_to_unicode()
    words = (
        "the and ing hello speak voice is of to in one two three Ġa Ġt Ġth Ġthe ss as si st".split()
    )
    merges: list[tuple[str, str]] = []
    vocab = {token: i for i, token in enumerate(alphabet)}
    for word in ["assistant", "user", *words]:  # the roles are one token each, as in the release
        whole = word[0]
        for char in word[1:]:
            if whole + char not in vocab:
                merges.append((whole, char))
                vocab[whole + char] = len(vocab)
            whole += char
    newline = alphabet[10]
    merges.append((newline, newline))
    vocab[newline * 2] = len(vocab)
    # Merges that only happen if a word goes on past a capital (lT), or a mark (Cyrillic а, acute).
    for first, second in (("l", "T"), (alphabet[0xB0], alphabet[0xCC])):
        merges.append((first, second))
        vocab[first + second] = len(vocab)
    for filler in range(len(vocab), FIRST_SPECIAL):
        vocab[f"<filler {filler}>"] = filler
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = "".join(f"{a} {b}\n" for a, b in merges)
    (folder / "merges.txt").write_text(lines, encoding="utf-8")
    added = {
        str(FIRST_SPECIAL + i): {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": not token.startswith(("<tool", "</", "<think", "<|fim", "<|repo", "<|file")),
        }
        for i, token in enumerate(SPECIAL_TOKENS)
    }
    _write_json(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": added,
            "bos_token": None,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "errors": "replace",
            "model_max_length": 131072,
            "pad_token": "<|endoftext|>",
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        },
    )


Tensors = dict[str, tuple[int, ...]]


def _layer(prefix: str, hidden: int, intermediate: int, heads: int, kv_heads: int) -> Tensors:
    return {
        f"{prefix}.self_attn.q_proj.weight": (heads * HEAD_DIM, hidden),
        f"{prefix}.self_attn.k_proj.weight": (kv_heads * HEAD_DIM, hidden),
        f"{prefix}.self_attn.v_proj.weight": (kv_heads * HEAD_DIM, hidden),
        f"{prefix}.self_attn.o_proj.weight": (hidden, heads * HEAD_DIM),
        f"{prefix}.self_attn.q_norm.weight": (HEAD_DIM,),
        f"{prefix}.self_attn.k_norm.weight": (HEAD_DIM,),
        f"{prefix}.mlp.gate_proj.weight": (intermediate, hidden),
        f"{prefix}.mlp.up_proj.weight": (intermediate, hidden),
        f"{prefix}.mlp.down_proj.weight": (hidden, intermediate),
        f"{prefix}.input_layernorm.weight": (hidden,),
        f"{prefix}.post_attention_layernorm.weight": (hidden,),
    }


def _talker_tensors(s: Shape) -> Tensors:
    t: Tensors = {
        "talker.model.text_embedding.weight": (TEXT_VOCAB, s.text_hidden),
        "talker.text_projection.linear_fc1.weight": (s.text_hidden, s.text_hidden),
        "talker.text_projection.linear_fc1.bias": (s.text_hidden,),
        "talker.text_projection.linear_fc2.weight": (s.hidden, s.text_hidden),
        "talker.text_projection.linear_fc2.bias": (s.hidden,),
        "talker.model.codec_embedding.weight": (CODEC_VOCAB, s.hidden),
        "talker.codec_head.weight": (CODEC_VOCAB, s.hidden),
        "talker.model.norm.weight": (s.hidden,),
        "talker.code_predictor.model.norm.weight": (s.predictor_hidden,),
    }
    for i in range(s.layers):
        t |= _layer(f"talker.model.layers.{i}", s.hidden, s.intermediate, s.heads, s.kv_heads)
    for i in range(BOOKS - 1):
        t[f"talker.code_predictor.model.codec_embedding.{i}.weight"] = (CODES, s.hidden)
        t[f"talker.code_predictor.lm_head.{i}.weight"] = (CODES, s.predictor_hidden)
    for i in range(s.predictor_layers):
        t |= _layer(
            f"talker.code_predictor.model.layers.{i}",
            s.predictor_hidden,
            s.predictor_intermediate,
            s.heads,
            s.kv_heads,
        )
    if s.predictor_hidden != s.hidden:
        name = "talker.code_predictor.small_to_mtp_projection"
        t[f"{name}.weight"] = (s.predictor_hidden, s.hidden)
        t[f"{name}.bias"] = (s.predictor_hidden,)
    return t


def _conv(t: Tensors, name: str, *shape: int) -> None:
    t[f"{name}.weight"] = shape
    t[f"{name}.bias"] = (shape[0],)


def _speaker_tensors(s: Shape) -> Tensors:
    c = s.speaker_channels
    t: Tensors = {}
    _conv(t, "speaker_encoder.blocks.0.conv", c, 128, 5)
    for i in (1, 2, 3):
        block = f"speaker_encoder.blocks.{i}"
        for name in ("tdnn1", "tdnn2"):
            _conv(t, f"{block}.{name}.conv", c, c, 1)
        for j in range(7):
            _conv(t, f"{block}.res2net_block.blocks.{j}.conv", c // 8, c // 8, 3)
        _conv(t, f"{block}.se_block.conv1", 128, c, 1)
        _conv(t, f"{block}.se_block.conv2", c, 128, 1)
    _conv(t, "speaker_encoder.mfa.conv", 3 * c, 3 * c, 1)
    _conv(t, "speaker_encoder.asp.tdnn.conv", 128, 9 * c, 1)
    _conv(t, "speaker_encoder.asp.conv", 3 * c, 128, 1)
    _conv(t, "speaker_encoder.fc", s.hidden, 6 * c, 1)
    return t


def _codec_decoder_tensors(s: Shape) -> Tensors:
    half = s.codebook_dim // 2
    t: Tensors = {}
    for part, books in (("rvq_first", 1), ("rvq_rest", BOOKS - 1)):
        q = f"decoder.quantizer.{part}"
        t[f"{q}.input_proj.weight"] = (half, s.codebook_dim, 1)
        t[f"{q}.output_proj.weight"] = (s.codebook_dim, half, 1)
        for i in range(books):
            t[f"{q}.vq.layers.{i}._codebook.cluster_usage"] = (CODES,)
            t[f"{q}.vq.layers.{i}._codebook.embedding_sum"] = (CODES, half)
    _conv(t, "decoder.pre_conv.conv", s.latent, s.codebook_dim, 3)
    pre = "decoder.pre_transformer"
    _conv(t, f"{pre}.input_proj", s.codec_hidden, s.latent)
    _conv(t, f"{pre}.output_proj", s.latent, s.codec_hidden)
    t[f"{pre}.norm.weight"] = (s.codec_hidden,)
    width = s.codec_heads * 64
    for i in range(s.codec_layers):
        layer = f"{pre}.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj"):
            t[f"{layer}.self_attn.{name}.weight"] = (width, s.codec_hidden)
        t[f"{layer}.self_attn.o_proj.weight"] = (s.codec_hidden, width)
        for name in ("gate_proj", "up_proj"):
            t[f"{layer}.mlp.{name}.weight"] = (s.codec_intermediate, s.codec_hidden)
        t[f"{layer}.mlp.down_proj.weight"] = (s.codec_hidden, s.codec_intermediate)
        for name in ("input_layernorm.weight", "post_attention_layernorm.weight"):
            t[f"{layer}.{name}"] = (s.codec_hidden,)
        for name in ("self_attn_layer_scale.scale", "mlp_layer_scale.scale"):
            t[f"{layer}.{name}"] = (s.codec_hidden,)
    for i in (0, 1):
        _conv(t, f"decoder.upsample.{i}.0.conv", s.latent, s.latent, 2)
        block = f"decoder.upsample.{i}.1"
        _conv(t, f"{block}.dwconv.conv", s.latent, 1, 7)
        _conv(t, f"{block}.norm", s.latent)
        _conv(t, f"{block}.pwconv1", 4 * s.latent, s.latent)
        _conv(t, f"{block}.pwconv2", s.latent, 4 * s.latent)
        t[f"{block}.gamma"] = (s.latent,)
    _conv(t, "decoder.decoder.0.conv", s.decoder_dim, s.latent, 7)
    width = s.decoder_dim
    for i, rate in enumerate((8, 5, 4, 3), start=1):
        block = f"decoder.decoder.{i}.block"
        t[f"{block}.0.alpha"] = t[f"{block}.0.beta"] = (width,)
        t[f"{block}.1.conv.weight"] = (width, width // 2, 2 * rate)
        t[f"{block}.1.conv.bias"] = (width // 2,)
        width //= 2
        for j in (2, 3, 4):
            for act in ("act1", "act2"):
                t[f"{block}.{j}.{act}.alpha"] = t[f"{block}.{j}.{act}.beta"] = (width,)
            _conv(t, f"{block}.{j}.conv1.conv", width, width, 7)
            _conv(t, f"{block}.{j}.conv2.conv", width, width, 1)
    t["decoder.decoder.5.alpha"] = t["decoder.decoder.5.beta"] = (width,)
    _conv(t, "decoder.decoder.6.conv", 1, width, 7)
    return t


def _codec_encoder_tensors(s: Shape) -> Tensors:
    t: Tensors = {}
    width = s.encoder_filters
    _conv(t, "encoder.encoder.layers.0.conv", width, 1, 7)
    for index, rate in zip((1, 4, 7, 10), (4, 5, 6, 8), strict=True):
        _conv(t, f"encoder.encoder.layers.{index}.block.1.conv", width // 2, width, 3)
        _conv(t, f"encoder.encoder.layers.{index}.block.3.conv", width, width // 2, 1)
        _conv(t, f"encoder.encoder.layers.{index + 2}.conv", 2 * width, width, 2 * rate)
        width *= 2
    _conv(t, "encoder.encoder.layers.14.conv", s.encoder_hidden, width, 3)
    h = s.encoder_hidden
    for i in range(s.encoder_layers):
        layer = f"encoder.encoder_transformer.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            t[f"{layer}.self_attn.{name}.weight"] = (h, h)
        t[f"{layer}.mlp.fc1.weight"] = (4 * h, h)
        t[f"{layer}.mlp.fc2.weight"] = (h, 4 * h)
        _conv(t, f"{layer}.input_layernorm", h)
        _conv(t, f"{layer}.post_attention_layernorm", h)
        t[f"{layer}.self_attn_layer_scale.scale"] = t[f"{layer}.mlp_layer_scale.scale"] = (h,)
    t["encoder.downsample.conv.weight"] = (h, h, 4)
    for part, books in (("semantic", 1), ("acoustic", s.encoder_quantizers - 1)):
        q = f"encoder.quantizer.{part}_residual_vector_quantizer"
        t[f"{q}.input_proj.weight"] = (h // 2, h, 1)
        t[f"{q}.output_proj.weight"] = (h, h // 2, 1)
        for i in range(books):
            t[f"{q}.layers.{i}.codebook.initialized"] = (1,)
            t[f"{q}.layers.{i}.codebook.cluster_usage"] = (CODES,)
            t[f"{q}.layers.{i}.codebook.embed_sum"] = (CODES, h // 2)
    return t


def _fill(
    tensors: Tensors, generator: np.random.RandomState, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Fill each tensor with values that keep signals alive through all layers."""
    filled = {}
    for name, shape in tensors.items():
        noise = torch.from_numpy(generator.standard_normal(shape).astype(np.float32))
        if name.endswith(("norm.weight", "layernorm.weight", "initialized")):
            value = 1 + 0.1 * noise if "initialized" not in name else torch.ones(shape)
        elif name.endswith("cluster_usage"):
            value = 1 + noise.abs()
        elif name.endswith((".scale", ".gamma")):
            value = 0.3 + 0.05 * noise
        elif name.endswith((".alpha", ".beta")):
            value = 0.2 * noise
        elif name.endswith("bias"):
            value = 0.02 * noise
        elif name.startswith("decoder.decoder.6"):
            value = 0.02 * noise / int(np.prod(shape[1:])) ** 0.5
        elif "embedding" in name or "embed_sum" in name:
            value = noise
        else:
            fan_in = int(np.prod(shape[1:]))
            value = noise / fan_in**0.5
        filled[name] = value.to(dtype).contiguous()
    return filled
