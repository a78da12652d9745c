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
    times, chances = [], []
    for k, chance in enumerate(arrivals.chance):
        rest = float(arrivals.earliest_s[k] + arrivals.width_s[k] / 2)
        time, law = _finish_times(chain, arrivals.ahead[k], arrivals.together[k], rest)
        times.append(arrivals.earliest_s[k] + time)
        chances.append(law * chance)
    total = float(arrivals.chance.sum())
    mean = float(arrivals.chance @ arrivals.width_s) / 2
    mean += sum(float(t @ c) for t, c in zip(times, chances, strict=True))
    residual = float(arrivals.chance @ (arrivals.earliest_s + arrivals.width_s / 2))
    step, pmf = _on_lattice(arrivals.width_s, times, chances)
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


def _finish_times(chain: StepChain, units: Array, together: Array, rest_s: float) -> tuple[Array, Array]:
    """Times from the end of the iteration met, and their probabilities, for ``units`` ahead and one's own.

    Up to the budget: one iteration with all that came, before and behind, or a full one. Above: full ones
    first.
    """
    m, d = chain.budget_units, chain.duration_s
    first = together[: m + 1].copy()
    first[m] += float(units[: m + 1].sum()) - float(first.sum())
    more = np.flatnonzero(units[m + 1 :] > 1e-13) + m + 1
    full = np.ceil(more / m) - 1.0
    last = np.minimum(more - full * m + chain.units_per_s * (rest_s + full * d[m]), m)
    later = full * d[m] + np.interp(last, np.arange(m + 1.0), d)
    time = np.concatenate([d, later])
    chance = np.concatenate([np.maximum(first, 0.0), units[more]])
    return time, chance / chance.sum()


def _on_lattice(residuals: Array, times: list[Array], chances: list[Array]) -> tuple[float, Array]:
    """Sum of a uniform residual and of the later times, mixed over what was met, on one lattice."""
    total = sum(float(c.sum()) for c in chances)
    reach = 0.0
    for high, time, chance in zip(residuals, times, chances, strict=True):
        order = np.argsort(time)
        beyond = np.cumsum(chance[order][::-1])[::-1]
        inside = time[order][beyond > 1e-9 * total]
        reach = max(reach, float(high) + (float(inside[-1]) if inside.size else 0.0))
    step = reach / (_POINTS - 4)
    later, rest = np.zeros((len(times), _POINTS)), np.zeros((len(times), _POINTS))
    for row, (high, time, chance) in enumerate(zip(residuals, times, chances, strict=True)):
        at = np.minimum(time / step, _POINTS - 2.0)
        low = at.astype(int)
        later[row] = np.bincount(low, chance * (1 - (at - low)), minlength=_POINTS)
        later[row] += np.bincount(low + 1, chance * (at - low), minlength=_POINTS)
        uniform = _uniform(high / step)
        rest[row, : uniform.size] = uniform
    spectra = np.fft.rfft(later, 2 * _POINTS, axis=1) * np.fft.rfft(rest, 2 * _POINTS, axis=1)
    return step, np.maximum(np.fft.irfft(spectra.sum(axis=0), 2 * _POINTS)[:_POINTS], 0.0)


def _uniform(width: float) -> Array:
    """U(0, width) rounded to the nearest lattice point."""
    if width < 1e-9:
        return np.ones(1)
    edges = np.concatenate([[0.0], np.arange(0.5, width + 1.0)])
    return np.asarray(np.diff(np.minimum(edges, width)) / width)
