"""What a Qwen3-TTS checkpoint is and can do: by its config.json where it is at hand, else by name.

Imports nothing of what runs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vivavoce.engine.qwen3 import checkpoint
from vivavoce.engine.qwen3.config import Qwen3TTSConfig, read_config
from vivavoce.errors import EngineUnavailable
from vivavoce.types import Capabilities, ModelInfo, Need, Voice

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLE_RATE_HZ = 24000
SEGMENT_CHARS = 400
LANGUAGES = {
    "zh": "chinese",
    "en": "english",
    "ja": "japanese",
    "ko": "korean",
    "de": "german",
    "fr": "french",
    "ru": "russian",
    "pt": "portuguese",
    "es": "spanish",
    "it": "italian",
    "zh-beijing": "beijing_dialect",
    "zh-sichuan": "sichuan_dialect",
}
"""Our names of languages and the checkpoints'."""

_KINDS = {Need.PRESET: "custom_voice", Need.CLONE: "base", Need.DESIGN: "voice_design"}
_SETTINGS = {
    "custom_voice": "MODEL_ID",
    "base": "CLONE_MODEL_ID",
    "voice_design": "DESIGN_MODEL_ID",
}
_SMALL = "0b6"
_TEN = tuple(code for code in LANGUAGES if "-" not in code)
# OpenAI's names go to speakers without a dialect: with an automatic language theirs would colour
# every text.
_SPEAKERS = (
    Voice("vivian", "Vivian", _TEN, "Bright young woman; Chinese", ("alloy", "nova")),
    Voice("serena", "Serena", _TEN, "Warm young woman; Chinese", ("coral", "sage", "marin")),
    Voice("uncle_fu", "Uncle Fu", _TEN, "Low, mellow elderly man; Chinese", ("onyx",)),
    Voice("dylan", "Dylan", _TEN, "Clear young man; Beijing dialect"),
    Voice("eric", "Eric", _TEN, "Lively, husky young man; Sichuan dialect"),
    Voice("ryan", "Ryan", _TEN, "Dynamic, rhythmic man; English", ("ash", "ballad", "verse")),
    Voice("aiden", "Aiden", _TEN, "Sunny, clear man; American", ("echo", "fable", "cedar")),
    Voice("ono_anna", "Ono Anna", _TEN, "Playful, light young woman; Japanese"),
    Voice("sohee", "Sohee", _TEN, "Warm, rich woman; Korean", ("shimmer",)),
)


def describe(options: Mapping[str, object]) -> ModelInfo:
    """See `vivavoce.engine.registry.describe`. Options: `model`, a hub id or folder; `need`.

    Raises:
        EngineUnavailable: the checkpoint is at hand and damaged, or is not for that need.
    """
    model, need = str(options["model"]), Need(str(options["need"]))
    folder = checkpoint.find(model)
    if folder is None:
        return _info(model, need, "0.6B" not in model, _SPEAKERS, tuple(LANGUAGES))
    config = read_config(folder)
    check_kind(model, config, need)
    known = config.talker.codec_language_id
    local = Path(model).expanduser().is_dir()  # its path is nobody's business
    return _info(
        folder.name if local else model,
        need,
        _SMALL not in config.size,
        _speakers(config),
        tuple(code for code, name in LANGUAGES.items() if name in known),
    )


def check_kind(model: str, config: Qwen3TTSConfig, need: Need) -> None:
    """Make sure that a checkpoint is of the kind that a need means.

    Raises:
        EngineUnavailable: it is of another; the message names the setting it belongs to.
    """
    wanted = _KINDS[need]
    if config.kind != wanted:
        raise EngineUnavailable(
            f"{_SETTINGS[wanted]} is {model}, but that is a checkpoint of the kind {config.kind}. "
            f"It belongs to {_SETTINGS[config.kind]}; {_SETTINGS[wanted]} needs {wanted}."
        )


def _speakers(config: Qwen3TTSConfig) -> tuple[Voice, ...]:
    """Return the released voices a checkpoint has, and after them its own."""
    known = {voice.id: voice for voice in _SPEAKERS if voice.id in config.talker.spk_id}
    own = (name for name in config.talker.spk_id if name not in known)
    return (*known.values(), *(Voice(name, name, _TEN) for name in own))


def _info(
    id: str, need: Need, large: bool, speakers: tuple[Voice, ...], languages: tuple[str, ...]
) -> ModelInfo:
    dialects = need is Need.PRESET
    return ModelInfo(
        id=id,
        engine="qwen3",
        owner="Qwen",
        capabilities=Capabilities(
            sample_rate_hz=SAMPLE_RATE_HZ,
            languages=tuple(code for code in languages if dialects or "-" not in code),
            segment_chars=SEGMENT_CHARS,
            joins_sentences=True,
            # The small checkpoint for preset voices was not taught to follow any.
            instructions=need is Need.DESIGN or (need is Need.PRESET and large),
            sampling=True,
            live=True,
            blends=need is Need.PRESET,
        ),
        voices=speakers if need is Need.PRESET else (),
    )
