"""Scales of a picture: where a value lies, and round numbers to write beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from ``low``..``high`` to ``start``..``end`` of the picture."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value, held inside the picture.

        Examples
        --------
        >>> Axis(0, 10, 0, 100).at(2.5), Axis(1, 100, 0, 100, log=True).at(10)
        (25.0, 50.0)
        """
        low, high, value = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def round_ticks(high: float, count: int = 4) -> list[float]:
    """Return round numbers from 0 to at most ``high``.

    Examples
    --------
    >>> round_ticks(1.9), round_ticks(400)
    ([0.0, 0.5, 1.0, 1.5], [0.0, 100.0, 200.0, 300.0, 400.0])
    """
    step = _round_up(high / count)
    return [i * step for i in range(int(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 of each decade inside a range; powers of ten alone where that is many.

    Examples
    --------
    >>> log_ticks(0.15, 3)
    [0.2, 0.5, 1.0, 2.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    digits = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = (d * 10.0**e for e in range(first, last + 1) for d in digits)
    return [float(f"{t:.6g}") for t in ticks if low <= t <= high]


def _round_up(x: float) -> float:
    power = 10.0 ** math.floor(math.log10(x))
    return next(d * power for d in (1.0, 2.0, 2.5, 5.0, 10.0) if d * power >= x * (1 - 1e-9))
