r"""How long decode stands still when prompts go first.

Prompts that arrive during a decode step of t set off a burst of prefill, and those that arrive during the
burst prolong it. With B(z) the generating function of a busy period on a lattice of step h,

.. math:: B(z) = S\bigl(z\,e^{-\lambda h (1 - B(z))}\bigr), \qquad E z^{burst} = e^{-\lambda t (1 - B(z))}

Source: L. Takacs, Introduction to the Theory of Queues (1962), chapter 1, theorem 3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive, require_stable

Array = NDArray[np.float64]


def gap_pmf(
    arrival_rate: float, prefill_s: Array, weight: Array, step_s: float, *, points: int = 512
) -> tuple[float, Array]:
    """Return the lattice step [s] and the law of the prefill burst that follows a decode step.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second [1/s].
    prefill_s, weight : array
        Law of the prefill time of one prompt [s].
    step_s : float
        Decode step before the burst, t [s].
    points : int
        Lattice points.

    Raises
    ------
    UnstableError
        Prefill alone fills the instance.

    Examples
    --------
    >>> h, pmf = gap_pmf(2.0, np.array([0.1]), np.array([1.0]), 0.02)
    >>> round(float(h * (pmf @ np.arange(pmf.size))), 6)        # t rho/(1 - rho)
    0.005
    >>> round(float(pmf[0]), 6) == round(math.exp(-2.0 * 0.02), 6)
    True
    """
    require_positive("step_s", step_s, "s")
    load = arrival_rate * float(weight @ prefill_s)
    require_stable(load, what="the colocated instance's prefill")
    mean = float(weight @ prefill_s)
    excess = float(weight @ prefill_s**2) / (mean * mean)
    # The tail of a busy period decays at about (1 - sqrt rho)^2 / E S: twelve times that leaves 1e-5.
    reach = 12.0 * mean * excess / (1.0 - math.sqrt(load)) ** 2 + float(prefill_s.max())
    h = reach / points
    values = prefill_s / h
    low = np.floor(values).astype(int)
    pmf = np.bincount(low, weight * (1 - (values - low)), minlength=2)
    pmf = np.concatenate([pmf, [0.0]]) + np.bincount(low + 1, weight * (values - low), minlength=pmf.size + 1)
    place = np.flatnonzero(pmf)
    mass = pmf[place]

    span = 2 * points
    radius = 1e-10 ** (1.0 / span)
    z = radius * np.exp(-2j * np.pi * np.arange(points + 1) / span)
    log_z = np.log(z)
    busy = np.zeros_like(z)
    for _ in range(200):
        exponent = log_z - arrival_rate * h * (1.0 - busy)
        new = np.exp(exponent[:, None] * place[None, :]) @ mass
        change = float(np.abs(new - busy).max())
        busy = new
        if change < 1e-9:
            break
    burst = np.fft.irfft(np.exp(-arrival_rate * step_s * (1.0 - busy)), span)[:points]
    burst = np.maximum(burst * radius ** (-np.arange(points, dtype=float)), 0.0)
    return h, np.asarray(burst / burst.sum())
