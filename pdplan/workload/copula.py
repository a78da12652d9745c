"""The Gaussian copula on a grid of ranks: how two sets of atoms are paired."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pdplan.errors import InputError
from pdplan.normal import ndtr, ndtri
from pdplan.workload._roots import bracketed_root
from pdplan.workload.law import Array
from pdplan.workload.strata import Atoms

_COPULA_MAX: Final = 0.9995  # normal correlation beyond which the coupling is taken as complete
_NODES, _NODE_SHARES = np.polynomial.legendre.leggauss(5)


class RankGrid(NamedTuple):
    """Cells of ranks: row i and column j of the grid hold these probabilities."""

    rows: Array
    columns: Array
    scores: Array  #: normal scores of the quadrature nodes inside each row
    cuts: Array  #: normal scores between the columns


def rank_grid(rows: Array, columns: Array) -> RankGrid:
    """Return the grid of two sets of weights, each summing to 1."""
    start = np.concatenate([[0.0], np.cumsum(rows)[:-1]])
    ranks = start[:, None] + rows[:, None] * (_NODES + 1) / 2
    return RankGrid(rows, columns, ndtri(ranks)[:, :, None], ndtri(np.cumsum(columns)[:-1]))


def copula_weights(grid: RankGrid, parameter: float) -> Array:
    """Return the Gaussian copula's probability of each cell, with exact marginals.

    Given a row's normal score z the other score is normal with mean r z and variance 1 - r^2 (Nelsen 2006, An
    Introduction to Copulas, section 2.3): integrated over each row by Gauss-Legendre, then fitted to both
    marginals.

    Examples
    --------
    >>> half = np.array([0.5, 0.5])
    >>> first = copula_weights(rank_grid(half, half), 0.5)[0, 0]  # 1/4 + asin(r) / (2 pi) = 1/3
    >>> bool(np.isclose(first, 1 / 3, atol=1e-3))
    True
    """
    if parameter == 0.0:
        return np.outer(grid.rows, grid.columns)
    below = ndtr((grid.cuts - parameter * grid.scores) / np.sqrt(1.0 - parameter**2))
    cumulative = np.ones((grid.rows.size, grid.columns.size))
    cumulative[:, :-1] = np.einsum("k,ikj->ij", _NODE_SHARES / 2, below)
    cells = cumulative.copy()
    cells[:, 1:] -= cumulative[:, :-1]
    return fit_marginals(grid.rows[:, None] * np.maximum(cells, 1e-300), grid.rows, grid.columns)


def fit_marginals(cells: Array, rows: Array, columns: Array) -> Array:
    """Scale rows and columns in turn until both sums are right (Deming and Stephan 1940)."""
    for _ in range(200):
        cells = cells * (columns / cells.sum(axis=0))
        sums = cells.sum(axis=1)
        cells = cells * (rows / sums)[:, None]
        if np.abs(sums - rows).max() < 1e-12:
            break
    return cells


class Coupling(NamedTuple):
    """The copula's normal correlation and the weight of each pair of atoms."""

    parameter: float
    weights: Array


def couple(x: Atoms, y: Atoms, length_correlation: float) -> Coupling:
    """Return the Gaussian coupling that gives the atoms the wanted Pearson correlation.

    Raises
    ------
    InputError
        A constant marginal (it correlates with nothing), or a correlation out of reach.

    Examples
    --------
    >>> a = Atoms(np.array([1.0, 2.0, 5.0]), np.array([0.5, 0.3, 0.2]))
    >>> c = couple(a, a, 0.4)
    >>> round(float((a.values - a.mean) @ c.weights @ (a.values - a.mean)) / (a.scv * a.mean**2), 6)
    0.4
    """
    grid = rank_grid(x.weights, y.weights)
    if length_correlation == 0.0:
        return Coupling(0.0, copula_weights(grid, 0.0))
    scale = float(np.sqrt(x.scv * y.scv)) * x.mean * y.mean
    if scale == 0.0:
        raise InputError(
            f"length_correlation is {length_correlation:g}, but one of the lengths is fixed: leave it out"
        )
    centred_x, centred_y = x.values - x.mean, y.values - y.mean
    sign, wanted = float(np.copysign(1.0, length_correlation)), abs(length_correlation)
    tried: dict[float, tuple[float, Array]] = {0.0: (0.0, np.zeros(0))}

    def reached(size: float) -> float:
        if size not in tried:
            weights = copula_weights(grid, sign * size)
            tried[size] = sign * float(centred_x @ weights @ centred_y) / scale, weights
        return tried[size][0]

    # lengths correlate less than the normals behind them (Lancaster 1957): the root lies above ``wanted``
    low, high = 0.0, min(wanted, _COPULA_MAX)
    while reached(high) < wanted:
        if high == _COPULA_MAX:
            raise InputError(
                f"length_correlation is {length_correlation:g}: lengths with these laws correlate at "
                f"{'most' if sign > 0 else 'least'} {sign * reached(high):.3g}; use a value nearer to 0"
            )
        low, high = high, min(1.01 * high * wanted / reached(high), _COPULA_MAX)
    size = bracketed_root(lambda s: reached(s) - wanted, low, high, tolerance=1e-8)
    return Coupling(sign * size, tried[size][1])
