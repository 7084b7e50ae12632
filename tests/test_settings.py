"""Settings: read from the environment and `.env`, and refused in a sentence where impossible."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from vivavoce.errors import SettingsError
from vivavoce.settings import Settings, load_settings

GIVEN = {
    "HOST": ("0.0.0.0", "0.0.0.0"),
    "PORT": ("9001", 9001),
    "UDS": ("/run/vivavoce/http.sock", "/run/vivavoce/http.sock"),
    "TLS_CERT_FILE": ("cert.pem", "cert.pem"),
    "TLS_KEY_FILE": ("key.pem", "key.pem"),
    "WYOMING_PORT": ("10200", 10200),
    "ENGINE": ("fake", "fake"),
    "MODEL_ID": ("Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice", "Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice"),
    "CLONE_MODEL_ID": ("./base", "./base"),
    "DESIGN_MODEL_ID": ("/models/design", "/models/design"),
    "OFFLINE": ("true", True),
    "DEVICE": ("cuda:1", "cuda:1"),
    "DEVICES": ("cuda:0, cuda:1", ("cuda:0", "cuda:1")),
    "DTYPE": ("bf16", "bf16"),
    "QUANTIZE": ("int4", "int4"),
    "KV_CACHE_POSITIONS": ("4096", 4096),
    "FRAME_BUDGET": ("false", False),
    "RUNAWAY_GUARD": ("0", False),
    "DATA_DIR": ("/var/lib/vivavoce", "/var/lib/vivavoce"),
    "REQUIRE_CONSENT": ("true", True),
    "VOICE_CACHE_MAX": ("0", 0),
    "MAX_UPLOAD_BYTES": ("2048", 2048),
    "MAX_REFERENCE_SECONDS": ("10", 10.0),
    "LOUDNESS": ("-16", -16.0),
    "MAX_INPUT_CHARS": ("100", 100),
    "MAX_BODY_BYTES": ("2048", 2048),
    "UNKNOWN_MODEL": ("default", "default"),
    "VOICE_ALIASES": ('{"narrator": "heart"}', {"narrator": "heart"}),
    "CORS_ORIGINS": (
        "https://a.example, https://b.example",
        ("https://a.example", "https://b.example"),
    ),
    "ALLOWED_HOSTS": ("tts.example, box", ("tts.example", "box")),
    "IDLE_TIMEOUT": ("0", 0.0),
    "PRELOAD": ("true", True),
    "STANDBY": ("true", True),
    "MAX_LOADED_MODELS": ("1", 1),
    "WARMUP": ("false", False),
    "CUDA_GRAPHS": ("true", True),
    "TF32": ("true", True),
    "CUDNN_BENCHMARK": ("true", True),
    "MAX_CONCURRENT_REQUESTS": ("4", 4),
    "MAX_QUEUE_DEPTH": ("0", 0),
    "REQUEST_TIMEOUT": ("60", 60.0),
    "SEND_TIMEOUT": ("5", 5.0),
    "LIVE_TIMEOUT": ("7", 7.0),
    "RECEIVE_TIMEOUT": ("5", 5.0),
    "SHUTDOWN_DELAY": ("5", 5.0),
    "KEEP_ALIVE_TIMEOUT": ("5", 5),
    "AUDIO_CACHE_MAX": ("0", 0),
    "AUDIO_CACHE_MB": ("8", 8),
    "AUDIO_CACHE_DIR": ("/var/cache/vivavoce", "/var/cache/vivavoce"),
    "AUDIO_CACHE_DIR_MB": ("8", 8),
    "AUDIO_CACHE_URL": ("redis://127.0.0.1/1", "redis://127.0.0.1/1"),
    "AUDIO_CACHE_TTL": ("60", 60),
    "CACHE_UNSEEDED": ("false", False),
    "CACHE_CLONES": ("true", True),
    "API_KEYS": ("sk-one-1234, sk-two-1234", ("sk-one-1234", "sk-two-1234")),
    "API_KEYS_FILE": ("keys.json", "keys.json"),
    "PUBLIC_LISTS": ("true", True),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
    "WORKER_START_TIMEOUT": ("2.5", 2.5),
    "WORKER_TIMEOUT": ("7", 7.0),
    "SHUTDOWN_TIMEOUT": ("0", 0),
    "LOG_LEVEL": ("debug", "debug"),
    "LOG_FORMAT": ("json", "json"),
}
FIELDS = {str(info.alias): name for name, info in Settings.model_fields.items()}

IMPOSSIBLE = [
    ("PORT", "99999"),
    ("PORT", "-1"),
    ("PORT", "http"),
    ("WYOMING_PORT", "70000"),
    ("ENGINE", "foo"),
    ("OFFLINE", "perhaps"),
    ("DEVICE", "gpu"),
    ("DEVICE", "cuda:x"),
    ("DEVICES", "cuda"),
    ("DEVICES", "cuda:0,cuda:0"),
    ("DTYPE", "fp16"),
    ("QUANTIZE", "int2"),
    ("KV_CACHE_POSITIONS", "-1"),
    ("REQUIRE_CONSENT", "maybe"),
    ("VOICE_CACHE_MAX", "-1"),
    ("MAX_UPLOAD_BYTES", "10"),
    ("MAX_REFERENCE_SECONDS", "0.5"),
    ("MAX_INPUT_CHARS", "0"),
    ("MAX_BODY_BYTES", "1.5"),
    ("UNKNOWN_MODEL", "maybe"),
    ("VOICE_ALIASES", "not JSON"),
    ("VOICE_ALIASES", '["heart"]'),
    ("VOICE_ALIASES", '{"narrator": 1}'),
    ("WORKER_START_TIMEOUT", "0"),
    ("WORKER_START_TIMEOUT", "inf"),
    ("WORKER_TIMEOUT", "-1"),
    ("WORKER_TIMEOUT", "nan"),
    ("SHUTDOWN_TIMEOUT", "-1"),
    ("IDLE_TIMEOUT", "-1"),
    ("PRELOAD", "maybe"),
    ("MAX_LOADED_MODELS", "0"),
    ("MAX_CONCURRENT_REQUESTS", "0"),
    ("MAX_QUEUE_DEPTH", "-1"),
    ("REQUEST_TIMEOUT", "0"),
    ("SEND_TIMEOUT", "inf"),
    ("LIVE_TIMEOUT", "0"),
    ("RECEIVE_TIMEOUT", "nan"),
    ("KEEP_ALIVE_TIMEOUT", "0"),
    ("AUDIO_CACHE_MAX", "-1"),
    ("AUDIO_CACHE_MB", "0"),
    ("AUDIO_CACHE_URL", "http://127.0.0.1"),
    ("LOUDNESS", "-41"),
    ("LOUDNESS", "-3"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
]


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder and none of the settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in FIELDS:
        monkeypatch.delenv(name, raising=False)


def serve(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `vivavoce serve` where it cannot start."""
    return subprocess.run(
        [sys.executable, "-m", "vivavoce", "serve", *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def assert_stopped_with_one_line(done: subprocess.CompletedProcess[str], *about: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("vivavoce: ")
    for words in about:
        assert words in line


def test_every_setting_is_tried_here() -> None:
    assert set(GIVEN) == set(FIELDS)


@pytest.mark.parametrize("name", GIVEN)
def test_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = GIVEN[name]
    assert getattr(load_settings(), FIELDS[name]) != value
    monkeypatch.setenv(name, text)
    assert getattr(load_settings(), FIELDS[name]) == value


@pytest.mark.parametrize("name", GIVEN)
def test_from_the_env_file(name: str) -> None:
    text, value = GIVEN[name]
    Path(".env").write_text(f"# a comment\n\n{name}='{text}'\n")
    assert getattr(load_settings(), FIELDS[name]) == value


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("PORT=1001\nHOST=file.example\nLOG_LEVEL=error\n")
    monkeypatch.setenv("PORT", "1002")
    monkeypatch.setenv("HOST", "environment.example")
    settings = load_settings(port=1003, host=None)
    assert settings.port == 1003
    assert settings.host == "environment.example"
    assert settings.log_level == "error"


@pytest.mark.parametrize("name", GIVEN)
def test_an_empty_value_means_the_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    assert load_settings() == Settings.model_construct()


@pytest.mark.parametrize(("name", "text"), IMPOSSIBLE)
def test_an_impossible_value_is_named(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in caught.value.message
    assert caught.value.message.endswith("Change it in the environment or .env.")
    assert "\n" not in caught.value.message


def test_an_impossible_value_in_the_file_is_named() -> None:
    Path(".env").write_text("WORKER_TIMEOUT=soon\n")
    with pytest.raises(SettingsError, match=r"WORKER_TIMEOUT=soon is not possible"):
        load_settings()


def test_an_unknown_name_in_the_file_is_an_error_with_a_suggestion() -> None:
    Path(".env").write_text("WORKER_TIMEOT=5\n")
    with pytest.raises(SettingsError, match="no setting WORKER_TIMEOT") as caught:
        load_settings()
    assert "Did you mean WORKER_TIMEOUT?" in caught.value.message


def test_an_unknown_name_like_no_other_gets_the_list() -> None:
    Path(".env").write_text("XYZZY=5\n")
    with pytest.raises(SettingsError, match="no setting XYZZY") as caught:
        load_settings()
    for name in FIELDS:
        assert name in caught.value.message


@pytest.mark.parametrize("line", ["PORT 9000", "PORT", 'PORT="9000', "MY PORT=9000"])
def test_a_line_of_the_file_that_is_no_setting_is_an_error(line: str) -> None:
    Path(".env").write_text(f"HOST=127.0.0.1\n{line}\n")
    with pytest.raises(SettingsError, match=r"Line 2 of \.env"):
        load_settings()


def test_a_file_that_is_not_text_is_an_error() -> None:
    Path(".env").write_bytes(b"HOST=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"Cannot read \.env"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "text"),
    [("PORT", "99999"), ("ENGINE", "foo"), ("WORKER_TIMEOUT", "nan"), ("VOICE_ALIASES", "x")],
)
def test_the_server_does_not_start_on_an_impossible_value(name: str, text: str) -> None:
    assert_stopped_with_one_line(serve(**{name: text}), f"{name}={text} is not possible")


def test_the_server_does_not_start_on_an_unknown_name_in_the_file() -> None:
    Path(".env").write_text("PROT=8001\n")
    assert_stopped_with_one_line(serve(), "PROT", "Did you mean PORT?")


def test_the_server_does_not_start_on_an_impossible_option() -> None:
    done = serve("--port", "99999")
    assert_stopped_with_one_line(done, "PORT=99999 is not possible", "on the command line")


def test_the_server_does_not_start_on_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_stopped_with_one_line(serve(PORT=str(port)), f"PORT={port}", "in use")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_what_lasts_is_in_the_users_own_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert load_settings().data_folder == Path("/home/ada/.local/share/vivavoce")
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert load_settings().data_folder == Path("/home/ada/.local/share/vivavoce")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert load_settings().data_folder == Path("/data/vivavoce")
    monkeypatch.setenv("DATA_DIR", "~/voices")
    assert load_settings().data_folder == Path("/home/ada/voices")


def test_the_table_of_settings_in_the_docs_is_the_one_printed() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "vivavoce.settings"], capture_output=True, text=True, check=True
    ).stdout
    for name in FIELDS:
        assert f"| `{name}` |" in printed
    page = (Path(__file__).parent.parent / "docs/settings.md").read_text()
    assert page.split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0] == printed
