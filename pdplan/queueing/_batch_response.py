"""Wait plus step for a server of batches: a customer's step grows with those who come behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan import special
from pdplan.queueing.lattice import LatticeLaw
from pdplan.trust import Trust

Array = NDArray[np.float64]

_BINS = 2048
_MOMENTS = 48  # arrival moments looked at in a step
_SPECK = 1e-10


@dataclass(frozen=True, eq=False)
class StepsMet:
    """Steps of the chain: chance, customers left over by the step, its length [s]; cycle [s], rate [1/s]."""

    chance: Array
    waiting: NDArray[np.int_]
    length: Array
    cycle_s: float
    arrival_rate: float


def _poisson(k: NDArray[np.int_], mean: Array) -> Array:
    """P(N = k), 0 for k < 0."""
    safe = np.maximum(k, 0)
    return np.where(k >= 0, np.exp(special.xlogy(safe, mean) - mean - special.gammaln(safe + 1)), 0.0)


def _joint(met: StepsMet, max_batch: int, full_s: float, bin_s: float) -> Array:
    """Chance of each (wait bin, place in the batch) of a customer who waits; shape (bins, places)."""
    keep = met.chance > _SPECK
    chance, waiting, length = met.chance[keep], met.waiting[keep], met.length[keep]
    moment = (np.arange(_MOMENTS) + 0.5) / _MOMENTS
    u = moment[None, :, None] * length[:, None, None]
    most = int(met.arrival_rate * length.max() + 8 * np.sqrt(met.arrival_rate * length.max()) + 12)
    arrived = np.arange(most)[None, None, :]
    weight = (
        (chance * length)[:, None, None] / _MOMENTS / met.cycle_s * _poisson(arrived, met.arrival_rate * u)
    )
    ahead = waiting[:, None, None] + arrived
    wait = length[:, None, None] - u + (ahead // max_batch) * full_s
    place = np.broadcast_to(ahead % max_batch, weight.shape)
    places = int(place[weight > _SPECK * 1e-4].max(initial=0)) + 1
    row = np.minimum((wait / bin_s).astype(int), _BINS - 1)
    flat = np.broadcast_to(row, weight.shape) * places + np.minimum(place, places - 1)
    counts = np.bincount(flat.ravel(), weights=weight.ravel(), minlength=_BINS * places)
    return np.asarray(counts, dtype=np.float64).reshape(_BINS, places)


def batch_response(
    met: StepsMet, step_s: Callable[[Any], Any], max_batch: int, full_s: float, longest_wait_s: float
) -> LatticeLaw:
    """Law of wait plus step on a lattice of about 2000 bins.

    Given a wait w and r ahead in the own batch, the batch has min(B, r + 1 + Poisson(lam w)) customers.
    """
    bin_s = (longest_wait_s + float(step_s(1))) / (_BINS - 8)
    joint = _joint(met, max_batch, full_s, bin_s)
    wait: Array = np.asarray((np.arange(_BINS) + 0.5) * bin_s)
    behind = met.arrival_rate * wait
    most = int(behind[-1] + 8 * np.sqrt(behind[-1]) + 12) + joint.shape[1]
    size = 1 << most.bit_length()
    turn = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size) - 1
    sizes = np.fft.irfft(
        np.fft.rfft(joint, size, axis=1) * np.exp(behind[:, None] * turn[None, :]), size, axis=1
    )
    batch = np.minimum(np.arange(size) + 1, max_batch)
    at = np.round((wait[:, None] + np.asarray(step_s(batch))[None, :]) / bin_s).astype(int)
    ends = int(at.max()) + 8
    weights = np.maximum(sizes, 0.0).ravel()
    masses = np.asarray(np.bincount(at.ravel(), weights=weights, minlength=ends), dtype=np.float64)
    masses[round(float(step_s(1)) / bin_s)] += float(met.chance[0]) / met.arrival_rate / met.cycle_s
    return LatticeLaw(bin_s, masses, trust=Trust.APPROXIMATE)
