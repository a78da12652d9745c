"""What a prefill step takes and how long it lasts, given how many prompts are there: for a closed network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StepMenu:
    """Steps by (how many prompts they take, how many are there).

    Attributes
    ----------
    takes : array, shape (r,)
        Prompts that a step of row r takes [-].
    chance, mean_s, var_s : array, shape (r, K + 1)
        Probability, mean and variance of the length of that step when k prompts are there [-], [s], [s^2].
    blocked : optional
        For `closed_batching`: steps whose first prompt was left over.
    """

    takes: NDArray[np.int64]
    chance: Array
    mean_s: Array
    var_s: Array
    blocked: Any = None

    @property
    def expected_s(self) -> Array:
        """Mean length of a step when k are there [s]."""
        return np.asarray((self.chance * self.mean_s).sum(axis=0))

    @property
    def rates(self) -> Array:
        """Prompts a second while k = 1 .. K are there [1/s]."""
        return np.asarray((self.takes @ self.chance)[1:] / self.expected_s[1:])


def one_at_a_time(service_s: Array, weight: Array, most: int) -> StepMenu:
    """A step for each prompt; long and short ones are rows of their own.

    Examples
    --------
    >>> menu = one_at_a_time(np.array([0.1]), np.ones(1), 2)
    >>> menu.chance.tolist(), menu.rates.tolist()
    ([[0.0, 1.0, 1.0]], [10.0, 10.0])
    """
    mean = float(weight @ service_s)
    group = np.searchsorted(np.array([1.0, 2.5, 6.0]) * mean * (1 + 1e-9), service_s)
    rows = []
    for g in np.unique(group):
        here, mass = group == g, float(weight[group == g].sum())
        own = float(weight[here] @ service_s[here]) / mass
        rows.append((mass, own, float(weight[here] @ (service_s[here] - own) ** 2) / mass))
    chance, means, variances = (
        np.repeat(np.array(c)[:, None], most + 1, axis=1) for c in zip(*rows, strict=True)
    )
    chance[:, 0] = means[:, 0] = variances[:, 0] = 0.0
    return StepMenu(np.ones(len(rows), dtype=np.int64), chance, means, variances)
