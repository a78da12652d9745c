"""Laws given by a table: constants, uniform lengths, quantile tables, samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pdplan.checks import require_fraction
from pdplan.errors import InputError
from pdplan.workload.law import Array, require_tokens


@dataclass(frozen=True, eq=False)
class TableLaw:
    """A law whose quantile function is linear between knots, with jumps where a knot is repeated.

    Parameters
    ----------
    ranks : array, shape (n,)
        Knots u from 0 to 1 [-], non-decreasing.
    values : array, shape (n,)
        q at each knot [tok], non-decreasing, within 1 to 1e8.

    Raises
    ------
    InputError
        Ranks that do not run from 0 to 1, values that decrease or are no token counts.

    Examples
    --------
    >>> law = TableLaw(np.array([0.0, 1.0]), np.array([100.0, 300.0]))
    >>> law.mean, round(law.scv, 6), law.quantile(0.5)
    (200.0, 0.083333, 200.0)
    """

    ranks: Array
    values: Array
    _moments: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the table and accumulate its moments at the knots."""
        u, q = self.ranks, self.values
        if u.shape != q.shape or u.ndim != 1 or u.size < 2:
            raise InputError("a length table needs as many values as ranks, two at least")
        if not np.isfinite(q).all():
            raise InputError("a length table holds a value that is not finite")
        require_tokens("the smallest length of the table", float(q.min()))
        require_tokens("the largest length of the table", float(q.max()))
        if not (u[0] == 0.0 and u[-1] == 1.0 and np.all(np.diff(u) >= 0)):
            raise InputError("the ranks of a length table must run from 0 to 1 without decreasing")
        if np.any(np.diff(q) < 0):
            at = int(np.argmax(np.diff(q) < 0))
            raise InputError(
                f"the length table falls from {q[at]:g} tok at {100 * u[at]:g}% to {q[at + 1]:g} tok "
                f"at {100 * u[at + 1]:g}%: quantiles cannot decrease"
            )
        steps = _segment_moments(np.diff(u), q[:-1], q[1:])
        object.__setattr__(self, "_moments", np.concatenate([np.zeros((3, 1)), steps.cumsum(axis=1)], axis=1))

    @property
    def mean(self) -> float:
        """E X [tok]."""
        return float(self._moments[0, -1])

    @property
    def scv(self) -> float:
        """Var X / (E X)^2 [-]."""
        return max(float(self._moments[1, -1] / self._moments[0, -1] ** 2 - 1.0), 0.0)

    def quantile(self, p: Any) -> Any:
        """The p-quantile [tok] at p in [0, 1]."""
        require_fraction("p", p)
        u = np.atleast_1d(np.asarray(p, dtype=float))
        _, q = self._locate(u)
        return float(q[0]) if np.ndim(p) == 0 else q

    def partial_moments(self, u: Array) -> Array:
        """Integral of q^k from 0 to u, k = 1, 2, 3 [tok^k]."""
        at, q = self._locate(u)
        return self._moments[:, at] + _segment_moments(u - self.ranks[at], self.values[at], q)

    def _locate(self, u: Array) -> tuple[Any, Array]:
        """Return the segment that ends at or holds each u, and q(u) (the left limit at a jump)."""
        at = np.clip(np.searchsorted(self.ranks, u, side="left") - 1, 0, self.ranks.size - 2)
        width = self.ranks[at + 1] - self.ranks[at]
        share = (u - self.ranks[at]) / np.where(width > 0, width, 1.0)
        return at, self.values[at] + share * (self.values[at + 1] - self.values[at])


def _segment_moments(width: Array, first: Array, last: Array) -> Array:
    """Integral of q^k over a segment where q runs linearly from ``first`` to ``last``."""
    one = (first + last) / 2
    two = (first**2 + first * last + last**2) / 3
    three = (first**3 + first**2 * last + first * last**2 + last**3) / 4
    return width * np.stack([one, two, three])


def constant_law(tokens: float, what: str = "length") -> TableLaw:
    """Return the law of a fixed length.

    Examples
    --------
    >>> law = constant_law(2048)
    >>> law.mean, law.scv, law.quantile(0.99)
    (2048.0, 0.0, 2048.0)
    """
    value = require_tokens(what, tokens)
    return TableLaw(np.array([0.0, 1.0]), np.array([value, value]))


def uniform_law(low: float, high: float, what: str = "length") -> TableLaw:
    """Return the law of lengths spread evenly between two ends [tok].

    Examples
    --------
    >>> uniform_law(100, 300).quantile(0.9)
    280.0
    """
    first, last = require_tokens(f"{what}: min", low), require_tokens(f"{what}: max", high)
    if last < first:
        raise InputError(f"{what}: max is {last:g} tok, below min {first:g} tok")
    return TableLaw(np.array([0.0, 1.0]), np.array([first, last]))


def quantile_table_law(table: Mapping[Any, Any], what: str = "length") -> TableLaw:
    """Return the law of a table {percent: tokens}, linear between its rows.

    The table must hold 0 and 100 (the smallest and the largest length), because a mean cannot be told
    without the ends.

    Examples
    --------
    >>> quantile_table_law({0: 10, 50: 100, 100: 1000}).mean
    302.5
    >>> quantile_table_law({0: 10, 50: 5, 100: 1000}, "output_tokens")
    Traceback (most recent call last):
    pdplan.errors.InputError: output_tokens: the length table falls from 10 tok at 0% to 5 tok at 50%: ...
    """
    try:
        rows = sorted((float(percent), float(tokens)) for percent, tokens in table.items())
    except (TypeError, ValueError):
        raise InputError(
            f"{what}: a quantile table maps percents to tokens, such as {{0: 10, 50: 100, 100: 900}}"
        ) from None
    percents = [percent for percent, _ in rows]
    if len(rows) < 2 or percents[0] != 0.0 or percents[-1] != 100.0:
        raise InputError(
            f"{what}: a quantile table must reach from 0 to 100 percent (its smallest and largest)"
        )
    try:
        return TableLaw(np.array(percents) / 100.0, np.array([tokens for _, tokens in rows]))
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def sample_law(samples: Any, what: str = "length") -> TableLaw:
    """Return the empirical law of a sample: each value with weight 1/n.

    Examples
    --------
    >>> law = sample_law([30, 10, 20, 40])
    >>> law.mean, round(law.scv, 9), law.quantile(0.5), law.quantile(0.51)
    (25.0, 0.2, 20.0, 30.0)
    """
    sample = np.asarray(samples, dtype=float).ravel()
    if sample.size == 0:
        raise InputError(f"{what}: the sample is empty")
    values, counts = np.unique(sample, return_counts=True)
    edges = np.concatenate([[0], np.cumsum(counts)]) / sample.size
    try:
        return TableLaw(np.repeat(edges, 2)[1:-1], np.repeat(values, 2))
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
