"""Playing sound through whatever player the system has."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING

from vivavoce.errors import VivavoceError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_PLAYERS = (
    ("pw-play", "-"),
    ("paplay", "--file-format=wav"),
    ("aplay", "-q", "-"),
    ("play", "-q", "-t", "wav", "-"),
    ("ffplay", "-loglevel", "error", "-nodisp", "-autoexit", "-i", "-"),
)


def find_player() -> tuple[str, ...] | None:
    """Return the command of a player that takes WAV on its standard input; None without one."""
    return next((command for command in _PLAYERS if shutil.which(command[0])), None)


class Player:
    """Plays WAV bytes as they are written; leaving the block waits until all was heard."""

    def __init__(self) -> None:
        command = find_player()
        if command is None:
            names = ", ".join(command[0] for command in _PLAYERS)
            raise VivavoceError(
                f"There is no player on this machine (looked for {names}). "
                "Write a file instead: -o hello.mp3"
            )
        self._command = command

    def __enter__(self) -> Self:
        # One of the commands above, found in the user's own PATH.
        self._process = subprocess.Popen(  # noqa: S603
            self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        return self

    def write(self, data: bytes) -> None:
        """Hand over more of the WAV stream.

        Raises:
            VivavoceError: the player ended early, as it does where there is no sound device.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        if kind is not None:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._process.wait() != 0 and kind is None:
            raise self._failed()

    def _failed(self) -> VivavoceError:
        return VivavoceError(
            f"{self._command[0]} could not play (status {self._process.wait()}); is there a sound "
            "device? Write a file instead: -o hello.mp3"
        )
