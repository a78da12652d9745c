r"""How requests of different contexts make a decode step fluctuate: second moments, exactly.

Count time in steps instead of seconds. In that clock a request stays for its own number of steps, and
requests arrive at a rate lam W, with W the step time, which the requests present make:
W = a + sum of (beta + gamma context). A request therefore brings others in by lengthening the steps: a linear
self-exciting (Hawkes) process with immigration lam a and marks (first context, steps). Its mean is
W = a/(1 - phi), and its second moments are one integral over frequency of

.. math:: \frac{E|\hat h|^2}{|1 - \lambda \hat H|^2},\qquad
          h(u) = (\beta + \gamma (c + m u))\,1[u < s],\quad H = E h

(Hawkes 1971, Biometrika 58, 83-90, with random marks). Only the transforms depend on the lengths, so they are
kept per `DecodeWork`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.serving.decode_work import DecodeWork

Array = NDArray[np.float64]
Complex = NDArray[Any]

_GROUPS = 128
#: Frequencies in units of 1/G: even in the logarithm where slow clusters live, even where the steps of equal
#: requests ring; the weights are those of the trapezoidal rule in each part.
_SLOW = np.geomspace(1e-4, 1.0, 81)
_FAST = np.linspace(1.0, 40.0, 157)


def _trapezoid(points: int, spacing: float) -> Array:
    weight = np.full(points, spacing)
    weight[[0, -1]] /= 2
    return weight


_FREQUENCY = np.concatenate([_SLOW[:1], _SLOW, _FAST])
_WEIGHT = np.concatenate([_SLOW[:1], _SLOW * _trapezoid(81, np.log(1e4) / 80), _trapezoid(157, 0.25)])


@dataclass(frozen=True, eq=False, slots=True)
class ContextSpectrum:
    """Transforms of the presence A(u) = 1[u < s] and the context B(u) = (c + m u) 1[u < s] of a request.

    Names of two letters are E[first conj(second)] at each frequency; ``zero`` holds E of the integral over u
    of the products AA, AB, BB.
    """

    scale: float  #: 1/G, the unit of frequency [-]
    a: Complex
    b: Complex
    aa: Array
    ab: Complex
    bb: Array
    zero: tuple[float, float, float]

    def integral(self, values: Array) -> float:
        """Integral over all frequencies / 2 pi of an even function."""
        return float(_WEIGHT @ values) * self.scale / np.pi


@lru_cache(maxsize=32)
def context_spectrum(work: DecodeWork) -> ContextSpectrum:
    """Transforms for the lengths of ``work`` (kept for the last 32 of them).

    Examples
    --------
    >>> spectrum = context_spectrum(DecodeWork.equal(100.0, 0.0))
    >>> [round(z) for z in spectrum.zero]          # G, G^2/2, G^3/3
    [100, 5000, 333333]
    """
    weight, steps, c1, c2 = _groups(work)
    m = work.tokens_per_step
    scale = 1 / float(weight @ steps)
    x: Complex = 1j * (_FREQUENCY * scale)[:, None] * steps
    decay = np.exp(-x)
    small = np.abs(x) < 1e-3  # the differences below cancel there
    safe = np.where(small, 1.0, x)
    stay: Complex = steps * np.where(small, 1 - x / 2, (1 - decay) / safe)
    age: Complex = steps**2 * np.where(small, 0.5 - x / 3, (1 - decay * (1 + x)) / safe**2)
    context: Complex = c1 * stay + m * age
    cross = (stay * age.conj()).real
    return ContextSpectrum(
        scale,
        stay @ weight,
        context @ weight,
        np.abs(stay) ** 2 @ weight,
        (stay * context.conj()) @ weight,
        (c2 * np.abs(stay) ** 2 + 2 * m * c1 * cross + m**2 * np.abs(age) ** 2) @ weight,
        (
            float(weight @ steps),
            float(weight @ (c1 * steps + m * steps**2 / 2)),
            float(weight @ (c2 * steps + m * c1 * steps**2 + m**2 * steps**3 / 3)),
        ),
    )


def _groups(work: DecodeWork) -> tuple[Array, Array, Array, Array]:
    """Weight, steps, E c and E c^2 of at most 128 groups of requests with about the same number of steps."""
    distinct, index = np.unique(work.steps, return_inverse=True)
    if distinct.size > _GROUPS:
        edges = np.geomspace(distinct[0], distinct[-1], _GROUPS + 1)
        index = np.clip(np.searchsorted(edges, work.steps, side="right") - 1, 0, _GROUPS - 1)
    total = np.bincount(index, work.weight)
    used = total > 0
    weight = np.asarray(total[used], dtype=float)

    def mean(values: Array) -> Array:
        return np.asarray(np.bincount(index, work.weight * values)[used] / weight)

    return weight, mean(work.steps), mean(work.first_context), mean(work.first_context**2)


@dataclass(frozen=True, slots=True)
class KvEffect:
    r"""What KV reads do to the fluctuations of decode, relative to a step that only counts requests.

    Parameters
    ----------
    mean_step_s : float
        E W over steps, a/(1 - phi) [s].
    mean_itl_s : float
        E[W N]/E[N]: mean step time over tokens [s]; exact in the fluid-step limit.
    step_spread : float
        Var W over what it would be if every context were at its mean [-].
    batch_spread, context_spread : float
        The same for the number running and for the KV tokens in use [-].
    context_mean_ratio : float
        Mean KV in use at a random time, over the mean batch times the mean context [-].
    coupling : float
        Slope of E[N | W] against (W - a)/(beta + gamma kv) [-]; 1 without KV reads.
    """

    mean_step_s: float
    mean_itl_s: float
    step_spread: float
    batch_spread: float
    context_spread: float
    context_mean_ratio: float
    coupling: float


def kv_effect(
    work: DecodeWork, arrival_rate: float, base_s: float, per_sequence_s: float, per_context_token_s: float
) -> KvEffect:
    r"""Second moments of a step a + beta N + gamma (sum of contexts), against those with mean contexts.

    Parameters
    ----------
    work : DecodeWork
        Lengths.
    arrival_rate : float
        Requests that need decode, lam [1/s]; lam G (beta + gamma kv) < 1.
    base_s, per_sequence_s, per_context_token_s : float
        a [s], beta [s], gamma [s/tok].

    Returns
    -------
    KvEffect
        Exact in the fluid-step limit.

    References
    ----------
    Hawkes 1971 (Biometrika 58), equations for the spectrum of a self-exciting process.

    Examples
    --------
    >>> effect = kv_effect(DecodeWork.equal(200.0), 20.0, 0.008, 1e-4, 0.0)
    >>> round(effect.step_spread, 2), round(effect.coupling, 2), round(effect.mean_itl_s, 6)
    (1.0, 1.0, 0.0135)
    """
    spectrum = context_spectrum(work)
    lam, beta, gamma = arrival_rate, per_sequence_s, per_context_token_s
    aa0, ab0, bb0 = spectrum.zero
    phi = lam * (beta * aa0 + gamma * ab0)
    mean_step_s = base_s / (1 - phi)
    gain = 1 / (1 - lam * (beta * spectrum.a + gamma * spectrum.b))
    step = beta**2 * spectrum.aa + 2 * beta * gamma * spectrum.ab.real + gamma**2 * spectrum.bb
    step0 = beta**2 * aa0 + 2 * beta * gamma * ab0 + gamma**2 * bb0
    stay_step = beta * spectrum.aa + gamma * spectrum.ab  # E[A conj h]
    stay_step0 = beta * aa0 + gamma * ab0
    context_step = beta * spectrum.ab.conj() + gamma * spectrum.bb  # E[B conj h]
    loud = np.abs(gain) ** 2

    def moment(at_zero: float, bare: Array, full: Array) -> float:
        # the bare part integrates to at_zero exactly; only what feedback adds goes through the quadrature
        return lam * mean_step_s * (at_zero + spectrum.integral(full - bare))

    def spread(transform: Complex, bare: Array, cross: Complex) -> Array:
        push = lam * transform * gain
        return np.asarray(bare + 2 * (push * cross.conj()).real + np.abs(push) ** 2 * step)

    var_step = moment(step0, step, step * loud)
    covariance = moment(
        stay_step0, stay_step.real, (stay_step * gain.conj()).real + (lam * spectrum.a * step * loud).real
    )
    var_batch = moment(aa0, spectrum.aa, spread(spectrum.a, spectrum.aa, stay_step))
    var_context = moment(bb0, spectrum.bb, spread(spectrum.b, spectrum.bb, context_step))
    context_covariance = moment(
        beta * ab0 + gamma * bb0,
        context_step.real,
        (context_step * gain.conj()).real + (lam * spectrum.b * step * loud).real,
    )
    slope = beta + gamma * ab0 / aa0
    mean_batch = lam * mean_step_s * aa0
    plain_var_batch = mean_batch / (1 - phi)
    kv, var_kv = ab0 / aa0, bb0 / aa0 - (ab0 / aa0) ** 2
    return KvEffect(
        mean_step_s,
        mean_step_s + covariance / mean_batch,
        var_step / (slope**2 * plain_var_batch),
        var_batch / plain_var_batch,
        var_context / (mean_batch * var_kv + plain_var_batch * kv**2),
        # a random time lies in a long step more often: E over time = E over steps + covariance / mean step
        (mean_batch * kv + context_covariance / mean_step_s)
        / (lam * aa0 * (base_s + slope) / (1 - phi) * kv),
        covariance * slope / var_step,
    )
