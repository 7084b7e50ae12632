"""What the HTTP surface takes from its clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Lengths of texts and bodies; how long a client may take to send, and to take, anything.

    `live_timeout_s`: how long a socket's client may be silent while nothing is owed to it.
    """

    max_input_chars: int
    max_body_bytes: int
    max_upload_bytes: int
    receive_timeout_s: float = 30.0
    send_timeout_s: float = 60.0
    live_timeout_s: float = 300.0
