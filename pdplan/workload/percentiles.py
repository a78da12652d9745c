"""A law through given percentiles, with a given mean if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from pdplan.errors import InputError
from pdplan.normal import ndtr, ndtri
from pdplan.workload._roots import bracketed_root
from pdplan.workload.law import MAX_TOKENS, MIN_TOKENS, Array
from pdplan.workload.table_law import TableLaw

_STEPS: Final = 48  # knots between two percentiles; the mean is exact on the knots whatever their number
_Z_END: Final = 4.0  # where the tails end when no minimum or maximum is given: 3 requests in 100,000
_BEND_MAX: Final = 40.0


def percentile_law(
    ranks: Sequence[float], values: Sequence[float], mean: float | None = None, what: str = "length"
) -> TableLaw:
    """Return the law whose quantiles at ``ranks`` are ``values``, and whose mean is ``mean``.

    Between two percentiles ln q is linear in the normal score (each piece is lognormal); below the first and
    above the last the neighbouring slope goes on, or the given minimum (rank 0) and maximum (rank 1) end it.
    A mean is met by bending every piece but the upper tail, q = a + (b - a) f^g, with one g for all: the
    percentiles stay where they are.

    Parameters
    ----------
    ranks : sequence of float
        At least two distinct ranks in [0, 1] [-], ascending.
    values : sequence of float
        Quantiles [tok], non-decreasing.
    mean : float, optional
        E X [tok].

    Raises
    ------
    InputError
        Quantiles that decrease, or a mean that no law with these quantiles has.

    Examples
    --------
    >>> law = percentile_law([0.5, 0.9, 0.99], [129.0, 424.0, 601.0], mean=211.0)
    >>> round(law.mean, 6), round(law.quantile(0.9), 6), round(law.quantile(0.99), 6)
    (211.0, 424.0, 601.0)
    """
    u, v = np.asarray(ranks, dtype=float), np.asarray(values, dtype=float)
    if np.any(np.diff(v) < 0):
        at = int(np.argmax(np.diff(v) < 0))
        raise InputError(
            f"{what}: {_label(u[at + 1])} is {v[at + 1]:g} tok, below {_label(u[at])} at {v[at]:g} tok: "
            "percentiles cannot decrease"
        )
    pieces = _pieces(u, v)
    if mean is None:
        return _bent(pieces, 1.0)
    least, most = _bent(pieces, _BEND_MAX).mean, _bent(pieces, 1.0 / _BEND_MAX).mean
    if not least <= mean <= most:
        raise InputError(
            f"{what}: the mean is {mean:g} tok, but with these percentiles it lies between "
            f"{least:.4g} and {most:.4g} tok: correct one of them or add percentiles"
        )

    def miss(log_bend: float) -> float:
        return _bent(pieces, float(np.exp(log_bend))).mean / mean - 1.0

    limit = float(np.log(_BEND_MAX))
    return _bent(pieces, float(np.exp(bracketed_root(miss, -limit, limit, tolerance=1e-12))))


def _label(rank: float) -> str:
    return {0.0: "min", 1.0: "max"}.get(float(rank), f"p{100 * rank:g}")


def _pieces(u: Array, v: Array) -> list[tuple[Array, Array, bool]]:
    """Return (ranks, quantiles, may be bent) of each piece from rank 0 to rank 1."""
    z = np.clip(ndtri(u), -_Z_END, _Z_END)
    logs = np.log(v)
    slopes = np.diff(logs) / np.diff(z)
    ends_z, ends_log, bends = [*z], [*logs], [True] * (u.size - 1)
    if u[0] > 0.0:
        first = max(logs[0] - slopes[0] * (z[0] + _Z_END), np.log(MIN_TOKENS))
        ends_z, ends_log, bends = [-_Z_END, *ends_z], [first, *ends_log], [True, *bends]
    if u[-1] < 1.0:
        last = min(logs[-1] + slopes[-1] * (_Z_END - z[-1]), np.log(MAX_TOKENS))
        ends_z, ends_log, bends = [*ends_z, _Z_END], [*ends_log, last], [*bends, False]
    pieces = []
    for i, bend in enumerate(bends):
        scores = np.linspace(ends_z[i], ends_z[i + 1], _STEPS + 1)
        ranks = ndtr(scores)
        ranks[0] = 0.0 if i == 0 else ranks[0]
        ranks[-1] = 1.0 if i == len(bends) - 1 else ranks[-1]
        pieces.append((ranks, np.exp(np.linspace(ends_log[i], ends_log[i + 1], _STEPS + 1)), bend))
    return pieces


def _bent(pieces: list[tuple[Array, Array, bool]], bend: float) -> TableLaw:
    """Return the law whose bendable pieces run as f^bend from their lower to their upper end."""
    values = []
    for _, q, may_bend in pieces:
        low, rise = q[0], q[-1] - q[0]
        share = (q - low) / rise if rise > 0 else np.zeros_like(q)
        values.append(low + rise * share**bend if may_bend else q)
    knots, tokens = np.concatenate([p[0] for p in pieces]), np.concatenate(values)
    # rounding may leave neighbouring ends a hair out of order
    return TableLaw(np.maximum.accumulate(knots), np.maximum.accumulate(tokens))
