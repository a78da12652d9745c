"""How much faster a higher tensor-parallel degree is, between two fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any

from pdplan.latency.fitting.steps import StepFit


@dataclass(frozen=True, slots=True)
class Speedup:
    """Time at ``low`` TP over time at ``high`` TP, at one place within both measured ranges [-]."""

    kind: str
    low: int
    high: int
    pp: int
    at: dict[str, float]
    ratio: float

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        at = {k: round(v, 3) for k, v in self.at.items()}
        return {
            "kind": self.kind,
            "tp": [self.low, self.high],
            "pp": self.pp,
            "at": at,
            "K": round(self.ratio, 4),
        }


def speedups(fits: Mapping[tuple[int, int], StepFit]) -> tuple[Speedup, ...]:
    """Return the speed-up between neighbouring TP degrees, at the ends and the middle of the common range.

    Examples
    --------
    >>> from pdplan.latency.fitting.steps import fit_prefill
    >>> from pdplan.latency.measured import PrefillPoint
    >>> fits = {(tp, 1): fit_prefill([PrefillPoint(n, 1e-4 * n / tp**0.5, tp=tp) for n in (100, 400, 1600)])
    ...         for tp in (1, 4)}
    >>> [(s.at["prompt_tokens"], round(s.ratio, 6)) for s in speedups(fits)]
    [(100.0, 2.0), (400.0, 2.0), (1600.0, 2.0)]
    """
    found = []
    for pp in sorted({pp for _, pp in fits}):
        degrees = sorted(tp for tp, p in fits if p == pp)
        for low, high in pairwise(degrees):
            found += _between(fits[low, pp], fits[high, pp], low, high, pp)
    return tuple(found)


def _between(slow: StepFit, fast: StepFit, low: int, high: int, pp: int) -> list[Speedup]:
    name = "prompt_tokens" if slow.kind == "prefill" else "batch"
    places = _places(slow.ranges[name], fast.ranges[name])
    found = []
    for x in places:
        second, at = 0.0, {name: x}
        if slow.kind == "decode" and "context_tokens" in slow.ranges and "context_tokens" in fast.ranges:
            contexts = _places(slow.ranges["context_tokens"], fast.ranges["context_tokens"])
            if not contexts:
                continue
            second = contexts[0]
            at |= {"context_tokens": second}
        found.append(Speedup(slow.kind, low, high, pp, at, slow.time_s(x, second) / fast.time_s(x, second)))
    return found


def _places(a: tuple[float, float], b: tuple[float, float]) -> list[float]:
    """Return lowest, geometric middle and highest of the common range; none if there is no common range."""
    low, high = max(a[0], b[0]), min(a[1], b[1])
    if low > high:
        return []
    return sorted({low, float(round(sqrt(low * high))) if high > 2 * low else low, high})
