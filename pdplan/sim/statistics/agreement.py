"""Formula beside simulation: agrees, disagrees, or not enough data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.sim.statistics.holm import holm_levels
from pdplan.trust import Trust

Verdict = Literal["agrees", "disagrees", "not enough data"]


class Witness(Protocol):
    """What a simulation says of one quantity: `MeanEstimate`, `QuantileEstimate`."""

    @property
    def estimate(self) -> float:
        """The point value."""
        ...

    @property
    def observations(self) -> int:
        """How many observations it rests on [-]."""
        ...

    @property
    def sound(self) -> bool:
        """Whether its interval may be believed."""
        ...

    def interval(self, confidence: float = 0.99) -> tuple[float, float]:
        """Two-sided interval."""
        ...

    def p_value(self, low: float, high: float) -> float:
        """Probability of a sample this far out if the truth lies in [low, high] [-]."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity to compare.

    Parameters
    ----------
    quantity : str
        What it is, for people.
    formula : float or (float, float)
        The formula's value, or the bracket that it gives.
    trust : Trust
        Of the formula.
    witness : Witness
        What the simulation found.
    tolerance : float
        Half-width that an agreeing interval may have, relative to the formula's value [-].
    floor : float
        And in the quantity's unit, where that is more; a formula value of 0 needs one.
    unit : str
        For people.
    """

    quantity: str
    formula: float | tuple[float, float]
    trust: Trust
    witness: Witness
    tolerance: float
    floor: float = 0.0
    unit: str = "s"

    def __post_init__(self) -> None:
        """Check the values."""
        require_positive("tolerance", self.tolerance)
        require_positive("floor", self.floor, zero_ok=True)
        low, high = self.bracket
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise InputError(
                f"the formula for {self.quantity} is [{low:g}, {high:g}]: give finite ends in order"
            )

    @property
    def bracket(self) -> tuple[float, float]:
        """The formula as (low, high)."""
        if isinstance(self.formula, tuple):
            return float(self.formula[0]), float(self.formula[1])
        return float(self.formula), float(self.formula)


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """One line of a validation.

    Attributes
    ----------
    quantity, unit : str
    formula_low, formula_high : float
        Equal where the formula gives a point.
    simulated, low, high : float
        Simulation and its interval. The intervals of all rows of a comparison hold together with the
        confidence asked for; ``high`` may be infinite.
    confidence : float
        Of this row's interval by itself [-].
    difference : float
        Simulated less formula (less the nearer end of a bracket, 0 inside it).
    relative_difference : float
        The same over the formula's value; infinite for a value of 0.
    verdict : str
        ``agrees``: the interval holds the formula's value and is narrower than the tolerance. ``disagrees``:
        it does not hold it. ``not enough data``: it holds it but is too wide, or its batches are correlated.
    trust : Trust
        Of the formula.
    observations : int
    """

    quantity: str
    unit: str
    formula_low: float
    formula_high: float
    simulated: float
    low: float
    high: float
    confidence: float
    difference: float
    relative_difference: float
    verdict: Verdict
    trust: Trust
    observations: int

    def __str__(self) -> str:
        """One line."""
        formula = f"{self.formula_low:.4g}"
        if self.formula_high > self.formula_low:
            formula = f"{self.formula_low:.4g}..{self.formula_high:.4g}"
        interval = f"[{self.low:.4g}, {self.high:.4g}]"
        off = f"{self.relative_difference:+.1%}" if math.isfinite(self.relative_difference) else "-"
        return (
            f"{self.quantity}: formula {formula} {self.unit} ({self.trust}), simulated {self.simulated:.4g} "
            f"{interval}, {off}: {self.verdict}"
        )

    def document(self) -> dict[str, Any]:
        """JSON-ready; what is not finite is null."""
        return {
            "quantity": self.quantity,
            "unit": self.unit,
            "formula": _finite(self.formula_low)
            if self.formula_low == self.formula_high
            else [_finite(self.formula_low), _finite(self.formula_high)],
            "simulated": _finite(self.simulated),
            "interval": [_finite(self.low), _finite(self.high)],
            "confidence": self.confidence,
            "difference": _finite(self.difference),
            "relative_difference": _finite(self.relative_difference),
            "verdict": self.verdict,
            "trust": str(self.trust),
            "observations": self.observations,
        }


def agreement(comparisons: Sequence[Comparison], confidence: float = 0.99) -> tuple[AgreementRow, ...]:
    """Judge formulas by simulation, corrected for their number after Holm.

    Parameters
    ----------
    comparisons : sequence of Comparison
    confidence : float
        With which all intervals hold together [-].

    Returns
    -------
    tuple of AgreementRow

    Examples
    --------
    >>> from pdplan.sim.statistics.batch_means import MeanEstimate
    >>> seen = MeanEstimate(10.02, 0.02, 31, 0.0, 100_000)
    >>> rows = agreement([Comparison("mean wait", 10.0, Trust.EXACT, seen, 0.02),
    ...                   Comparison("mean wait, crude", 11.0, Trust.APPROXIMATE, seen, 0.02),
    ...                   Comparison("mean wait, strict", 10.0, Trust.EXACT, seen, 0.001)])
    >>> [r.verdict for r in rows]
    ['agrees', 'disagrees', 'not enough data']
    """
    if not comparisons:
        return ()
    levels = holm_levels([c.witness.p_value(*c.bracket) for c in comparisons], 1.0 - confidence)
    return tuple(_judge(c, float(level)) for c, level in zip(comparisons, levels, strict=True))


def _judge(comparison: Comparison, level: float) -> AgreementRow:
    """Judge one comparison at its level."""
    witness = comparison.witness
    formula_low, formula_high = comparison.bracket
    low, high = witness.interval(1.0 - level)
    estimate = float(witness.estimate)
    difference = min(estimate - formula_low, 0.0) + max(estimate - formula_high, 0.0)
    near = formula_low if estimate < formula_low else formula_high
    allowed = max(comparison.tolerance * max(abs(formula_low), abs(formula_high)), comparison.floor)
    verdict: Verdict
    if witness.p_value(formula_low, formula_high) <= level:
        verdict = "disagrees" if witness.sound else "not enough data"
    elif witness.sound and 0.5 * (high - low) <= allowed:
        verdict = "agrees"
    else:
        verdict = "not enough data"
    return AgreementRow(
        comparison.quantity,
        comparison.unit,
        formula_low,
        formula_high,
        estimate,
        low,
        high,
        1.0 - level,
        difference,
        difference / abs(near) if near else math.copysign(math.inf, difference) if difference else 0.0,
        verdict,
        comparison.trust,
        witness.observations,
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
