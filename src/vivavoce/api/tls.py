"""TLS: a certificate and its key, read at the start and whenever their files become others."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import structlog

from vivavoce.errors import SettingsError

log = structlog.get_logger("vivavoce.http")


class Certificate:
    """What a server shows its clients. `context` stays, and shows the files' latest contents.

    Raises:
        SettingsError: a file cannot be read, or they do not go together.
    """

    def __init__(self, cert_file: str, key_file: str) -> None:
        self._files = (cert_file, key_file or cert_file)
        self._seen = self._stamps()
        self.context = self._new_context()

    def renew(self) -> None:
        """Read the files if they have changed since; what cannot be used changes nothing.

        Connections that are open keep what they were opened with.
        """
        if (stamps := self._stamps()) == self._seen:
            return
        self._seen = stamps
        try:
            self._new_context()  # first elsewhere: half a renewal would leave no pair at all
            self._read_into(self.context)
        except SettingsError as exc:
            log.warning("certificate not renewed", reason=exc.message)
        else:
            log.info("certificate renewed", file=self._files[0])

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        self._read_into(context)
        return context

    def _read_into(self, context: ssl.SSLContext) -> None:
        cert, key = self._files
        for setting, file in (("TLS_CERT_FILE", cert), ("TLS_KEY_FILE", key)):
            try:
                Path(file).open("rb").close()
            except OSError as exc:
                raise SettingsError(f"Cannot read {setting}={file}: {exc.strerror}.") from None
        try:
            context.load_cert_chain(cert, key, password=_refuse_to_ask)
        except (OSError, ValueError) as exc:
            raise SettingsError(
                f"TLS_CERT_FILE={cert} and TLS_KEY_FILE={key} are no certificate and its key "
                f"({exc}). Both are PEM files, the certificate first, then those it was signed by."
            ) from None

    def _stamps(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _refuse_to_ask() -> str:
    raise SettingsError(
        "The key in TLS_KEY_FILE has a password, which nobody is there to type. Write it without: "
        "openssl pkey -in KEY -out KEY2."
    )
