"""The wait of M/D/1 in units of the service time: two exact expressions, each where it is accurate.

Below ``SWITCH`` Erlang's alternating series (A. K. Erlang 1909; C. D. Crommelin 1932)::

    P(W <= t) = (1-rho) sum_{j=0}^{floor t} (-y_j)^j / j! exp(y_j),   y_j = rho (t - j)

whose float64 error grows from 1e-13 at t = 3 to 1e-10 at t = 10 and is nonsense at t = 33. Above it the
spectral expansion (poles of the Pollaczek-Khinchine transform)::

    P(W > t) = sum_k C_k exp(-th_k t),   C_k = (1-rho) / (th_k - (1-rho)),   rho (exp(th) - 1) = th

with one real root and conjugate pairs; nine pairs are enough for 1e-12 at t = 7. Transform inversion
(Euler, Talbot) fails here: the density has kinks at whole services.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SWITCH = 7
_PAIRS = 9
_ALONE = 25.0  # beyond this the real root alone is right to 1e-20


def decay(rho: Array) -> Array:
    """Real root th > 0 of rho (exp(th) - 1) = th, by Newton on log(expm1(th)/th) = -log rho.

    That form has no cancellation as rho -> 1 (th ~ 2 (1-rho)) and is nearly linear.
    """
    level = -np.log(rho)
    th = np.where(rho > 0.5, 2 * level - level * level / 3, level + np.log1p(level))
    th = np.maximum(th, level)
    for _ in range(8):
        small = th < 1e-3
        safe = np.where(small, 1.0, th)
        g = np.where(small, th / 2 + th * th / 24, safe + np.log1p(-np.exp(-safe)) - np.log(safe))
        slope = np.where(small, 0.5 + th / 12, -1 / np.expm1(-safe) - 1 / safe)
        th = th - (g - level) / slope
    return np.asarray(th)


def _complex_roots(rho: Array) -> NDArray[np.complex128]:
    """Roots in the upper half plane, shape (rho.size, pairs): fixed point, then Newton."""
    turn = 2j * np.pi * np.arange(1, _PAIRS + 1)
    r = rho[:, None]
    th = np.log(turn / r) + turn
    th = np.log(1 + th / r) + turn  # contracts by 1/|rho + th| < 1/6
    for _ in range(3):  # Newton on th - log(1 + th/rho) - 2 pi i k = 0
        th = th - (th - np.log(1 + th / r) - turn) / (1 - 1 / (r + th))
    return np.asarray(th)


def _series_cdf(rho: Array, t: Array) -> Array:
    """P(W <= t) by Erlang's series, t < SWITCH (0 for t < 0)."""
    total = np.zeros(t.shape)
    growth, step = np.exp(rho * np.maximum(t, 0.0)), np.exp(-rho)
    for j in range(SWITCH):
        y = rho * np.maximum(t - j, 0.0)
        term = np.where(t >= j, growth, 0.0)
        for i in range(j):
            term = term * (-y / (i + 1))
        total += term
        growth = growth * step
    return np.asarray((1 - rho) * total)


def _real_part(rho: Array, th0: Array, t: Array) -> Array:
    """The real root's share of P(W > t)."""
    return np.asarray((1 - rho) / (th0 - (1 - rho)) * np.exp(-th0 * t))


def _pairs_part(rho: Array, th: NDArray[np.complex128], t: Array) -> tuple[Array, Array]:
    """The conjugate pairs' share of P(W > t) and of the density of W."""
    idle = (1 - rho)[:, None]
    parts = idle / (th - idle) * np.exp(-th * t[:, None])
    return np.asarray(2 * parts.sum(axis=1).real), np.asarray(2 * (th * parts).sum(axis=1).real)


def _roots_of(rho: Array) -> NDArray[np.complex128]:
    """Complex roots of each rho, computed once for equal ones."""
    once, back = np.unique(rho, return_inverse=True)
    return np.asarray(_complex_roots(once)[back.reshape(rho.shape)])


def survival(rho: Array, t: Array) -> Array:
    """P(W > t), elementwise; t >= 0 in units of the service time."""
    out = np.empty(t.shape)
    low = t < SWITCH
    out[low] = 1 - _series_cdf(rho[low], t[low])
    high = np.flatnonzero(~low)
    if high.size:
        out[high] = _real_part(rho[high], decay(rho[high]), t[high])
        near = high[t[high] < _ALONE]
        out[near] += _pairs_part(rho[near], _roots_of(rho[near]), t[near])[0]
    return np.asarray(np.clip(out, 0.0, 1.0))


def quantile(rho: Array, p: Array) -> Array:
    """Smallest t with P(W <= t) >= p, elementwise, in units of the service time."""
    out = np.zeros(p.shape)
    waits = p > 1 - rho
    rho, p = rho[waits], p[waits]
    if not p.size:
        return out
    answer = np.log1p((p - (1 - rho)) / (1 - rho)) / rho  # exact while it stays within one service
    beyond = np.flatnonzero(answer > 1)
    if beyond.size:
        answer[beyond] = _beyond_one_service(rho[beyond], p[beyond])
    out[waits] = answer
    return out


def _beyond_one_service(rho: Array, p: Array) -> Array:
    """Quantiles above one service: spectral above SWITCH, else Newton on the series within its cell."""
    th0 = decay(rho)
    t = np.log((1 - rho) / (th0 - (1 - rho)) / (1 - p)) / th0
    near = np.flatnonzero((t > SWITCH - 0.1) & (t < _ALONE))  # the first guess is right to 1e-4 there
    high = t > SWITCH - 0.1
    if near.size:
        th = _roots_of(rho[near])
        guess, wanted = np.maximum(t[near], float(SWITCH)), np.log1p(-p[near])
        for _ in range(2):  # the tail is log-linear: Newton on its logarithm, from 1e-5 to 1e-10 to rounding
            real = _real_part(rho[near], th0[near], guess)
            tail, slope = _pairs_part(rho[near], th, guess)
            guess = guess + (real + tail) * (np.log(real + tail) - wanted) / (th0[near] * real + slope)
        t[near], high[near] = guess, guess > SWITCH
    low = np.flatnonzero(~high)
    if low.size:
        t[low] = _in_series(rho[low], p[low])
    return np.asarray(t)


def _in_series(rho: Array, p: Array) -> Array:
    """Newton within one cell [k, k+1], where the series is smooth and increasing."""
    edges = np.stack([_series_cdf(rho, np.full(p.shape, float(k))) for k in range(2, SWITCH)])
    cell = (1 + (p > edges).sum(axis=0)).astype(np.float64)
    left, right = cell, cell + 1
    t = cell + 0.5
    for _ in range(60):
        cdf = _series_cdf(rho, t)
        slope = rho * (cdf - _series_cdf(rho, t - 1))  # W has density rho (F(t) - F(t - 1))
        left, right = np.where(cdf < p, t, left), np.where(cdf < p, right, t)
        last, t = t, _safe_step(t, cdf - p, slope, left, right)
        if (np.abs(t - last) <= 1e-9 * t).all():  # Newton: the next step would move by 1e-18
            break
    return np.asarray(t)


def _safe_step(t: Array, gap: Array, slope: Array, left: Array, right: Array) -> Array:
    """Newton's step where it stays inside the bracket, the middle elsewhere."""
    with np.errstate(divide="ignore", invalid="ignore"):
        newton = t - gap / slope  # the slope may vanish
    inside = (newton >= left) & (newton <= right)
    return np.asarray(np.where(inside, newton, 0.5 * (left + right)))
