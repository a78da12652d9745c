"""The Gaussian copula on a grid of ranks: how two sets of atoms are paired."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from pdplan.errors import InputError
from pdplan.normal import ndtri
from pdplan.workload.law import Array
from pdplan.workload.strata import Atoms

_COPULA_MAX: Final = 0.9995  # normal correlation beyond which the coupling is taken as complete
_CLOSE: Final = 1e-8  # to a wanted correlation
_WEAK: Final = 0.8  # normal correlation to which ten nodes give corners to 1e-12; above it 24 to 3e-7
_NODES: Final = tuple(np.polynomial.legendre.leggauss(n) for n in (10, 24))


class RankGrid(NamedTuple):
    """Cells of ranks: row i and column j of the grid hold these probabilities."""

    rows: Array
    columns: Array
    across: Array  #: products of the normal scores at each inner corner
    apart: Array  #: half the sum of their squares

    def density(self, parameter: Any) -> Array:
        """Bivariate normal density at the inner corners times 2 pi sqrt(1 - r^2), for each parameter r."""
        r = np.asarray(parameter)
        value: Array = np.exp((r * self.across[..., None] - self.apart[..., None]) / (1.0 - r * r))
        return value


def rank_grid(rows: Array, columns: Array) -> RankGrid:
    """Return the grid of two sets of weights, each summing to 1."""
    # an end that rounding puts at rank 0 or 1 has no finite score; past 9 no weight is left
    a, b = (np.clip(ndtri(np.cumsum(w)[:-1]), -9.0, 9.0) for w in (rows, columns))
    a = a[:, None]
    return RankGrid(rows, columns, a * b, 0.5 * (a * a + b * b))


def copula_weights(grid: RankGrid, parameter: float) -> Array:
    """Return the Gaussian copula's probability of each cell, with exact marginals.

    The cdf at a corner is that of independence and the integral of the density over the parameter from 0
    (Plackett 1954, Biometrika 41, 351; by its arc sine as in Drezner and Wesolowsky 1990), by Gauss-Legendre.

    Examples
    --------
    >>> half = np.array([0.5, 0.5])
    >>> first = copula_weights(rank_grid(half, half), 0.5)[0, 0]  # 1/4 + asin(r) / (2 pi) = 1/3
    >>> bool(np.isclose(first, 1 / 3, atol=1e-12))
    True
    """
    cells = np.outer(grid.rows, grid.columns)
    if parameter == 0.0:
        return cells
    angle = np.arcsin(parameter)
    nodes, shares = _NODES[abs(parameter) > _WEAK]
    tie = grid.density(np.sin(0.5 * angle * (nodes + 1.0))) @ shares * (angle / (4.0 * np.pi))
    # a cell's weight is the corners' second difference; at the outer edges nothing ties the two
    cells += np.diff(np.diff(np.pad(tie, 1), axis=0), axis=1)
    return fit_marginals(np.maximum(cells, 1e-300), grid.rows, grid.columns)


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
    # lengths correlate less than the normals behind them (Lancaster 1957): the root lies above ``wanted``
    low, high, size = 0.0, _COPULA_MAX, min(wanted, _COPULA_MAX)
    while True:
        weights = copula_weights(grid, sign * size)
        reached = sign * float(centred_x @ weights @ centred_y) / scale
        if abs(reached - wanted) <= _CLOSE or high - low <= _CLOSE:
            return Coupling(sign * size, weights)
        if reached > wanted:
            high = size
        elif size == _COPULA_MAX:
            raise InputError(
                f"length_correlation is {length_correlation:g}: lengths with these laws correlate at "
                f"{'most' if sign > 0 else 'least'} {sign * reached:.3g}; use a value nearer to 0"
            )
        else:
            low = size
        newton = size + (wanted - reached) * scale / _slope(grid, x, y, sign * size)
        inside = low < newton < high
        size = newton if inside else high if high == _COPULA_MAX else 0.5 * (low + high)


def _slope(grid: RankGrid, x: Atoms, y: Atoms, parameter: float) -> float:
    """Return dE[XY]/dr: the density at the corners, by what either law jumps there."""
    density = grid.density([parameter])[..., 0] / (2.0 * np.pi * np.sqrt(1.0 - parameter**2))
    return float(np.diff(x.values) @ density @ np.diff(y.values))
