"""The parts of a drift report: what was measured, and one line of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pdplan import units

Verdict = Literal["as planned", "drifted", "cannot tell"]
#: Rates and lengths within this share of the plan are as planned.
LOAD_TOLERANCE: Final = 0.10
#: Latencies within this share of the plan are as planned: formulas and step times are no better.
LATENCY_TOLERANCE: Final = 0.15
#: A difference counts if it is this many standard errors.
SURE_ERRORS: Final = 3.0


@dataclass(frozen=True, slots=True)
class ObservedLatency:
    """One latency as measured: exact mean, percentiles as (estimate, low, high) [s]; high None: unknown."""

    mean_s: float
    quantiles_s: Mapping[float, tuple[float, float, float | None]]


@dataclass(frozen=True, slots=True)
class ObservedTraffic:
    """What was measured, from whatever source.

    Parameters
    ----------
    requests : float
        Requests in the window.
    rate : float
        Mean rate [1/s].
    window_s, p99_rate : float
        A window [s], and the rate that 99% of such windows do not exceed [1/s].
    dispersion : float
        Variance over mean of the counts in the widest windows [-]; 1 where it is not known.
    prompt_tokens, output_tokens : float
        Mean lengths [tok].
    prompt_scv, output_scv : float
        Of the lengths [-].
    prefix_hit : float or None
        Share of prompt tokens found in a cache [-].
    latencies : mapping
        By metric: ttft, tpot, itl, e2e.
    """

    requests: float
    rate: float
    window_s: float
    p99_rate: float
    dispersion: float
    prompt_tokens: float
    prompt_scv: float
    output_tokens: float
    output_scv: float
    prefix_hit: float | None
    latencies: Mapping[str, ObservedLatency]


@dataclass(frozen=True, slots=True)
class DriftLine:
    """One quantity: (low, high) planned and observed in SI, the verdict, and what to do about it."""

    quantity: str
    dimension: str
    planned: tuple[float, float]
    observed: tuple[float, float | None]
    verdict: Verdict
    why: str = ""
    advice: str = ""

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "quantity": self.quantity,
            "unit": units.DIMENSIONS[self.dimension][0],
            "planned": [_round(x) for x in self.planned],
            "observed": [None if x is None else _round(x) for x in self.observed],
            "verdict": self.verdict,
            "why": self.why,
            "advice": self.advice,
        }


def _round(x: float) -> float:
    return float(f"{x:.9g}")
