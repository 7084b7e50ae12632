"""How long things take here, learnt from the latest of them. Plain Python, seconds."""

from __future__ import annotations

FRAME_S = 0.08
"""How long a frame sounds: who makes it in less is ahead of the listener."""

_FIRST_GUESS = 8
"""So many at once are believed to be made in real time before anything was measured."""
_LEAST_SPREAD = 0.25
"""With counts closer to each other nothing is known of a line's slope."""
_MEMORY = 0.95
"""What a step counts beside the one after it."""
_WEIGHT = 0.2
"""Of the newest in a running mean."""


class RunningMean:
    """A mean in which the newest counts most; 0 before the first."""

    def __init__(self) -> None:
        self.value = 0.0
        self._any = False

    def add(self, value: float) -> None:
        """Take another value."""
        self.value += (value - self.value) * (_WEIGHT if self._any else 1.0)
        self._any = True


class Pace:
    """How long a step takes with so many sequences: a straight line through the latest steps."""

    def __init__(self) -> None:
        self._sums: tuple[float, ...] = (0.0,) * 5
        self._slope_s: float | None = None
        """What one more costs. Where all steps are alike nothing is learnt of it: it stays."""

    def add(self, count: int, took_s: float) -> None:
        """Take another step into account."""
        new = (1.0, count, took_s, count * count, count * took_s)
        self._sums = tuple(
            _MEMORY * old + value for old, value in zip(self._sums, new, strict=True)
        )
        mean_count, mean_s, mean_square, mean_product = self._means
        spread = mean_square - mean_count**2
        rise_s = mean_product - mean_count * mean_s
        if spread > _LEAST_SPREAD and rise_s > 0:  # a line that falls: all has become slower
            self._slope_s = rise_s / spread

    def predict(self, count: int) -> float:
        """Return the seconds that a step of so many would take.

        Before more than one count was seen, as if each sequence cost as much as the first.
        """
        if not self._sums[0]:
            return FRAME_S * count / _FIRST_GUESS
        mean_count, mean_s, *_ = self._means
        slope_s = mean_s / mean_count
        if self._slope_s is not None:
            slope_s = min(self._slope_s, slope_s)
        return mean_s + slope_s * (count - mean_count)

    @property
    def _means(self) -> tuple[float, ...]:
        weight, *sums = self._sums
        return tuple(each / weight for each in sums)
