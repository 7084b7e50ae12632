"""The certificate that the settings name, for `vivavoce serve` and `vivavoce doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce.api.tls import Certificate
from vivavoce.errors import SettingsError

if TYPE_CHECKING:
    from vivavoce.settings import Settings


def read_certificate(settings: Settings) -> Certificate | None:
    """Return what the settings name; None if they want plain HTTP.

    Raises:
        SettingsError: they contradict each other, or the files are no certificate and its key.
    """
    if settings.tls_cert_file and settings.uds:
        raise SettingsError(
            "UDS and TLS_CERT_FILE are both set, but what stays on this machine is not encrypted. "
            "Unset one of them."
        )
    if settings.tls_key_file and not settings.tls_cert_file:
        raise SettingsError("TLS_KEY_FILE is set, but TLS_CERT_FILE is not: name the certificate.")
    if not settings.tls_cert_file:
        return None
    return Certificate(settings.tls_cert_file, settings.tls_key_file)
