"""Fit one kind of step at one (tp, pp): coefficients, errors, what is identified, range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pdplan.errors import InputError
from pdplan.latency.fitted import DecodeFit, PrefillFit
from pdplan.latency.fitting.identify import identifiability
from pdplan.latency.fitting.points import Steps, decode_steps, prefill_steps
from pdplan.latency.fitting.regimes import Regimes, choose_regimes
from pdplan.latency.fitting.terms import NAMES, condition_number, told_apart
from pdplan.latency.fitting.validate import ErrorSummary
from pdplan.latency.interpolate import Array
from pdplan.latency.measured import DecodePoint, PrefillPoint


@dataclass(frozen=True, eq=False)
class StepFit:
    """A fit and how far to believe it.

    Parameters
    ----------
    steps : Steps
        The operating points.
    regimes : Regimes
        Coefficients, one set for each regime of batch.
    left_out : array or None
        Relative error of each point when it was left out [-]; None where there are too few points.
    """

    steps: Steps
    regimes: Regimes
    left_out: Array | None

    @property
    def kind(self) -> str:
        """``prefill`` or ``decode``."""
        return self.steps.kind

    @cached_property
    def fitted_s(self) -> Array:
        """Time of each point by the fit [s]."""
        return self.regimes.predict(self.steps)

    @property
    def errors(self) -> Array:
        """Fitted over measured - 1 [-]."""
        return np.asarray(self.fitted_s / self.steps.measured_s - 1.0)

    @property
    def in_sample(self) -> ErrorSummary:
        """Errors on the points that were fitted."""
        return ErrorSummary.of(self.errors)

    @property
    def cross_validated(self) -> ErrorSummary | None:
        """Errors on points left out."""
        return None if self.left_out is None else ErrorSummary.of(self.left_out)

    @cached_property
    def condition(self) -> float:
        """Condition number of the terms, all points together [-]."""
        return condition_number(self.steps, told_apart(self.steps))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What these points can and cannot say, in sentences."""
        return (*self.steps_left_out, *identifiability(self.steps, self.regimes, self.left_out is not None))

    @property
    def steps_left_out(self) -> tuple[str, ...]:
        """What was not used."""
        return tuple(f"left out: {text}" for text in self.steps.left_out)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """(lowest, highest) of what was measured: tokens, or batch, context and sum of contexts."""
        first, second = self.steps.at[:, 0], self.steps.at[:, 1]
        if self.kind == "prefill":
            return {"prompt_tokens": _span(first + second)}
        found = {"batch": _span(first)}
        if not np.isnan(second).any():
            found |= {"context_tokens": _span(second), "sum_of_contexts": _span(first * second)}
        return found

    @property
    def prefill(self) -> PrefillFit:
        """The coefficients of a prefill fit."""
        return PrefillFit(*(float(c) for c in self.regimes.coefficients[0]))

    @property
    def decode(self) -> tuple[DecodeFit, ...]:
        """The coefficients of a decode fit."""
        pairs = zip(self.regimes.coefficients, self.regimes.from_batch, strict=True)
        return tuple(DecodeFit(float(a), float(b), float(c), start) for (a, b, c), start in pairs)

    def time_s(self, first: float, second: float) -> float:
        """Time of ``first`` new and ``second`` cached prompt tokens, or of a batch and its context [s]."""
        asked = Steps(self.kind, np.array([[first, second]]), np.ones(1), np.ones(1))
        return float(self.regimes.predict(asked)[0])

    def document(self) -> dict[str, Any]:
        """Return the JSON form with the data of a residual plot."""
        names = ("new_tokens", "cached_tokens") if self.kind == "prefill" else ("batch", "context_tokens")
        rows = []
        for i, (first, second) in enumerate(self.steps.at):
            row = {names[0]: _r(first), names[1]: None if np.isnan(second) else _r(second)}
            row |= {
                "measured_s": _r(self.steps.measured_s[i]),
                "fitted_s": _r(self.fitted_s[i]),
                "error": round(float(self.errors[i]), 6),
                "error_left_out": None if self.left_out is None else round(float(self.left_out[i]), 6),
                "repeats": int(self.steps.repeats[i]),
            }
            rows.append(row)
        cross = self.cross_validated
        return {
            "coefficients_s": [
                {"from_batch": start, **{n: _r(c) for n, c in zip(NAMES[self.kind], cs, strict=True)}}
                for cs, start in zip(self.regimes.coefficients, self.regimes.from_batch, strict=True)
            ],
            "ranges": {k: [_r(low), _r(high)] for k, (low, high) in self.ranges.items()},
            "in_sample": self.in_sample.document(),
            "cross_validated": None if cross is None else cross.document(),
            "condition_number": _r(self.condition),
            "notes": list(self.notes),
            "residuals": rows,
        }


def fit_prefill(points: Sequence[PrefillPoint]) -> StepFit:
    """Fit ``a + b n + c ((n + cached)^2 - cached^2)`` to prefill steps of one (tp, pp).

    Raises
    ------
    InputError
        No points, or a number that is not finite and above 0.

    Examples
    --------
    >>> times = {n: 0.02 + 1e-4 * n + 1e-9 * n * n for n in (128, 512, 1024, 2048, 4096, 8192)}
    >>> fit = fit_prefill([PrefillPoint(n, t) for n, t in times.items()])
    >>> [float(f"{c:.4g}") for c in fit.regimes.coefficients[0]], fit.cross_validated.largest < 1e-9
    ([0.02, 0.0001, 1e-09], True)
    """
    return _fit(prefill_steps(points))


def fit_decode(points: Sequence[DecodePoint]) -> StepFit:
    """Fit ``a + b B + c (sum of contexts)`` to decode steps of one (tp, pp), in two regimes if it pays.

    Raises
    ------
    InputError
        No points, or a number that is not finite and above 0.

    Examples
    --------
    >>> points = [DecodePoint(b, c, 0.01 + 1e-4 * b + 1e-7 * b * c) for b in (1, 8, 64) for c in (512, 2048)]
    >>> [float(f"{c:.4g}") for c in fit_decode(points).regimes.coefficients[0]]
    [0.01, 0.0001, 1e-07]
    """
    return _fit(decode_steps(points))


def _fit(steps: Steps) -> StepFit:
    if len(steps) == 0:
        raise InputError(f"there is no {steps.kind} step to fit")
    return StepFit(steps, *choose_regimes(steps))


def _span(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _r(value: Any) -> float:
    return float(f"{float(value):.9g}")
