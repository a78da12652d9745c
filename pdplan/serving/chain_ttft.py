"""Time to first token at an engine that works in iterations: from the chain of outstanding prompt tokens.

An arrival meets an iteration of i units of prompt and waits for its end, uniform on (0, d(i)). If all that
came in that iteration fits into one, that is the next, whenever in it the arrival was. Else come full
iterations for what is ahead of it, and a last one that ends its own prompt and carries what came behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.serving.step_chain import StepChain
from pdplan.trust import Trust

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

#: Lattice of the law: its step is far below the law's own error of some per cent.
_POINTS = 1024
#: Parts of a full iteration: what is ahead of an arrival there grows as the rest of the iteration shrinks.
_PARTS = 8


@dataclass(frozen=True, eq=False)
class FinishDelay:
    """The law of that time on a lattice of ``step_s``.

    Parameters
    ----------
    step_s : float
        Lattice step [s].
    cdf : array
        P(time <= (k + 1/2) step) [-].
    mean_s, mean_residual_s : float
        Mean, and mean of the rest of the iteration met [s].
    """

    step_s: float
    cdf: Array
    mean_s: float
    mean_residual_s: float
    trust: Trust = Trust.APPROXIMATE

    def sf(self, t: Any) -> Any:
        """P(time > t)."""
        x = np.asarray(t, dtype=float) / self.step_s - 0.5
        return 1.0 - np.interp(x, np.arange(self.cdf.size), self.cdf, left=0.0)

    def high_s(self, tail: float) -> float:
        """Return a time exceeded with probability at most ``tail``, or the end of the lattice [s]."""
        reached = np.searchsorted(self.cdf, 1.0 - tail)
        return self.step_s * (min(int(reached), self.cdf.size - 1) + 1.5)


def finish_delay(chain: StepChain, prompt_pmf: Array) -> FinishDelay:
    """Law of the time to first token of prompts with this law of lattice units.

    Parameters
    ----------
    chain : StepChain
        The queue, for all prompts.
    prompt_pmf : array
        Own length in units, from ``chain.in_units`` [-].

    Notes
    -----
    What comes behind during later full iterations is taken at its mean.
    """
    arrivals = _arrivals_met(chain, prompt_pmf)
    middle = arrivals.earliest_s + arrivals.width_s / 2
    time, law = _finish_times(chain, arrivals.ahead, arrivals.together, middle)
    chances = law * arrivals.chance[:, None]
    total = float(arrivals.chance.sum())
    residual = float(arrivals.chance @ middle)
    step, pmf = _on_lattice(arrivals.width_s, arrivals.earliest_s[:, None] + time, chances)
    mean = residual + float(np.vdot(time, chances))
    return FinishDelay(step, np.cumsum(pmf) / pmf.sum(), mean / total, residual / total)


@dataclass(frozen=True, eq=False, slots=True)
class _Arrivals:
    """What arrivals meet, in cases with their chance: the rest of the iteration, uniform from ``earliest_s``
    over ``width_s``, and the laws of the units ahead and of all that wait at its end, one's own included."""

    chance: Array
    earliest_s: Array
    width_s: Array
    ahead: Array
    together: Array


def _arrivals_met(chain: StepChain, prompt_pmf: Array) -> _Arrivals:
    """One case per iteration met, several of a full one, and that of an idle engine."""
    m, size, (met, idle) = chain.budget_units, chain.pmf.size, chain.met
    kept = np.flatnonzero(met >= 1e-12)
    parts = np.where(kept == m, _PARTS, 1)
    row, units = np.repeat(np.arange(kept.size), parts), np.repeat(kept, parts)
    length = chain.duration_s[units]
    width = length / parts[row]
    earliest = np.concatenate([np.arange(n) for n in parts]) * width
    own, left = np.fft.rfft(np.stack([prompt_pmf, chain.left_over]), 2 * size, axis=1)
    ahead = chain.came_spectra(length - earliest - width, length - earliest) * own
    together = chain.came_spectra(chain.duration_s[kept], chain.duration_s[kept]) * own
    ahead[units == m] *= left
    together[kept == m] *= left
    return _Arrivals(
        np.append(met[units] / parts[row], idle),
        np.append(earliest, 0.0),
        np.append(width, 0.0),
        np.concatenate([_laws(ahead, size), prompt_pmf[None, :]]),
        np.concatenate([_laws(together, size)[row], prompt_pmf[None, :]]),
    )


def _laws(spectra: Complex, size: int) -> Array:
    """Rows of a transform back to laws; what passes the end is left out."""
    return np.maximum(np.fft.irfft(spectra, 2 * size, axis=1)[:, :size], 0.0)


def _finish_times(chain: StepChain, units: Array, together: Array, rest_s: Array) -> tuple[Array, Array]:
    """Times from the end of the iteration met, and their probabilities, for ``units`` ahead and one's own.

    Up to the budget: one iteration with all that came, before and behind, or a full one. Above: full ones
    first. One row for each case.
    """
    m, d = chain.budget_units, chain.duration_s
    first = together[:, : m + 1].copy()
    first[:, m] += units[:, : m + 1].sum(axis=1) - first.sum(axis=1)
    more = np.arange(m + 1.0, units.shape[1])
    full = np.ceil(more / m) - 1.0
    last = np.minimum(more - full * m + chain.units_per_s * (rest_s[:, None] + full * d[m]), m)
    later = full * d[m] + np.interp(last, np.arange(m + 1.0), d)
    time = np.concatenate([np.broadcast_to(d, first.shape), later], axis=1)
    chance = np.concatenate([np.maximum(first, 0.0), units[:, m + 1 :]], axis=1)
    return time, chance / chance.sum(axis=1, keepdims=True)


def _on_lattice(residuals: Array, times: Array, chances: Array) -> tuple[float, Array]:
    """Sum of a uniform residual and of the later times, mixed over what was met, on one lattice."""
    beyond = np.cumsum(chances[:, ::-1], axis=1)[:, ::-1]
    inside = np.where(beyond > 1e-9 * float(chances.sum()), times, 0.0)
    step = float((residuals + inside.max(axis=1)).max()) / (_POINTS - 4)
    at = np.minimum(times / step, _POINTS - 2.0)
    low = at.astype(int)
    upper = chances * (at - low)
    low += np.arange(len(times))[:, None] * _POINTS
    later = np.bincount(low.ravel(), (chances - upper).ravel(), len(times) * _POINTS)
    later += np.bincount(low.ravel() + 1, upper.ravel(), len(times) * _POINTS)
    spectra = np.fft.rfft(later.reshape(-1, _POINTS), 2 * _POINTS, axis=1)
    spectra *= np.fft.rfft(uniform_rows(residuals / step, _POINTS), 2 * _POINTS, axis=1)
    return step, np.maximum(np.fft.irfft(spectra.sum(axis=0), 2 * _POINTS)[:_POINTS], 0.0)


def uniform_rows(widths: Array, points: int) -> Array:
    """Row i: U(0, widths[i]) rounded to whole numbers below ``points``."""
    wide = np.maximum(widths, 1e-9)[:, None]
    return np.asarray(np.diff(np.minimum(np.arange(points) + 0.5, wide), axis=1, prepend=0.0) / wide)
