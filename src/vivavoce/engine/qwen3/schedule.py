"""Whose turn it is: who comes in, whose prompt is read, who gets a frame, whose sound is decoded.

Plain Python: the time and how long things took come in, decisions come out; the loop does the work.
A stream that plays must not run dry. So no more come in than can be served in real time, if one can
be; and while somebody is about to run dry, no prompt is read and who can wait is made to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from vivavoce.engine.qwen3.pace import FRAME_S, Pace, RunningMean
from vivavoce.engine.qwen3.pages import pages_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vivavoce.engine.qwen3.playback import Playback

_MOST_ROWS = 256
"""So many rows of prompts are read between two frames, while somebody listens."""
_FEWEST_ROWS = 16
"""Of prompts that are read at all."""
_COMFORT_S = 1.0
"""Who has more than this in hand can wait a moment for others."""
_LONGEST_WAIT_S = 1.0
"""After this a prompt is read in small parts, whoever is about to run dry."""
_SHARE = 8
"""Every so many frames are for all, whoever is about to run dry."""
_SLACK = 1.5
"""By so much longer than usual a frame and its sound may take: steps with many chunks do."""
_HEADROOM = 1.2
"""By so much quicker than speech all who are let in must be served."""


class Seated(Protocol):
    """One segment that is being made."""

    seated_at_s: float

    @property
    def playback(self) -> Playback:
        """Its listener."""

    @property
    def rows_left(self) -> int:
        """How many rows of its prompt are to be read before its first frame."""

    @property
    def can_step(self) -> bool:
        """Whether there is something to make its next frame of: its text may still be on its way.

        Only asked once its prompt is read.
        """

    def due_frames(self, *, now: bool) -> int:
        """Return how many frames to decode; with `now` not to wait until a chunk is full."""


S = TypeVar("S", bound=Seated)


class Schedule(Generic[S]):
    """Seats and pages, and who has them. Not thread-safe."""

    def __init__(self, seats: int, pages: int) -> None:
        self.seats, self.pages = seats, pages
        self.seated: dict[S, int] = {}
        """Everybody seated, in the order in which they came in, and how many pages they have."""
        self._row_s = RunningMean()
        self._decode_s = RunningMean()
        self._pace = Pace()
        self._steps = 0

    @property
    def reserve_s(self) -> float:
        """What a listener must have in hand to wait for another frame and its sound."""
        return self._decode_s.value + 2 * self._step_s

    @property
    def _step_s(self) -> float:
        return self._pace.predict(max(len(self.seated), 1))

    def is_tight(self, now_s: float) -> bool:
        """Tell whether somebody who listens is about to run dry."""
        lead_s = self._smallest_lead_s(now_s)
        return lead_s is not None and lead_s < self.reserve_s

    def can_pause(self, now_s: float, pause_s: float) -> bool:
        """Tell whether nobody would notice if nothing were done for so long."""
        least_s = pause_s + self.reserve_s
        return all(
            one.playback.whole or (one.playback.plays and one.playback.lead_s(now_s) > least_s)
            for one in self.seated
        )

    def may_seat(self, playback: Playback, now_s: float) -> bool:
        """Tell whether somebody may come in, if the pages suffice.

        Whoever has heard a part already may at any time.
        """
        if len(self.seated) == self.seats:
            return False
        if playback.plays:
            return True
        return not self.is_tight(now_s) and self._keeps_pace(playback)

    def fits(self, positions: int) -> bool:
        """Tell whether there is room for so many positions now."""
        return pages_for(positions) <= self.pages - sum(self.seated.values())

    def ever_fits(self, positions: int) -> bool:
        """Tell whether there would be room if nobody else were here."""
        return pages_for(positions) <= self.pages

    def seat(self, one: S, positions: int, now_s: float) -> None:
        """Give a seat, and the pages of so many positions."""
        assert len(self.seated) < self.seats
        assert self.fits(positions)
        one.seated_at_s = now_s
        self.seated[one] = pages_for(positions)

    def leave(self, one: S) -> None:
        """Take a seat and its pages back."""
        del self.seated[one]

    def prefill(self, now_s: float) -> list[tuple[S, int]]:
        """Return whose prompts to read now, and how many rows of each.

        Those that wait longest for their sound first. Together they are few enough for all who
        listen.
        """
        reading = sorted(
            (one for one in self.seated if one.rows_left),
            key=lambda one: one.playback.runs_out_at_s,
        )
        room = self._rows_allowed(reading, now_s)
        chosen = []
        for one in reading:
            rows = min(one.rows_left, room)
            if not rows:
                break
            chosen.append((one, rows))
            room -= rows
        return chosen

    def frame(self, now_s: float) -> list[S]:
        """Return who gets a frame now."""
        ready = [one for one in self.seated if not one.rows_left and one.can_step]
        if not ready:
            return []
        self._steps += 1
        if self._steps % _SHARE == 0 or not self.is_tight(now_s):
            return ready
        urgent = [one for one in ready if not self._can_wait(one, now_s)]
        return urgent or ready

    def due(self, now_s: float) -> list[tuple[S, int]]:
        """Return whose sound to decode now, and of how many frames, the most urgent first.

        Whoever waits for a first sound comes before all who have enough in hand. While somebody is
        about to run dry, who has plenty waits.
        """
        all_of_them = self._steps % _SHARE == 0 or not self.is_tight(now_s)
        found = []
        for one in self.seated:
            playback = one.playback
            short = playback.lead_s(now_s) < _SLACK * (self._step_s + self._decode_s.value)
            hurry = short and playback.is_protected(now_s, self.reserve_s)
            # For who waits for text, too, there is nothing to wait for in here.
            frames = one.due_frames(now=hurry or not one.can_step)
            if frames and (all_of_them or not self._can_wait(one, now_s)):
                found.append((one, frames))
        return sorted(found, key=lambda due: self._urgency(due[0].playback, now_s))

    def took_step(self, sequences: int, took_s: float) -> None:
        """Note how long it took from one frame of so many to the next, with all in between."""
        self._pace.add(sequences, took_s)

    def took_prefill(self, rows: int, took_s: float) -> None:
        """Note how long it took to read so many rows."""
        self._row_s.add(took_s / rows)

    def took_decode(self, took_s: float) -> None:
        """Note how long it took to decode somebody's frames."""
        self._decode_s.add(took_s)

    def _urgency(self, playback: Playback, now_s: float) -> tuple[bool, bool, float]:
        """Return what is the less the more urgent somebody's sound is."""
        reserve_s = self.reserve_s
        pressed = playback.lead_s(now_s) < reserve_s and playback.is_protected(now_s, reserve_s)
        return not pressed, not playback.is_awaited, playback.runs_out_at_s

    def _keeps_pace(self, newcomer: Playback) -> bool:
        """Tell whether all who listen would still be served in real time.

        Of those whom nobody hears before the end it only matters that they can be made to wait.
        """
        listened = sum(not one.playback.whole for one in self.seated)
        if newcomer.whole:
            if not listened:
                return True
            listened = len(self.seated)
        limit_s = FRAME_S / _HEADROOM
        if self._pace.predict(1) > limit_s:  # there is nothing to keep
            return True
        return self._pace.predict(listened + 1) <= limit_s

    def _can_wait(self, one: S, now_s: float) -> bool:
        return one.playback.whole or one.playback.lead_s(now_s) > max(_COMFORT_S, self.reserve_s)

    def _smallest_lead_s(self, now_s: float) -> float | None:
        """Return that of those who are to be protected from the reading of prompts."""
        reserve_s = self.reserve_s
        playing = (one.playback for one in self.seated if not one.rows_left and one.can_step)
        return min(
            (p.lead_s(now_s) for p in playing if p.is_protected(now_s, reserve_s)), default=None
        )

    def _rows_allowed(self, reading: Iterable[S], now_s: float) -> int:
        lead_s = self._smallest_lead_s(now_s)
        if lead_s is None:  # nobody would notice
            return sum(one.rows_left for one in reading)
        spare_s = lead_s - self.reserve_s
        if spare_s > 0:
            affordable = int(spare_s / self._row_s.value) if self._row_s.value else _MOST_ROWS
            return max(_FEWEST_ROWS, min(affordable, _MOST_ROWS))
        waited_long = any(now_s - one.seated_at_s > _LONGEST_WAIT_S for one in reading)
        return _FEWEST_ROWS if waited_long else 0
