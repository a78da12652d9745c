"""Non-negative coefficients that minimise a robust loss of relative errors."""

from __future__ import annotations

import numpy as np

from pdplan.latency.interpolate import Array

#: Residuals beyond this many standard deviations count linearly (Huber 1964: 95% efficient on normal errors).
BEND = 1.345
#: Standard deviation of a normal law over its median absolute deviation.
MAD_TO_SIGMA = 1.4826
#: Relative errors below this are not told apart: finer than any timer of an engine.
FLOOR = 1e-4
ROUNDS = 60
#: A fit is not believed to be further from a measurement than by this factor.
FAR = 30.0
#: A term that is nowhere a larger share of the time than this is 0.
NOTHING = 1e-12


def relative_scale(residuals: Array, terms: int) -> float:
    r"""Return the standard deviation of relative errors, judged by their median [-].

    The ``terms`` smallest are left out: a fit can make that many vanish (McKean and Schrader, J. Amer.
    Statist. Assoc. 82 (1987) 1056).

    Examples
    --------
    >>> round(relative_scale(np.array([0.0, 0.01, -0.02, 0.03]), 1), 5)      # 1.4826 x 0.02
    0.02965
    """
    left = np.sort(np.abs(residuals))[min(terms, residuals.size - 1) :]
    return max(MAD_TO_SIGMA * float(np.median(left)), FLOOR)


def robust_nonnegative(design: Array, measured: Array) -> Array:
    r"""Return coefficients x >= 0 of ``measured ~ design x``, little moved by outliers.

    Solves for the least :math:`\sum_i \rho(r_i/(1.345\,\sigma))` with
    :math:`r = (design\,x - measured)/fitted`, :math:`\rho(u) = \sqrt{1+u^2} - 1` (soft L1), by re-weighted
    non-negative least squares; sigma follows the median error, ``fitted`` is the last round's. Errors are
    relative, so that short and long steps weigh the same, and to the fit, so that a time that is wrongly
    small weighs no more than one that is wrongly large.

    Parameters
    ----------
    design : array, shape (n, p)
        Terms of each measurement, at least one.
    measured : array, shape (n,)
        Times [s], > 0.

    Notes
    -----
    A wrong time is outvoted by its neighbours; a wrong time that alone fixes a term (the only large batch,
    say) is not: the cross-validated error shows it.

    Source: P. J. Huber, Ann. Math. Statist. 35 (1964) 73; C. Lawson and R. Hanson, Solving Least Squares
    Problems (1974), chapter 23 (non-negative least squares).

    Examples
    --------
    >>> n = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    >>> times = 3.0 + 2.0 * n
    >>> times[2] *= 3                                                     # one of five is wrong
    >>> robust_nonnegative(np.stack([np.ones(5), n], axis=1), times).round(2).tolist()
    [3.0, 2.0]
    """
    from scipy.optimize import nnls

    # columns of one size: n^2 and 1 differ by many orders
    size = np.linalg.norm(design / measured[:, None], axis=0)
    size = np.where(size > 0, size, 1.0)
    rows = design / size
    weight = 1.0 / measured
    found = np.asarray(nnls(rows * weight[:, None], measured * weight)[0], dtype=float)
    for _ in range(ROUNDS if measured.size > design.shape[1] else 0):
        fitted = np.clip(rows @ found, measured / FAR, measured * FAR)
        residuals = (rows @ found - measured) / fitted
        bend = BEND * relative_scale(residuals, int(np.count_nonzero(found)))
        weight = (1.0 + (residuals / bend) ** 2) ** -0.25 / fitted
        last, found = found, np.asarray(nnls(rows * weight[:, None], measured * weight)[0], dtype=float)
        if np.allclose(found, last, rtol=1e-6, atol=0.0):
            break
    # what is nothing next to rounding is nothing
    found = np.where((rows * found / measured[:, None]).max(axis=0) > NOTHING, found, 0.0)
    return np.asarray(found / size)
