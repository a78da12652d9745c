"""The queue of M/D/c by Wiener-Hopf factorisation: P(Lq > m), its mean and its geometric tail.

Work in units of the service time. In one service time a queue with c busy servers gains A - c customers,
A Poisson of mean c rho, so that Lq is the maximum of a random walk with step transform

    phi(z) = exp(c rho (z - 1)) z^-c,      E z^Lq = exp(sum_{k>0} u_k (z^k - 1)),   u_k = -[z^k] log(1 - phi).

The coefficients are read off a circle by one FFT. 1 - phi vanishes at z = 1 and at z0 = e^theta, and as
rho -> 1 these two pinch every circle between them. Then both zeros are divided out first,

    1 - phi = (1 - 1/z) (1 - z/z0) h(z),

whose second factor is a geometric law of ratio 1/z0; log h is analytic in an annulus of width about
2/sqrt(c) at any load, so that the FFT stays short: about 64 sqrt(c) points.

Source: F. Spitzer, Trans. AMS 82 (1956) 323-339 (the identity); S. Asmussen, Applied Probability and Queues
(2003), ch. VIII (factorisation); the cepstral evaluation follows A. V. Oppenheim, R. W. Schafer, Digital
Signal Processing (1975), ch. 10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_FORGOTTEN = 46.0  # the head is kept down to tails of e^-46 = 1e-20


@dataclass(frozen=True, eq=False)
class QueueTail:
    """P(Lq > m): ``head[m]`` while it lasts, then geometric with ratio e^-decay."""

    head: Array
    decay: float
    mean: float
    near_saturation: bool

    def sf(self, m: NDArray[np.int64]) -> Array:
        """P(Lq > m), 1 for m < 0."""
        last = self.head.size - 1
        inside = self.head[np.clip(m, 0, last)]
        beyond = np.exp(-self.decay * np.maximum(m - last, 0))
        return np.where(m < 0, 1.0, inside * beyond)


def walk_decay(utilization: float) -> float:
    """Root theta > 0 of rho (e^theta - 1) = theta, for 0 < rho < 1; it does not depend on c.

    Newton's method on log((e^theta - 1)/theta) = -log rho, which does not cancel as rho -> 1.

    Examples
    --------
    >>> theta = walk_decay(0.8)
    >>> abs(0.8 * math.expm1(theta) - theta) < 1e-14
    True
    """
    depth = -math.log(utilization)
    theta = 2 * depth - depth * depth / 3 if depth < 0.7 else depth + math.log(depth + 1) + 0.5
    for _ in range(50):
        if theta < 1e-3:
            value, slope = theta / 2 + theta * theta / 24, 0.5 + theta / 12
        else:
            value = math.log(math.expm1(theta) / theta)
            slope = 1 / -math.expm1(-theta) - 1 / theta
        step = (value - depth) / slope
        theta -= step
        if abs(step) <= 1e-15 * theta:
            break
    return theta


def queue_tail(utilization: float, servers: int) -> QueueTail:
    """P(Lq > m) of M/D/c, at any load below 1 and for c up to 1e6."""
    theta = walk_decay(utilization)
    if servers * theta * theta >= 1:
        return _between_the_zeros(utilization, servers, theta)
    return _zeros_divided_out(utilization, servers, theta)


def _circle(log_radius: float, points: int) -> NDArray[np.complex128]:
    """log z at ``points`` places of the circle, lower half and both ends: what ``irfft`` wants."""
    return np.asarray(log_radius - 2j * np.pi * np.arange(points // 2 + 1) / points, dtype=np.complex128)


def _log_step(log_z: NDArray[np.complex128], utilization: float, servers: int) -> NDArray[np.complex128]:
    """log phi(z) = c (rho (z - 1) - log z)."""
    return servers * (utilization * np.expm1(log_z) - log_z)


def _maximum_pmf(tilted: Array, untilted: Array, points: int) -> Array:
    """Tilted coefficients 1, 2, ... of exp(sum v_k (z^k - 1)), and its coefficient 0 less 1 in front.

    expm1 keeps the digits where hardly anybody waits.
    """
    padded = np.zeros(points)
    padded[1 : tilted.size + 1] = tilted
    return np.fft.irfft(np.expm1(np.fft.rfft(padded) - untilted.sum()), points)[: tilted.size + 1]


def _between_the_zeros(utilization: float, servers: int, theta: float) -> QueueTail:
    """Circle half-way between the zeros, in logarithm; |phi| < 1 on it."""
    keep = math.ceil(1.6 * _FORGOTTEN / theta) + 8
    points = 1 << (2 * keep - 1).bit_length()
    half, k = 0.5 * theta, np.arange(1, keep)
    log_phi = _log_step(_circle(half, points), utilization, servers)
    tilted = -np.fft.irfft(np.log1p(-np.exp(log_phi)), points)[1:keep]
    u = tilted * np.exp(-half * k)
    pmf = _maximum_pmf(tilted, u, points)[1:] * np.exp(-half * k)  # P(Lq = 1), P(Lq = 2), ...
    head = np.cumsum(pmf[::-1])[::-1]
    return QueueTail(head[: math.ceil(_FORGOTTEN / theta) + 1], theta, float(u @ k), near_saturation=False)


def _zeros_divided_out(utilization: float, servers: int, theta: float) -> QueueTail:
    """Circle beyond both zeros, which are divided out: Lq = geometric + a short signed law."""
    root = math.sqrt(servers)
    points = 1 << math.ceil(64 * root + 32).bit_length()
    log_radius, k = 0.5 * theta + 1.25 / root, np.arange(1, points // 2)
    log_z = _circle(log_radius, points)
    h = np.expm1(_log_step(log_z, utilization, servers)) / (np.expm1(-log_z) * -np.expm1(log_z - theta))
    log_h = np.log(np.abs(h)) + 1j * np.unwrap(np.angle(h))
    tilted = -np.fft.irfft(log_h, points)[1 : points // 2]
    v = tilted * np.exp(-log_radius * k)
    law = _maximum_pmf(tilted, v, points)
    law[0] += 1
    j = np.arange(law.size)
    short = law * np.exp(-log_radius * j)  # the signed law
    grown = np.cumsum(law * np.exp((theta - log_radius) * j))  # sum of short_i z0^i, i <= j
    beyond = np.append(np.cumsum(short[::-1])[::-1][1:], 0.0)
    head = grown * np.exp(-theta * (j + 1)) + beyond
    return QueueTail(head, theta, 1 / math.expm1(theta) + float(v @ k), near_saturation=True)
