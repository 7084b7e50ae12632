"""A saved voice as one file, to carry from server to server: a zip of two files.

`voice.json` has what is known of it, `reference.flac` its recording; a blend has none. Ids,
consents and what a model has heard stay where they are.
"""

from __future__ import annotations

import io
import zipfile
from typing import Annotated

import msgspec
from msgspec import Meta

from vivavoce.errors import InvalidRequest
from vivavoce.service.saved_voice import (
    MAX_BLENDED,
    MAX_NAME_CHARS,
    SavedVoice,
    VoiceDefaults,
    VoiceType,
    Words,
)
from vivavoce.service.voice_store import REFERENCE

VOICE = "voice.json"
_FORMAT = "vivavoce voice"
_VERSION = 1
_LARGEST = {VOICE: 65_536, REFERENCE: 33_554_432}
_MADE_AT = (1980, 1, 1, 0, 0, 0)  # the same voice, the same file


class ArchivedVoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`voice.json`; its fields are those of `SavedVoice`."""

    format: str
    version: int
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
    type: VoiceType
    transcript: Words | None = None
    language: Annotated[str, Meta(max_length=40)] | None = None
    prompt: Words | None = None
    blend: Annotated[dict[str, float], Meta(max_length=MAX_BLENDED)] | None = None
    defaults: VoiceDefaults = VoiceDefaults()


def pack(voice: SavedVoice, reference: bytes | None) -> bytes:
    """Return a voice and its recording, FLAC, as one file."""
    told = ArchivedVoice(
        format=_FORMAT,
        version=_VERSION,
        name=voice.name,
        type=voice.type,
        transcript=voice.transcript,
        language=voice.language,
        prompt=voice.prompt,
        blend=voice.blend,
        defaults=voice.defaults,
    )
    files = {VOICE: msgspec.json.format(msgspec.json.encode(told))}
    if reference is not None:
        files[REFERENCE] = reference
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # FLAC does not get any smaller
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _MADE_AT), content)
    return file.getvalue()


def unpack(content: bytes) -> tuple[ArchivedVoice, bytes | None]:
    """Return what is in such a file. Nothing of it is written anywhere.

    Raises:
        InvalidRequest: it is none, or damaged, or has more in it than it may.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = _read(archive)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, ValueError):
        raise _refusal("It is not a zip, or a damaged one") from None
    except (NotImplementedError, RuntimeError):
        raise _refusal("It is encrypted, or compressed in an unusual way") from None
    if VOICE not in files:
        raise _refusal(f"There is no {VOICE} in it")
    try:
        voice = msgspec.json.decode(files[VOICE], type=ArchivedVoice)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _refusal(f"Its {VOICE} is wrong: {exc}") from None
    if voice.format != _FORMAT or voice.version != _VERSION:
        raise _refusal(f"Its {VOICE} is of another program or a newer version")
    if (voice.type is VoiceType.BLEND) != (voice.blend is not None):
        raise _refusal(
            "It says that it is a blend, and of nothing"
            if not voice.blend
            else "It has a blend, and says that it is none"
        )
    if voice.blend is None and REFERENCE not in files:
        raise _refusal(f"There is no {REFERENCE} in it")
    return voice, files.get(REFERENCE)


def _read(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """Read the files that may be in it: by exact names, each once, each no longer than it may."""
    files: dict[str, bytes] = {}
    for entry in archive.infolist():
        if entry.filename not in _LARGEST:
            raise _refusal(f"There is {entry.filename[:80]!r} in it")
        if entry.filename in files:
            raise _refusal(f"There is more than one {entry.filename} in it")
        most = _LARGEST[entry.filename]
        with archive.open(entry) as file:
            files[entry.filename] = file.read(most + 1)  # whatever its header says of its size
        if len(files[entry.filename]) > most:
            raise _refusal(f"Its {entry.filename} is larger than {most} bytes")
    return files


def _refusal(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"The file is no voice that was exported here. {what}. Send what GET "
        "/v1/audio/voices/{id}/export has given.",
        param="file",
        code="archive_unreadable",
    )
