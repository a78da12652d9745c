"""The nearest value at which a state changes: an outward search, then a bisection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

S = TypeVar("S")

#: Factors of an outward search: what lies nearer is found more finely.
STEPS: Final = (1.02, 1.06, 1.15, 1.4, 2.0, 4.0, 8.0, 16.0, 64.0)

#: A break-even is known to this share of itself.
PRECISION: Final = 4e-3

#: It must hold this far on both sides, as a share of itself: narrower windows are passed over.
FIRM: Final = 0.01

#: Shares are looked at down to this [-].
_LEAST_SHARE: Final = 1e-3

_MOST_WINDOWS: Final = 6


@dataclass(frozen=True, slots=True)
class Flip(Generic[S]):
    """Where a state changes, and what it is beyond."""

    value: float
    after: S


@dataclass(eq=False)
class Line(Generic[S]):
    """States along one input, each asked once."""

    ask: Callable[[float], S]
    now: float
    known: dict[float, S] = field(default_factory=dict)

    def state(self, value: float) -> S:
        """State at a value of the input."""
        if value not in self.known:
            self.known[value] = self.ask(value)
        return self.known[value]

    def nearest(self, probes: Sequence[float]) -> Flip[S] | None:
        """Return the nearest flip that `FIRM` leaves standing, along probes that lead away from now.

        Between two probes with the state of now, a window of another state may be missed.

        Examples
        --------
        >>> line = Line(lambda x: x > 2.5, 1.0)
        >>> flip = line.nearest([1.5, 2.0, 4.0, 8.0])
        >>> abs(flip.value - 2.5) < 0.005, flip.after
        (True, True)
        >>> line.nearest([1.5, 2.0]) is None
        True
        """
        base, here = self.state(self.now), self.now
        for probe in probes:
            for _ in range(_MOST_WINDOWS):
                if self.state(probe) == base:
                    break
                value = self._between(here, probe, base)
                past, short = self._around(value, probes[-1])
                if self.state(short) != base and abs(short - here) > 0:
                    probe = short  # a flip lies nearer still
                elif self.state(past) != base:
                    return Flip(value, self.state(past))
                else:
                    here = past  # a window narrower than FIRM
            here = probe
        return None

    def _between(self, here: float, there: float, base: S) -> float:
        """Bisect between a value with the state of now and one with another."""
        while abs(there - here) > PRECISION * max(abs(there), abs(here), _LEAST_SHARE):
            low, high = sorted((here, there))
            middle = (low * high) ** 0.5 if low > 0 and high > 2 * low else 0.5 * (low + high)
            if self.state(middle) == base:
                here = middle
            else:
                there = middle
        return 0.5 * (here + there)

    def _around(self, value: float, end: float) -> tuple[float, float]:
        """Return the values `FIRM` past and short of a flip, within the range and not behind now."""
        if end > self.now:
            return min(value * (1 + FIRM), max(end, value)), max(value * (1 - FIRM), self.now)
        return max(value * (1 - FIRM), min(end, value)), min(value * (1 + FIRM), self.now)


def outward(now: float, end: float, *, share: bool) -> list[float]:
    """Return the values that a search looks at from now to the end of a range.

    Examples
    --------
    >>> outward(1.0, 2.0, share=False)
    [1.02, 1.06, 1.15, 1.4, 2.0]
    >>> outward(0.0, 0.5, share=True)
    [0.05, 0.15, 0.3, 0.5]
    """
    if end == now:
        return []
    if share:
        sign = 1.0 if end > now else -1.0
        probes = [round(now + sign * d, 12) for d in (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)]
    else:
        probes = [now * f if end > now else now / f for f in STEPS]
    inside = [p for p in probes if (p < end * (1 - 1e-9) if end > now else p > end * (1 + 1e-9))]
    return [*inside, end]
