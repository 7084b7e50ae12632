"""One listener's end, as far as it can be known from here: when what was sent has been played.

Times are seconds of a clock that only goes forward.
"""

from __future__ import annotations

_PATIENCE_S = {False: 2.0, True: 30.0}
"""When the first sound is due after a request came: where it is heard at once, and where not."""


class Playback:
    """A listener who plays sound as it comes, from its first moment on.

    Of a `whole` answer nothing is heard before its end, so it cannot run dry.
    """

    def __init__(self, came_at_s: float, *, whole: bool) -> None:
        self.whole = whole
        self.underruns = 0
        self._due_at_s = came_at_s + _PATIENCE_S[whole]
        self._began_at_s: float | None = None
        self._sent_s = 0.0
        self._gave_up = False
        self._rests = False

    @property
    def runs_out_at_s(self) -> float:
        """When the next sound is needed."""
        if self._began_at_s is None or self.whole:
            return self._due_at_s
        return self._began_at_s + self._sent_s

    @property
    def plays(self) -> bool:
        """Whether something was sent that is being listened to."""
        return self._began_at_s is not None and not self.whole

    @property
    def is_awaited(self) -> bool:
        """Whether nothing was sent yet to who listens."""
        return self._began_at_s is None and not self.whole

    def hear(self, sound_s: float, now_s: float) -> None:
        """Note that so much sound was sent. Whoever had none left by then has heard a gap."""
        if self._began_at_s is None:
            self._began_at_s = now_s
        elif self.plays and now_s > self.runs_out_at_s:
            self.underruns += not self._rests
            self._began_at_s += now_s - self.runs_out_at_s
        self._rests = False
        self._sent_s += sound_s

    def rest(self) -> None:
        """Note that there is nothing to be made for it: the next gap is nobody's fault."""
        self._rests = True

    def lead_s(self, now_s: float) -> float:
        """Return for how long it can still play."""
        return self.runs_out_at_s - now_s

    def is_protected(self, now_s: float, reserve_s: float) -> bool:
        """Tell whether others are to be held up for it while its lead is less than the reserve.

        Not where that was in vain: who has run dry is on its own until its lead is whole again. So
        a machine that is slower than speech still serves several at once.
        """
        if not self.plays:
            return False
        lead_s = self.lead_s(now_s)
        if lead_s < 0:
            self._gave_up = True
        elif lead_s >= reserve_s:
            self._gave_up = False
        return not self._gave_up
