"""Scales of sliders: a position from 0 to `STEPS`, the value there, and how it is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from pdplan import units
from pdplan.errors import InputError

STEPS: Final = 240


@dataclass(frozen=True, slots=True)
class Scale:
    """A range of values.

    Parameters
    ----------
    dimension : str
        Of `pdplan.units`: what a typed value may be.
    low, high : float
        Ends, in SI.
    log : bool
        Whether steps are factors.
    unit : str
        How values are written into a scenario: a unit, or ``%``.
    per_unit : float
        SI of one such unit.
    """

    dimension: str
    low: float
    high: float
    log: bool
    unit: str
    per_unit: float

    def value(self, position: float) -> float:
        """Return the value at a position, to three digits.

        Examples
        --------
        >>> RATE.value(0), RATE.value(STEPS), OVERLAP.value(120)
        (0.05, 5000.0, 0.5)
        """
        share = min(max(position / STEPS, 0.0), 1.0)
        if self.log:
            return float(f"{self.low * (self.high / self.low) ** share:.3g}")
        return float(f"{self.low + share * (self.high - self.low):.3g}")

    def position(self, value: float) -> int:
        """Return the position nearest to a value.

        Examples
        --------
        >>> all(TTFT.position(TTFT.value(i)) == i for i in range(0, STEPS + 1, 10))
        True
        """
        value = min(max(value, self.low), self.high)
        share = (
            math.log(value / self.low) / math.log(self.high / self.low)
            if self.log
            else ((value - self.low) / (self.high - self.low))
        )
        return round(STEPS * share)

    def written(self, value: float) -> str | float:
        """Return a value as a scenario takes it.

        Examples
        --------
        >>> TTFT.written(0.4), BANDWIDTH.written(50e9), PROMPT.written(1155.0)
        ('400 ms', '400 Gb/s', 1155)
        """
        number = float(f"{value / self.per_unit:.6g}")
        plain: float = int(number) if number.is_integer() else number
        return f"{plain}{'' if self.unit == '%' else ' '}{self.unit}" if self.unit else plain

    def shown(self, value: float) -> str:
        """Return a value as people read it.

        Examples
        --------
        >>> TTFT.shown(2.0), BANDWIDTH.shown(50e9), OVERLAP.shown(0.5), PROMPT.shown(1155.2)
        ('2 s', '400 Gb/s', '50%', '1155 tok')
        """
        if self.dimension == "time":
            return units.show(value, "time")
        number = value / self.per_unit
        digits = f"{number:.0f}" if number >= 1000 else f"{number:.3g}"
        unit = self.unit or "tok"
        return f"{digits}{'' if unit == '%' else ' '}{unit}"

    def parsed(self, text: str) -> float:
        """Return what somebody typed.

        Raises
        ------
        InputError
            Not a quantity of this kind, or outside any sense.
        """
        written = text.strip()[:60]
        value = units.parse(written, self.dimension)
        if not math.isfinite(value) or value < 0 or (self.log and value <= 0):
            raise InputError(f"{written!r} is not a value for this: between {self.shown(self.low)} and more")
        return value


RATE: Final = Scale("rate", 0.05, 5000.0, True, "req/s", 1.0)
TOTAL: Final = Scale("tokens_per_s", 10.0, 1e8, True, "tok/s", 1.0)
PROMPT: Final = Scale("tokens", 16.0, 131072.0, True, "", 1.0)
OUTPUT: Final = Scale("tokens", 1.0, 16384.0, True, "", 1.0)
TTFT: Final = Scale("time", 0.01, 60.0, True, "ms", 1e-3)
TPOT: Final = Scale("time", 0.002, 1.0, True, "ms", 1e-3)
E2E: Final = Scale("time", 0.1, 600.0, True, "ms", 1e-3)
BANDWIDTH: Final = Scale("bytes_per_s", 0.125e9, 400e9, True, "Gb/s", 0.125e9)
OVERLAP: Final = Scale("fraction", 0.0, 1.0, False, "%", 0.01)
HIT: Final = Scale("fraction", 0.0, 0.96, False, "%", 0.01)
OF_METRIC: Final = {"ttft": TTFT, "tpot": TPOT, "itl": TPOT, "e2e": E2E}
