"""Settings, from the environment and `.env`: the only place that reads either.

Each field is one row of docs/settings.md; `python -m vivavoce.settings` prints them all.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv.parser import parse_stream
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vivavoce.errors import SettingsError

_ENV_FILE = ".env"


class Settings(BaseSettings):
    """All settings. Names in the environment are the fields' aliases."""

    model_config = SettingsConfigDict(
        env_file=_ENV_FILE,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    host: Annotated[
        str, Field(alias="HOST", description="Address to listen on; 0.0.0.0 for every network.")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Field(alias="PORT", ge=0, le=65535, description="Port to listen on; 0 for any free one."),
    ] = 8000
    uds: Annotated[
        str,
        Field(
            alias="UDS",
            description="Path of a Unix domain socket to listen on instead of HOST and PORT; its "
            "user and group may connect. None if empty.",
        ),
    ] = ""
    tls_cert_file: Annotated[
        str,
        Field(
            alias="TLS_CERT_FILE",
            description="PEM file of a certificate, and those it was signed by: HTTPS instead of "
            "HTTP. Read again when it changes; none if empty.",
        ),
    ] = ""
    tls_key_file: Annotated[
        str,
        Field(
            alias="TLS_KEY_FILE",
            description="PEM file of its key, without a password; if empty, it is in "
            "TLS_CERT_FILE.",
        ),
    ] = ""
    wyoming_port: Annotated[
        int,
        Field(
            alias="WYOMING_PORT",
            ge=0,
            le=65535,
            description="Port on which Home Assistant is served by Wyoming, usually 10200; 0 for "
            "none. The protocol knows no keys.",
        ),
    ] = 0
    engine: Annotated[
        Literal["auto", "qwen3", "embedded", "fake"],
        Field(
            alias="ENGINE",
            description="Which engine speaks. auto: qwen3 on an NVIDIA GPU or where MODEL_ID is "
            "set, else embedded. fake: tones, for tests.",
        ),
    ] = "auto"
    model_id: Annotated[
        str,
        Field(
            alias="MODEL_ID",
            description="Qwen3-TTS checkpoint for preset voices: a hub id or a folder.",
        ),
    ] = "Qwen/Qwen3-TTS-12Hz-1.7B-CustomVoice"
    clone_model_id: Annotated[
        str,
        Field(
            alias="CLONE_MODEL_ID",
            description="Checkpoint for cloned voices. auto: the released one of MODEL_ID's size.",
        ),
    ] = "auto"
    design_model_id: Annotated[
        str,
        Field(alias="DESIGN_MODEL_ID", description="Checkpoint for described voices."),
    ] = "Qwen/Qwen3-TTS-12Hz-1.7B-VoiceDesign"
    offline: Annotated[
        bool,
        Field(
            alias="OFFLINE",
            description="Never download: use only checkpoints that are on this machine.",
        ),
    ] = False
    device: Annotated[
        str,
        Field(
            alias="DEVICE",
            pattern=r"^(auto|cpu|cuda(:\d+)?)$",
            description="Where Qwen3-TTS runs: auto, cpu, cuda or cuda:N.",
        ),
    ] = "auto"
    devices: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            alias="DEVICES",
            description="CUDA devices that each have a worker of every model, comma-separated, "
            "such as cuda:0,cuda:1; a request goes to the one with least to do. Empty: DEVICE "
            "alone.",
        ),
    ] = ()
    dtype: Annotated[
        Literal["auto", "fp32", "bf16"],
        Field(alias="DTYPE", description="Its numbers. auto: bf16 on CUDA, else fp32."),
    ] = "auto"
    quantize: Annotated[
        Literal["auto", "none", "int8", "int4"],
        Field(
            alias="QUANTIZE",
            description="Bits of its weights, on the CPU only: fewer are faster and less exact. "
            "int4: in the part that needs most time; else int8. auto: int8 on the CPU where DTYPE "
            "is auto, else none.",
        ),
    ] = "auto"
    kv_cache_positions: Annotated[
        int,
        Field(
            alias="KV_CACHE_POSITIONS",
            ge=0,
            le=4_194_304,
            description="Rows of prompts and frames of speech that a model keeps at once, for all "
            "it speaks to; who finds no room waits. Their memory is taken when it is loaded. 0: "
            "768 for each of 16, or what half of the free memory holds if that is less.",
        ),
    ] = 0
    frame_budget: Annotated[
        bool,
        Field(
            alias="FRAME_BUDGET",
            description="Give up speech that is far longer than its text (8 frames per word, "
            "128 to 2048).",
        ),
    ] = True
    runaway_guard: Annotated[
        bool,
        Field(
            alias="RUNAWAY_GUARD",
            description="Give up speech that has begun to repeat itself or to be silent.",
        ),
    ] = True
    idle_timeout_s: Annotated[
        float,
        Field(
            alias="IDLE_TIMEOUT",
            ge=0,
            allow_inf_nan=False,
            description="Seconds after its last request at which a model is unloaded and all its "
            "memory given back; 0 keeps it.",
        ),
    ] = 120.0
    preload: Annotated[
        bool,
        Field(alias="PRELOAD", description="Load the default model when the server starts."),
    ] = False
    standby: Annotated[
        bool,
        Field(
            alias="STANDBY",
            description="Keep a process waiting with its libraries imported and no GPU memory, so "
            "that a model loads faster.",
        ),
    ] = False
    max_loaded_models: Annotated[
        int,
        Field(
            alias="MAX_LOADED_MODELS",
            ge=1,
            description="Models loaded at the same time, if the memory allows; the one unused for "
            "longest makes room.",
        ),
    ] = 3
    warmup: Annotated[
        bool,
        Field(
            alias="WARMUP",
            description="Speak a few frames of short and long texts after a load, so that the "
            "first listener does not wait for what is done once. Qwen3-TTS on CUDA only.",
        ),
    ] = True
    cuda_graphs: Annotated[
        bool,
        Field(
            alias="CUDA_GRAPHS",
            description="Make each frame of Qwen3-TTS as one graph on a CUDA device, begun before "
            "the last one is read. false: operation by operation, as on a CPU. Off until it has "
            "been run on a card: try it with `make gpu-engine`.",
        ),
    ] = False
    tf32: Annotated[
        bool,
        Field(
            alias="TF32",
            description="Multiply fp32 matrices on the tensor cores of a CUDA device: faster and "
            "less exact.",
        ),
    ] = False
    cudnn_benchmark: Annotated[
        bool,
        Field(
            alias="CUDNN_BENCHMARK",
            description="Try the algorithms of each convolution on a CUDA device and keep the "
            "fastest; each new length then costs time once.",
        ),
    ] = False
    max_concurrent_requests: Annotated[
        int,
        Field(
            alias="MAX_CONCURRENT_REQUESTS",
            ge=1,
            description="Answers made at the same time; further requests wait.",
        ),
    ] = 64
    max_queue_depth: Annotated[
        int,
        Field(
            alias="MAX_QUEUE_DEPTH",
            ge=0,
            description="Requests that may wait; those over it are refused at once (503).",
        ),
    ] = 128
    request_timeout_s: Annotated[
        float,
        Field(
            alias="REQUEST_TIMEOUT",
            gt=0,
            allow_inf_nan=False,
            description="Seconds until an answer begins, if it is streamed, or is complete; a "
            "stream may then pause as long. Loading a model does not count.",
        ),
    ] = 300.0
    send_timeout_s: Annotated[
        float,
        Field(
            alias="SEND_TIMEOUT",
            gt=0,
            allow_inf_nan=False,
            description="Seconds that a client may take nothing of its answer before it is cut.",
        ),
    ] = 60.0
    live_timeout_s: Annotated[
        float,
        Field(
            alias="LIVE_TIMEOUT",
            gt=0,
            allow_inf_nan=False,
            description="Seconds that a WebSocket's client may be silent while nothing is owed to "
            "it, before the socket is closed.",
        ),
    ] = 300.0
    receive_timeout_s: Annotated[
        float,
        Field(
            alias="RECEIVE_TIMEOUT",
            gt=0,
            allow_inf_nan=False,
            description="Seconds in which a request's head, and then its body, must arrive.",
        ),
    ] = 30.0
    keep_alive_timeout_s: Annotated[
        int,
        Field(
            alias="KEEP_ALIVE_TIMEOUT",
            ge=1,
            description="Seconds that a connection is kept for its client's next request. Longer "
            "than what a proxy before it keeps, or a request may meet its end.",
        ),
    ] = 75
    audio_cache_max: Annotated[
        int,
        Field(
            alias="AUDIO_CACHE_MAX",
            ge=0,
            description="Finished answers to remember; 0 for none, on disk and shared included.",
        ),
    ] = 256
    audio_cache_mb: Annotated[
        int,
        Field(
            alias="AUDIO_CACHE_MB",
            ge=1,
            description="Megabytes they may take together. An answer over an eighth of it is not "
            "remembered.",
        ),
    ] = 64
    audio_cache_dir: Annotated[
        str,
        Field(
            alias="AUDIO_CACHE_DIR",
            description="Folder in which answers are remembered across restarts; none if empty.",
        ),
    ] = ""
    audio_cache_dir_mb: Annotated[
        int,
        Field(alias="AUDIO_CACHE_DIR_MB", ge=1, description="Megabytes that folder may take."),
    ] = 1024
    audio_cache_url: Annotated[
        str,
        Field(
            alias="AUDIO_CACHE_URL",
            pattern=r"^$|^(rediss?|valkeys?|unix)://",
            description="Valkey or Redis in which replicas share answers, such as "
            "redis://host:6379/0; none if empty. Needs vivavoce[redis].",
        ),
    ] = ""
    audio_cache_ttl_s: Annotated[
        int,
        Field(
            alias="AUDIO_CACHE_TTL",
            ge=1,
            description="Seconds after which Valkey or Redis forgets an answer.",
        ),
    ] = 604_800
    cache_unseeded: Annotated[
        bool,
        Field(
            alias="CACHE_UNSEEDED",
            description="Answer the same text with the same audio although no seed was asked for; "
            "a request's cache field overrides it.",
        ),
    ] = True
    cache_clones: Annotated[
        bool,
        Field(
            alias="CACHE_CLONES",
            description="Remember what was said in the voices of uploaded clips; a request's "
            "cache field overrides it. Saved voices are like others.",
        ),
    ] = False
    api_keys: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            alias="API_KEYS",
            repr=False,
            description="Keys that clients must send, comma-separated; each may do everything.",
        ),
    ] = ()
    api_keys_file: Annotated[
        str,
        Field(
            alias="API_KEYS_FILE",
            description="JSON file of keys with scopes and limits (docs/operation.md).",
        ),
    ] = ""
    public_lists: Annotated[
        bool,
        Field(
            alias="PUBLIC_LISTS",
            description="Let models and voices be listed without a key; Open WebUI sends none.",
        ),
    ] = False
    otlp_endpoint: Annotated[
        str,
        Field(
            alias="OTEL_EXPORTER_OTLP_ENDPOINT",
            pattern=r"^$|^https?://",
            description="Collector that OpenTelemetry traces are sent to, such as "
            "http://127.0.0.1:4318; none if empty. Needs vivavoce[otel].",
        ),
    ] = ""
    data_dir: Annotated[
        str,
        Field(
            alias="DATA_DIR",
            description="Folder for what is to last: saved voices, consents, rules for words. If "
            "empty, vivavoce in the user's own data folder (~/.local/share on Linux).",
        ),
    ] = ""
    require_consent: Annotated[
        bool,
        Field(
            alias="REQUIRE_CONSENT",
            description="Save a voice from a recording only with the id of a recorded consent.",
        ),
    ] = False
    voice_cache_max: Annotated[
        int,
        Field(
            alias="VOICE_CACHE_MAX",
            ge=0,
            description="Reference voices to remember, so that a clip is listened to once; "
            "0 for none.",
        ),
    ] = 32
    max_upload_bytes: Annotated[
        int,
        Field(
            alias="MAX_UPLOAD_BYTES",
            ge=1024,
            description="Largest body of an upload: reference audio and its form.",
        ),
    ] = 10_485_760
    max_reference_s: Annotated[
        float,
        Field(
            alias="MAX_REFERENCE_SECONDS",
            gt=1,
            allow_inf_nan=False,
            description="Longest reference clip, in seconds.",
        ),
    ] = 60.0
    loudness_lufs: Annotated[
        float,
        Field(
            alias="LOUDNESS",
            ge=-40,
            le=0,
            allow_inf_nan=False,
            description="LUFS that every voice is brought to, -40 to -10; 0 leaves voices as they "
            "are. A request's loudness field overrides it.",
        ),
    ] = 0.0
    max_input_chars: Annotated[
        int,
        Field(
            alias="MAX_INPUT_CHARS",
            ge=1,
            description="Longest text a request may have; OpenAI's limit is the default.",
        ),
    ] = 4096
    max_body_bytes: Annotated[
        int, Field(alias="MAX_BODY_BYTES", ge=1024, description="Largest body a request may have.")
    ] = 1_048_576
    unknown_model: Annotated[
        Literal["reject", "default"],
        Field(
            alias="UNKNOWN_MODEL",
            description="What an unknown model name means: a 404, or the default model "
            "(named in X-Vivavoce-Model).",
        ),
    ] = "reject"
    voice_aliases: Annotated[
        dict[str, str],
        NoDecode,
        Field(
            alias="VOICE_ALIASES",
            description='Names for voices, as JSON: {"alloy": "heart"}. They win over built-in.',
        ),
    ] = {}
    cors_origins: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            alias="CORS_ORIGINS",
            description="Web pages that may call the server, comma-separated; * for all.",
        ),
    ] = ()
    allowed_hosts: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            alias="ALLOWED_HOSTS",
            description="Names by which the server may be called, comma-separated, if not by any. "
            "Addresses and localhost are always among them.",
        ),
    ] = ()
    worker_start_timeout_s: Annotated[
        float,
        Field(
            alias="WORKER_START_TIMEOUT",
            gt=0,
            allow_inf_nan=False,
            description="Seconds an engine may take to load.",
        ),
    ] = 120.0
    worker_timeout_s: Annotated[
        float,
        Field(
            alias="WORKER_TIMEOUT",
            gt=0,
            allow_inf_nan=False,
            description="Seconds without any progress after which an engine's process is replaced.",
        ),
    ] = 30.0
    shutdown_timeout_s: Annotated[
        int,
        Field(
            alias="SHUTDOWN_TIMEOUT",
            ge=0,
            description="Seconds that running answers get to finish when the server stops.",
        ),
    ] = 30
    shutdown_delay_s: Annotated[
        float,
        Field(
            alias="SHUTDOWN_DELAY",
            ge=0,
            allow_inf_nan=False,
            description="Seconds that a server told to stop is not ready but still takes requests, "
            "so that a proxy before it sends them elsewhere first.",
        ),
    ] = 0.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(alias="LOG_LEVEL", description="Least severe line to log."),
    ] = "info"
    log_format: Annotated[
        Literal["auto", "console", "json"],
        Field(alias="LOG_FORMAT", description="auto: coloured on a terminal, JSON elsewhere."),
    ] = "auto"

    @property
    def data_folder(self) -> Path:
        """The folder that `data_dir` means."""
        if self.data_dir:
            return Path(os.path.expanduser(self.data_dir))
        shared = "~/Library/Application Support" if sys.platform == "darwin" else "~/.local/share"
        usual = os.environ.get("XDG_DATA_HOME", "")
        # By the specification of these folders a relative path counts as none.
        return Path(os.path.expanduser(usual if os.path.isabs(usual) else shared)) / "vivavoce"

    @field_validator("cors_origins", "allowed_hosts", "devices", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("devices")
    @classmethod
    def _are_devices(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"cuda:\d+", device) for device in value):
            raise ValueError("Each is to be written cuda:N")
        if len(set(value)) < len(value):
            raise ValueError("One of them is named twice")
        return value

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        # Empty parts stay, to be refused: a key that was not filled in must not open the server.
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("loudness_lufs")
    @classmethod
    def _leave_headroom(cls, value: float) -> float:
        if -10 < value < 0:
            raise ValueError("Speech has no room to be louder than -10 LUFS; 0 means off")
        return value

    @field_validator("voice_aliases", mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return json.loads(value)
            except json.JSONDecodeError as exc:
                raise ValueError(f"It is not JSON ({exc})") from None
        return value


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` (by field name, None meaning absent) win over everything.

    Raises:
        SettingsError: a value is impossible or a name in `.env` unknown; the message names it.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    _check_env_file()
    try:
        return Settings(**given)
    except ValidationError as exc:
        raise SettingsError(_explain(exc, given)) from None


def settings_table() -> str:
    """Return the Markdown table of all settings, for the docs."""
    lines = ["| setting | values | default | what it is |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        schema = Settings.model_json_schema(by_alias=False)["properties"][name]
        values = " ".join(f"`{value}`" for value in schema.get("enum", ())) or _kind(schema)
        default = field.default
        shown = f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
        if isinstance(default, bool):
            shown = shown.lower()
        if default in ((), {}, ""):
            shown = "(none)"
        lines.append(f"| `{field.alias}` | {values} | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def _kind(schema: dict[str, Any]) -> str:
    kinds = {"string": "text", "integer": "whole number", "number": "number", "object": "JSON"}
    kinds["boolean"] = "`true` `false`"
    kind = kinds.get(schema["type"], "list")
    bounds = [
        f"{sign} {schema[key]:g}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"))
        if key in schema
    ]
    return ", ".join([kind, *bounds])


def _check_env_file() -> None:
    """Complain about lines that would be passed over in silence."""
    path = Path(_ENV_FILE)
    if not path.is_file():
        return
    try:
        with path.open(encoding="utf-8") as file:
            lines = list(parse_stream(file))
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"Cannot read .env: {exc}.") from None
    for line in lines:
        if line.error or (line.key is not None and line.value is None):
            raise SettingsError(
                f"Line {line.original.line} of .env is not a setting. Write NAME=value."
            )


def _explain(exc: ValidationError, given: dict[str, Any]) -> str:
    error = exc.errors(include_url=False)[0]
    aliases = {field: str(info.alias) for field, info in Settings.model_fields.items()}
    field, *inner = map(str, error["loc"] or ("?",))
    name = ".".join((aliases.get(field, field), *inner))
    if error["type"] == "extra_forbidden":
        known = list(aliases.values())
        close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.6)
        hint = f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(known)}."
        return f"There is no setting {name.upper()}, but .env sets it. {hint}"
    value = error["input"] if isinstance(error["input"], str) else json.dumps(error["input"])
    reason = error["msg"].removeprefix("Value error, ")
    given_here = "on the command line or in the call"
    where = given_here if field in given else "in the environment or .env"
    return f"{name}={value[:80]} is not possible: {reason}. Change it {where}."


if __name__ == "__main__":
    sys.stdout.write(settings_table())
