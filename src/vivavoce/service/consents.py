"""Recorded consents: in each somebody says that their voice may be saved."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import msgspec

from vivavoce.errors import InvalidRequest, NotFound
from vivavoce.service.recording import prepare
from vivavoce.service.saved_voice import MAX_NAME_CHARS, Consent
from vivavoce.service.voice_store import RECORDING, now_ns, to_flac
from vivavoce.text.clean import clean

if TYPE_CHECKING:
    from vivavoce.service.voice_maker import VoiceMaker
    from vivavoce.service.voice_store import VoiceStore

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")  # BCP 47, but for its rarities


class Consents:
    """Consents are kept until they are deleted, whatever becomes of the voices made with them."""

    def __init__(self, store: VoiceStore, maker: VoiceMaker) -> None:
        self._records = store.consents
        self._maker = maker

    async def create(self, name: str, language: str, content: bytes) -> Consent:
        """Keep a recording, a file's bytes.

        Raises:
            InvalidRequest: a field cannot be, or nobody speaks in the recording.
            StorageFailed: it could not be written.
        """
        tag = language.strip()
        if not _TAG.fullmatch(tag):
            raise InvalidRequest(
                f"language is {language[:40]!r}. Send the tag of the recording's language, such as "
                "en-US.",
                param="language",
            )
        name = _checked_name(name)
        samples = await self._maker.decode(content, "recording")
        recording = await asyncio.to_thread(
            prepare, samples, self._maker.rules.max_s, param="recording"
        )
        consent = Consent(id=self._records.new_id(), name=name, language=tag, created_ns=now_ns())

        def write() -> None:
            self._records.create(consent, {RECORDING: to_flac(recording.samples)})

        await asyncio.to_thread(write)
        return consent

    def page(self, after: str | None, limit: int) -> tuple[list[Consent], bool]:
        """Return at most `limit` consents, the newest first, and whether there are more.

        `after` is the id of the last one seen.

        Raises:
            InvalidRequest: no consent has that id.
        """
        consents = list(reversed(self._records.all()))
        if after is not None:
            ids = [consent.id for consent in consents]
            if after not in ids:
                raise InvalidRequest(
                    f"after is {after[:80]!r}, which no consent is.", param="after"
                )
            consents = consents[ids.index(after) + 1 :]
        return consents[:limit], len(consents) > limit

    def get(self, id: str) -> Consent:
        """Return a consent.

        Raises:
            NotFound: there is none.
        """
        consent = self._records.get(id)
        if consent is None:
            raise _no_consent(id)
        return consent

    async def rename(self, id: str, name: str) -> Consent:
        """Give a consent another name.

        Raises:
            NotFound: there is none.
            InvalidRequest: that is no name.
        """
        consent = msgspec.structs.replace(self.get(id), name=_checked_name(name))
        try:
            await asyncio.to_thread(self._records.update, consent)
        except FileNotFoundError:
            raise _no_consent(id) from None
        return consent

    async def remove(self, id: str) -> None:
        """Delete a consent and its recording. Voices made with it stay.

        Raises:
            NotFound: there is none, or none any more.
        """
        if not await asyncio.to_thread(self._records.remove, id):
            raise _no_consent(id)


def _checked_name(name: str) -> str:
    name = " ".join(clean(name).split())
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise InvalidRequest(
            f"name must have 1 to {MAX_NAME_CHARS} characters; got {len(name)}.", param="name"
        )
    return name


def _no_consent(id: str) -> NotFound:
    return NotFound(
        f"There is no consent {id[:80]!r}. GET /v1/audio/voice_consents lists those there are.",
        code="consent_not_found",
    )
