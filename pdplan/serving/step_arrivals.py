"""What arrives in an iteration: its law on a lattice, and how far it reaches.

Prompts may be far below a lattice step. They are then counted on a finer lattice, and the sum is split
between the two neighbouring points of the coarse one, so that neither mean nor spread depends on the step.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

#: ln(1/probability) of what is left out of the law of one iteration.
_LEFT_OUT = 34.0
#: Magnitude below which the high frequencies of a transform are left out.
_UNHEARD = 1e-7
#: Finest lattice in one step of the coarse one where they do not die away.
_WIDEST = 8


def split(values: Array, weight: Array, size: int) -> Array:
    """Split each value between its two neighbouring integers so that the mean is kept.

    Examples
    --------
    >>> split(np.array([1.25]), np.ones(1), 4)
    array([0.  , 0.75, 0.25, 0.  ])
    """
    low = np.minimum(np.floor(values), size - 2).astype(int)
    high_share = np.minimum(values - low, 1.0)
    pmf = np.bincount(low, weight * (1.0 - high_share), minlength=size)
    return np.asarray(pmf + np.bincount(low + 1, weight * high_share, minlength=size))


def arrival_laws(
    arrival_rate: float, tokens: Array, weight: Array, unit: float, duration: Array, idle: float, fine: int
) -> Array:
    """Row i: law of the units that arrive in ``duration[i]``; an idle engine waits for one prompt.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second [1/s].
    tokens, weight : array
        Law of the prompt tokens [tok].
    unit : float
        Lattice step [tok].
    duration : array
        Iteration lengths [s].
    idle : float
        Probability that the first row starts idle [-].
    fine : int
        Steps of the finer lattice in one: a power of two [-].
    """
    longest = float(duration.max())
    reach = max(compound_reach(arrival_rate * longest, tokens, weight), float(tokens.max())) / unit
    size = 1 << math.ceil(math.log2(max(reach, duration.size) + 2.0))
    phi, hat = _prompt_transform(tokens / unit, weight, size, fine)
    band = _band(hat, arrival_rate * float(duration.min()), phi, size)
    if band > _WIDEST:
        phi, hat = _prompt_transform(tokens / unit, weight, size, _WIDEST)
        band = _WIDEST
    bins = size * band // 2 + 1
    spectra = hat[:bins] * np.exp(duration[:, None] * (arrival_rate * (phi[:bins] - 1.0)))
    laws = np.maximum(np.fft.irfft(spectra, size * band, axis=1)[:, ::band] * band, 0.0)
    laws[0] = (1.0 - idle) * laws[0] + idle * split(tokens / unit, weight, size)
    return np.asarray(laws)


def _prompt_transform(units: Array, weight: Array, size: int, fine: int) -> tuple[Complex, Array]:
    """Transform of the law of a prompt on the finer lattice, and that of splitting what falls between."""
    phi = np.fft.rfft(split(units * fine, weight, size * fine))
    half = np.pi * np.arange(1, phi.size) / (size * fine)
    return phi, np.append(1.0, (np.sin(fine * half) / (fine * np.sin(half))) ** 2)


def _band(hat: Array, prompts: float, phi: Complex, size: int) -> int:
    """Lattice frequencies, a power of two, beyond which the transform of what arrives has died away."""
    heard = np.flatnonzero(hat * np.exp(prompts * (phi.real - 1.0)) > _UNHEARD)
    return min(1 << max(math.ceil(math.log2((2 * int(heard[-1]) + 1) / size)), 0), 2 * (phi.size - 1) // size)


def compound_reach(prompts: float, tokens: Array, weight: Array) -> float:
    """Tokens that a Poisson number of prompts passes with a chance of at most e^-34 (Chernoff) [tok]."""
    theta, growth = _exponents(tokens, weight)
    return float(np.min((prompts * growth + _LEFT_OUT) / theta))


def quiet_reach(
    arrival_rate: float, tokens: Array, weight: Array, reached: Array, duration: Array, tail: float
) -> float:
    """Tokens that wait at an iteration start with a chance of at most ``tail`` if no budget binds [tok].

    With iterations of at most alpha + kappa q, the cumulant function L of what waits obeys
    L(theta) <= alpha g(theta) + L(kappa g(theta)), g = lam (M - 1). As g is convex and zero at zero,
    L <= alpha g/(1 - kappa g/theta). One prompt more per iteration is that of an idle engine. Any range that
    is practically never left will do for the line. Infinite where there is none.

    Parameters
    ----------
    arrival_rate : float
        lam [1/s].
    tokens, weight : array
        Law of the prompt tokens [tok].
    reached, duration : array
        Points of the iteration length, ascending [tok], [s].
    tail : float
        [-].
    """
    theta, growth = _exponents(tokens, weight)
    load = arrival_rate * float(weight @ tokens)
    slopes = (duration[None, :] - duration[:, None]) / reached[None, :]
    best = math.inf
    for last in range(reached.size):
        kappa = slopes[: last + 1, : last + 1].max(axis=1)
        steady = np.where(
            load * kappa < 1, duration[: last + 1] / np.maximum(1 - load * kappa, 1e-12), np.inf
        )
        line = int(np.argmin(steady))
        left = 1.0 - arrival_rate * growth * kappa[line] / theta
        ok = left > 0
        if ok.any():
            cumulant = (duration[line] * arrival_rate * growth + np.log1p(growth))[ok] / left[ok]
            found = float(np.min((cumulant - math.log(tail)) / theta[ok]))
            best = min(best, found if found <= reached[last] else math.inf)
    return best


def _exponents(tokens: Array, weight: Array) -> tuple[Array, Array]:
    """Exponents theta from far below the mean's to the longest prompt's, and M(theta) - 1."""
    longest, mean = float(tokens.max()), float(weight @ tokens)
    theta = np.geomspace(1e-4 / longest, min(40.0 / longest, 10.0 / mean), 60)
    return theta, np.expm1(theta[:, None] * tokens[None, :]) @ weight
